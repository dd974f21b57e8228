"""Streams: no gap, no repeat, whatever breaks."""

from __future__ import annotations

import asyncio
import json
import threading
from itertools import islice
from typing import Any, Dict, Iterator, List

import pytest
from websockets.sync.server import ServerConnection, serve

from heng import AsyncClient, Book, Client, Forbidden, RetryPolicy
from heng.sse import EventParser, LineSplitter

from .conftest import Answer, Asked, Server, problem


def event(sequence: int) -> bytes:
    data = {"sequence": sequence, "time": "t", "events": [{"type": "order-working", "order_id": "7"}]}
    return f"id: {sequence}\nevent: trade\ndata: {json.dumps(data)}\n\n".encode()


def test_events_survive_any_cut() -> None:
    whole = ": hello\n\nid: 1\r\nevent: trade\r\ndata: {\"a\":\"\u2028\"}\r\n\r\ndata: x\ndata: y\n\n".encode()
    for cut in range(len(whole)):
        lines, parser = LineSplitter(), EventParser()
        found = [parser.line(line) for piece in (whole[:cut], whole[cut:]) for line in lines.push(piece)]
        events = [e for e in found if e]
        assert [(e.id, e.event, e.data) for e in events] == [("1", "trade", '{"a":"\u2028"}'), ("1", "message", "x\ny")]


class Record:
    """A record of commands; each connection ends after some of them, once in the middle of an event."""

    def __init__(self, server: Server, last: int) -> None:
        self.last, self.begins = last, []  # type: int, List[int]
        self.breaks = 0
        server.script = self.answer

    def answer(self, asked: Asked) -> Any:
        if asked.target.startswith("/v1/trade-events"):
            return 200, {"as_of_sequence": 3, "commands": [], "next_since": 3, "caught_up": True}, {}
        since = int(asked.headers["last-event-id"])
        self.begins.append(since)
        self.breaks += 1
        if self.breaks == 2:
            return problem(503, 905, "ShuttingDown")
        if self.breaks == 3:
            return problem(422, None, "BeyondTheRecord")
        sent = b"".join(event(sequence) for sequence in range(since + 1, min(since + 4, self.last + 1)))
        # The last event is cut off: it must come again, whole, on the next connection. The first is a repeat.
        return event(since) + sent + event(since + 4)[:20]


def test_trade_events_go_on_without_gap_or_repeat(server: Server, quick: RetryPolicy) -> None:
    record = Record(server, 20)
    with Client(server.url, retry=quick) as client:
        sequences = [command.sequence for command in islice(client.stream_trade_events(5), 12)]
    assert sequences == list(range(6, 18))
    assert record.begins[:4] == [5, 8, 8, 8]


def test_now_is_fixed_before_the_first_event(server: Server, quick: RetryPolicy) -> None:
    record = Record(server, 20)

    async def first() -> int:
        async with AsyncClient(server.url, retry=quick) as client:
            async for command in client.stream_trade_events():
                return command.sequence
        return 0

    assert asyncio.run(first()) == 4 and record.begins == [3]


def test_a_stream_that_is_forbidden_is_not_tried_again(server: Server, quick: RetryPolicy) -> None:
    server.answers(problem(403, 907, "Forbidden"))
    with Client(server.url, retry=quick) as client, pytest.raises(Forbidden):
        next(iter(client.stream_trade_events(1)))
    assert len(server.asked) == 1


def test_pages_are_followed_to_the_end(server: Server) -> None:
    def answer(asked: Asked) -> Answer:
        since = int(asked.target.split("since=")[1].split("&")[0])
        told = [{"sequence": s, "time": "t", "events": []} for s in range(since + 1, since + 3)]
        return 200, {"as_of_sequence": 9, "commands": told, "next_since": since + 4, "caught_up": since == 8}, {}

    server.script = answer
    with Client(server.url) as client:
        # A page may look at more commands than it tells.
        assert [c.sequence for c in client.iter_trade_events(0)] == [1, 2, 5, 6, 9, 10]


SNAPSHOT: Dict[str, Any] = {
    "type": "snapshot", "channel": "market", "symbol": "A", "seq": 10, "as_of_sequence": 100, "time": "t0",
    "depth": {"bids": [["9.99", "200", 2], ["9.98", "100", 1]], "asks": [["10.01", "300", 3]]},
    "last": {"price": "10.00", "quantity": "100", "side": "buy", "time": "t0"}, "stats": {"open": "9.90", "high": "10.10"},
}


