//! The command port of a core in the same process.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use heng_engine::State;
use heng_model::{Command, RejectCode, Seq, UnixNanos};
use heng_ports::{Answer, CommandPort, CoreStatus, CoreWatch, Done, LatencyPoints};
use heng_runtime::LatencySummary;

use crate::error::CoreError;
use crate::gate::{Completion, Published};

/// A command on its way to the sequencer.
#[derive(Debug)]
pub struct Request {
    /// The command.
    pub command: Command,
    /// The sender's number for it, handed back with the answer.
    pub ticket: u64,
    /// The time that a simulated market gives it; `None` = the sequencer's clock.
    pub time: Option<UnixNanos>,
}

/// Hands on what a look found.
pub type Deliver = Box<dyn FnOnce() + Send>;
/// A look at the state between two commands.
pub type Look = Box<dyn FnOnce(&State) -> Deliver + Send>;

/// What the sequencer receives.
pub enum Submission {
    /// Commands, and where their answers go.
    Commands {
        /// The commands, in order.
        requests: Vec<Request>,
        /// When they were submitted.
        at: Instant,
        /// Where the answers go, in one piece per batch, after the gate.
        answers: Sender<Vec<Completion>>,
    },
    /// A look at the state between two commands. What it found leaves through the gate like everything else.
    Inspect(Look),
    /// No more commands: finish and stop.
    Stop,
}

/// A handle to a running core. Cheap to clone; each clone may be used from its own thread.
#[derive(Clone)]
pub struct CorePort {
    pub(crate) input: SyncSender<Submission>,
    pub(crate) published: Arc<Published>,
    waiting: Arc<Mutex<Waiting>>,
    answers: Sender<Vec<Completion>>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    takers: BTreeMap<u64, Done>,
}

impl CorePort {
    /// A port that sends to `input`; starts the thread that hands answers to those who wait.
    pub(crate) fn new(input: SyncSender<Submission>, published: Arc<Published>) -> Self {
        let (answers, completed) = channel();
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let table = Arc::clone(&waiting);
        std::thread::Builder::new()
            .name("answers".into())
            .spawn(move || hand_out(&completed, &table))
            .expect("the system can start a thread");
        Self { input, published, waiting, answers }
    }

    /// Sends a batch whose answers go to `answers`. Blocks while the core's input is full.
    ///
    /// # Errors
    /// If the doors are closed (nothing of the batch was taken), or the core has stopped.
    pub fn send(&self, requests: Vec<Request>, answers: &Sender<Vec<Completion>>) -> Result<(), CoreError> {
        if let Some(code) = self.refusal() {
            return Err(CoreError::Refused { code });
        }
        let answers = answers.clone();
        self.input.send(Submission::Commands { requests, at: Instant::now(), answers }).map_err(|_| CoreError::Stopped)
    }

    /// Looks at the state between two commands; the result arrives only after everything it saw is durable.
    ///
    /// # Errors
    /// If the core has stopped.
    pub fn inspect<T: Send + 'static>(&self, look: impl FnOnce(&State) -> T + Send + 'static) -> Result<T, CoreError> {
        let (sender, receiver) = channel();
        let look = Submission::Inspect(Box::new(move |state| {
            let found = look(state);
            Box::new(move || {
                // Whoever asked may have given up; that is no concern of the core.
                let _ = sender.send(found);
            })
        }));
        self.input.send(look).map_err(|_| CoreError::Stopped)?;
        receiver.recv().map_err(|_| CoreError::Stopped)
    }

    /// What has passed the gate.
    #[must_use]
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// Why the doors refuse new commands now, if they do.
    #[must_use]
    pub fn refusal(&self) -> Option<RejectCode> {
        if self.published.is_disk_full() { Some(RejectCode::DiskFull) } else { None }
    }
}

impl CommandPort for CorePort {
    fn begin(&self, command: Command, done: Done) {
        let refused = |code| Answer::Rejected { sequence: Seq(0), id: 0, code, repeated: false };
        if let Some(code) = self.refusal() {
            return done(refused(code));
        }
        let ticket = {
            let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
            waiting.next += 1;
            let ticket = waiting.next;
            waiting.takers.insert(ticket, done);
            ticket
        };
        let request = Request { command, ticket, time: None };
        let answers = self.answers.clone();
        let sent = self.input.try_send(Submission::Commands { requests: vec![request], at: Instant::now(), answers });
        let code = match sent {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => RejectCode::Overloaded,
            Err(TrySendError::Disconnected(_)) => RejectCode::ShuttingDown,
        };
        let done = self.waiting.lock().expect("no holder of this lock panics").takers.remove(&ticket);
        if let Some(done) = done {
            done(refused(code));
        }
    }
}

impl CoreWatch for CorePort {
    fn status(&self) -> Option<CoreStatus> {
        let published = &self.published;
        Some(CoreStatus {
            durable: published.durable().0,
            released: published.released().0,
            snapshot: published.snapshot().0,
            refusal: self.refusal().map_or(0, RejectCode::number),
            core: points(published.core_latency()),
            ack: points(published.ack_latency().summary()),
        })
    }
}

fn points(summary: LatencySummary) -> LatencyPoints {
    let ns = |us: f64| (us * 1e3) as u64;
    LatencyPoints { count: summary.count, p50_ns: ns(summary.p50), p99_ns: ns(summary.p99), p999_ns: ns(summary.p999) }
}

fn answer_of(completion: &Completion) -> Answer {
    let Completion { seq: sequence, id, code, repeated, .. } = *completion;
    match code {
        None => Answer::Accepted { sequence, id, repeated },
        Some(code) => Answer::Rejected { sequence, id, code, repeated },
    }
}

fn hand_out(completed: &Receiver<Vec<Completion>>, table: &Mutex<Waiting>) {
    while let Ok(batch) = completed.recv() {
        let takers: Vec<_> = {
            let mut waiting = table.lock().expect("no holder of this lock panics");
            batch.iter().map(|completion| waiting.takers.remove(&completion.ticket)).collect()
        };
        // Outside the lock, so that a taker may send the next command.
        for (completion, taker) in batch.iter().zip(takers) {
            if let Some(done) = taker {
                done(answer_of(completion));
            }
        }
    }
}
