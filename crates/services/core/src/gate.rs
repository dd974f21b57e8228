//! The gate: nothing made from command n leaves before n is durable (design rule 2). The only place that lets
//! anything out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use heng_journal::{BlockSpan, EventLog, JournalError, run_promptly};
use heng_model::{RejectCode, Seq};
use heng_runtime::{LatencyHistogram, LatencySummary};

use crate::buffers::Buffers;
use crate::error::CoreError;
use crate::sync_thread::{Pace, SyncThread};

/// How long the event log may lag behind its own disk; a crash loses no event, it only re-executes more.
const EVENT_SYNC_EVERY: Duration = Duration::from_millis(250);
/// How often a full disk is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// The outcome of one command, after the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The sender's number.
    pub ticket: u64,
    /// Sequence of the command.
    pub seq: Seq,
    /// The refusal, if it was refused.
    pub code: Option<RejectCode>,
    /// The order or parent.
    pub id: u64,
    /// Whether it repeats an earlier command.
    pub repeated: bool,
}

/// What the engine made of one batch, waiting for the batch to be durable.
pub(crate) struct Output {
    pub(crate) last: Seq,
    pub(crate) level: u16,
    pub(crate) frames: Vec<u8>,
    pub(crate) events: u32,
    pub(crate) answers: Vec<(Sender<Vec<Completion>>, Vec<Completion>, Instant)>,
    pub(crate) looks: Vec<Box<dyn FnOnce() + Send>>,
}

/// The durable mark and what has passed the gate, for everyone who waits on either.
#[derive(Debug, Default)]
pub struct Published {
    durable: Mutex<u64>,
    became_durable: Condvar,
    released: AtomicU64,
    events_durable: AtomicU64,
    disk_full: AtomicBool,
    failed: AtomicBool,
    /// Journal index that a snapshot makes superfluous, and everything before it; 0 = none.
    purge: AtomicU64,
    snapshot: AtomicU64,
    snapshot_trouble: Mutex<Option<String>>,
    latency: Mutex<LatencyHistogram>,
    core_latency: Mutex<LatencySummary>,
}

impl Published {
    fn durable_lock(&self) -> MutexGuard<'_, u64> {
        self.durable.lock().expect("no holder of this lock panics")
    }

    /// The journal thread says that everything up to `seq` survives a power loss.
    pub(crate) fn mark_durable(&self, seq: Seq) {
        let mut durable = self.durable_lock();
        assert!(seq.0 >= *durable, "the durable mark never goes back");
        *durable = seq.0;
        self.became_durable.notify_all();
    }

    /// What recovery has found is durable and in the record.
    pub(crate) fn mark_recovered(&self, seq: Seq) {
        self.mark_durable(seq);
        self.released.store(seq.0, Ordering::Release);
        self.mark_events_durable(seq.0);
    }

    /// False if that will never come, because the journal has failed.
    fn wait_durable(&self, seq: Seq) -> bool {
        let mut durable = self.durable_lock();
        while *durable < seq.0 {
            if self.failed.load(Ordering::Acquire) {
                return false;
            }
            durable = self.became_durable.wait(durable).expect("no holder of this lock panics");
        }
        true
    }

    /// The journal has failed: nothing more becomes durable.
    pub(crate) fn fail(&self) {
        let _durable = self.durable_lock();
        self.failed.store(true, Ordering::Release);
        self.became_durable.notify_all();
    }

    /// Last sequence whose events survive a power loss without being made again.
    #[must_use]
    pub fn events_durable(&self) -> Seq {
        Seq(self.events_durable.load(Ordering::Acquire))
    }

    pub(crate) fn mark_events_durable(&self, seq: u64) {
        self.events_durable.store(seq, Ordering::Release);
    }

    /// Asks the journal thread to drop the segments before this record.
    pub(crate) fn ask_purge(&self, before: u64) {
        self.purge.store(before, Ordering::Release);
    }

    pub(crate) fn take_purge(&self) -> Option<u64> {
        let index = self.purge.swap(0, Ordering::AcqRel);
        (index > 0).then_some(index)
    }

    /// Last durable sequence.
    #[must_use]
    pub fn durable(&self) -> Seq {
        Seq(*self.durable_lock())
    }

    /// Sequence of the last snapshot; 0 = none.
    #[must_use]
    pub fn snapshot(&self) -> Seq {
        Seq(self.snapshot.load(Ordering::Acquire))
    }

    pub(crate) fn mark_snapshot(&self, seq: u64) {
        self.snapshot.store(seq, Ordering::Release);
    }

    /// Why no more snapshots are made, if so. A human must look; the journal is kept meanwhile.
    #[must_use]
    pub fn snapshot_trouble(&self) -> Option<String> {
        self.snapshot_trouble.lock().expect("no holder of this lock panics").clone()
    }

    pub(crate) fn tell_snapshot_trouble(&self, reason: String) {
        *self.snapshot_trouble.lock().expect("no holder of this lock panics") = Some(reason);
    }

    /// Last sequence whose events have left.
    #[must_use]
    pub fn released(&self) -> Seq {
        Seq(self.released.load(Ordering::Acquire))
    }

    /// Whether the disk is full, so that new commands are refused.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Acquire)
    }

    pub(crate) fn set_disk_full(&self, full: bool) {
        self.disk_full.store(full, Ordering::Release);
    }

    /// Latency from submission to answer, since the start.
    #[must_use]
    pub fn ack_latency(&self) -> LatencyHistogram {
        self.latency.lock().expect("no holder of this lock panics").clone()
    }

    /// Time from one command to the next inside the engine, since the start; about a second old.
    #[must_use]
    pub fn core_latency(&self) -> LatencySummary {
        *self.core_latency.lock().expect("no holder of this lock panics")
    }

    /// The core thread tells its latency. It waits for no reader: false if one is just looking.
    pub(crate) fn tell_core_latency(&self, latency: LatencySummary) -> bool {
        let Ok(mut told) = self.core_latency.try_lock() else { return false };
        *told = latency;
        true
    }
}

