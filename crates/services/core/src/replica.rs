//! A second state of the partition, in memory, that answers questions.
//!
//! It reads the journal, as recovery does, and applies a command only when it is durable. So there is no hand-over that
//! could hold back the core: the core writes its journal in any case, and the replica looks at the durable mark and
//! reads behind it, on a thread of its own with a small share of the processor. A replica that falls behind catches up
//! from the same files; one whose place was purged begins again with the newest snapshot, as a start does.
//!
//! *Invariant:* nothing that is not durable is ever answered.
//! *Invariant:* before each batch the digest of all events equals the one that the core wrote: a replica that goes
//! another way stops by name.
//! *Invariant:* a question waits for the replica, never the core for a question.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use heng_engine::{Capacity, apply, apply_quarantined};
use heng_journal::{Check, JournalReader, RecordKind, Storage, quarantines, run_in_background};
use heng_model::wire::WireError;
use heng_model::{Command, PartitionId, Seq, Sequenced};
use heng_ports::{Answered, CoreQueries, NoAnswer, Question};

use crate::batch::{batch_head, decode_batch};
use crate::error::CoreError;
use crate::explaining::{Explaining, Kept};
use crate::layout::Layout;
use crate::port::CorePort;
use crate::questions::{PositionIndex, answer};
use crate::recovery::{Replayer, check_head, quarantine_in, start_from};

/// Questions that may wait for the thread, or on it for their sequence.
const WAITING_MAX: usize = 4_096;
/// Commands after which the replica looks whether somebody asks.
const COMMANDS_MAX: usize = 256;
/// How long an idle replica waits for questions until it looks at the journal again.
const IDLE: Duration = Duration::from_millis(2);
/// How long a replica whose files cannot be read waits until it begins again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How to run a replica.
#[derive(Clone)]
pub struct ReplicaOptions {
    /// The data folder of the core.
    pub data: PathBuf,
    /// The partition.
    pub partition: PartitionId,
    /// Rows to make room for.
    pub capacity: Capacity,
    /// Disk.
    pub storage: Arc<dyn Storage>,
    /// What the checks of orders looked at is told for commands behind this one, as far as the journal still holds
    /// them: whoever keeps it for good says how far it is.
    pub explain_after: Seq,
}

struct Asked {
    question: Question,
    deadline: Instant,
    reply: SyncSender<Answered>,
}

/// How the replica is doing.
#[derive(Debug, Default)]
struct Progress {
    applied: AtomicU64,
    trouble: Mutex<Option<String>>,
}

/// The way to a replica. Cheap to clone; each clone may be used from its own thread.
#[derive(Clone)]
pub struct ReplicaPort {
    questions: SyncSender<Asked>,
    progress: Arc<Progress>,
}

impl ReplicaPort {
    /// The last command that the replica has applied.
    #[must_use]
    pub fn applied(&self) -> Seq {
        Seq(self.progress.applied.load(Ordering::Acquire))
    }

    /// Why the replica stands, if it does.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.progress.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CoreQueries for ReplicaPort {
    fn ask(&self, question: Question, deadline: Duration) -> Result<Answered, NoAnswer> {
        let (reply, answered) = sync_channel(1);
        let asked = Asked { question, deadline: Instant::now() + deadline, reply };
        match self.questions.try_send(asked) {
            Ok(()) => answered.recv_timeout(deadline).map_err(|error| match error {
                RecvTimeoutError::Timeout => NoAnswer::Late,
                // The thread dropped the question: it was late there, or the thread has ended.
                RecvTimeoutError::Disconnected if self.trouble().is_some() => NoAnswer::Stopped,
                RecvTimeoutError::Disconnected => NoAnswer::Late,
            }),
            Err(TrySendError::Full(_)) => Err(NoAnswer::Busy),
            Err(TrySendError::Disconnected(_)) => Err(NoAnswer::Stopped),
        }
    }
}

