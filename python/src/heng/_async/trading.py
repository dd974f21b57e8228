"""Orders, parent orders, fills, the kill switch."""

from __future__ import annotations

import time
from typing import Any, AsyncIterator, Dict, Mapping, Optional, Sequence

from .. import _io_async as io
from .. import models as m
from .._wire import Id, Number, _given, _target, _text, _whole, new_client_order_id
from ..decode import decode
from ..errors import HengError, NotFound, OutcomeUnknown, Refused, outcome_is_unknown
from ..retry import is_passing
from .requests import Requests

#: Codes of refusals that say nothing about an earlier attempt: unknown account, wrong date, closed day.
_KEYLESS = frozenset({102, 103, 104, 105, 301})
_WRONG_TRADE_DATE = 103
_ORDER_DONE = 601
_CANCEL_UNDER_WAY = 602


class TradingOperations(Requests):
    """Orders, parent orders, fills."""

    async def _open_date(self, renew: bool = False) -> Optional[str]:
        if self._trade_date is None or renew:
            page = await self._get(m.InstrumentPage, "/v1/instruments", {"limit": 1})
            self._trade_date = page.trade_date
        return self._trade_date

    async def place_order(
        self, *, account: Id, symbol: str, side: str, quantity: Number, price: Optional[Number] = None,
        order_type: str = "limit", self_trade: Optional[str] = None, client_order_id: Optional[str] = None,
        trade_date: Optional[str] = None,
    ) -> m.OrderAccepted:
        """Places an order, at most once.

        If an answer is lost, the order is looked up by its key and sent again under the same key, which never makes a
        second order. If it stays open what became of it, :class:`heng.OutcomeUnknown` tells the key. The trade date
        is part of the key; without one, the open one is asked for and held over all attempts.
        """
        body = _given(
            account=str(account), symbol=symbol, side=side, quantity=_whole(quantity), price=_text(price),
            type=order_type, self_trade=self_trade,
        )
        told = await self._place("/v1/orders", body, client_order_id, trade_date, "order_id")
        return decode(m.OrderAccepted, told)

    async def place_parent(
        self, *, account: Id, kind: str, symbol: str, side: str, quantity: Number, price: Optional[Number] = None,
        value_max: Optional[Number] = None, start: Optional[str] = None, end: Optional[str] = None,
        slices: Optional[int] = None, participation_percent: Optional[int] = None,
        display_quantity: Optional[Number] = None, watch: Optional[str] = None, at_or_above: Optional[bool] = None,
        trigger: Optional[Number] = None, client_order_id: Optional[str] = None, trade_date: Optional[str] = None,
    ) -> m.ParentAccepted:
        """Places an algorithmic (twap, vwap, pov, iceberg, liquidity) or condition order, at most once."""
        body = _given(
            account=str(account), kind=kind, symbol=symbol, side=side, quantity=_whole(quantity), price=_text(price),
            value_max=_text(value_max), start=start, end=end, slices=slices,
            participation_percent=participation_percent, watch=watch, at_or_above=at_or_above, trigger=_text(trigger),
            display_quantity=None if display_quantity is None else _whole(display_quantity),
        )
        told = await self._place("/v1/parents", body, client_order_id, trade_date, "parent_id")
        return decode(m.ParentAccepted, told)

    async def _place(
        self, path: str, body: Dict[str, Any], client_order_id: Optional[str], trade_date: Optional[str], id_name: str
    ) -> Any:
        date = trade_date or await self._open_date()
        key = {"account": str(body["account"]), "client_order_id": client_order_id or new_client_order_id()}
        began, attempt = time.monotonic(), 0
        doubt, renewed = False, False
        while True:
            attempt += 1
            if date is not None:
                key["trade_date"] = date
            try:
                return await self._once("POST", path, body={**body, **key})
            except (Refused, NotFound) as error:
                if doubt and error.code in _KEYLESS:
                    # This refusal says nothing of the attempt whose answer was lost.
                    found = await self._found(key, id_name)
                    if found is not None:
                        return found
                if error.code != _WRONG_TRADE_DATE or trade_date or doubt or renewed:
                    raise
                # The day has turned since the date was asked for, and nothing was placed.
                renewed, date = True, await self._open_date(renew=True)
            except HengError as error:
                if not is_passing(error):
                    raise
                doubt = doubt or outcome_is_unknown(error)
                if doubt:
                    found = await self._found(key, id_name)
                    if found is not None:
                        return found
                wait = self.retry.wait(attempt, error, time.monotonic() - began)
                if wait is None:
                    if doubt:
                        raise OutcomeUnknown(key, error) from error
                    raise
                await io.sleep(wait)

    async def _found(self, key: Mapping[str, str], id_name: str) -> Optional[Dict[str, Any]]:
        """The outcome of a key, if the core tells it now."""
        try:
            outcome = decode(m.KeyOutcome, await self._once("GET", _target("/v1/orders/by-key", key)))
        except HengError:
            return None
        if outcome.outcome == "refused":
            reject = outcome.reject
            told = vars(reject) if reject else {"title": "refused"}
            raise Refused(409, {**told, "order_id": outcome.order_id, "sequence": outcome.sequence, "repeated": True})
        found: Dict[str, Any] = {
            **key, "trade_date": outcome.trade_date, "sequence": outcome.sequence, "repeated": True,
            id_name: outcome.order_id if id_name == "order_id" else outcome.parent_id,
        }
        return found if found[id_name] else None

    async def place_bulk(self, orders: Sequence[Mapping[str, Any]]) -> m.BatchOutcome:
        """Places up to 100 orders, each accepted or refused on its own. Fields are those of :meth:`place_order`."""
        body = await self._batch(orders)
        return await self._post(m.BatchOutcome, "/v1/orders/bulk", body, repeatable=True)

    async def place_basket(self, orders: Sequence[Mapping[str, Any]]) -> m.BatchOutcome:
        """Places up to 100 orders, all or none."""
        body = await self._batch(orders)
        return await self._post(m.BatchOutcome, "/v1/orders/basket", body, repeatable=True)

    async def _batch(self, orders: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
        """Every order with its key, so that a repeat of the batch places nothing twice."""
        date = await self._open_date()
        batch = []
        for order in orders:
            given = dict(order)
            kind = given.pop("order_type", None)
            batch.append(_given(**{
                "type": kind, "trade_date": date, "client_order_id": new_client_order_id(), **given,
                "account": str(given["account"]), "quantity": _whole(given["quantity"]),
                "price": _text(given.get("price")),
            }))
        return {"orders": batch}

    async def estimate(
        self, *, account: Id, symbol: str, side: str, quantity: Number, price: Optional[Number] = None,
        order_type: str = "limit",
    ) -> m.Estimate:
        """What an order would come to: checks, hold, fees. Nothing is placed."""
        body = _given(
            account=str(account), symbol=symbol, side=side, quantity=_whole(quantity), price=_text(price),
            type=order_type,
        )
        return await self._post(m.Estimate, "/v1/orders/estimate", body, repeatable=True)

    async def cancel_order(self, account: Id, order_id: Id) -> m.CancelAccepted:
        """Cancels an order. It is repeated if an answer is lost: a second cancel changes nothing."""
        began, attempt, doubt = time.monotonic(), 0, False
        while True:
            attempt += 1
            try:
                told = await self._once("POST", f"/v1/orders/{order_id}/cancel", body={"account": str(account)})
                return decode(m.CancelAccepted, told)
            except Refused as error:
                # After a lost answer, "under way" and "cancelled" are our own doing.
                if doubt and error.code == _CANCEL_UNDER_WAY:
                    return m.CancelAccepted(str(order_id))
                if doubt and error.code == _ORDER_DONE:
                    order = await self.order(order_id)
                    if order.status in ("cancelled", "partly-cancelled"):
                        return m.CancelAccepted(str(order_id))
                raise
            except HengError as error:
                if not is_passing(error):
                    raise
                doubt = doubt or outcome_is_unknown(error)
                wait = self.retry.wait(attempt, error, time.monotonic() - began)
                if wait is None:
                    raise
                await io.sleep(wait)

    async def cancel_all(self, account: Id, symbol: Optional[str] = None) -> m.MassCancelAccepted:
        """Cancels all live orders of an account, or those in one instrument, and pauses its parents."""
        body = _given(account=str(account), symbol=symbol)
        return await self._post(m.MassCancelAccepted, "/v1/orders/cancel-all", body, repeatable=True)

    async def order(self, order_id: Id, *, min_sequence: Optional[int] = None) -> m.OrderWithFills:
        """One order with its fills."""
        return await self._get(m.OrderWithFills, f"/v1/orders/{order_id}", _given(min_sequence=min_sequence))

    async def orders(
        self, account: Id, *, status: Optional[str] = None, client_order_id: Optional[str] = None,
        trade_date: Optional[str] = None, before: Optional[Id] = None, limit: Optional[int] = None,
        min_sequence: Optional[int] = None,
    ) -> m.OrderPage:
        """Orders of an account, newest first; ``status`` is ``live`` or ``all``."""
        query = _given(
            account=account, status=status, client_order_id=client_order_id, trade_date=trade_date, before=before,
            limit=limit, min_sequence=min_sequence,
        )
        return await self._get(m.OrderPage, "/v1/orders", query)

    async def iter_orders(self, account: Id, *, status: Optional[str] = None) -> AsyncIterator[m.Order]:
        """All orders of an account, page by page, newest first."""
        before: Optional[str] = None
        while True:
            page = await self.orders(account, status=status, before=before, limit=1000)
            for order in page.orders:
                yield order
            if page.next_before is None:
                return
            before = page.next_before

    async def order_by_key(
        self, account: Id, client_order_id: str, trade_date: Optional[str] = None, *,
        min_sequence: Optional[int] = None,
    ) -> m.KeyOutcome:
        """What became of an order key. :class:`heng.NotFound` if the core does not know it (yet)."""
        query = _given(
            account=account, client_order_id=client_order_id, trade_date=trade_date, min_sequence=min_sequence
        )
        return await self._get(m.KeyOutcome, "/v1/orders/by-key", query)

    async def timeline(self, order_id: Id, *, min_sequence: Optional[int] = None) -> m.Timeline:
        """Everything that happened to an order, and what each check looked at."""
        return await self._get(m.Timeline, f"/v1/orders/{order_id}/timeline", _given(min_sequence=min_sequence))

    async def fills(
        self, account: Id, *, order: Optional[Id] = None, trade_date: Optional[str] = None,
        before: Optional[str] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None,
    ) -> m.FillPage:
        """Fills of an account, newest first."""
        query = _given(
            account=account, order=order, trade_date=trade_date, before=before, limit=limit, min_sequence=min_sequence
        )
        return await self._get(m.FillPage, "/v1/fills", query)

    async def parents(
        self, account: Id, *, status: Optional[str] = None, trade_date: Optional[str] = None,
        before: Optional[Id] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None,
        client_order_id: Optional[str] = None,
    ) -> m.ParentPage:
        """Parent orders of an account, newest first."""
        query = _given(
            account=account, status=status, client_order_id=client_order_id, trade_date=trade_date, before=before,
            limit=limit, min_sequence=min_sequence,
        )
        return await self._get(m.ParentPage, "/v1/parents", query)

    async def parent(self, parent_id: Id, *, min_sequence: Optional[int] = None) -> m.ParentWithOrders:
        """One parent with the orders placed for it."""
        return await self._get(m.ParentWithOrders, f"/v1/parents/{parent_id}", _given(min_sequence=min_sequence))

    async def pause_parent(self, parent_id: Id) -> m.ParentControlled:
        """No more slices until it is resumed."""
        return await self._post(m.ParentControlled, f"/v1/parents/{parent_id}/pause", repeatable=True)

    async def resume_parent(self, parent_id: Id) -> m.ParentControlled:
        """Slices may go on."""
        return await self._post(m.ParentControlled, f"/v1/parents/{parent_id}/resume", repeatable=True)

    async def cancel_parent(self, parent_id: Id) -> m.ParentControlled:
        """Ends it and cancels its live children."""
        return await self._post(m.ParentControlled, f"/v1/parents/{parent_id}/cancel", repeatable=True)

    async def kill_switch(
        self, *, on: bool, cancel_live: bool = False, account: Optional[Id] = None, symbol: Optional[str] = None
    ) -> m.KillSwitch:
        """Stops or frees new orders of everybody, an account, or an instrument. Cancels always pass."""
        body = {"on": on, "cancel_live": cancel_live, **_given(account=_text(account), symbol=symbol)}
        return await self._post(m.KillSwitch, "/v1/kill-switch", body, repeatable=True)
