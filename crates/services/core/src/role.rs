//! The role: recovery, three threads, an orderly end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use heng_engine::{Capacity, State};
use heng_journal::{EventLog, Journal, Storage};
use heng_model::PartitionId;
use heng_runtime::{Clock, LatencyHistogram};

use crate::error::CoreError;
use crate::gate::{self, Published};
use crate::journal_thread;
use crate::layout::Layout;
use crate::port::{CorePort, Submission};
use crate::recovery::recover;
use crate::sequencer::Sequencer;

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
    /// What to do when journal or event log fail for good: end the process, except in tests.
    pub on_fatal: fn(&CoreError),
}

/// A running core.
pub struct Core {
    port: CorePort,
    sequencer: JoinHandle<(State, LatencyHistogram)>,
    journal: JoinHandle<Option<Journal>>,
    gate: JoinHandle<Option<EventLog>>,
    recovered_commands: u64,
    chain_head: [u8; 32],
    warnings: Vec<String>,
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
    /// Recovers the partition in `options.data`, or begins one, and starts it.
    ///
    /// # Errors
    /// As [`recover`].
    pub fn start(options: &CoreOptions) -> Result<Self, CoreError> {
        let layout = Layout::new(&options.data);
        let storage = &options.storage;
        let recovered = recover(storage, &layout, options.partition, options.capacity, options.segment_bytes)?;
        let published = Arc::new(Published::default());
        published.mark_durable(recovered.state.seq());
        let (input, submissions) = sync_channel::<Submission>(INPUT_WAITING_MAX);
        let (to_journal, stamped) = sync_channel(BATCHES_AHEAD_MAX);
        let (to_gate, outputs) = sync_channel(BATCHES_AHEAD_MAX);
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
        };
        let (fatal, marks, term, journal, events) =
            (options.on_fatal, Arc::clone(&published), recovered.term, recovered.journal, recovered.events);
        let journal = spawn("journal", move || report(journal_thread::run(&stamped, journal, term, &marks), fatal));
        let marks = Arc::clone(&published);
        let gate = spawn("gate", move || report(gate::run(&outputs, events, &marks), fatal));
        Ok(Self {
            port: CorePort::new(input, published),
            sequencer: spawn("sequencer", move || sequencer.run()),
            journal,
            gate,
            recovered_commands: recovered.commands,
            chain_head: recovered.chain_head,
            warnings: recovered.warnings,
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
        self.recovered_commands
    }

    /// Hash of the last journal record at the start.
    #[must_use]
    pub const fn chain_head(&self) -> [u8; 32] {
        self.chain_head
    }

    /// What recovery has to tell a person.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Finishes what was submitted and stops.
    ///
    /// # Errors
    /// If a thread of the role failed.
    pub fn stop(self) -> Result<CoreReport, CoreError> {
        // If the sequencer is gone already, joining tells why.
        let _ = self.port.input.send(Submission::Stop);
        let (state, core_latency) = self.sequencer.join().map_err(|_| CoreError::Stopped)?;
        let journal = self.journal.join().map_err(|_| CoreError::Stopped)?.ok_or(CoreError::Stopped)?;
        self.gate.join().map_err(|_| CoreError::Stopped)?.ok_or(CoreError::Stopped)?;
        let ack_latency = self.port.published().ack_latency();
        Ok(CoreReport { state, core_latency, ack_latency, chain_head: journal.chain_head() })
    }
}

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().name(name.into()).spawn(run).expect("the system can start a thread")
}

fn report<T>(result: Result<T, CoreError>, fatal: fn(&CoreError)) -> Option<T> {
    result.map_err(|error| fatal(&error)).ok()
}
