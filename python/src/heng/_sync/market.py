"""Accounts, instruments, trade dates, market data.

Made from ``_async/market.py`` by ``tools/unasync.py``; edit that file instead.
"""

from __future__ import annotations

from typing import Iterator, Optional, Sequence
from urllib.parse import quote

from .. import models as m
from .._wire import Id, Number, _given, _text
from .requests import Requests


class MarketOperations(Requests):
    """Accounts, instruments, market data."""

    def accounts(
        self, *, after: Optional[Id] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None
    ) -> m.AccountPage:
        """Accounts that the caller may see, by number."""
        query = _given(after=after, limit=limit, min_sequence=min_sequence)
        return self._get(m.AccountPage, "/v1/accounts", query)

    def account(self, account: Id, *, min_sequence: Optional[int] = None) -> m.Account:
        """One account with its cash and holdings."""
        return self._get(m.Account, f"/v1/accounts/{account}", _given(min_sequence=min_sequence))

    def buying_power(
        self, account: Id, symbol: str, *, price: Optional[Number] = None, side: Optional[str] = None,
        min_sequence: Optional[int] = None,
    ) -> m.BuyingPower:
        """How much of an instrument the account can buy and sell now."""
        query = _given(symbol=symbol, price=_text(price), side=side, min_sequence=min_sequence)
        return self._get(m.BuyingPower, f"/v1/accounts/{account}/buying-power", query)

    def instruments(
        self, *, after: Optional[int] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None
    ) -> m.InstrumentPage:
        """Instruments with the day's reference data, by number."""
        query = _given(after=after, limit=limit, min_sequence=min_sequence)
        return self._get(m.InstrumentPage, "/v1/instruments", query)

    def iter_instruments(self) -> Iterator[m.Instrument]:
        """All instruments, page by page."""
        after: Optional[int] = None
        while True:
            page = self.instruments(after=after, limit=1000)
            for instrument in page.instruments:
                yield instrument
            if page.next_after is None:
                return
            after = page.next_after

    def instrument(self, symbol: str, *, min_sequence: Optional[int] = None) -> m.Instrument:
        """One instrument."""
        path = f"/v1/instruments/{quote(symbol, safe='')}"
        return self._get(m.Instrument, path, _given(min_sequence=min_sequence))

    def days(self, *, limit: Optional[int] = None, min_sequence: Optional[int] = None) -> m.DayList:
        """Trade dates, newest first."""
        return self._get(m.DayList, "/v1/days", _given(limit=limit, min_sequence=min_sequence))

    # ----------------------------------------------------------------------------------------------------------------
    # Market

    def _market(self, symbol: str, what: str) -> str:
        return f"/v1/market/{quote(symbol, safe='')}/{what}"

    def market(
        self, *, after: Optional[str] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None
    ) -> m.MarketPage:
        """Instruments with last price, change, volume and phase, by symbol."""
        query = _given(after=after, limit=limit, min_sequence=min_sequence)
        return self._get(m.MarketPage, "/v1/market", query)

    def depth(
        self, symbol: str, *, levels: Optional[int] = None, min_sequence: Optional[int] = None
    ) -> m.MarketDepth:
        """The book of an instrument."""
        query = _given(levels=levels, min_sequence=min_sequence)
        return self._get(m.MarketDepth, self._market(symbol, "depth"), query)

    def snapshot(self, symbol: str, *, min_sequence: Optional[int] = None) -> m.Snapshot:
        """Book, last trade and figures of the day."""
        return self._get(m.Snapshot, self._market(symbol, "snapshot"), _given(min_sequence=min_sequence))

    def trades(
        self, symbol: str, *, before: Optional[str] = None, limit: Optional[int] = None,
        min_sequence: Optional[int] = None,
    ) -> m.TradePage:
        """Trades of an instrument, newest first."""
        query = _given(before=before, limit=limit, min_sequence=min_sequence)
        return self._get(m.TradePage, self._market(symbol, "trades"), query)

    def candles(
        self, symbol: str, *, period: str = "1d", adjust: str = "none", from_date: Optional[str] = None,
        to_date: Optional[str] = None, limit: Optional[int] = None, min_sequence: Optional[int] = None,
    ) -> m.CandleList:
        """Candles (1m, 5m, 15m, 30m, 60m, 1d, 1w, 1M), oldest first; ``adjust`` is none, forward or backward."""
        query = {
            "period": period, "adjust": adjust, "from": from_date, "to": to_date, "limit": limit,
            "min_sequence": min_sequence,
        }
        return self._get(m.CandleList, self._market(symbol, "candles"), query)

    def intraday(
        self, symbol: str, *, date: Optional[str] = None, min_sequence: Optional[int] = None
    ) -> m.Intraday:
        """Price and average price by the minute."""
        query = _given(date=date, min_sequence=min_sequence)
        return self._get(m.Intraday, self._market(symbol, "intraday"), query)

    def fund_flow(
        self, symbol: str, *, date: Optional[str] = None, min_sequence: Optional[int] = None
    ) -> m.FundFlow:
        """Active buying and selling by order size."""
        query = _given(date=date, min_sequence=min_sequence)
        return self._get(m.FundFlow, self._market(symbol, "fund-flow"), query)

    def indicator(
        self, symbol: str, name: str, *, period: str = "1d", adjust: str = "none",
        params: Optional[Sequence[int]] = None, from_date: Optional[str] = None, to_date: Optional[str] = None,
        limit: Optional[int] = None, min_sequence: Optional[int] = None,
    ) -> m.Indicator:
        """An indicator over candles: ma, ema, macd, rsi, kdj, boll, atr, vwap."""
        listed = ",".join(str(p) for p in params) if params else None
        query = {
            "name": name, "period": period, "adjust": adjust, "params": listed, "from": from_date, "to": to_date,
            "limit": limit, "min_sequence": min_sequence,
        }
        return self._get(m.Indicator, self._market(symbol, "indicators"), query)
