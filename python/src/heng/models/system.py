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
