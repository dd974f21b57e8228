"""Orders, fills, their time lines, and parents."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Dict, List, Optional


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
