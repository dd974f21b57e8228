"""What the server answers. Amounts, prices and quantities are ``Decimal``, ids and times are text.

Long because: every answer of the API has its type here, and nowhere else.

Times are RFC 3339 with China's offset, up to nanoseconds: ``2026-07-06T09:30:00.123+08:00``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Dict, List, Optional, Tuple

__all__ = [
    "Account", "AccountPage", "AccountSummary", "ApiKey", "ApiKeyMade", "ApiKeyPage", "AuditPage", "AuditRow",
    "BatchOutcome", "BatchResult", "BuyingPower", "CancelAccepted", "Candle", "CandleList", "Cash", "Check",
    "CheckInput", "CommandEvents", "Core", "Day", "DayList", "Depth", "Estimate", "EstimatedFees", "EventPage",
    "Factor", "Fill", "FillPage", "Flow", "FlowPoint", "FundFlow", "Holding", "Indicator", "IndicatorLine",
    "Instrument", "InstrumentPage", "Intraday", "IntradayPoint", "Introspection", "KeyOutcome", "KillSwitch",
    "LastTrade", "Latency", "Limit", "LogLine", "LogPage", "MarketDepth", "MarketItem", "MarketPage",
    "MassCancelAccepted", "Me", "OAuthToken", "Order", "OrderAccepted", "OrderPage", "OrderWithFills", "Parent",
    "ParentAccepted", "ParentControlled", "ParentPage", "ParentWithOrders", "Part", "Partner", "PartnerMade",
    "PartnerPage", "Placing", "Policies", "Policy", "Principal", "Reject", "RejectCode", "Role", "RolePolicy",
    "SecondFactor", "Session", "SessionPage", "SignIn", "Snapshot", "Stats", "StatsPoint", "System", "Timeline",
    "TimelineEvent", "Trade", "TradeEvent", "TradePage", "User", "UserMade", "UserPage",
]


# --------------------------------------------------------------------------------------------------------------------
# Orders


@dataclass(frozen=True)
class Reject:
    """Why something was refused, in both languages."""

    code: int
    code_name: str
    title: str
    title_zh: str


@dataclass(frozen=True)
class OrderAccepted:
    """An order that was accepted, durably."""

    order_id: str
    #: Command that brought it; ``None`` where the outcome was found by the key of a lost answer and not told.
    sequence: Optional[int]
    account: str
    client_order_id: str
    trade_date: str
    status: str = "accepted"
    #: Whether the key was known: this is the first outcome.
    repeated: bool = False
    symbol: Optional[str] = None
    side: Optional[str] = None
    order_type: Optional[str] = field(default=None, metadata={"json": "type"})
    price: Optional[Decimal] = None
    quantity: Optional[Decimal] = None
    self_trade: Optional[str] = None


@dataclass(frozen=True)
class Order:
    """An order as it is now."""

    order_id: str
    account: str
    client_order_id: str
    trade_date: str
    symbol: str
    side: str
    order_type: str = field(metadata={"json": "type"})
    self_trade: str
    #: Limit or protective price; 0 = none.
    price: Decimal
    quantity: Decimal
    filled: Decimal
    #: Value and fees of what filled.
    value: Decimal
    fees: Decimal
    #: routed, sent-unknown, working, partly-filled, pending-cancel, filled, cancelled, partly-cancelled, expired,
    #: rejected.
    status: str
    sequence: int
    changed_sequence: int
    placed_at: str
    changed_at: str
    reason: Optional[str] = None
    reject: Optional[Reject] = None
    risk_rule: Optional[int] = None
    parent: Optional[str] = None
    hold_cash: Optional[Decimal] = None
    hold_quantity: Optional[Decimal] = None

    @property
    def is_live(self) -> bool:
        """Whether it can still fill."""
        return self.status in ("routed", "sent-unknown", "working", "partly-filled", "pending-cancel")


@dataclass(frozen=True)
class Fill:
    """A fill."""

    trade_id: str
    sequence: int
    filled_at: str
    side: str
    price: Decimal
    quantity: Decimal
    amount: Decimal
    commission: Decimal
    stamp: Decimal
    transfer: Decimal
    hk_levies: Decimal
    #: Cash that left (negative) or came, fees included.
    cash: Decimal
    rate: Optional[Decimal] = None
    order_id: Optional[str] = None
    account: Optional[str] = None
    symbol: Optional[str] = None


@dataclass(frozen=True)
class OrderWithFills(Order):
    """An order with its fills, oldest first."""

    fills: List[Fill] = field(default_factory=list)
    as_of_sequence: int = 0


@dataclass(frozen=True)
class OrderPage:
    """Orders, newest first."""

    as_of_sequence: int
    orders: List[Order]
    next_before: Optional[str] = None


@dataclass(frozen=True)
class FillPage:
    """Fills, newest first."""

    as_of_sequence: int
    fills: List[Fill]
    next_before: Optional[str] = None


@dataclass(frozen=True)
class CancelAccepted:
    """A cancel that was accepted."""

    order_id: str
    #: ``None`` where an earlier attempt of the same call brought it and its answer was lost.
    sequence: Optional[int] = None
    status: str = "cancel-accepted"


@dataclass(frozen=True)
class MassCancelAccepted:
    """A mass cancel that was accepted; a read with ``sequence`` as ``min_sequence`` shows what became of the orders."""

    account: str
    sequence: int
    status: str = "cancel-accepted"


@dataclass(frozen=True)
class KeyOutcome:
    """What became of an order key."""

    account: str
    trade_date: str
    client_order_id: str
    #: accepted or refused.
    outcome: str
    sequence: int
    as_of_sequence: int
    order_id: Optional[str] = None
    parent_id: Optional[str] = None
    reject: Optional[Reject] = None


@dataclass(frozen=True)
class BatchResult:
    """What became of one order of a batch."""

    client_order_id: str
    #: accepted, refused, or unknown: look it up by its key.
    outcome: str
    order_id: Optional[str] = None
    reject: Optional[Reject] = None
    repeated: bool = False


@dataclass(frozen=True)
class BatchOutcome:
    """What became of a batch; results stand as the orders were sent."""

    trade_date: str
    results: List[BatchResult]
    sequence: Optional[int] = None


@dataclass(frozen=True)
class CheckInput:
    """A value that a check looked at."""

    name: str
    value: str


@dataclass(frozen=True)
class Check:
    """A check that was run."""

    check: str
    #: passed or refused.
    outcome: str
    inputs: List[CheckInput] = field(default_factory=list)


@dataclass(frozen=True)
class EstimatedFees:
    """Fees of an order whose all filled at its highest price."""

    commission: Decimal
    stamp: Decimal
    transfer: Decimal
    hk_levies: Decimal
    total: Decimal


@dataclass(frozen=True)
class Estimate:
    """What an order would come to. Nothing was placed."""

    accepted: bool
    hold_cash: Decimal
    hold_quantity: Decimal
    fees: EstimatedFees
    as_of_sequence: int
    checks: List[Check] = field(default_factory=list)
    reject: Optional[Reject] = None
    risk_rule: Optional[int] = None


@dataclass(frozen=True)
class TradeEvent:
    """What happened to an order or a parent. Which members are there depends on the type."""

    #: order-placed, order-rejected, order-working, order-filled, order-cancelled, cancel-requested, cancel-rejected,
    #: order-unknown, parent-accepted, parent-changed.
    type: str
    order_id: Optional[str] = None
    parent_id: Optional[str] = None
    account: Optional[str] = None
    client_order_id: Optional[str] = None
    trade_date: Optional[str] = None
    symbol: Optional[str] = None
    side: Optional[str] = None
    order_type: Optional[str] = None
    price: Optional[Decimal] = None
    quantity: Optional[Decimal] = None
    filled: Optional[Decimal] = None
    trade_id: Optional[str] = None
    amount: Optional[Decimal] = None
    fees: Optional[Decimal] = None
    cash: Optional[Decimal] = None
    hold_cash: Optional[Decimal] = None
    hold_quantity: Optional[Decimal] = None
    reason: Optional[str] = None
    shrunk: Optional[bool] = None
    reject: Optional[Reject] = None
    risk_rule: Optional[int] = None
    status: Optional[str] = None
    epoch: Optional[int] = None
    triggered_by: Optional[int] = None


@dataclass(frozen=True)
class CommandEvents:
    """What one command did. Its sequence is a place to go on from."""

    sequence: int
    time: str
    events: List[TradeEvent]


@dataclass(frozen=True)
class EventPage:
    """Trade events, oldest first."""

    as_of_sequence: int
    commands: List[CommandEvents]
    #: ``since`` of the next page.
    next_since: int
    caught_up: bool


@dataclass(frozen=True)
class TimelineEvent:
    """An event of an order and what it changed."""

    sequence: int
    time: str
    status_after: str
    event: TradeEvent
    status_before: Optional[str] = None


@dataclass(frozen=True)
class Placing:
    """What the checks of an order looked at when it came."""

    accepted: bool
    checks: List[Check]
    reject: Optional[Reject] = None
    risk_rule: Optional[int] = None


@dataclass(frozen=True)
class Timeline:
    """Everything that happened to an order."""

    order: Order
    events: List[TimelineEvent]
    as_of_sequence: int
    placing: Optional[Placing] = None


# --------------------------------------------------------------------------------------------------------------------
# Parents


@dataclass(frozen=True)
class ParentAccepted:
    """A parent order that was accepted."""

    parent_id: str
    sequence: Optional[int]
    account: str
    client_order_id: str
    trade_date: str
    status: str = "accepted"
    repeated: bool = False


@dataclass(frozen=True)
class ParentControlled:
    """A control of a parent that was accepted."""

    parent_id: str
    sequence: int
    action: str


@dataclass(frozen=True)
class Parent:
    """An algorithmic or condition order."""

    parent_id: str
    account: str
    client_order_id: str
    trade_date: str
    symbol: str
    side: str
    quantity: Decimal
    status: str
    epoch: int
    children: int
    filled: Decimal
    value: Decimal
    sequence: int
    changed_sequence: int
    placed_at: str
    changed_at: str
    kind: Optional[str] = None
    #: How it is driven, as the server tells it.
    schedule: Optional[Dict[str, Any]] = None
    value_max: Optional[Decimal] = None
    triggered_by: Optional[int] = None


@dataclass(frozen=True)
class ParentWithOrders(Parent):
    """A parent with the orders placed for it."""

    orders: List[Order] = field(default_factory=list)
    as_of_sequence: int = 0


@dataclass(frozen=True)
class ParentPage:
    """Parents, newest first."""

    as_of_sequence: int
    parents: List[Parent]
    next_before: Optional[str] = None


@dataclass(frozen=True)
class KillSwitch:
    """A kill switch that was set."""

    sequence: int
    on: bool
    account: Optional[str] = None
    symbol: Optional[str] = None


# --------------------------------------------------------------------------------------------------------------------
# Accounts, instruments, days


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
    buy_max: Decimal
    buy_cash: Decimal
    cash_available: Decimal
    sell_max: Decimal
    sellable: Decimal
    as_of_sequence: int


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


# --------------------------------------------------------------------------------------------------------------------
# Market


@dataclass(frozen=True)
class MarketItem:
    """One instrument in the list of all."""

    symbol: str
    phase: Optional[str] = None
    board: Optional[str] = None
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


# --------------------------------------------------------------------------------------------------------------------
# Who


@dataclass(frozen=True)
class Principal:
    """Who somebody is."""

    id: str
    kind: str
    name: str
    roles: List[str]
    #: Accounts that it may act for; ``*`` = all.
    accounts: List[str]
    scopes: List[str] = field(default_factory=list)
    credential: str = ""


@dataclass(frozen=True)
class Me(Principal):
    """The caller."""

    #: Actions that the policy lets the caller do at all.
    actions: List[str] = field(default_factory=list)
    totp: bool = False


@dataclass(frozen=True)
class SignIn:
    """What became of a sign-in."""

    totp_required: bool
    token: Optional[str] = None
    expires_at: Optional[str] = None
    principal: Optional[Principal] = None
    totp_enrolment_required: bool = False


@dataclass(frozen=True)
class SecondFactor:
    """A second factor that waits to be confirmed."""

    secret: str
    uri: str


@dataclass(frozen=True)
class Session:
    """A session."""

    id: str
    kind: str
    user: str
    address: str
    created_at: str
    used_at: str
    expires_at: str
    current: bool = False


@dataclass(frozen=True)
class SessionPage:
    """Sessions, newest first."""

    sessions: List[Session]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class ApiKey:
    """An API key."""

    id: str
    name: str
    #: hmac-sha256 or ed25519.
    kind: str
    user: str
    scopes: List[str]
    networks: List[str]
    created_at: str
    expires_at: Optional[str] = None


@dataclass(frozen=True)
class ApiKeyMade(ApiKey):
    """A key that was made. The secret is shown this once."""

    secret: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class ApiKeyPage:
    """Keys, newest first."""

    keys: List[ApiKey]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class User:
    """A user."""

    id: str
    name: str
    kind: str
    roles: List[str]
    accounts: List[str]
    totp: bool
    disabled: bool
    created_at: str
    changed_at: str


@dataclass(frozen=True)
class UserMade(User):
    """A user that was made. A password that the server made is shown this once."""

    password: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class UserPage:
    """Users, by id."""

    users: List[User]
    next_after: Optional[int] = None


@dataclass(frozen=True)
class Partner:
    """A partner."""

    id: str
    client_id: str
    scopes: List[str]
    accounts: List[str]
    disabled: bool
    created_at: str


@dataclass(frozen=True)
class PartnerMade(Partner):
    """A partner that was made. The secret is shown this once."""

    client_secret: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class PartnerPage:
    """Partners, by id."""

    partners: List[Partner]
    next_after: Optional[int] = None


@dataclass(frozen=True)
class AuditRow:
    """A row of the audit trail."""

    number: int
    at: str
    principal: str
    name: str
    credential: str
    action: str
    resource: str
    #: allowed, denied, done or failed.
    outcome: str
    detail: str
    address: str
    times: int = 1


@dataclass(frozen=True)
class AuditPage:
    """The audit trail, newest first."""

    rows: List[AuditRow]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class Policy:
    """A policy in Cedar."""

    name: str
    text: str


@dataclass(frozen=True)
class RolePolicy:
    """What a role may do at all."""

    name: str
    kind: str
    actions: List[str]


@dataclass(frozen=True)
class Policies:
    """Who may do what."""

    actions: List[str]
    roles: List[RolePolicy]
    policies: List[Policy]


@dataclass(frozen=True)
class OAuthToken:
    """An access token of a partner."""

    access_token: str = field(repr=False)
    token_type: str = "Bearer"
    expires_in: int = 0
    scope: str = ""


@dataclass(frozen=True)
class Introspection:
    """Whether a token counts."""

    active: bool
    scope: Optional[str] = None
    client_id: Optional[str] = None
    token_type: Optional[str] = None
    exp: Optional[int] = None
    iat: Optional[int] = None
    sub: Optional[str] = None


# --------------------------------------------------------------------------------------------------------------------
# The system


@dataclass(frozen=True)
class Latency:
    """Latency in microseconds since the start."""

    count: int
    p50_us: float
    p99_us: float
    p999_us: float


@dataclass(frozen=True)
class Core:
    """The core, as it tells of itself."""

    reachable: bool
    durable_sequence: int
    snapshot_sequence: int
    core_latency: Latency
    ack_latency: Latency
    refusal: Optional[str] = None


@dataclass(frozen=True)
class Role:
    """A role."""

    name: str
    name_zh: str
    owns: str
    here: bool


@dataclass(frozen=True)
class Part:
    """A part and its word about itself."""

    name: str
    well: bool
    detail: str


@dataclass(frozen=True)
class Limit:
    """A limit."""

    name: str
    value: str


@dataclass(frozen=True)
class System:
    """The system."""

    version: str
    engine_level: int
    started_at: str
    uptime_s: int
    market_time: str
    #: ``ok``, or ``degraded``.
    status: str
    roles: List[Role]
    parts: List[Part]
    core: Core
    limits: List[Limit]
    lag_ms: int


@dataclass(frozen=True)
class StatsPoint:
    """Rates over one second."""

    time: str
    commands_per_s: float = 0.0
    orders_per_s: float = 0.0
    trades_per_s: float = 0.0
    events_per_s: float = 0.0
    requests_per_s: float = 0.0
    ack_p50_us: float = 0.0
    ack_p99_us: float = 0.0
    core_p99_us: float = 0.0
    sessions: int = 0
    subscribers: int = 0
    fix_sessions: int = 0
    lag_ms: int = 0


@dataclass(frozen=True)
class Stats:
    """Rates of the last seconds, the oldest first."""

    now: StatsPoint
    history: List[StatsPoint]


@dataclass(frozen=True)
class LogLine:
    """A line of the log."""

    number: int
    time: str
    level: str
    target: str
    text: str


@dataclass(frozen=True)
class LogPage:
    """Lines of the log."""

    lines: List[LogLine]
    next_since: int


@dataclass(frozen=True)
class RejectCode:
    """A reject code."""

    code: int
    name: str
    english: str
    chinese: str
