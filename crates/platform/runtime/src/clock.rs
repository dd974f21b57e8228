//! Clocks as a seam: the system's, and a paced one for a simulated market day.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time as nanoseconds since 1970-01-01T00:00Z.
pub trait Clock: Send + Sync {
    /// Now. May stand still or jump; the sequencer makes stamps strictly increase.
    fn now(&self) -> i64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// A clock that starts at a chosen instant and runs at a chosen pace.
#[derive(Clone, Copy, Debug)]
pub struct PacedClock {
    start: i64,
    began: Instant,
    pace: u32,
}

impl PacedClock {
    /// Starts at `start` (nanoseconds since 1970) and runs `pace` times as fast as the wall.
    #[must_use]
    pub fn new(start: i64, pace: u32) -> Self {
        Self { start, began: Instant::now(), pace }
    }
}

impl Clock for PacedClock {
    fn now(&self) -> i64 {
        let elapsed = i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX / 1_000_000);
        self.start.saturating_add(elapsed.saturating_mul(i64::from(self.pace)))
    }
}
