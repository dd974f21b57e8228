//! The same parts as a running core, step by step on one thread: a simulator decides what happens when.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::time::{Duration, Instant};

use heng_engine::State;

use crate::error::CoreError;
use crate::gate::{Completion, Gate, Output, Published};
use crate::journal_thread::{JournalWriter, Stamped};
use crate::port::{Request, Submission};
use crate::role::{CoreOptions, Facts, Parts};
use crate::sequencer::Sequencer;
use crate::snapshot_worker::SnapshotWorker;

/// A recovered partition whose threads are replaced by whoever calls the steps. At most 32 turns of the sequencer may
/// be ahead of [`CoreSteps::append`] and [`CoreSteps::release`]: the queues between the parts are bounded.
///
/// After an error of the disk the core must be dropped, as the process would end; a full disk may be tried again.
pub struct CoreSteps {
    sequencer: Sequencer,
    input: SyncSender<Submission>,
    stamped: Receiver<Stamped>,
    unwritten: Option<Stamped>,
    outputs: Receiver<Output>,
    waiting: Option<Output>,
    writer: JournalWriter,
    gate: Gate,
    worker: Option<SnapshotWorker>,
    published: Arc<Published>,
    facts: Facts,
}

impl CoreSteps {
    /// Recovers the partition in `options.data`, or begins one.
    ///
    /// # Errors
    /// As [`crate::recover`].
    pub fn recover(options: &CoreOptions) -> Result<Self, CoreError> {
        let Parts { sequencer, stamped, outputs, writer, gate, worker, input, published, facts } =
            Parts::recover(options)?;
        Ok(Self {
            sequencer,
            input,
            stamped,
            unwritten: None,
            outputs,
            waiting: None,
            writer,
            gate,
            worker,
            published,
            facts,
        })
    }

    /// Submits one batch and lets the sequencer stamp it, hand it on and execute it.
    ///
    /// # Errors
    /// If the core has stopped.
    pub fn submit(&mut self, requests: Vec<Request>, answers: &Sender<Vec<Completion>>) -> Result<(), CoreError> {
        let (at, answers) = (Instant::now(), answers.clone());
        self.input.send(Submission::Commands { requests, at, answers }).map_err(|_| CoreError::Stopped)?;
        if self.sequencer.turn(Duration::ZERO) { Ok(()) } else { Err(CoreError::Stopped) }
    }

    /// Appends the next stamped batch to the journal. False if there is none.
    ///
    /// # Errors
    /// As the journal's append; after a full disk the batch waits and the step may be repeated.
    pub fn append(&mut self) -> Result<bool, CoreError> {
        let Some(batch) = self.unwritten.take().or_else(|| self.stamped.try_recv().ok()) else { return Ok(false) };
        let appended = self.writer.append(&batch);
        if appended.is_err() {
            self.unwritten = Some(batch);
        }
        appended?;
        Ok(true)
    }

    /// One fdatasync of the journal, and the durable mark behind it.
    ///
    /// # Errors
    /// A failed fdatasync: the core must be dropped.
    pub fn sync(&mut self) -> Result<(), CoreError> {
        Ok(self.writer.sync()?)
    }

    /// Lets the next batch through the gate if it is durable. False if there is none, or it is not.
    ///
    /// # Errors
    /// As the event log's append; after a full disk the batch waits and the step may be repeated.
    pub fn release(&mut self) -> Result<bool, CoreError> {
        let Some(output) = self.waiting.take().or_else(|| self.outputs.try_recv().ok()) else { return Ok(false) };
        if output.last > self.published.durable() {
            self.waiting = Some(output);
            return Ok(false);
        }
        let recorded = self.gate.prepare(&output).and_then(|()| self.gate.record(&output));
        if recorded.is_err() {
            self.waiting = Some(output);
            recorded?;
        } else {
            self.gate.let_out(output);
        }
        Ok(true)
    }

    /// One fdatasync of the event log.
    ///
    /// # Errors
    /// A failed fdatasync: the core must be dropped.
    pub fn sync_events(&mut self) -> Result<(), CoreError> {
        Ok(self.gate.sync()?)
    }

    /// One turn of the snapshot worker, and of the purge that it may allow. The sequence of the snapshot, if one was
    /// made.
    ///
    /// # Errors
    /// Of the disk, or a divergence.
    pub fn snapshot(&mut self) -> Result<Option<u64>, CoreError> {
        let Some(worker) = &mut self.worker else { return Ok(None) };
        let made = worker.work()?;
        self.writer.purge()?;
        Ok(made)
    }

    /// Looks at the disk, as the journal thread does: closes or opens the doors.
    pub fn look_at_disk(&self) {
        self.writer.look_at_disk();
    }

    /// What has passed the gate.
    #[must_use]
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// The state, which is ahead of what is durable.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.sequencer.state
    }

    /// Commands that recovery re-executed.
    #[must_use]
    pub const fn recovered_commands(&self) -> u64 {
        self.facts.commands
    }
}
