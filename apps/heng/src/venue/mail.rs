//! Sends what the exchange tells, with the faults on its way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use heng_runtime::{Clock as _, SystemClock};
use heng_transport::fix::{FixPhase, FixSession};

use super::faults::{FaultKind, Faults};
use super::gate::Gate;
use super::reports::Report;

/// How long a message that changes its place waits for the next one.
const SWAP_MAX: Duration = Duration::from_millis(30);
/// How long a broken connection may take to be noticed.
const NOTICE_MAX: Duration = Duration::from_secs(1);

/// The one thread that sends.
pub(super) struct Mail {
    pub(super) session: Arc<FixSession>,
    pub(super) gates: Vec<Arc<Gate>>,
    pub(super) faults: Arc<Faults>,
    /// What leaves, and when.
    pub(super) ready: VecDeque<(Instant, Report)>,
    /// What changes its place with the next, and until when it waits for one.
    pub(super) swapped: Option<(Instant, Report)>,
}

impl Mail {
    /// Runs until nobody can send any more.
    pub(super) fn run(mut self, reports: &Receiver<Report>) {
        loop {
            match reports.recv_timeout(self.pause()) {
                Ok(report) => self.take(report),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.send_due();
        }
    }

    fn pause(&self) -> Duration {
        let next = self.ready.front().map(|(when, _)| *when);
        let next = next.into_iter().chain(self.swapped.as_ref().map(|(until, _)| *until)).min();
        let pause = next.map(|when| when.saturating_duration_since(Instant::now()));
        pause.unwrap_or(Duration::from_millis(100)).min(Duration::from_millis(100))
    }

    fn take(&mut self, report: Report) {
        if self.faults.strikes(FaultKind::Silent).is_some() {
            return;
        }
        let now = Instant::now();
        if self.swapped.is_none() && self.faults.strikes(FaultKind::OutOfOrder).is_some() {
            self.swapped = Some((now + SWAP_MAX, report));
            return;
        }
        self.line_up(report, now);
        if let Some((_, report)) = self.swapped.take() {
            self.line_up(report, now);
        }
    }

    fn line_up(&mut self, report: Report, now: Instant) {
        let delay = self.faults.strikes(FaultKind::Slow).map_or(0, |fault| fault.delay_ms);
        let when = now + Duration::from_millis(delay);
        // Slow is not out of order: nothing overtakes.
        let when = self.ready.back().map_or(when, |(last, _)| when.max(*last));
        self.ready.push_back((when, report));
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        if self.swapped.as_ref().is_some_and(|(until, _)| *until <= now)
            && let Some((_, report)) = self.swapped.take()
        {
            self.line_up(report, now);
        }
        while self.ready.front().is_some_and(|(when, _)| *when <= now) {
            if let Some((_, report)) = self.ready.pop_front() {
                self.send(&report);
            }
        }
    }

    fn send(&self, report: &Report) {
        if self.faults.strikes(FaultKind::Drop).is_some() {
            self.cut();
        }
        self.send_once(report, false);
        if self.faults.strikes(FaultKind::Duplicate).is_some() {
            self.send_once(report, true);
        }
        if self.faults.strikes(FaultKind::Disconnect).is_some() {
            self.gates.iter().for_each(|gate| gate.cut());
        }
    }

    fn send_once(&self, report: &Report, again: bool) {
        // Without a connection the session keeps it, and the client requests it after its logon.
        if let Err(error) = self.session.send(&report.body(again, SystemClock.now().unsigned_abs())) {
            tracing::warn!(%error, "send a report");
        }
    }

    /// Breaks the connection and waits until the session has noticed, so that the report misses it.
    fn cut(&self) {
        self.gates.iter().for_each(|gate| gate.cut());
        let until = Instant::now() + NOTICE_MAX;
        while self.session.status().phase != FixPhase::Offline && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
