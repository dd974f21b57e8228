//! The gate: nothing made from command n leaves before n is durable (design rule 2). The only place that lets
//! anything out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use heng_journal::{BlockSpan, EventLog, JournalError};
use heng_model::{RejectCode, Seq};
use heng_runtime::LatencyHistogram;

use crate::error::CoreError;

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
    disk_full: AtomicBool,
    latency: Mutex<LatencyHistogram>,
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

    fn wait_durable(&self, seq: Seq) {
        let mut durable = self.durable_lock();
        while *durable < seq.0 {
            durable = self.became_durable.wait(durable).expect("no holder of this lock panics");
        }
    }

    /// Last durable sequence.
    #[must_use]
    pub fn durable(&self) -> Seq {
        Seq(*self.durable_lock())
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
}

/// Retries an append while the disk is full, telling the doors; any other error is handed on.
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
            other => {
                if published.is_disk_full() && other.is_ok() {
                    published.set_disk_full(false);
                }
                return other;
            }
        }
    }
}

/// Runs the gate until the engine stops sending.
pub(crate) fn run(outputs: &Receiver<Output>, mut log: EventLog, published: &Arc<Published>) -> Result<EventLog, CoreError> {
    let mut synced = Instant::now();
    while let Ok(output) = outputs.recv() {
        published.wait_durable(output.last);
        release(output, &mut log, published)?;
        if synced.elapsed() >= EVENT_SYNC_EVERY {
            log.sync()?;
            synced = Instant::now();
        }
    }
    log.sync()?;
    Ok(log)
}

/// Lets one batch out: the record first, then the answers.
fn release(output: Output, log: &mut EventLog, published: &Published) -> Result<(), CoreError> {
    let first = log.last_sequence() + 1;
    if output.last.0 >= first {
        let span = BlockSpan {
            first_sequence: first,
            last_sequence: output.last.0,
            event_count: output.events,
            level: output.level,
        };
        until_space(published, || log.append_block(&span, &output.frames))?;
    }
    published.released.store(output.last.0, Ordering::Release);
    let now = Instant::now();
    let mut latency = published.latency.lock().expect("no holder of this lock panics");
    for (answers, completions, at) in output.answers {
        let nanos = u64::try_from(now.duration_since(at).as_nanos()).unwrap_or(u64::MAX);
        completions.iter().for_each(|_| latency.record(nanos));
        // Whoever sent the commands may be gone.
        let _ = answers.send(completions);
    }
    drop(latency);
    output.looks.into_iter().for_each(|deliver| deliver());
    Ok(())
}
