//! What can go wrong, by name.

use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk has no room. Nothing of the refused append can be seen by a reader, and the same
    /// call succeeds once space has returned.
    #[error("disk full at {}", path.display())]
    DiskFull {
        /// The file or folder that could not grow.
        path: PathBuf,
    },
    /// A write that had to be durable may be lost. Every later call returns this too: the
    /// process must end, because a second fdatasync could report success for lost data.
    #[error("fatal: {reason}; the process must end")]
    Fatal {
        /// What failed.
        reason: String,
    },
    /// The disk failed otherwise.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a present-tense verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file holds bytes that it should not hold, and they are not an unsynced tail.
    #[error("{} at byte {offset}: {damage}", path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// The byte offset of the record or field in that file.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// Another writer holds the folder.
    #[error("{} is in use by another writer", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The caller asked for what the log cannot do; nothing was changed.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
}

/// A call that contradicts the state of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The payload is over the limit.
    #[error("payload of {found} bytes is over the limit of {limit}")]
    TooLarge {
        /// Bytes given.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Terms never decrease along a journal.
    #[error("term {found} is below term {last} of the last record")]
    TermDecreased {
        /// Term of the last record.
        last: u64,
        /// Term given.
        found: u64,
    },
    /// An index that the log does not hold.
    #[error("index {index} is outside {first}..={last}")]
    OutOfRange {
        /// Index given.
        index: u64,
        /// First index that the log holds.
        first: u64,
        /// Last index that the log holds.
        last: u64,
    },
    /// Events are missing between the log and the block.
    #[error("gap: the block starts at sequence {found}, expected {expected}")]
    Gap {
        /// The next sequence of the log.
        expected: u64,
        /// The first sequence of the block.
        found: u64,
    },
    /// The block holds events that the log already has.
    #[error("overlap: the block starts at sequence {found}, expected {expected}")]
    Overlap {
        /// The next sequence of the log.
        expected: u64,
        /// The first sequence of the block.
        found: u64,
    },
    /// A block that ends before it starts.
    #[error("a block from sequence {first} to {last} is empty")]
    EmptyBlock {
        /// First sequence given.
        first: u64,
        /// Last sequence given.
        last: u64,
    },
    /// A quarantine without two different approvers, or with text out of bounds.
    #[error("quarantine: {0}")]
    Quarantine(&'static str),
    /// There is no such snapshot.
    #[error("there is no snapshot at sequence {0}")]
    NoSnapshot(u64),
    /// The options contradict themselves.
    #[error("options: {0}")]
    Options(&'static str),
}

/// What is wrong with stored bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file ends inside a header.
    #[error("the file ends inside a header")]
    ShortHeader,
    /// No record starts here, although bytes are here.
    #[error("no record starts here")]
    BadMagic,
    /// The format is not one that this version reads.
    #[error("unknown format {0}")]
    UnknownFormat(u16),
    /// The header does not match its checksum.
    #[error("header checksum mismatch")]
    HeaderChecksum,
    /// Header and payload do not match their checksum.
    #[error("payload checksum mismatch")]
    PayloadChecksum,
    /// The bytes between this record and the next are not zero.
    #[error("padding is not zero")]
    Padding,
    /// The record kind is not one of this log.
    #[error("unknown record kind {0}")]
    UnknownKind(u8),
    /// The record belongs to another partition.
    #[error("partition {found} in a log of partition {expected}")]
    ForeignPartition {
        /// The partition of the log.
        expected: u16,
        /// The partition of the record.
        found: u16,
    },
    /// A length is over its limit.
    #[error("length {found} is over the limit of {limit}")]
    TooLong {
        /// Length in the file.
        found: u64,
        /// Length allowed.
        limit: u64,
    },
    /// The record runs past the end of the file.
    #[error("the record runs past the end of the file")]
    PastEnd,
    /// The record carries another index than its place.
    #[error("index {found} where {expected} belongs")]
    WrongIndex {
        /// The index of this place.
        expected: u64,
        /// The index in the record.
        found: u64,
    },
    /// The record does not follow from the one before it.
    #[error("the hash chain breaks here")]
    ChainBreak,
    /// The term or sequence is below that of the record before.
    #[error("term or sequence {found} after {last}")]
    OrderDecreased {
        /// Value of the record before.
        last: u64,
        /// Value found.
        found: u64,
    },
    /// A record is damaged that a later one proves to have been durable.
    #[error("{reason}, and a later record shows that index {durable} was durable")]
    DurableLost {
        /// What is wrong with the damaged record.
        reason: Box<Damage>,
        /// The durable index that the later record proves.
        durable: u64,
    },
    /// A record is damaged, and later segments exist.
    #[error("{0}, and later segments exist")]
    Inside(Box<Damage>),
    /// The segment that should hold this index is not there.
    #[error("the segment that holds index {0} is missing")]
    MissingSegment(u64),
    /// The file name and the segment header name different indexes.
    #[error("the header names first index {0}, the file name another")]
    WrongName(u64),
    /// A compressed block cannot be expanded to its stated length.
    #[error("the compressed block does not expand to its stated length")]
    Compression,
    /// A block of events contradicts its place in the sequence.
    #[error("events from sequence {found} where {expected} belongs")]
    WrongSequence {
        /// The sequence of this place.
        expected: u64,
        /// The first sequence in the block.
        found: u64,
    },
    /// The payload of a quarantine record cannot be read.
    #[error("malformed quarantine record")]
    Quarantine,
    /// The content does not match the SHA-256 stored with it.
    #[error("content hash mismatch")]
    ContentHash,
    /// More candidates for a record than an honest file can hold.
    #[error("too many record-like bytes to examine")]
    TooManyCandidates,
}

/// The result of this crate.
pub type Result<T> = std::result::Result<T, JournalError>;

/// Turns an error of the disk into one of ours, with the place; lack of space by its own name.
pub(crate) fn at<T>(result: io::Result<T>, action: &'static str, path: &Path) -> Result<T> {
    result.map_err(|source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalError::DiskFull { path: path.to_owned() },
        _ => JournalError::Io { action, path: path.to_owned(), source },
    })
}

/// A damage at a place.
pub(crate) fn damaged(path: &Path, offset: u64, damage: Damage) -> JournalError {
    JournalError::Damaged { path: path.to_owned(), offset, damage }
}
