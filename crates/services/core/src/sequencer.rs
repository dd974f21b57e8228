//! The core thread: it stamps commands, hands them to the journal, lets the engine decide, and hands what the engine
//! said to the gate. Journal and engine work on the same batch at the same time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::{Duration, Instant};

use heng_engine::{EventWriter, State, apply, warm, warm_first};
use heng_model::command::Tick;
use heng_model::{Command, Seq, Sequenced, UnixNanos};
use heng_runtime::{Clock, LatencyHistogram};

use crate::batch::CommandBatch;
use crate::buffers::Buffers;
use crate::gate::{Completion, Output, Published};
use crate::journal_thread::Stamped;
use crate::port::{Look, Request, Submission};

/// Commands in one batch at most: what one journal record holds.
const BATCH_COMMANDS_MAX: usize = 4_096;
/// How long an idle sequencer waits before it looks at its timers.
const IDLE: Duration = Duration::from_millis(20);
/// A clock that jumps ahead further than this is not believed; stamps then go on by one nanosecond a command.
const JUMP_MAX_NS: i64 = 30 * 86_400 * 1_000_000_000;

/// How often the core thread tells its latency, between two batches: it reads the whole histogram for it.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What the core thread works with.
pub(crate) struct Sequencer {
    pub(crate) state: State,
    pub(crate) writer: EventWriter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) input: Receiver<Submission>,
    pub(crate) journal: SyncSender<Stamped>,
    pub(crate) gate: SyncSender<Output>,
    pub(crate) published: Arc<Published>,
    pub(crate) abort_mark: PathBuf,
    pub(crate) follows_clock: bool,
    pub(crate) latency: LatencyHistogram,
    /// When the latency was told; `None` = never.
    pub(crate) told: Option<Instant>,
    pub(crate) batch: CommandBatch,
    /// Room for the commands of a batch and for their outcomes, used again and again.
    pub(crate) commands: Vec<Sequenced<Command>>,
    pub(crate) outcomes: Vec<Completion>,
    /// Buffers for the journal and for the gate, which give them back.
    pub(crate) payloads: Arc<Buffers>,
    pub(crate) frames: Arc<Buffers>,
}

type Answers = (Sender<Vec<Completion>>, Vec<Completion>, Instant);

/// One batch while it is gathered.
#[derive(Default)]
struct Gathered {
    commands: Vec<Sequenced<Command>>,
    /// Per sender: where its answers go, the tickets of its commands, and when it sent them.
    senders: Vec<(Sender<Vec<Completion>>, Vec<u64>, Instant)>,
    looks: Vec<Look>,
    stop: bool,
}

impl Sequencer {
    /// Runs until told to stop; returns the state as it then is.
    pub(crate) fn run(mut self) -> (State, LatencyHistogram) {
        while self.turn(IDLE) {}
        self.told = None;
        self.tell_latency();
        (self.state, self.latency)
    }

    /// One turn: gathers a batch, hands it to the journal, executes it. False if it was the last.
    pub(crate) fn turn(&mut self, wait: Duration) -> bool {
        let gathered = self.gather(wait);
        if !gathered.commands.is_empty() && !self.hand_to_journal(&gathered.commands) {
            return false;
        }
        let stop = gathered.stop;
        let goes_on = self.execute(gathered) && !stop;
        self.tell_latency();
        goes_on
    }

    fn tell_latency(&mut self) {
        let due = self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if due && self.published.tell_core_latency(self.latency.summary()) {
            self.told = Some(Instant::now());
        }
    }

    /// Waits for submissions and stamps what has come.
    fn gather(&mut self, wait: Duration) -> Gathered {
        let mut gathered = Gathered { commands: std::mem::take(&mut self.commands), ..Gathered::default() };
        match self.input.recv_timeout(wait) {
            Ok(submission) => self.add(submission, &mut gathered),
            Err(RecvTimeoutError::Timeout) => self.add_tick(&mut gathered),
            Err(RecvTimeoutError::Disconnected) => gathered.stop = true,
        }
        while gathered.commands.len() < BATCH_COMMANDS_MAX && gathered.looks.is_empty() && !gathered.stop {
            let Ok(submission) = self.input.try_recv() else { break };
            self.add(submission, &mut gathered);
        }
        gathered
    }

