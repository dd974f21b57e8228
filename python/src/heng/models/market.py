"""Market data."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Dict, List, Optional, Tuple


@dataclass(frozen=True)
class MarketItem:
    """One instrument in the list of all."""

    symbol: str
    phase: Optional[str] = None
    board: Optional[str] = None
    #: Class: stock, t0-etf …
    kind: str = field(default="", metadata={"json": "class"})
    halted: bool = False
    suspended: bool = False
    last: Optional[Decimal] = None
    prev_close: Optional[Decimal] = None
    change: Optional[Decimal] = None
    change_percent: Optional[Decimal] = None
    open: Optional[Decimal] = None
    high: Optional[Decimal] = None
    low: Optional[Decimal] = None
    limit_up: Optional[Decimal] = None
    limit_down: Optional[Decimal] = None
    bid: Optional[Decimal] = None
    ask: Optional[Decimal] = None
    volume: Optional[Decimal] = None
    turnover: Optional[Decimal] = None
    trades: Optional[int] = None
    time: Optional[str] = None


@dataclass(frozen=True)
class MarketPage:
    """Instruments, by symbol."""

    as_of_sequence: int
    items: List[MarketItem]
    trade_date: Optional[str] = None
    next_after: Optional[str] = None


@dataclass(frozen=True)
class Depth:
    """Both sides of a book, the best first: price, quantity, number of orders."""

    bids: List[Tuple[Decimal, Decimal, int]]
    asks: List[Tuple[Decimal, Decimal, int]]


@dataclass(frozen=True)
class MarketDepth:
    """The book of an instrument."""

    as_of_sequence: int
    symbol: str
    depth: Depth
    seq: Optional[int] = None
    time: Optional[str] = None
    level: Optional[str] = None


@dataclass(frozen=True)
class LastTrade:
    """The last trade."""

    price: Decimal
    quantity: Decimal
    time: str
    side: Optional[str] = None


@dataclass(frozen=True)
class Snapshot:
    """Everything of an instrument."""

    as_of_sequence: int
    symbol: str
    depth: Depth
    seq: Optional[int] = None
    time: Optional[str] = None
    level: Optional[str] = None
    last: Optional[LastTrade] = None
    #: Figures of the day as told: open, high, low, prev_close, volume, turnover, phase …
    stats: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trade:
    """A trade."""

    id: str
    time: str
    price: Decimal
    quantity: Decimal
    side: Optional[str] = None


@dataclass(frozen=True)
class TradePage:
    """Trades, newest first."""

    as_of_sequence: int
    symbol: str
    items: List[Trade]
    next_before: Optional[str] = None


@dataclass(frozen=True)
class Candle:
    """A candle; its time is the end of its last minute, or its last date."""

    time: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal
    trades: Optional[int] = None


@dataclass(frozen=True)
class Factor:
    """An ex-right day."""

    date: str
    factor: Decimal


@dataclass(frozen=True)
class CandleList:
    """Candles, oldest first."""

    as_of_sequence: int
    symbol: str
    period: str
    adjust: str
    items: List[Candle]
    factors: List[Factor] = field(default_factory=list)
    #: Up to this date the candles were made up for the demonstration.
    generated_until: Optional[str] = None


@dataclass(frozen=True)
class IntradayPoint:
    """One minute of the intraday line."""

    time: str
    price: Decimal
    average: Decimal
    volume: Decimal
    turnover: Decimal


@dataclass(frozen=True)
class Intraday:
    """The line of a day."""

    as_of_sequence: int
    symbol: str
    items: List[IntradayPoint]
    date: Optional[str] = None
    prev_close: Optional[Decimal] = None
    minutes: Optional[int] = None
    after_hours_volume: Optional[Decimal] = None
    #: Whether the day was made up for the demonstration.
    generated: bool = False


@dataclass(frozen=True)
class Flow:
    """Active buying and selling."""

    bought: Decimal
    sold: Decimal
    net: Decimal


@dataclass(frozen=True)
class FlowPoint:
    """The flow of one minute, on balance."""

    time: str
    large_net: Decimal
    medium_net: Decimal
    small_net: Decimal


@dataclass(frozen=True)
class FundFlow:
    """Fund flow of a day."""

    as_of_sequence: int
    symbol: str
    large: Flow
    medium: Flow
    small: Flow
    items: List[FlowPoint]
    date: Optional[str] = None
    main_net: Optional[Decimal] = None
    medium_from: Optional[Decimal] = None
    large_from: Optional[Decimal] = None
    source: Optional[str] = None
    #: Whether the day was made up for the demonstration.
    generated: bool = False


@dataclass(frozen=True)
class IndicatorLine:
    """One line of an indicator; ``None`` where its window is not full."""

    name: str
    values: List[Optional[float]]


@dataclass(frozen=True)
class Indicator:
    """An indicator over candles. Its values are statistics and so floats."""

    as_of_sequence: int
    symbol: str
    name: str
    period: str
    times: List[str]
    lines: List[IndicatorLine]
    adjust: Optional[str] = None
    params: List[int] = field(default_factory=list)
    #: Up to this date what the lines are made of was made up for the demonstration.
    generated_until: Optional[str] = None
