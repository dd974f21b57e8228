//! How the view is doing, for doors, health, metrics and those who watch.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use heng_model::UnixNanos;
use heng_store::Position;
use tokio::sync::watch;

/// Heads of the record that are remembered with the time they were seen; the oldest, which counts, stays.
const HEADS_MAX: usize = 256;

/// Where, since when and why the view stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The event that it cannot take.
    pub at: Position,
    /// Name of the event.
    pub event: &'static str,
    /// Why not.
    pub reason: String,
    /// When it parked there first, by the machine's clock.
    pub since: UnixNanos,
    /// Attempts at this event that failed; each begins again with the day's first event.
    pub attempts: u32,
}

/// How the view is doing.
#[derive(Debug, Default)]
pub struct MarketStatus {
    applied: AtomicU64,
    events: AtomicU64,
    stored: watch::Sender<u64>,
    heads: Mutex<VecDeque<(u64, Instant)>>,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    parked: Option<Parked>,
    other: Option<String>,
}

impl MarketStatus {
    /// The last command whose events are in the books.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Events taken since the start.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// The last command whose events are in the tables.
    #[must_use]
    pub fn stored(&self) -> u64 {
        *self.stored.borrow()
    }

    /// Waits until the tables hold everything up to `sequence`; false if that takes longer than `wait_max`.
    pub async fn wait_stored(&self, sequence: u64, wait_max: Duration) -> bool {
        let mut stored = self.stored.subscribe();
        let reached = stored.wait_for(|stored| *stored >= sequence);
        matches!(tokio::time::timeout(wait_max, reached).await, Ok(Ok(_)))
    }

    /// Age of the oldest command that is not in the books.
    #[must_use]
    pub fn lag(&self) -> Duration {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.front().map_or(Duration::ZERO, |(_, seen)| seen.elapsed())
    }

    /// Where the view stands still, if it does.
    #[must_use]
    pub fn parked(&self) -> Option<Parked> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).parked.clone()
    }

    /// Why the record cannot be read or the tables cannot be written, if that is so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).other.clone()
    }

    pub(crate) fn saw_head(&self, head: u64) {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = heads.back().map_or(0, |(head, _)| *head);
        if head > newest && head > self.applied() && heads.len() < HEADS_MAX {
            heads.push_back((head, Instant::now()));
        }
    }

    pub(crate) fn took(&self, applied: u64, events: u64) {
        // A view that begins its day again has been further before.
        let applied = applied.max(self.applied.fetch_max(applied, Ordering::AcqRel));
        self.events.fetch_add(events, Ordering::Relaxed);
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        while heads.front().is_some_and(|(head, _)| *head <= applied) {
            heads.pop_front();
        }
        drop(heads);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parked) = trouble.parked.take_if(|parked| parked.at.sequence <= applied) {
            tracing::warn!(sequence = parked.at.sequence, "go on, the market view was parked");
        }
    }

    pub(crate) fn stored_through(&self, sequence: u64) {
        self.stored.send_replace(sequence);
    }

    pub(crate) fn park(&self, mut parked: Parked) {
        let place = &mut self.trouble.lock().unwrap_or_else(PoisonError::into_inner).parked;
        if let Some(before) = place.as_ref().filter(|before| before.at == parked.at) {
            parked.since = before.since;
            parked.attempts = before.attempts.saturating_add(1);
        }
        let Parked { at, event, reason, attempts, .. } = &parked;
        tracing::error!(sequence = at.sequence, index = at.index, event, reason, attempts, "park the market view");
        *place = Some(parked);
    }

    pub(crate) fn failed(&self, trouble: Option<String>) {
        if let Some(trouble) = &trouble {
            tracing::warn!(trouble, "follow the record");
        }
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).other = trouble;
    }
}
