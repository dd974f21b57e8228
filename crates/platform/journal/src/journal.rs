//! The command journal: what happened, in order, for recovery.

use crate::error::{Damage, JournalError, Result, at, damaged};
use crate::format::{Family, FrameHeader, Hash};
use crate::journal_reader::JournalReader;
use crate::log::{DurableMark, FrameLog, FrameMeta, LogConfig};
use crate::log_edit::LogStart;
use crate::quarantine::Quarantine;
use crate::reader::Check;
use crate::scan::TornTail;
use crate::spare::Preallocation;
use crate::storage::Storage;
use crate::sync_ticket::{SyncOutcome, SyncTicket};
use crate::vote;
use std::path::Path;
use std::sync::Arc;

/// Place of a record in the journal; the first is 1. Not the sequence of a command: one record
/// holds many commands.
pub type Index = u64;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// A batch of commands.
    Commands = 1,
    /// Nothing; a new leader's first record.
    Blank = 2,
    /// A change of the members of the replica group.
    Membership = 3,
    /// A switch of the engine level.
    Level = 4,
    /// A [`Quarantine`].
    Quarantine = 5,
}

impl RecordKind {
    pub(crate) fn of(kind: u8) -> Self {
        match kind {
            1 => Self::Commands,
            2 => Self::Blank,
            3 => Self::Membership,
            4 => Self::Level,
            5 => Self::Quarantine,
            _ => unreachable!("the cursor refuses kinds that the journal does not know"),
        }
    }
}

/// How a journal is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalOptions {
    /// The partition whose commands these are; a journal of another one is refused.
    pub partition: u16,
    /// Key that the payloads are encrypted with; 0 = plain.
    pub key_id: u32,
    /// Bytes of a segment, 1 KiB to 4 GiB.
    pub segment_bytes: u64,
    /// How the room of segments is made.
    pub preallocation: Preallocation,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { partition: 0, key_id: 0, segment_bytes: 64 << 20, preallocation: Preallocation::ZeroFill }
    }
}

/// What opening a journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Index of the last record; equals `purged_to` if there is none.
    pub last_index: Index,
    /// Term of the last record (or of the one before the first, if there is none).
    pub last_term: u64,
    /// Hash of the last record.
    pub chain_head: Hash,
    /// Index before the first record held.
    pub purged_to: Index,
    /// Records read.
    pub records: u64,
    /// The tail that was dropped, if any. Nothing in it was ever reported durable.
    pub torn: Option<TornTail>,
    /// The quarantines in the journal, in order.
    pub quarantined: Vec<Quarantine>,
}

/// The one writer of a journal.
#[derive(Debug)]
pub struct Journal {
    log: FrameLog,
}

pub(crate) fn quarantine_of(
    header: &FrameHeader,
    offset: u64,
    payload: &[u8],
    path: &Path,
) -> Result<Option<Quarantine>> {
    if RecordKind::of(header.kind) != RecordKind::Quarantine || header.key_id != 0 {
        return Ok(None);
    }
    Quarantine::decode(payload).map(Some).ok_or_else(|| damaged(path, offset, Damage::Quarantine))
}