/// A running replica; it ends when it is stopped or every [`ReplicaPort`] is gone.
pub struct Replica {
    port: ReplicaPort,
    stop: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Replica {
    /// Starts a replica beside a running core. It answers once it holds what was durable at this moment.
    #[must_use]
    pub fn start(core: &CorePort, options: ReplicaOptions) -> Self {
        let (questions, asked) = sync_channel(WAITING_MAX);
        let progress = Arc::new(Progress::default());
        let stop = Arc::new(AtomicU64::new(0));
        let running = Running {
            core: core.clone(),
            ready: core.published().durable(),
            options,
            progress: Arc::clone(&progress),
            asked,
            waiting: Vec::new(),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new()
            .name("replica".into())
            .spawn(move || running.run())
            .expect("the system can start a thread");
        Self { port: ReplicaPort { questions, progress }, stop, thread }
    }

    /// The way to ask it.
    #[must_use]
    pub fn port(&self) -> ReplicaPort {
        self.port.clone()
    }

    /// Stops it; questions that wait get no answer.
    pub fn stop(self) {
        self.stop.store(1, Ordering::Release);
        drop(self.port);
        // A panic of the thread has been told by its own message.
        let _ = self.thread.join();
    }
}

/// The thread.
struct Running {
    core: CorePort,
    options: ReplicaOptions,
    /// Answers are given from here on.
    ready: Seq,
    progress: Arc<Progress>,
    asked: Receiver<Asked>,
    waiting: Vec<Asked>,
    stop: Arc<AtomicU64>,
}

/// What the thread holds of the partition.
struct Held {
    replayer: Replayer,
    reader: JournalReader,
    /// Commands that were read and are not applied yet.
    read: Vec<Sequenced<Command>>,
    next: usize,
    positions: PositionIndex,
    kept: Kept,
}

/// What a turn came to.
enum Turn {
    /// There may be more to do at once.
    Again,
    /// Nothing to do until time passes or somebody asks.
    Idle,
}

impl Running {
    fn run(mut self) {
        run_in_background();
        while !self.is_stopped() {
            match self.hold_until_it_fails() {
                Ok(()) => return,
                Err(error @ (CoreError::Journal(_) | CoreError::NoStart { .. })) => {
                    // The place in the journal was purged, or the disk fails: the newest snapshot is a new beginning.
                    self.tell(Some(error.to_string()));
                    self.ready = self.ready.max(Seq(self.progress.applied.load(Ordering::Acquire)));
                    std::thread::sleep(AFTER_FAILURE);
                }
                Err(error) => {
                    self.tell(Some(error.to_string()));
                    return;
                }
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire) != 0
    }

    fn tell(&self, trouble: Option<String>) {
        *self.progress.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Reads and answers until told to stop.
    fn hold_until_it_fails(&mut self) -> Result<(), CoreError> {
        let mut held = self.load()?;
        self.tell(None);
        while !self.is_stopped() {
            self.listen(Duration::ZERO);
            self.answer(&mut held);
            if let Turn::Idle = self.turn(&mut held)? {
                self.listen(IDLE);
            }
        }
        Ok(())
    }

    /// Begins with the newest snapshot from which the explanations asked for can be told, or the newest there is.
    fn load(&self) -> Result<Held, CoreError> {
        let ReplicaOptions { data, partition, capacity, storage, explain_after } = &self.options;
        let layout = Layout::new(data);
        let begin = |at_most: u64| -> Result<Held, CoreError> {
            let mut skipped = Vec::new();
            let mut replayer = start_from(storage, &layout, *partition, *capacity, at_most, &mut skipped)?;
            let found = quarantines(storage.as_ref(), &layout.journal)?;
            replayer.quarantined = found.iter().map(|quarantine| quarantine.sequence).collect();
            let from = replayer.last_index + 1;
            let mut reader =
                JournalReader::open(Arc::clone(storage), &layout.journal, from, Check::Checksums)?.follow();
            let mut read = Vec::new();
            take_record(&mut replayer, &mut reader, &mut read)?;
            let kept = Kept::from(replayer.state.seq());
            Ok(Held { replayer, reader, read, next: 0, positions: PositionIndex::default(), kept })
        };
        begin(explain_after.0.max(1)).or_else(|_| begin(u64::MAX))
    }

    /// Takes questions, waiting at most `wait` for the first.
    fn listen(&mut self, wait: Duration) {
        let first = if wait.is_zero() { self.asked.try_recv().ok() } else { self.asked.recv_timeout(wait).ok() };
        self.waiting.extend(first);
        while self.waiting.len() < WAITING_MAX {
            let Ok(asked) = self.asked.try_recv() else { break };
            self.waiting.push(asked);
        }
    }

    /// Answers whatever can be answered now, and forgets what came too late.
    fn answer(&mut self, held: &mut Held) {
        let at = held.replayer.state.seq();
        self.progress.applied.store(at.0, Ordering::Release);
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        let ready = self.ready;
        self.waiting.retain(|asked| {
            if asked.deadline <= now {
                return false;
            }
            if at < asked.question.min_sequence.max(ready) {
                return true;
            }
            let reply = answer(&asked.question.about, &held.replayer.state, &mut held.positions, &held.kept);
            // Whoever asked may have given up.
            let _ = asked.reply.try_send(Answered { as_of: at, reply });
            false
        });
    }

    /// Applies some commands that are durable.
    fn turn(&self, held: &mut Held) -> Result<Turn, CoreError> {
        if held.next == held.read.len() {
            held.read.clear();
            held.next = 0;
            let durable = self.core.published().durable();
            if durable <= held.replayer.state.seq() {
                return Ok(Turn::Idle);
            }
            take_record(&mut held.replayer, &mut held.reader, &mut held.read)?;
            return Ok(if held.read.is_empty() { Turn::Idle } else { Turn::Again });
        }
        let durable = self.core.published().durable();
        let mut applied = 0;
        while let Some(command) = held.read.get(held.next).filter(|command| command.seq <= durable) {
            apply_one(&mut held.replayer, command, &mut held.kept)?;
            held.next += 1;
            applied += 1;
            if applied == COMMANDS_MAX {
                break;
            }
        }
        Ok(if applied == 0 { Turn::Idle } else { Turn::Again })
    }
}

/// Reads records until one brings commands; none if the journal ends.
fn take_record(
    replayer: &mut Replayer,
    reader: &mut JournalReader,
    read: &mut Vec<Sequenced<Command>>,
) -> Result<(), CoreError> {
    while read.is_empty() {
        let Some(record) = reader.next_record()? else { return Ok(()) };
        replayer.last_index = record.index;
        replayer.quarantined.extend(quarantine_in(&record));
        if record.kind != RecordKind::Commands {
            continue;
        }
        let index = record.index;
        let damaged = |error| CoreError::Record { index, error };
        let head = batch_head(record.payload).map_err(damaged)?;
        check_head(index, head, replayer.state.seq().next(), replayer.writer.digest())?;
        let take = |command| {
            read.push(command);
            Ok::<(), WireError>(())
        };
        decode_batch(record.payload, |_, _| Ok(()), take).map_err(damaged)?;
    }
    Ok(())
}

fn apply_one(replayer: &mut Replayer, command: &Sequenced<Command>, kept: &mut Kept) -> Result<(), CoreError> {
    let quarantined = replayer.quarantined.contains(&command.seq.0);
    let (state, writer) = (&mut replayer.state, &mut replayer.writer);
    let applied = catch_unwind(AssertUnwindSafe(|| {
        let mut sink = Explaining::new(writer);
        if quarantined {
            apply_quarantined(state, command, &mut sink);
        } else {
            apply(state, command, &mut sink);
        }
        sink.finish()
    }));
    let reason = || "the replica aborted at it".to_owned();
    let told = applied.map_err(|_| CoreError::Poison { sequence: command.seq.0, reason: reason() })?;
    replayer.writer.finish();
    replayer.writer.clear_frames();
    kept.keep(command.seq, told);
    Ok(())
}
