//! Connections that have not sent their Logon yet. When the room is full, the oldest of them makes way, so that sockets
//! which say nothing do not keep counterparties out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Those who wait, the oldest first.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Line>);

#[derive(Default)]
struct Line {
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A place in the line, until this is dropped.
pub(crate) struct Place {
    line: Arc<Waiting>,
    number: u64,
    away: oneshot::Receiver<()>,
}

impl Waiting {
    /// A place at the end of the line.
    pub(crate) fn take(self: &Arc<Self>) -> Place {
        let (stay, away) = oneshot::channel();
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = line.next;
        line.next += 1;
        line.waiting.insert(number, stay);
        Place { line: Arc::clone(self), number, away }
    }

    /// Sends the one away that has waited longest; false if nobody waits.
    pub(crate) fn send_away(&self) -> bool {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The sender's end is the word.
        line.waiting.pop_first().is_some()
    }
}

impl Place {
    /// Ready when this one must go.
    pub(crate) async fn sent_away(&mut self) {
        // Nobody sends anything: the channel ends.
        let _ = (&mut self.away).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&self.number);
    }
}
