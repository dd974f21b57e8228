//! How the log is doing, for reads, health and metrics.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Heads of the record that are remembered with the time they were seen; the oldest, which counts, stays.
const HEADS_MAX: usize = 256;
/// Lag from which a person should look (design rule 10).
const ALARM_LAG: Duration = Duration::from_secs(1);

/// How the log is doing.
#[derive(Debug, Default)]
pub struct EvidenceStatus {
    covered: AtomicU64,
    size: AtomicU64,
    checkpoints: AtomicU64,
    heads: Mutex<VecDeque<(u64, Instant)>>,
    trouble: Mutex<Option<Trouble>>,
    witnesses: Mutex<Vec<WitnessState>>,
}

/// Why the log stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The last command that is under a checkpoint.
    pub behind: u64,
    /// Why.
    pub reason: String,
    /// Attempts that failed since.
    pub attempts: u32,
}

/// How a witness is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitnessState {
    /// Its name.
    pub name: String,
    /// The largest size that it has cosigned.
    pub size: u64,
    /// When, in seconds since 1970 by its clock.
    pub at: u64,
    /// Why it did not cosign last time.
    pub trouble: Option<String>,
}

impl EvidenceStatus {
    /// The last command that is under a published checkpoint.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.covered.load(Ordering::Acquire)
    }

    /// Leaves under the published checkpoint.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Checkpoints since the start.
    #[must_use]
    pub fn checkpoints(&self) -> u64 {
        self.checkpoints.load(Ordering::Relaxed)
    }

    /// Age of the oldest command that is not under a checkpoint.
    #[must_use]
    pub fn lag(&self) -> Duration {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.front().map_or(Duration::ZERO, |(_, seen)| seen.elapsed())
    }

    /// Why the log stands still, if it does.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the witnesses are doing.
    #[must_use]
    pub fn witnesses(&self) -> Vec<WitnessState> {
        self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is well, and what a person should know.
    #[must_use]
    pub fn told(&self) -> (bool, String) {
        if let Some(Trouble { behind, reason, attempts }) = self.trouble() {
            return (false, format!("parked behind command {behind}, attempt {attempts}: {reason}"));
        }
        let troubled: Vec<String> = self
            .witnesses()
            .into_iter()
            .filter_map(|witness| Some(format!("; witness {}: {}", witness.name, witness.trouble?)))
            .collect();
        let lag = self.lag();
        let told = format!("lag {} ms, {} leaves, at command {}", lag.as_millis(), self.size(), self.covered());
        (lag < ALARM_LAG && troubled.is_empty(), format!("{told}{}", troubled.concat()))
    }

    pub(crate) fn saw_head(&self, head: u64) {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = heads.back().map_or(0, |(head, _)| *head);
        if head > newest && head > self.covered() && heads.len() < HEADS_MAX {
            heads.push_back((head, Instant::now()));
        }
    }

    /// Everything up to `covered` is under a checkpoint, or says nothing.
    pub(crate) fn cover(&self, covered: u64) {
        self.covered.store(covered, Ordering::Release);
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        while heads.front().is_some_and(|(head, _)| *head <= covered) {
            heads.pop_front();
        }
        drop(heads);
        if self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::warn!(covered, "go on, the evidence log was parked");
        }
    }

    pub(crate) fn published(&self, size: u64) {
        self.size.store(size, Ordering::Release);
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
    }

    /// Stands still; `away` = because what is followed does not answer, which mends itself.
    pub(crate) fn park(&self, reason: String, away: bool) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = trouble.as_ref().map_or(0, |trouble| trouble.attempts).saturating_add(1);
        let behind = self.covered();
        if away {
            tracing::warn!(behind, reason, attempts, "follow the record");
        } else {
            tracing::error!(behind, reason, attempts, "park the evidence log");
        }
        *trouble = Some(Trouble { behind, reason, attempts });
    }

    pub(crate) fn witness(&self, at: usize, change: impl FnOnce(&mut WitnessState)) {
        let mut witnesses = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
        if witnesses.len() <= at {
            witnesses.resize_with(at + 1, WitnessState::default);
        }
        change(&mut witnesses[at]);
    }
}
