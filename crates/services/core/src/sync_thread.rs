//! A sync thread: one fdatasync after the other, each for everything that was appended before it began, while the
//! thread that owns the log goes on appending. Journal and event log have one each.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use heng_journal::{SyncOutcome, SyncTicket, run_promptly};
use heng_model::Seq;

/// How a sync uses the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Somebody waits for it.
    AtOnce,
    /// Nobody waits for it, and it leaves the disk to those who do.
    Gentle,
}

/// The thread, and the way to it for the owner of the log. Dropping it lets a sync that was asked for end first.
#[derive(Debug)]
pub(crate) struct SyncThread {
    slot: Arc<SyncSlot>,
    outcomes: Receiver<SyncOutcome>,
    thread: Option<JoinHandle<()>>,
}

impl SyncThread {
    /// Starts it. `durable` is told of each sync that succeeded, at once and on the thread itself.
    pub(crate) fn start(name: &str, pace: Pace, durable: impl Fn(Seq) + Send + 'static) -> Self {
        let slot = Arc::new(SyncSlot::default());
        let (told, outcomes) = channel();
        let shared = Arc::clone(&slot);
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || run(&shared, &told, pace, &durable))
            .expect("the system can start a thread");
        Self { slot, outcomes, thread: Some(thread) }
    }

    /// Asks for a sync that makes everything up to `seq` durable; begins at once if none is running.
    pub(crate) fn ask(&self, ticket: SyncTicket, seq: Seq) {
        self.slot.ask(ticket, seq);
    }

    /// Whether no sync is asked for or running.
    pub(crate) fn is_idle(&self) -> bool {
        self.slot.lock().is_idle()
    }

    /// Waits until no sync is asked for or running.
    pub(crate) fn wait_idle(&self) {
        self.slot.wait_idle();
    }

    /// The outcome of a sync that has ended, to be given back to the log.
    pub(crate) fn next_outcome(&self) -> Option<SyncOutcome> {
        self.outcomes.try_recv().ok()
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        self.slot.close();
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        assert!(ended || std::thread::panicking(), "a sync thread does not panic");
    }
}

/// What is to be synced next. A newer ticket replaces one that has not begun, because it covers it.
#[derive(Debug, Default)]
struct SyncSlot {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    next: Option<(SyncTicket, Seq)>,
    running: bool,
    closed: bool,
}

impl Inner {
    const fn is_idle(&self) -> bool {
        self.next.is_none() && !self.running
    }
}

impl SyncSlot {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }

    fn ask(&self, ticket: SyncTicket, seq: Seq) {
        self.lock().next = Some((ticket, seq));
        self.changed.notify_all();
    }

    fn wait_idle(&self) {
        let mut inner = self.lock();
        while !inner.is_idle() {
            inner = self.changed.wait(inner).expect("no holder of this lock panics");
        }
    }

    /// No more syncs will be asked for.
    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn take(&self) -> Option<(SyncTicket, Seq)> {
        let mut inner = self.lock();
        loop {
            if let Some(next) = inner.next.take() {
                inner.running = true;
                return Some(next);
            }
            if inner.closed {
                return None;
            }
            inner = self.changed.wait(inner).expect("no holder of this lock panics");
        }
    }

    fn done(&self, more: bool) {
        let mut inner = self.lock();
        inner.running = false;
        if !more {
            inner.next = None;
            inner.closed = true;
        }
        self.changed.notify_all();
    }
}

/// Runs until the slot is closed, or a sync fails: nothing after a failed one is ever told durable.
fn run(slot: &SyncSlot, outcomes: &Sender<SyncOutcome>, pace: Pace, durable: &dyn Fn(Seq)) {
    if pace == Pace::AtOnce {
        run_promptly();
    }
    while let Some((ticket, seq)) = slot.take() {
        let outcome = match pace {
            Pace::AtOnce => ticket.run(),
            Pace::Gentle => ticket.run_gently(),
        };
        let sound = outcome.is_sound();
        if sound {
            durable(seq);
        }
        // If the owner of the log is gone it has failed already, and told so.
        let _ = outcomes.send(outcome);
        slot.done(sound);
        if !sound {
            return;
        }
    }
}
