//! How far a view is behind, in time: the age of the oldest command that it has not taken.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Heads remembered at most; at ten a second this is over a minute, and the oldest, which counts, is never dropped.
const SEEN_MAX: usize = 1_024;

/// Heads of the record with the time when they were first seen.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    seen: VecDeque<(u64, Instant)>,
}

impl Lag {
    /// Notes that the record reaches `head`.
    pub(crate) fn saw(&mut self, head: u64, now: Instant) {
        let newest = self.seen.back().map_or(0, |(head, _)| *head);
        if head > newest && self.seen.len() < SEEN_MAX {
            self.seen.push_back((head, now));
        }
    }

    /// Notes that everything up to `applied` has been taken.
    pub(crate) fn took(&mut self, applied: u64) {
        while self.seen.front().is_some_and(|(head, _)| *head <= applied) {
            self.seen.pop_front();
        }
    }

    /// The age of the oldest head that has not been taken.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.seen.front().map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_untaken_command_tells_the_lag() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut lag = Lag::default();
        assert_eq!(lag.age(at(5)), Duration::ZERO);
        lag.saw(10, at(1));
        lag.saw(10, at(2));
        lag.saw(20, at(3));
        assert_eq!(lag.age(at(4)), Duration::from_secs(3));
        lag.took(10);
        assert_eq!(lag.age(at(4)), Duration::from_secs(1));
        lag.took(19);
        assert_eq!(lag.age(at(4)), Duration::from_secs(1), "a part of a head is not the head");
        lag.took(20);
        assert_eq!(lag.age(at(9)), Duration::ZERO);
    }

    #[test]
    fn a_stuck_view_grows_older_without_growing_larger() {
        let began = Instant::now();
        let mut lag = Lag::default();
        for step in 0..5_000 {
            lag.saw(step + 1, began + Duration::from_millis(step * 100));
        }
        assert!(lag.seen.len() <= SEEN_MAX);
        assert_eq!(lag.age(began + Duration::from_secs(500)), Duration::from_secs(500));
    }
}