def update(seq: int, prev: int, **more: Any) -> Dict[str, Any]:
    return {"type": "update", "symbol": "A", "seq": seq, "prev_seq": prev, "as_of_sequence": 100 + seq, "time": "t", **more}


def test_a_book_is_kept_by_updates_and_tells_a_gap() -> None:
    book = Book("A")
    assert book.take(update(11, 10)) and book.stale
    assert book.take(SNAPSHOT) and not book.stale
    trade = {"id": "1", "time": "t1", "price": "9.98", "quantity": "100", "side": "sell"}
    assert book.take(update(11, 10, bids=[["9.99", "0", 0], ["9.97", "50", 1]], trades=[trade], stats={"high": "10.20"}))
    assert [str(level.price) for level in book.bids] == ["9.98", "9.97"]
    assert book.last is not None and str(book.last.price) == "9.98"
    assert book.stats == {"open": "9.90", "high": "10.20"}
    assert book.take(update(11, 10, asks=[["10.01", "0", 0]])) and len(book.asks) == 1, "a repeat changes nothing"
    assert not book.take(update(13, 12)) and book.stale
    assert book.take(update(14, 13)) and book.stale, "it stays stale until a snapshot comes"
    assert book.take({**SNAPSHOT, "seq": 20}) and not book.stale and book.seq == 20
    bid, ask = book.best
    assert bid is not None and ask is not None and (str(bid.price), str(ask.price)) == ("9.99", "10.01")


class Market:
    """A market whose first connection is dropped, and whose second one misses an update."""

    def __init__(self) -> None:
        self.said: List[Dict[str, Any]] = []
        self.connections = 0
        self._server = serve(self._talk, "127.0.0.1", 0, subprotocols=["heng.json.v1"])  # type: ignore[list-item]
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _talk(self, socket: ServerConnection) -> None:
        self.connections += 1

        def tell(*messages: Dict[str, Any]) -> None:
            for message in messages:
                socket.send(json.dumps(message))

        def hear() -> None:
            self.said.append(json.loads(socket.recv()))

        hear()
        tell({"type": "subscribed", "id": 1}, SNAPSHOT, update(11, 10))
        if self.connections == 1:
            tell({"type": "dropped", "reason": "slow"})
            return
        tell(update(13, 12))
        hear()
        candle = {"time": "t", "open": "1", "high": "2", "low": "1", "close": "2", "volume": "5", "turnover": "8", "trades": 2}
        # A frame may hold several messages.
        several = [update(14, 13), {**SNAPSHOT, "seq": 15}]
        socket.send(json.dumps(several))
        tell({"type": "candle", "symbol": "A", "seq": 15, "period": "1m", "candle": candle})
        for _ in socket:
            pass

    def stop(self) -> None:
        self._server.shutdown()


@pytest.fixture
def market() -> Iterator[Market]:
    made = Market()
    yield made
    made.stop()


KINDS = [("snapshot", 10), ("update", 11), ("snapshot", 10), ("update", 11), ("snapshot", 15), ("candle", 15)]


def check(market: Market, seen: List[Any]) -> None:
    assert seen == KINDS
    assert market.connections == 2
    subscribe = {"op": "subscribe", "id": 1, "channel": "market", "symbols": ["A"], "what": ["depth", "candle.1m"]}
    assert market.said == [subscribe, subscribe, {"op": "resync", "symbol": "A"}]


def test_the_market_stream_heals_gaps_and_breaks(market: Market, quick: RetryPolicy) -> None:
    with Client(market.url, retry=quick) as client:
        changes = client.stream_market(["A"], ["depth", "candle.1m"])
        check(market, [(change.type, change.book.seq) for change in islice(changes, len(KINDS))])


def test_the_asynchronous_one_too(market: Market, quick: RetryPolicy) -> None:
    async def follow() -> List[Any]:
        seen: List[Any] = []
        async with AsyncClient(market.url, retry=quick) as client:
            async for change in client.stream_market(["A"], ["depth", "candle.1m"]):
                seen.append((change.type, change.book.seq))
                if len(seen) == len(KINDS):
                    break
        return seen

    check(market, asyncio.run(follow()))