/// Retries an append while the disk is full, telling the doors; any other error is handed on. Whoever opens the doors
/// again is the journal's look at its disk.
pub(crate) fn until_space(
    published: &Published,
    mut append: impl FnMut() -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    loop {
        match append() {
            Err(JournalError::DiskFull { .. }) => {
                published.set_disk_full(true);
                std::thread::sleep(RETRY_EVERY);
            }
            other => return other,
        }
    }
}

/// The event log and what may be let into it.
pub(crate) struct Gate {
    log: EventLog,
    published: Arc<Published>,
    /// Where the frames go when they are in the record.
    used: Arc<Buffers>,
}

impl Gate {
    pub(crate) const fn new(log: EventLog, published: Arc<Published>, used: Arc<Buffers>) -> Self {
        Self { log, published, used }
    }

    /// Runs until the engine stops sending.
    pub(crate) fn run(mut self, outputs: &Receiver<Output>) -> Result<EventLog, CoreError> {
        run_promptly();
        // The mark is set here and not by the sync thread: the log itself must know of the sync first.
        let syncing = SyncThread::start("event-sync", Pace::Gentle, |_| {});
        let mut asked = Instant::now();
        loop {
            match outputs.recv_timeout(EVENT_SYNC_EVERY) {
                Ok(output) => self.pass(output, &syncing)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.take_note(&syncing)?;
            let behind = self.log.durable_sequence() < self.log.last_sequence();
            if behind && asked.elapsed() >= EVENT_SYNC_EVERY && syncing.is_idle() {
                syncing.ask(self.log.begin_sync()?, Seq(self.log.last_sequence()));
                asked = Instant::now();
            }
        }
        syncing.wait_idle();
        self.take_note(&syncing)?;
        self.sync()?;
        Ok(self.log)
    }

    /// Lets one batch out as soon as it is durable. What can be done without the disk is done before.
    fn pass(&mut self, output: Output, syncing: &SyncThread) -> Result<(), CoreError> {
        self.prepare(&output)?;
        if !self.published.wait_durable(output.last) {
            return Err(CoreError::Stopped);
        }
        if !self.log.has_room_for_prepared() {
            // Starting a segment syncs the old one, and that must not run beside another sync of it.
            syncing.wait_idle();
            self.take_note(syncing)?;
        }
        let published = Arc::clone(&self.published);
        until_space(&published, || self.record(&output))?;
        self.let_out(output);
        Ok(())
    }

    /// Gives the outcomes of syncs back to the event log.
    fn take_note(&mut self, syncing: &SyncThread) -> Result<(), JournalError> {
        while let Some(outcome) = syncing.next_outcome() {
            let durable = self.log.complete_sync(outcome)?;
            self.published.mark_events_durable(durable);
        }
        Ok(())
    }

    /// Makes the record durable, which nobody waits for but the purge of the journal.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        let durable = self.log.sync()?;
        self.published.mark_events_durable(durable);
        Ok(())
    }

    /// Compresses the events of a batch, which changes nothing on the disk.
    pub(crate) fn prepare(&mut self, output: &Output) -> Result<(), JournalError> {
        let first_sequence = self.log.last_sequence() + 1;
        if output.last.0 < first_sequence {
            return Ok(());
        }
        let (last_sequence, event_count, level) = (output.last.0, output.events, output.level);
        let span = BlockSpan { first_sequence, last_sequence, event_count, level };
        self.log.prepare_block(&span, &output.frames)
    }

    /// Puts the prepared batch into the record, which comes before every answer.
    pub(crate) fn record(&mut self, output: &Output) -> Result<(), JournalError> {
        assert!(output.last <= self.published.durable(), "nothing passes the gate before it is durable");
        self.log.append_prepared()?;
        assert!(output.last.0 <= self.log.last_sequence(), "the batch was prepared");
        self.published.released.store(output.last.0, Ordering::Release);
        Ok(())
    }

    /// Hands out the answers of one batch that is in the record.
    pub(crate) fn let_out(&self, output: Output) {
        assert!(output.last <= self.published.released(), "the record comes before the answer");
        let now = Instant::now();
        let mut latency = self.published.latency.lock().expect("no holder of this lock panics");
        for (answers, completions, at) in output.answers {
            let nanos = u64::try_from(now.duration_since(at).as_nanos()).unwrap_or(u64::MAX);
            completions.iter().for_each(|_| latency.record(nanos));
            // Whoever sent the commands may be gone.
            let _ = answers.send(completions);
        }
        drop(latency);
        output.looks.into_iter().for_each(|deliver| deliver());
        self.used.give_back(output.frames);
    }
}
