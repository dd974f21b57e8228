"""Trade events and the market, page by page and as they happen."""

from __future__ import annotations

import json
from typing import Any, AsyncGenerator, AsyncIterator, Callable, Dict, List, Mapping, Optional, Sequence, Union

import httpx

from .. import _io_async as io
from .. import models as m
from .._wire import Id, _document, _given, _retry_after, _target
from ..book import Book, MarketChange
from ..decode import decode
from ..errors import ApiError, BadRequest, TransportError, error_of
from ..retry import is_passing
from ..sse import EventParser, LineSplitter, ServerEvent
from .requests import Requests

#: The server sends something every ten seconds; silence for longer means that the connection is dead.
_SILENT_S = 35.0


class StreamOperations(Requests):
    """Trade events and market streams."""

    async def trade_events(
        self, *, since: Optional[int] = None, account: Optional[Id] = None, limit: Optional[int] = None
    ) -> m.EventPage:
        """A page of what happened to orders and parents behind the command ``since``."""
        return await self._get(m.EventPage, "/v1/trade-events", _given(since=since, account=account, limit=limit))

    async def drop_copy(
        self, *, since: Optional[int] = None, account: Optional[Id] = None, limit: Optional[int] = None
    ) -> m.EventPage:
        """The same of every account that the caller may see, for staff and partners."""
        return await self._get(m.EventPage, "/v1/drop-copy", _given(since=since, account=account, limit=limit))

    async def iter_trade_events(
        self, since: int = 0, *, account: Optional[Id] = None
    ) -> AsyncIterator[m.CommandEvents]:
        """Everything behind the command ``since`` up to now, page by page."""
        while True:
            page = await self.trade_events(since=since, account=account, limit=1000)
            for command in page.commands:
                yield command
            if page.caught_up:
                return
            since = page.next_since

    async def stream_trade_events(
        self, since: Optional[int] = None, *, account: Optional[Id] = None
    ) -> AsyncIterator[m.CommandEvents]:
        """Trade events as they happen, behind the command ``since`` (from now on without it), for ever.

        It comes back by itself after any break and goes on where it was: nothing is missed and nothing told twice.
        Keep ``sequence`` of what you have handled, and begin there after a restart of your own.
        """
        async for command in self._stream_events("/v1/stream/trade-events", "/v1/trade-events", since, account):
            yield command

    async def stream_drop_copy(
        self, since: Optional[int] = None, *, account: Optional[Id] = None
    ) -> AsyncIterator[m.CommandEvents]:
        """Drop copy as it happens; as :meth:`stream_trade_events`."""
        async for command in self._stream_events("/v1/stream/drop-copy", "/v1/drop-copy", since, account):
            yield command

    async def _stream_events(
        self, path: str, page_path: str, since: Optional[int], account: Optional[Id]
    ) -> AsyncIterator[m.CommandEvents]:
        if since is None:
            # "Now" is fixed once: a break before the first event must not move it.
            page = await self._get(m.EventPage, page_path, _given(since=0, limit=1, account=account))
            since = page.as_of_sequence
        failures = 0
        while True:
            commands = self._read_events(path, since, account)
            try:
                async for command in commands:
                    failures = 0
                    if command.sequence > since:
                        since = command.sequence
                        yield command
            except (TransportError, ApiError) as error:
                # A core that has just come back may not hold the newest commands in its record yet.
                beyond = isinstance(error, ApiError) and error.code_name == "BeyondTheRecord"
                if not (beyond or is_passing(error)):
                    raise
                failures += 1
                await io.sleep(self._pause(failures, error))
            finally:
                await commands.aclose()

    def _pause(self, failures: int, error: BaseException) -> float:
        policy = self.retry
        jittered = policy.random() * min(policy.most_s, policy.base_s * 2.0 ** min(failures, 16))
        asked = error.retry_after if isinstance(error, ApiError) and error.retry_after else 0.0
        return asked + jittered

    async def _read_events(
        self, path: str, since: int, account: Optional[Id]
    ) -> AsyncGenerator[m.CommandEvents, None]:
        target = _target(path, _given(since=since, account=account))
        events = self._server_events(target, {"last-event-id": str(since)})
        try:
            async for event in events:
                if event.event == "trade":
                    yield decode(m.CommandEvents, json.loads(event.data))
        except ValueError as error:
            raise TransportError(f"read {target}: {error}") from error
        finally:
            await events.aclose()

    async def _server_events(self, target: str, headers: Mapping[str, str]) -> AsyncGenerator[ServerEvent, None]:
        request = self._request("GET", target, b"", {"accept": "text/event-stream", **headers})
        request.extensions["timeout"] = httpx.Timeout(self._timeout_s, read=_SILENT_S).as_dict()
        try:
            response = await self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise TransportError(f"GET {target}: {type(error).__name__}: {error}") from error
        try:
            if not response.is_success:
                document = _document(await response.aread())
                raise error_of(
                    response.status_code, document if isinstance(document, dict) else {}, _retry_after(response)
                )
            lines, parser = LineSplitter(), EventParser()
            async for piece in response.aiter_bytes():
                for line in lines.push(piece):
                    event = parser.line(line)
                    if event is not None:
                        yield event
        except (httpx.HTTPError, ValueError) as error:
            raise TransportError(f"read {target}: {type(error).__name__}: {error}") from error
        finally:
            await response.aclose()

    # ----------------------------------------------------------------------------------------------------------------
    # The market stream

    def stream_market(
        self, symbols: Sequence[str], what: Sequence[str] = ("depth", "trades", "snapshot")
    ) -> AsyncIterator[MarketChange]:
        """The market over WebSocket, for ever: each change with the picture that it left behind.

        ``what``: depth, trades, snapshot, candle.1m … candle.1d. A missed update is healed by a resync, a break by
        connecting again. Only books that are not ``stale`` are told. Needs the extra ``heng[streams]``.
        """
        books = {symbol: Book(symbol) for symbol in symbols}
        return self._stream_changes(lambda: self._read_market(books, list(what)))

    def stream_market_events(
        self, symbols: Sequence[str], what: Sequence[str] = ("depth", "trades", "snapshot")
    ) -> AsyncIterator[MarketChange]:
        """As :meth:`stream_market`, over server-sent events: it needs no extra, but a missed update costs a new
        connection, because nothing can be asked over this one."""
        books = {symbol: Book(symbol) for symbol in symbols}
        return self._stream_changes(lambda: self._read_market_events(books, list(what)))

    async def _stream_changes(
        self, connect: Callable[[], AsyncGenerator[MarketChange, None]]
    ) -> AsyncIterator[MarketChange]:
        failures = 0
        while True:
            changes = connect()
            try:
                async for change in changes:
                    failures = 0
                    yield change
            except (TransportError, ApiError) as error:
                if not is_passing(error):
                    raise
                failures += 1
                await io.sleep(self._pause(failures, error))
            finally:
                await changes.aclose()

    async def _read_market_events(
        self, books: Dict[str, Book], what: List[str]
    ) -> AsyncGenerator[MarketChange, None]:
        for book in books.values():
            book.stale = True
        query = {"symbols": ",".join(books), "channels": ",".join(what)}
        events = self._server_events(_target("/v1/stream/market", query), {})
        try:
            async for event in events:
                change = self._heard(books, json.loads(event.data))
                if isinstance(change, str):
                    raise TransportError(f"an update of {change} was missed")
                if change is not None:
                    yield change
        except (ValueError, KeyError) as error:
            raise TransportError(f"read the market stream: {error!r}") from error
        finally:
            await events.aclose()

    async def _read_market(self, books: Dict[str, Book], what: List[str]) -> AsyncGenerator[MarketChange, None]:
        for book in books.values():
            book.stale = True
        scheme, rest = self._base.split("://", 1)
        headers = self.credential.headers("GET", "/v1/stream", b"") if self.credential else {}
        address = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/v1/stream"
        socket = await io.connect(address, headers, self._timeout_s)
        try:
            await io.send(socket, {
                "op": "subscribe", "id": 1, "channel": "market", "symbols": list(books), "what": what,
            })
            pinged = False
            while True:
                text = await io.receive(socket, _SILENT_S / 2)
                if text is None:
                    if pinged:
                        raise TransportError("the market stream is silent")
                    pinged = True
                    await io.send(socket, {"op": "ping"})
                    continue
                pinged = False
                # A frame holds one message, or several in a list.
                frame = json.loads(text) if text else []
                for message in frame if isinstance(frame, list) else [frame]:
                    change = self._heard(books, message)
                    if isinstance(change, str):
                        await io.send(socket, {"op": "resync", "symbol": change})
                    elif change is not None:
                        yield change
        except (ValueError, KeyError) as error:
            raise TransportError(f"read the market stream: {error!r}") from error
        finally:
            await socket.close()

    def _heard(self, books: Mapping[str, Book], message: Mapping[str, Any]) -> Union[MarketChange, str, None]:
        """What a message brings: a change, the symbol that needs a resync, or nothing."""
        kind = str(message.get("type"))
        if kind == "dropped":
            raise TransportError(f"the market stream was dropped: {message.get('reason')}")
        if kind == "error" and message.get("id") == 1:
            raise BadRequest(400, {"title": "The subscription was refused.", **message})
        book = books.get(str(message.get("symbol", "")))
        if book is None or kind not in ("snapshot", "update", "candle"):
            return None
        if kind == "candle":
            candle = decode(m.Candle, message["candle"])
            return MarketChange(book.symbol, book, kind, dict(message), candle, str(message["period"]))
        if not book.take(message):
            return book.symbol
        return None if book.stale else MarketChange(book.symbol, book, kind, dict(message))
