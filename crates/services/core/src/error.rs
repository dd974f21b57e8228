//! What can go wrong around the core.

use std::path::PathBuf;

use heng_journal::JournalError;
use heng_model::RejectCode;
use heng_model::wire::WireError;

/// An error of the core role.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// Journal, event log or snapshot.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record that is sound but does not hold commands.
    #[error("journal record {index}: {error}")]
    Record {
        /// The record.
        index: u64,
        /// What is wrong.
        error: WireError,
    },
    /// Commands that do not follow one another.
    #[error("journal record {index} begins with command {found}, expected {expected}")]
    Sequence {
        /// The record.
        index: u64,
        /// Sequence found.
        found: u64,
        /// Sequence expected.
        expected: u64,
    },
    /// Re-execution gave other events than the first execution.
    #[error(
        "re-execution differs before command {sequence}: the event digest is not the recorded one; was this journal written by another engine level or build?"
    )]
    Diverged {
        /// First command of the record that shows it.
        sequence: u64,
    },
    /// A command at which the core aborts, again.
    #[error(
        "the core aborts at command {sequence} ({reason}); after four-eyes review: heng journal quarantine --sequence {sequence} --by NAME --and-by NAME --reason TEXT"
    )]
    Poison {
        /// The command.
        sequence: u64,
        /// What the abort said.
        reason: String,
    },
    /// A snapshot that cannot be used.
    #[error("snapshot at {sequence}: {reason}")]
    Snapshot {
        /// Its sequence.
        sequence: u64,
        /// Why.
        reason: String,
    },
    /// The journal begins after a sequence for which there is no snapshot.
    #[error(
        "the journal begins at record {first} and no sound snapshot at or below command {events}, where the event log ends, reaches it; {skipped}"
    )]
    NoStart {
        /// First record held.
        first: u64,
        /// Last command of the event log.
        events: u64,
        /// Snapshots that were skipped, and why.
        skipped: String,
    },
    /// The record holds events of commands that the journal has lost: durable commands are gone.
    #[error(
        "the journal ends at command {journal}, but the event log holds events up to {events}: commands that were durable are missing from the journal"
    )]
    JournalShort {
        /// Last command of the journal.
        journal: u64,
        /// Last command of the event log.
        events: u64,
    },
    /// The doors are closed.
    #[error("the core refuses new commands: {}", .code.english())]
    Refused {
        /// Why.
        code: RejectCode,
    },
    /// A record needs an engine level that this version does not have.
    #[error("journal record {index} needs engine level {level}, this version executes {oldest} to {current}")]
    Level {
        /// The record.
        index: u64,
        /// Its level.
        level: u16,
        /// Oldest level of this version.
        oldest: u16,
        /// Newest level of this version.
        current: u16,
    },
    /// An event block that does not decode.
    #[error("event log, block that begins at command {sequence}: {error}")]
    Events {
        /// First command of the block.
        sequence: u64,
        /// What is wrong.
        error: WireError,
    },
    /// A file of the core's own.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A thread of the role ended.
    #[error("the core has stopped")]
    Stopped,
}
