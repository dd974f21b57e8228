//! The role: recovery, three threads, an orderly end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use heng_engine::{Capacity, State};
use heng_journal::{EventLog, Journal, Storage};
use heng_model::command::{ControlParent, ParentAction};
use heng_model::{AccountId, ParentId, PartitionId, UnixNanos};
use heng_runtime::{Clock, LatencyHistogram};

use crate::batch::CommandBatch;
use crate::buffers::Buffers;
use crate::error::CoreError;
use crate::gate::{Gate, Output, Published};
use crate::journal_thread::{self, JournalWriter, Stamped};
use crate::layout::Layout;
use crate::port::{CorePort, Request, Submission};
use crate::recovery::recover;
use crate::sequencer::Sequencer;
use crate::snapshot_worker::{Cancel, SnapshotPolicy, SnapshotWorker};

/// Submissions that may wait for the sequencer; beyond that the doors answer `Overloaded`.
const INPUT_WAITING_MAX: usize = 1_024;
/// Batches that the engine may be ahead of the disk.
const BATCHES_AHEAD_MAX: usize = 64;

/// How to run a partition.
#[derive(Clone)]
pub struct CoreOptions {
    /// The data folder.
    pub data: PathBuf,
    /// The partition.
    pub partition: PartitionId,
    /// Rows to make room for.
    pub capacity: Capacity,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether timers fire by the clock when no command comes (a live market), or only with commands (a simulated day).
    pub follows_clock: bool,
    /// Disk.
    pub storage: Arc<dyn Storage>,
    /// Bytes of a journal segment.
    pub segment_bytes: u64,
    /// When snapshots are made; `None` = never.
    pub snapshots: Option<SnapshotPolicy>,
    /// What to do when journal or event log fail for good: end the process, except in tests.
    pub on_fatal: fn(&CoreError),
}

/// What recovery found.
pub(crate) struct Facts {
    pub(crate) commands: u64,
    pub(crate) chain_head: [u8; 32],
    pub(crate) rules: Option<[u8; 32]>,
    pub(crate) warnings: Vec<String>,
}

/// The parts of the role and the queues between them, before anything runs them.
pub(crate) struct Parts {
    pub(crate) sequencer: Sequencer,
    pub(crate) stamped: Receiver<Stamped>,
    pub(crate) outputs: Receiver<Output>,
    pub(crate) writer: JournalWriter,
    pub(crate) gate: Gate,
    pub(crate) worker: Option<SnapshotWorker>,
    pub(crate) input: SyncSender<Submission>,
    pub(crate) published: Arc<Published>,
    pub(crate) facts: Facts,
}

impl Parts {
    /// Recovers a partition and puts the parts together.
    pub(crate) fn recover(options: &CoreOptions) -> Result<Self, CoreError> {
        let layout = Layout::new(&options.data);
        let mut recovered =
            recover(&options.storage, &layout, options.partition, options.capacity, options.segment_bytes)?;
        recovered.state.make_room(options.capacity);
        let published = Arc::new(Published::default());
        let last = recovered.state.seq();
        published.mark_recovered(last);
        let (input, submissions) = sync_channel::<Submission>(INPUT_WAITING_MAX);
        let (to_journal, stamped) = sync_channel(BATCHES_AHEAD_MAX);
        let (to_gate, outputs) = sync_channel(BATCHES_AHEAD_MAX);
        let facts = Facts {
            commands: recovered.commands,
            chain_head: recovered.chain_head,
            rules: recovered.state.newest_rulebook(),
            warnings: recovered.warnings,
        };
        let worker = options.snapshots.map(|policy| SnapshotWorker {
            storage: Arc::clone(&options.storage),
            layout: layout.clone(),
            partition: options.partition,
            policy,
            published: Arc::clone(&published),
            cancel: Arc::default(),
            last: recovered.snapshot,
        });
        let (payloads, frames) = (Arc::new(Buffers::default()), Arc::new(Buffers::default()));
        let sequencer = Sequencer {
            state: recovered.state,
            writer: recovered.writer,
            clock: Arc::clone(&options.clock),
            input: submissions,
            journal: to_journal,
            gate: to_gate,
            published: Arc::clone(&published),
            abort_mark: layout.abort_mark,
            follows_clock: options.follows_clock,
            latency: LatencyHistogram::default(),
            told: None,
            batch: CommandBatch::default(),
            commands: Vec::new(),
            outcomes: Vec::new(),
            payloads: Arc::clone(&payloads),
            frames: Arc::clone(&frames),
        };
        let marks = Arc::clone(&published);
        let writer =
            JournalWriter::new(recovered.journal, recovered.term, options.segment_bytes, last, marks, payloads);
        let gate = Gate::new(recovered.events, Arc::clone(&published), frames);
        Ok(Self { sequencer, stamped, outputs, writer, gate, worker, input, published, facts })
    }
}