impl Journal {
    /// Opens the journal in `dir`, or creates it there.
    ///
    /// Reads and verifies every record, drops a torn tail, and makes what is left durable.
    /// Errors: [`JournalError::Damaged`] with file, offset and reason if anything but an unsynced
    /// tail is wrong; [`JournalError::InUse`] if another writer is alive.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, options: JournalOptions) -> Result<(Self, Recovery)> {
        let config = LogConfig {
            family: Family::Journal,
            partition: options.partition,
            key_id: options.key_id,
            segment_bytes: options.segment_bytes,
            preallocation: options.preallocation,
            initial_order: 0,
            last_segment_only: false,
        };
        let mut quarantined = Vec::new();
        let (log, found) = FrameLog::open(storage, dir, config, &mut |span, payload, path| {
            quarantined.extend(quarantine_of(&span.header, span.offset, payload, path)?);
            Ok(())
        })?;
        let recovery = Recovery {
            last_index: log.last_index(),
            last_term: log.last_order,
            chain_head: log.chain_head,
            purged_to: log.purged_to(),
            records: found.records,
            torn: found.torn,
            quarantined,
        };
        Ok((Self { log }, recovery))
    }

    /// Writes one record behind the last one and returns its index. It is not durable before the
    /// next [`Journal::sync`].
    ///
    /// `payload`: at most [`crate::PAYLOAD_BYTES_MAX`]. `term`: never below that of the last record.
    /// Errors: [`JournalError::DiskFull`] leaves the journal as it was, and the call may be
    /// repeated; a refusal changes nothing; anything else is fatal.
    pub fn append(&mut self, term: u64, level: u16, kind: RecordKind, payload: &[u8]) -> Result<Index> {
        let kind = kind as u8;
        let order = term;
        self.log.append(FrameMeta { kind, level, order }, payload)
    }

    /// Appends a quarantine after checking that two different people approved it.
    pub fn append_quarantine(&mut self, term: u64, level: u16, quarantine: &Quarantine) -> Result<Index> {
        let payload = quarantine.encode()?;
        self.append(term, level, RecordKind::Quarantine, &payload)
    }

    /// Makes every record so far durable with one fdatasync (none if there is nothing new).
    ///
    /// A failure is [`JournalError::Fatal`], now and for every later call: the kernel may have
    /// dropped the data and would report success the second time.
    pub fn sync(&mut self) -> Result<DurableMark> {
        self.log.sync()
    }

    /// Begins a sync of every record so far that another thread can run.
    pub fn begin_sync(&mut self) -> Result<SyncTicket> {
        self.log.begin_sync()
    }

    /// Takes note of a sync that was run. A failed one is fatal, as in [`Journal::sync`].
    pub fn complete_sync(&mut self, outcome: SyncOutcome) -> Result<DurableMark> {
        self.log.complete_sync(outcome)
    }

    /// The last record that survives a power loss.
    #[must_use]
    pub fn durable_mark(&self) -> DurableMark {
        DurableMark { index: self.log.durable }
    }

    /// Drops every record above `index`, durably, with the few syncs that takes. Any failure is
    /// fatal.
    pub fn truncate_after(&mut self, index: Index) -> Result<()> {
        self.log.truncate_after(index)
    }

    /// Removes whole segments whose records all stand below `index`, and returns the first index
    /// still held. Records below `index` that share a segment with later ones stay.
    pub fn purge_before(&mut self, index: Index) -> Result<Index> {
        self.log.purge_before(index)
    }

    /// Empties the journal and continues at another place, after a snapshot was installed that
    /// reaches beyond it. Durable and atomic.
    pub fn start_anew(&mut self, start: LogStart) -> Result<()> {
        self.log.start_anew(start)
    }

    /// Replaces the vote, durably and atomically. At most 4 KiB.
    pub fn save_vote(&mut self, bytes: &[u8]) -> Result<()> {
        self.log.check_alive()?;
        match vote::save(self.log.storage.as_ref(), &self.log.dir, bytes) {
            Err(error @ JournalError::Io { .. }) => {
                let dir = self.log.dir.clone();
                Err(self.log.fail("save vote in", &dir, &error))
            }
            other => other,
        }
    }

    /// The vote saved last, if any.
    pub fn read_vote(&self) -> Result<Option<Vec<u8>>> {
        vote::read(self.log.storage.as_ref(), &self.log.dir)
    }

    /// The records from `index` on, including those that are not durable yet.
    pub fn read_from(&self, index: Index) -> Result<JournalReader> {
        let storage = Arc::clone(&self.log.storage);
        JournalReader::open(storage, &self.log.dir, index, Check::Checksums)
    }

    /// Hash of the last record.
    #[must_use]
    pub fn chain_head(&self) -> Hash {
        self.log.chain_head
    }

    /// Index of the last record; equals [`Journal::purged_to`] if there is none.
    #[must_use]
    pub fn last_index(&self) -> Index {
        self.log.last_index()
    }

    /// Term of the last record.
    #[must_use]
    pub fn last_term(&self) -> u64 {
        self.log.last_order
    }

    /// Index before the first record held.
    #[must_use]
    pub fn purged_to(&self) -> Index {
        self.log.purged_to()
    }

    /// Where the journal begins: its first record and what stood before it. A replica needs the
    /// term of the record before to match logs, and the hash to hand it on with a snapshot.
    pub fn start(&self) -> Result<LogStart> {
        self.log.start()
    }

    /// Payload bytes that surely still fit without new disk space: what a door may admit while
    /// the disk is full.
    #[must_use]
    pub fn room_bytes(&self) -> u64 {
        self.log.room()
    }

    /// Bytes left on the disk of this journal.
    pub fn free_space(&self) -> Result<u64> {
        let dir = &self.log.dir;
        at(self.log.storage.free_space(dir), "measure", dir)
    }

    /// The folder of this journal.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.log.dir
    }
}
