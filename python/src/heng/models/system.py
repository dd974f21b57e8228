"""The system itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional


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
    #: Messages that came in and went out at the FIX door.
    fix_in_per_s: float = 0.0
    fix_out_per_s: float = 0.0
    websocket_streams: int = 0
    sse_streams: int = 0
    #: Of market data, since the start.
    dropped_subscribers: int = 0


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


@dataclass(frozen=True)
class Venue:
    """A venue elsewhere."""

    name: str
    #: The kind of adapter.
    kind: str
    partition: int
    #: up, catching-up or down.
    session: str
    #: Orders whose state is not known, that wait to be sent, and that the venue has.
    orders_unknown: int
    orders_held: int
    orders_out: int
    #: Cancels without an answer.
    cancels_out: int
    #: Live orders of which the venue told more trades than it has reported.
    trades_missing: int
    #: Reports since the start, and what they were.
    reports: int
    fills: int
    repeats: int
    refused: int
    #: Reports that name no live order of ours, and trades that came too late: a person must look.
    strange: int
    late: int
    #: Orders that were refused because the venue could not be reached in time.
    gave_up: int
    enquiries: int
    logons: int
    as_of_sequence: int
    last_heard_at: Optional[str] = None


@dataclass(frozen=True)
class VenueList:
    """All venues elsewhere; none if all orders trade in this core."""

    venues: List[Venue]
