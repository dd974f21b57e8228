//! Open loop: when each request is due, and ticks fine enough to keep to it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How often a generator looks for requests that are due. The timers of the runtime have a millisecond.
const TICK: Duration = Duration::from_micros(250);

/// Requests at a constant rate, each with its own time, however late it can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    began: Instant,
    per_s: f64,
    count: u64,
    next: u64,
}

impl Schedule {
    /// `per_s` requests a second for `length`, the first of them now.
    pub(crate) fn new(began: Instant, per_s: f64, length: Duration) -> Self {
        let count = (per_s * length.as_secs_f64()) as u64;
        Self { began, per_s, count, next: 0 }
    }

    fn due(&self, number: u64) -> Instant {
        self.began + Duration::from_secs_f64(number as f64 / self.per_s)
    }

    /// The time of the next request that is due at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Instant> {
        if self.ended() {
            return None;
        }
        let due = self.due(self.next);
        (due <= now).then(|| {
            self.next += 1;
            due
        })
    }

    /// Whether every request was taken.
    pub(crate) const fn ended(&self) -> bool {
        self.next >= self.count
    }
}

/// Fires four thousand times a second, from a thread that does nothing else.
pub(crate) struct Ticker(Arc<Notify>);

impl Ticker {
    /// Starts it; the thread ends with it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn new() -> io::Result<Self> {
        let ticks = Arc::new(Notify::new());
        let told = Arc::downgrade(&ticks);
        std::thread::Builder::new().name("ticker".into()).spawn(move || {
            while let Some(ticks) = told.upgrade() {
                ticks.notify_one();
                drop(ticks);
                std::thread::sleep(TICK);
            }
        })?;
        Ok(Self(ticks))
    }

    /// Waits for the next tick; ticks that were missed count as one.
    pub(crate) async fn tick(&self) {
        self.0.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_by_the_clock_and_never_lost() {
        let began = Instant::now();
        let mut schedule = Schedule::new(began, 1_000.0, Duration::from_millis(5));
        assert_eq!(schedule.take(began), Some(began));
        assert_eq!(schedule.take(began), None);
        // Whoever looks late finds all of them, with the times at which they should have been sent.
        let late = began + Duration::from_secs(9);
        let due: Vec<u128> = std::iter::from_fn(|| schedule.take(late)).map(|at| (at - began).as_millis()).collect();
        assert_eq!(due, [1, 2, 3, 4]);
        assert!(schedule.ended());
        assert_eq!(schedule.take(late), None);
    }

    #[test]
    fn nothing_is_due_at_rate_nought() {
        let began = Instant::now();
        let mut schedule = Schedule::new(began, 0.0, Duration::from_secs(5));
        assert_eq!(schedule.take(began + Duration::from_secs(9)), None);
        assert!(schedule.ended());
    }

    #[tokio::test]
    async fn the_ticker_ticks() {
        let ticker = Ticker::new().expect("a thread");
        let began = Instant::now();
        for _ in 0..4 {
            ticker.tick().await;
        }
        assert!(began.elapsed() >= TICK);
    }
}
