//! The journal thread: appends what the sequencer has stamped; the sync thread makes it durable, one fdatasync for all
//! that waits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use heng_journal::{Journal, JournalError, RecordKind, run_promptly};
use heng_model::Seq;

use crate::buffers::Buffers;
use crate::error::CoreError;
use crate::gate::{Published, until_space};
use crate::sync_thread::{Pace, SyncThread};

/// How often an idle journal looks at its disk.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How soon an idle journal takes note of a sync that has ended; the durable mark does not wait for it.
const NOTE_AFTER: Duration = Duration::from_millis(2);

/// A stamped batch on its way to disk.
pub(crate) struct Stamped {
    pub(crate) last: Seq,
    pub(crate) level: u16,
    pub(crate) payload: Vec<u8>,
}

/// Bytes of a disk that are kept for what was admitted already: a few thousand records and their events.
const RESERVE_BYTES: u64 = 16 << 20;

/// The journal, and what the doors must know of its disk.
pub(crate) struct JournalWriter {
    journal: Journal,
    term: u64,
    segment_bytes: u64,
    /// Last command appended.
    last: Seq,
    published: Arc<Published>,
    /// Where the payloads go when they are written.
    used: Arc<Buffers>,
}

impl JournalWriter {
    pub(crate) const fn new(
        journal: Journal,
        term: u64,
        segment_bytes: u64,
        last: Seq,
        published: Arc<Published>,
        used: Arc<Buffers>,
    ) -> Self {
        Self { journal, term, segment_bytes, last, published, used }
    }

    /// Appends one batch. A full disk changes nothing, and the call may be repeated.
    pub(crate) fn append(&mut self, batch: &Stamped) -> Result<(), JournalError> {
        self.journal.append(self.term, batch.level, RecordKind::Commands, &batch.payload)?;
        self.last = batch.last;
        Ok(())
    }

    /// Makes everything appended durable, here and now.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        self.journal.sync()?;
        self.published.mark_durable(self.last);
        Ok(())
    }

    /// Removes the segments that two verified snapshots have made superfluous, if one asked for it.
    pub(crate) fn purge(&mut self) -> Result<(), JournalError> {
        if let Some(index) = self.published.take_purge() {
            self.journal.purge_before(index)?;
        }
        Ok(())
    }

    /// Closes the doors while there is still room for everything behind them, so that it becomes durable and the core
    /// goes on answering; opens them when space has returned.
    pub(crate) fn look_at_disk(&self) {
        // A disk that cannot be measured will be heard of at the next append.
        let Ok(free) = self.journal.free_space() else { return };
        let reserve = self.reserve();
        let last_segment = free < self.segment_bytes && self.journal.room_bytes() < reserve / 4;
        self.published.set_disk_full(free < reserve || last_segment);
    }

    fn reserve(&self) -> u64 {
        RESERVE_BYTES.min(self.segment_bytes)
    }

    /// Whether a record of this size goes into the segment in use.
    fn has_room(&self, payload: usize) -> bool {
        self.journal.room_bytes() >= payload as u64
    }

    pub(crate) fn into_journal(self) -> Journal {
        self.journal
    }
}

/// Runs until the sequencer stops sending.
///
/// # Errors
/// A failed fdatasync, or a journal that cannot be written: the process must end.
pub(crate) fn run(batches: &Receiver<Stamped>, writer: JournalWriter) -> Result<Journal, CoreError> {
    run_promptly();
    let published = Arc::clone(&writer.published);
    let marks = Arc::clone(&published);
    let syncing = SyncThread::start("sync", Pace::AtOnce, move |seq| marks.mark_durable(seq));
    let result = Appending { writer, syncing, outstanding: false }.run(batches);
    if result.is_err() {
        published.fail();
    }
    result
}

/// The loop's own state.
struct Appending {
    writer: JournalWriter,
    syncing: SyncThread,
    /// Whether records wait for a sync that the journal has not taken note of.
    outstanding: bool,
}

impl Appending {
    fn run(mut self, batches: &Receiver<Stamped>) -> Result<Journal, CoreError> {
        let mut looked = Instant::now();
        let mut written = 0;
        self.writer.look_at_disk();
        loop {
            let wait = if self.outstanding { NOTE_AFTER } else { LOOK_EVERY };
            match batches.recv_timeout(wait) {
                Ok(batch) => {
                    self.append(&batch)?;
                    written += batch.payload.len() as u64;
                    self.writer.used.give_back(batch.payload);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.take_note()?;
            // Events take a few times the room of their commands, so that a burst uses up the reserve only slowly.
            if looked.elapsed() >= LOOK_EVERY || written >= self.writer.reserve() / 32 {
                self.writer.look_at_disk();
                self.writer.purge()?;
                (looked, written) = (Instant::now(), 0);
            }
        }
        self.syncing.wait_idle();
        self.take_note()?;
        self.writer.sync()?;
        Ok(self.writer.into_journal())
    }

    fn append(&mut self, batch: &Stamped) -> Result<(), CoreError> {
        if !self.writer.has_room(batch.payload.len()) {
            // Starting a segment syncs the old one. The kernel reports a failed write-back to one caller only, so that
            // sync must not run beside another one.
            self.syncing.wait_idle();
            self.take_note()?;
        }
        let published = Arc::clone(&self.writer.published);
        until_space(&published, || self.writer.append(batch))?;
        let ticket = self.writer.journal.begin_sync()?;
        self.syncing.ask(ticket, batch.last);
        self.outstanding = true;
        Ok(())
    }

    /// Gives the outcomes of syncs back to the journal.
    fn take_note(&mut self) -> Result<(), CoreError> {
        while let Some(outcome) = self.syncing.next_outcome() {
            let mark = self.writer.journal.complete_sync(outcome)?;
            self.outstanding = mark.index < self.writer.journal.last_index();
        }
        Ok(())
    }
}
