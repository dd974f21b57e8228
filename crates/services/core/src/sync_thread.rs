//! The sync thread: one fdatasync after the other, each for everything that was appended before it began, while the
//! journal thread goes on appending.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use heng_journal::{SyncOutcome, SyncTicket};
use heng_model::Seq;

use crate::gate::Published;

/// What is to be synced next. A newer ticket replaces one that has not begun, because it covers it.
#[derive(Debug, Default)]
pub(crate) struct SyncSlot {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    next: Option<(SyncTicket, Seq)>,
    running: bool,
    closed: bool,
}

impl SyncSlot {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }

    /// Asks for a sync that makes everything up to `seq` durable.
    pub(crate) fn ask(&self, ticket: SyncTicket, seq: Seq) {
        self.lock().next = Some((ticket, seq));
        self.changed.notify_all();
    }

    /// Waits until no sync is asked for or running.
    pub(crate) fn wait_idle(&self) {
        let mut inner = self.lock();
        while inner.next.is_some() || inner.running {
            inner = self.changed.wait(inner).expect("no holder of this lock panics");
        }
    }

    /// No more syncs will be asked for.
    pub(crate) fn close(&self) {
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

/// Runs until the slot is closed, or a sync fails: nothing after a failed one is ever marked durable.
pub(crate) fn run(slot: &SyncSlot, outcomes: &Sender<SyncOutcome>, published: &Arc<Published>) {
    while let Some((ticket, seq)) = slot.take() {
        let outcome = ticket.run();
        let sound = outcome.is_sound();
        if sound {
            published.mark_durable(seq);
        }
        // If the journal thread is gone it has failed already, and told so.
        let _ = outcomes.send(outcome);
        slot.done(sound);
        if !sound {
            return;
        }
    }
}
