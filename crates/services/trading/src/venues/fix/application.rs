//! Where the session's messages enter the adapter.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use heng_transport::fix::{FixApplication, FixMessage, FixRefusal, FixRefused, FixReplies, FixSessionId, FixTaken};

use super::{Word, says};

/// Reports that may wait for the adapter; beyond, the session is not read, which holds the venue back.
const WAITING_MAX: usize = 16_384;

/// Hands messages to the thread of the adapter.
pub(super) struct Ear {
    pub(super) words: Sender<Word>,
    /// Reports that are in the adapter and not durable yet.
    pub(super) waiting: Arc<AtomicUsize>,
}

impl FixApplication for Ear {
    fn logged_on(&self, _: &mut FixReplies<'_>) {
        // Without the adapter the process is ending.
        let _ = self.words.send(Word::Up);
    }

    fn logged_out(&self, _: &FixSessionId) {
        let _ = self.words.send(Word::Down);
    }

    fn received(&self, message: &FixMessage<'_>, _: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused> {
        let Some(heard) = says::read(message)? else { return Ok(FixTaken::Settled) };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.words.send(Word::Heard(heard)).is_err() {
            return Err(FixRefusal::NotAvailable.into());
        }
        Ok(FixTaken::Later)
    }

    fn refused(&self, _: &FixMessage<'_>, number: u64, _: &FixSessionId) {
        let _ = self.words.send(Word::Refused(number));
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            while self.waiting.load(Ordering::Relaxed) > WAITING_MAX {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    }
}