/// The command that pauses every live parent, one nanosecond after the last command.
fn pause_all_parents() -> Request {
    let command = ControlParent { account: AccountId(0), parent: ParentId(0), action: ParentAction::Pause, epoch: 0 };
    Request { command: command.into(), ticket: 0, time: Some(UnixNanos(0)) }
}

/// A running core.
pub struct Core {
    port: CorePort,
    sequencer: JoinHandle<(State, LatencyHistogram)>,
    journal: JoinHandle<Option<Journal>>,
    gate: JoinHandle<Option<EventLog>>,
    worker: Option<JoinHandle<()>>,
    cancel: Option<Arc<Cancel>>,
    facts: Facts,
}

/// What is left when a core has stopped.
pub struct CoreReport {
    /// The last state.
    pub state: State,
    /// Time from one command to the next inside the engine.
    pub core_latency: LatencyHistogram,
    /// Time from submission to answer.
    pub ack_latency: LatencyHistogram,
    /// Hash of the last journal record.
    pub chain_head: [u8; 32],
}

impl Core {
    /// Recovers the partition in `options.data`, or begins one, and starts it. Parents that were live are paused by the
    /// first command: their drivers must claim them anew.
    ///
    /// # Errors
    /// As [`recover`].
    pub fn start(options: &CoreOptions) -> Result<Self, CoreError> {
        let parts = Parts::recover(options)?;
        let Parts { sequencer, stamped, outputs, writer, gate, worker, input, published, facts } = parts;
        let port = CorePort::new(input, published);
        if sequencer.state.has_live_parents() {
            port.send(vec![pause_all_parents()], &channel().0)?;
        }
        let fatal = options.on_fatal;
        let cancel = worker.as_ref().map(|worker| Arc::clone(&worker.cancel));
        Ok(Self {
            port,
            journal: spawn("journal", move || report(journal_thread::run(&stamped, writer), fatal)),
            gate: spawn("gate", move || report(gate.run(&outputs), fatal)),
            sequencer: spawn("sequencer", move || sequencer.run()),
            worker: worker.map(|worker| spawn("snapshots", move || worker.run())),
            cancel,
            facts,
        })
    }

    /// A handle for those who send commands.
    #[must_use]
    pub fn port(&self) -> CorePort {
        self.port.clone()
    }

    /// Commands that recovery re-executed.
    #[must_use]
    pub const fn recovered_commands(&self) -> u64 {
        self.facts.commands
    }

    /// Hash of the last journal record at the start.
    #[must_use]
    pub const fn chain_head(&self) -> [u8; 32] {
        self.facts.chain_head
    }

    /// What recovery has to tell a person.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.facts.warnings
    }

    /// Hash of the rule files last activated, as recovered; `None` if none ever were. A start with other files asks for
    /// their activation and never applies them silently (design rule 8).
    #[must_use]
    pub const fn active_rules_hash(&self) -> Option<[u8; 32]> {
        self.facts.rules
    }

    /// Finishes what was submitted and stops.
    ///
    /// # Errors
    /// If a thread of the role failed.
    pub fn stop(self) -> Result<CoreReport, CoreError> {
        // If the sequencer is gone already, joining tells why.
        let _ = self.port.input.send(Submission::Stop);
        if let Some(cancel) = &self.cancel {
            cancel.cancel();
        }
        let (state, core_latency) = self.sequencer.join().map_err(|_| CoreError::Stopped)?;
        let journal = self.journal.join().map_err(|_| CoreError::Stopped)?.ok_or(CoreError::Stopped)?;
        self.gate.join().map_err(|_| CoreError::Stopped)?.ok_or(CoreError::Stopped)?;
        if let Some(worker) = self.worker {
            worker.join().map_err(|_| CoreError::Stopped)?;
        }
        let ack_latency = self.port.published().ack_latency();
        Ok(CoreReport { state, core_latency, ack_latency, chain_head: journal.chain_head() })
    }
}

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().name(name.into()).spawn(run).expect("the system can start a thread")
}

fn report<T>(result: Result<T, CoreError>, fatal: fn(&CoreError)) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        // Another thread has failed and told why.
        Err(CoreError::Stopped) => None,
        Err(error) => {
            fatal(&error);
            None
        }
    }
}
