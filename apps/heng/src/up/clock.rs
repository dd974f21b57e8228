//! The clock of a simulated market: it stands, or runs at a pace, and never goes back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use heng_model::UnixNanos;
use heng_runtime::Clock;

struct Hand {
    at: i64,
    since: Instant,
    pace: u32,
}

impl Hand {
    fn now(&self) -> i64 {
        let elapsed = i64::try_from(self.since.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.at.saturating_add(elapsed.saturating_mul(i64::from(self.pace)))
    }
}

/// Tells the simulated time. Begins standing at zero.
pub(crate) struct MarketClock(Mutex<Hand>);

impl MarketClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Hand { at: 0, since: Instant::now(), pace: 0 }))
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands at `at`, or where it is if that is later.
    pub(crate) fn hold(&self, at: UnixNanos) {
        let mut hand = self.hand();
        *hand = Hand { at: hand.now().max(at.0), since: Instant::now(), pace: 0 };
    }

    /// Runs on from where it is, `pace` times as fast as the wall.
    pub(crate) fn run(&self, pace: u32) {
        let mut hand = self.hand();
        if hand.pace != pace {
            *hand = Hand { at: hand.now(), since: Instant::now(), pace };
        }
    }
}

impl Clock for MarketClock {
    fn now(&self) -> i64 {
        self.hand().now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back() {
        let clock = MarketClock::new();
        clock.hold(UnixNanos(5_000));
        clock.hold(UnixNanos(4_000));
        assert_eq!(clock.now(), 5_000);
        clock.run(1_000_000);
        let first = clock.now();
        clock.run(1);
        assert!(first >= 5_000 && clock.now() >= first);
        clock.hold(UnixNanos(1));
        assert!(clock.now() >= first);
    }
}
