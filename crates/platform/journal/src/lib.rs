//! Durable logs of one partition: the command journal for recovery, the event log for the
//! record, and snapshots.
//!
//! This crate knows nothing of orders: payloads are bytes. [`Journal`] and [`EventLog`] are two
//! faces of one chained log of frames; `format.rs` documents every byte. Whoever needs
//! durability appends any number of records and calls `sync` once: a group commit is exactly one
//! fdatasync. [`JournalReader`] and [`EventReader`] read beside a living writer.
//!
//! Start at [`Journal::open`], [`EventLog::open`], [`SnapshotStore::open`]; for inspection at
//! [`verify`], [`repair_plan`], [`verify_events`]. Simulators use [`SimStorage`].
//!
//! *Invariant:* a record below the durable mark survives power loss; no later record exists
//! without it.
//!
//! *Invariant:* each record carries the hash of the one before, across segments and restarts.
//!
//! *Invariant:* only the last segment may have an unsynced tail. It is dropped when the log is
//! opened, and reported. Anything else that is wrong is an error with file, offset and reason.
//!
//! *Invariant:* after a failed fdatasync no call succeeds; it is never retried.
//!
//! *Invariant:* a full disk refuses by name and leaves the log usable.
//!
//! Deliberately absent: threads that call back, clocks, retries, knowledge of what is committed
//! among replicas, encryption (payloads arrive encrypted; the record names the key), repair that
//! changes files, and any way to skip a damaged record.

mod cursor;
mod error;
mod event_block;
mod event_log;
mod format;
mod journal;
mod journal_reader;
mod limits;
mod log;
mod log_edit;
mod maintain;
mod prompt;
mod quarantine;
mod reader;
mod scan;
mod segment;
mod snapshot;
mod snapshot_reader;
mod spare;
mod storage;
mod sync_ticket;
mod vote;

pub use error::{Damage, JournalError, Refusal, Result};
pub use event_block::BlockSpan;
pub use event_log::{
    BlockInfo, EventBlock, EventLog, EventLogOptions, EventReader, EventRecovery, EventVerification, verify_events,
};
pub use format::Hash;
pub use journal::{Index, Journal, JournalOptions, RecordKind, Recovery};
pub use journal_reader::{JournalReader, Record, RecordRef};
pub use limits::*;
pub use log::DurableMark;
pub use log_edit::LogStart;
pub use maintain::{Cut, RepairPlan, Verification, quarantines, repair_plan, verify};
pub use prompt::{run_in_background, run_promptly, run_when_idle};
pub use quarantine::Quarantine;
pub use reader::Check;
pub use scan::TornTail;
pub use snapshot::{LatestValid, Skipped, SnapshotInfo, SnapshotStore};
pub use snapshot_reader::SnapshotReader;
pub use spare::Preallocation;
pub use storage::{Crash, OpenMode, OsStorage, SimStorage, Storage, StorageFile, StorageLock};
pub use sync_ticket::{SyncOutcome, SyncTicket};
