"""The evidence log, exports, legal holds, consents, storage keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Optional


@dataclass(frozen=True)
class Consent:
    """Who agreed to which text, when."""

    id: str
    at: str
    user: str
    document: str
    version: str
    #: zh or en.
    language: str
    text_sha256: str
    #: ``False`` takes an earlier consent back.
    agreed: bool
    credential: str
    address: str


@dataclass(frozen=True)
class ConsentPage:
    """Consents, newest first; none is ever changed."""

    consents: List[Consent]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class EvidenceWitness:
    """How a witness is doing."""

    name: str
    #: The largest size that it has cosigned, and when, in seconds since 1970 by its clock.
    size: int
    at: int
    trouble: Optional[str] = None


@dataclass(frozen=True)
class EvidenceRetention:
    """A retention class: how long the law asks for records to be kept."""

    name: str = field(metadata={"json": "class"})
    english: str
    chinese: str
    #: From the end of the year in which a record was made.
    years: int
    from_day: str = field(metadata={"json": "from"})
    source: str
    to_day: Optional[str] = field(default=None, metadata={"json": "to"})


@dataclass(frozen=True)
class Evidence:
    """How the evidence log is doing."""

    origin: str
    well: bool
    detail: str
    #: Leaves under the newest checkpoint.
    size: int
    root: str
    sm3_root: str
    checkpoint: str
    as_of_sequence: int
    lag_ms: int
    witnesses: List[EvidenceWitness]
    retention: List[EvidenceRetention]


@dataclass(frozen=True)
class EvidenceKey:
    """A public key of the log or of a witness."""

    #: ``name+id+key``, as C2SP signed-note has it.
    verifier: str
    #: ed25519, sm2 or cosignature-v1.
    algorithm: str
    #: In nanoseconds since 1970; 0 = not known here.
    created_at: int
    retired_at: Optional[int] = None


@dataclass(frozen=True)
class EvidenceKeys:
    """The log's keys."""

    origin: str
    keys: List[EvidenceKey]
    retired: List[EvidenceKey]
    witnesses: List[EvidenceKey]


@dataclass(frozen=True)
class EarlierCheckpoint:
    """An earlier checkpoint with the proof that the newer one extends it."""

    checkpoint: str
    consistency: List[str]


@dataclass(frozen=True)
class Consistency:
    """The proof that an earlier tree of this size is the beginning of this one."""

    size: int
    proof: List[str]


@dataclass(frozen=True)
class EvidenceLeaf:
    """A leaf with its proofs."""

    index: int
    #: SHA-256 over salt and record; what stands in the tree.
    commitment: str
    proof: List[str]
    sm3_proof: List[str]
    #: Salt and record are absent after lawful deletion.
    salt: Optional[str] = None
    record: Optional[str] = None
    #: The record for people; the bytes count, not this.
    shown: Any = None


@dataclass(frozen=True)
class EvidenceBundle:
    """Proofs of records: a signed checkpoint, and leaves under it."""

    format: str
    origin: str
    size: int
    checkpoint: str
    #: Keys as the log tells them of itself: trust none that you have not from elsewhere.
    keys: List[str]
    leaves: List[EvidenceLeaf]
    earlier: Optional[EarlierCheckpoint] = None
    consistency: Optional[Consistency] = None


@dataclass(frozen=True)
class Destruction:
    """A lawful deletion of a client's records from the evidence log."""

    id: str
    account_id: str
    #: The last year whose records are deleted.
    through_year: int
    basis: str
    #: requested or done.
    state: str
    requested_by: str
    #: Times are in nanoseconds since 1970.
    requested_at: int
    keys_destroyed: int
    approved_by: Optional[str] = None
    approved_at: Optional[int] = None


@dataclass(frozen=True)
class DestructionList:
    """Lawful deletions, newest first."""

    destructions: List[Destruction]


@dataclass(frozen=True)
class ExportFilter:
    """Which rows an export has."""

    from_time: Optional[str] = field(default=None, metadata={"json": "from"})
    to_time: Optional[str] = field(default=None, metadata={"json": "to"})
    account: Optional[str] = None
    principal: Optional[str] = None
    action: Optional[str] = None


@dataclass(frozen=True)
class Export:
    """An export."""

    id: str
    #: audit, users, orders or fills.
    kind: str
    filter: ExportFilter
    reason: str
    #: Whether personal values stand as their masks.
    masked: bool
    #: Whether the file begins with a byte order mark.
    bom: bool
    #: requested, running, ready, refused, failed or ended.
    state: str
    requested_by: str
    requested_at: str
    decided_by: Optional[str] = None
    decided_at: Optional[str] = None
    rows: Optional[int] = None
    #: Per cent that are made.
    progress: Optional[int] = None
    bytes: Optional[int] = None
    sha256: Optional[str] = None
    sm3: Optional[str] = None
    ready_at: Optional[str] = None
    #: Until when the file can be had.
    ends_at: Optional[str] = None
    trouble: Optional[str] = None


@dataclass(frozen=True)
class ExportPage:
    """Exports, newest first."""

    exports: List[Export]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class WatermarkFound:
    """An export whose mark is in a piece of a file."""

    export: Export
    #: Choices in the piece that are this export's, of those that were compared; chance alone gives half.
    matches: int
    of: int


@dataclass(frozen=True)
class Watermark:
    """Where a piece of a file came from."""

    found: List[WatermarkFound]
    looked_at: int
    #: Choices that the piece shows; below 50 nothing is said.
    marks: int


@dataclass(frozen=True)
class LegalHold:
    """A legal hold on an account."""

    id: str
    account_id: str
    reason: str
    #: Who ordered it, and under what reference.
    authority: str
    #: held or released.
    state: str
    placed_by: str
    placed_at: str
    released_by: Optional[str] = None
    released_at: Optional[str] = None
    release_reason: Optional[str] = None


@dataclass(frozen=True)
class LegalHoldPage:
    """Legal holds, newest first."""

    holds: List[LegalHold]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class KeyOfficer:
    """Whoever decides on keys, together with another."""

    name: str
    #: In nanoseconds since 1970.
    added_at: int


@dataclass(frozen=True)
class StorageKey:
    """A data key."""

    id: str
    algorithm: str
    #: The table or log that it serves for.
    store: str
    tenant: str
    period: str
    #: In nanoseconds since 1970.
    made_at: int
    #: current, closed or destroyed.
    state: str


@dataclass(frozen=True)
class KeyOperation:
    """An operation on keys."""

    number: str
    #: In nanoseconds since 1970.
    at: int
    operation: str
    detail: str
    officers: List[str]
    #: begun, done, failed or refused.
    outcome: str


@dataclass(frozen=True)
class StorageKeys:
    """The key ring of the process that answers."""

    #: Whether what is stored is sealed.
    configured: bool
    ring: str
    master: str
    master_version: int
    algorithm: str
    #: How often the ring was written anew.
    generation: int
    #: Numbers of keys that seal, that only open, and that are gone.
    current: int
    closed: int
    destroyed: int
    officers: List[KeyOfficer]
    keys: List[StorageKey]
    operations: List[KeyOperation]
    #: Why the operations cannot be told.
    operations_trouble: Optional[str] = None