    fn add(&self, submission: Submission, gathered: &mut Gathered) {
        match submission {
            Submission::Commands { requests, at, answers } => {
                let mut tickets = Vec::with_capacity(requests.len());
                for Request { command, ticket, time } in requests {
                    self.stamp(command, time, gathered);
                    tickets.push(ticket);
                }
                gathered.senders.push((answers, tickets, at));
            }
            Submission::Inspect(look) => gathered.looks.push(look),
            Submission::Stop => gathered.stop = true,
        }
    }

    /// stamp = max(last + 1, clock).
    fn stamp(&self, command: Command, given: Option<UnixNanos>, gathered: &mut Gathered) {
        let (seq, last) = gathered.commands.last().map_or((self.state.seq(), self.state.time()), |c| (c.seq, c.time));
        let now = given.map_or_else(|| self.clock.now(), |time| time.0);
        let believed = last.0 == 0 || now - last.0 < JUMP_MAX_NS;
        let time = UnixNanos(if believed { now.max(last.0 + 1) } else { last.0 + 1 });
        gathered.commands.push(Sequenced { seq: seq.next(), time, command });
    }

    /// An idle core lets time pass when a timer is due.
    fn add_tick(&self, gathered: &mut Gathered) {
        let due = self.state.next_deadline().is_some_and(|deadline| deadline.0 <= self.clock.now());
        if self.follows_clock && due && !self.published.is_disk_full() {
            self.stamp(Tick {}.into(), None, gathered);
        }
    }

    /// False if the journal thread has failed; it has told so.
    fn hand_to_journal(&mut self, commands: &[Sequenced<Command>]) -> bool {
        let first = commands.first().expect("only called with commands");
        let batch = &mut self.batch;
        batch.begin(first.seq, self.writer.digest(), self.state.time());
        for command in commands {
            batch.add(command.time, &command.command);
        }
        let last = commands.last().expect("only called with commands").seq;
        let stamped = Stamped { last, level: self.state.level(), payload: self.payloads.holding(batch.bytes()) };
        self.journal.send(stamped).is_ok()
    }

    /// Lets the engine decide and hands the results to the gate. False if the gate is gone.
    fn execute(&mut self, gathered: Gathered) -> bool {
        let Gathered { commands, senders, looks, .. } = gathered;
        let level = self.state.level();
        let events_before = self.writer.total();
        self.decide(&commands);
        let mut outcomes = self.outcomes.drain(..);
        let answers: Vec<Answers> = senders
            .into_iter()
            .map(|(answers, tickets, at)| {
                let told = tickets.iter().zip(outcomes.by_ref()).map(|(ticket, c)| Completion { ticket: *ticket, ..c });
                let told: Vec<Completion> = told.collect();
                (answers, told, at)
            })
            .collect();
        drop(outcomes);
        let looks = looks.into_iter().map(|look| look(&self.state)).collect::<Vec<_>>();
        let idle = commands.is_empty() && looks.is_empty();
        self.commands = commands;
        self.commands.clear();
        if idle {
            return true;
        }
        let frames = self.frames.holding(self.writer.frames());
        self.writer.clear_frames();
        let events = u32::try_from(self.writer.total() - events_before).unwrap_or(u32::MAX);
        self.gate.send(Output { last: self.state.seq(), level, frames, events, answers, looks }).is_ok()
    }

    /// Applies the commands and keeps their outcomes. A panic in the engine is our own bug: its sequence is recorded and
    /// the process ends.
    fn decide(&mut self, commands: &[Sequenced<Command>]) {
        self.outcomes.clear();
        let mut before = Instant::now();
        warm_first(&self.state, commands);
        for (at, command) in commands.iter().enumerate() {
            warm(&self.state, commands, at);
            let (state, writer) = (&mut self.state, &mut self.writer);
            let applied = catch_unwind(AssertUnwindSafe(|| {
                #[cfg(test)]
                crate::poison::strike(&command.command);
                apply(state, command, writer)
            }));
            let Ok(outcome) = applied else { abort_at(&self.abort_mark, command.seq) };
            self.writer.finish();
            self.outcomes.push(Completion {
                ticket: 0,
                seq: command.seq,
                code: outcome.code,
                id: outcome.id,
                repeated: outcome.repeated,
            });
            let now = Instant::now();
            self.latency.record(u64::try_from((now - before).as_nanos()).unwrap_or(u64::MAX));
            before = now;
        }
    }
}

/// Better silent than wrong: the sequence is kept for the next start, then the process ends.
fn abort_at(mark: &std::path::Path, seq: Seq) -> ! {
    let written = std::fs::write(mark, seq.0.to_string());
    eprintln!("FATAL: the core aborted at command {seq}; recorded: {}", written.is_ok());
    std::process::abort()
}
