"""Accounts, instruments and trading days."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import List, Optional


@dataclass(frozen=True)
class Cash:
    """Cash in one currency."""

    currency: str
    balance: Decimal
    frozen: Decimal
    #: What mainland buying may use.
    available: Decimal
    #: What Stock Connect buying may use.
    available_hk: Decimal
    due_next_day: Decimal
    due_later: Decimal
    withdrawable: Decimal


@dataclass(frozen=True)
class Holding:
    """Shares in one instrument."""

    symbol: str
    total: Decimal
    sellable: Decimal
    frozen: Decimal
    #: Bought today and sellable from the next trading day.
    unsellable: Decimal


@dataclass(frozen=True)
class Account:
    """An account with its cash and holdings."""

    account: str
    kind: str
    status: str
    stopped: bool
    commission: Decimal
    cash: List[Cash]
    holdings: List[Holding]
    more_holdings: bool
    as_of_sequence: int


@dataclass(frozen=True)
class AccountSummary:
    """An account in a list."""

    account: str
    kind: str
    status: str
    stopped: bool = False
    balance: Optional[Decimal] = None
    open_orders: Optional[int] = None


@dataclass(frozen=True)
class AccountPage:
    """Accounts, by number."""

    as_of_sequence: int
    accounts: List[AccountSummary]
    next_after: Optional[str] = None


@dataclass(frozen=True)
class BuyingPower:
    """How much of an instrument an account can trade now."""

    account: str
    symbol: str
    price: Decimal
    cash_available: Decimal
    sellable: Decimal
    as_of_sequence: int
    #: ``None`` if only the other side was asked about.
    buy_max: Optional[Decimal] = None
    buy_cash: Optional[Decimal] = None
    sell_max: Optional[Decimal] = None


@dataclass(frozen=True)
class Instrument:
    """An instrument with the day's reference data."""

    symbol: str
    board: str
    currency: str
    instrument: Optional[int] = None
    #: Class: stock, t0-etf …
    kind: str = field(default="", metadata={"json": "class"})
    board_lot: Optional[Decimal] = None
    reference_date: Optional[str] = None
    prev_close: Optional[Decimal] = None
    limit_up: Optional[Decimal] = None
    limit_down: Optional[Decimal] = None
    tick: Optional[Decimal] = None
    risk_warning: bool = False
    same_day_sale: bool = False
    suspended: bool = False
    halted: bool = False
    stopped: bool = False
    phase: Optional[str] = None
    #: Told for one instrument alone.
    as_of_sequence: Optional[int] = None


@dataclass(frozen=True)
class InstrumentPage:
    """Instruments, by number, and the trading day."""

    as_of_sequence: int
    instruments: List[Instrument]
    trade_date: Optional[str] = None
    day_open: bool = False
    stopped: bool = False
    next_after: Optional[int] = None


@dataclass(frozen=True)
class Day:
    """A trade date."""

    trade_date: str
    closed: bool
    orders: int
    fills: int
    trades: int
    opened_sequence: Optional[int] = None
    #: Whether its orders, parents and fills are still shown.
    kept: bool = True


@dataclass(frozen=True)
class DayList:
    """Trade dates, newest first."""

    as_of_sequence: int
    days: List[Day]
