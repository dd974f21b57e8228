"""An instrument's picture, kept from the snapshots and updates of the market stream. No input or output here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Deque, Dict, List, Mapping, Optional, Tuple

from .models import Candle

__all__ = ["Book", "Level", "MarketChange", "MarketTrade"]

#: Trades that are kept.
TRADES_KEPT = 200


@dataclass(frozen=True)
class Level:
    """A price level."""

    price: Decimal
    quantity: Decimal
    #: Number of orders; 0 = not told.
    orders: int


@dataclass(frozen=True)
class MarketTrade:
    """A trade as the market tells it."""

    id: str
    time: str
    price: Decimal
    quantity: Decimal
    #: Side of the order that took; ``None`` in an auction.
    side: Optional[str]


def _trade(value: Mapping[str, Any]) -> MarketTrade:
    return MarketTrade(
        str(value.get("id", "")), str(value.get("time", "")), Decimal(str(value["price"])),
        Decimal(str(value["quantity"])), value.get("side"),
    )


@dataclass
class Book:
    """Everything that the stream told of an instrument."""

    symbol: str
    seq: int = 0
    as_of_sequence: int = 0
    #: Market time of the last change.
    time: str = ""
    #: Between a gap and the snapshot that heals it the book is not to be trusted.
    stale: bool = True
    #: Figures of the day as the stream tells them (decimal text): open, high, low, volume, turnover, phase …
    stats: Dict[str, Any] = field(default_factory=dict)
    last: Optional[MarketTrade] = None
    #: The newest trades, the newest last.
    trades: Deque[MarketTrade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    _bids: Dict[Decimal, Level] = field(default_factory=dict, repr=False)
    _asks: Dict[Decimal, Level] = field(default_factory=dict, repr=False)

    @property
    def bids(self) -> List[Level]:
        """Buys, the best first."""
        return sorted(self._bids.values(), key=lambda level: level.price, reverse=True)

    @property
    def asks(self) -> List[Level]:
        """Sells, the best first."""
        return sorted(self._asks.values(), key=lambda level: level.price)

    @property
    def best(self) -> Tuple[Optional[Level], Optional[Level]]:
        """Best buy and best sell."""
        bids, asks = self._bids, self._asks
        return (bids[max(bids)] if bids else None, asks[min(asks)] if asks else None)

    def take(self, message: Mapping[str, Any]) -> bool:
        """Takes a snapshot or an update of this instrument. ``False`` = one was missed: ask for a resync."""
        if message.get("type") == "snapshot":
            self._snapshot(message)
            return True
        seq = int(message["seq"])
        if self.stale:
            # A resync is under way; whatever comes before its snapshot is in it.
            return True
        if seq <= self.seq:
            return True
        if int(message["prev_seq"]) != self.seq:
            self.stale = True
            return False
        self._apply(message)
        self.seq = seq
        return True

    def _snapshot(self, message: Mapping[str, Any]) -> None:
        self._bids.clear()
        self._asks.clear()
        self.stats = {}
        depth = message.get("depth") or {}
        self._apply({**message, **depth, "trades": []})
        if message.get("trades"):
            self.trades.clear()
            self.trades.extend(_trade(trade) for trade in message["trades"])
        self.seq = int(message["seq"])
        self.stale = False

    def _apply(self, message: Mapping[str, Any]) -> None:
        for levels, changes in ((self._bids, message.get("bids")), (self._asks, message.get("asks"))):
            for price, quantity, orders in (tuple(change[:3]) for change in changes or []):
                level = Level(Decimal(price), Decimal(quantity), int(orders))
                if level.quantity == 0:
                    levels.pop(level.price, None)
                else:
                    levels[level.price] = level
        self.trades.extend(_trade(trade) for trade in message.get("trades") or [])
        if message.get("last"):
            self.last = _trade(message["last"])
        elif self.trades and message.get("trades"):
            self.last = self.trades[-1]
        self.stats.update(message.get("stats") or {})
        self.time = str(message.get("time") or self.time)
        self.as_of_sequence = int(message.get("as_of_sequence") or self.as_of_sequence)


@dataclass
class MarketChange:
    """One message of the market stream, and the picture that it left behind."""

    symbol: str
    book: Book
    #: snapshot, update or candle.
    type: str
    message: Dict[str, Any]
    #: The growing candle, for a message of type ``candle``.
    candle: Optional[Candle] = None
    period: Optional[str] = None
