//! What a session does when time passes.

use super::{Core, FixPhase};
use crate::fix::encode::FixBody;
use crate::fix::time::{FixMoment, nanos};

impl Core {
    /// Does what is due now.
    pub(crate) fn tick(&mut self, now: FixMoment) {
        if self.closing.is_some() {
            return;
        }
        match self.phase {
            FixPhase::Offline => {}
            FixPhase::Connected => {
                if now.steady_ns >= self.connected_ns.saturating_add(nanos(self.limits.logon_max)) {
                    self.close("no Logon in time");
                }
            }
            FixPhase::LoggingOut => {
                if now.steady_ns >= self.logout_due() {
                    self.close("no answer to our Logout in time");
                }
            }
            FixPhase::Up => self.tick_up(now),
        }
        self.notice_fault();
    }

    fn tick_up(&mut self, now: FixMoment) {
        if self.heartbeat_ns == 0 {
            return;
        }
        if now.steady_ns >= self.silence_due(24) {
            return self.close("no sign of life from the counterparty");
        }
        if self.testing {
            return;
        }
        if now.steady_ns >= self.silence_due(12) {
            let mut body = FixBody::new("1");
            body.text(112, "TEST");
            self.outgoing.send_own(&body, now);
            self.testing = true;
        } else if now.steady_ns >= self.outgoing.sent_ns.saturating_add(self.heartbeat_ns) {
            self.outgoing.send_own(&FixBody::new("0"), now);
        }
    }

    fn logout_due(&self) -> u64 {
        self.logout_ns.unwrap_or(0).saturating_add(nanos(self.limits.logout_max))
    }

    /// When the counterparty will have been silent for so many tenths of the heartbeat interval. It may be late by
    /// what a message needs on its way: a fifth is reasonable (Volume 2, "Test request").
    fn silence_due(&self, tenths: u64) -> u64 {
        self.received_ns.saturating_add((self.heartbeat_ns / 10).saturating_mul(tenths))
    }

    /// When [`Self::tick`] has something to do next, on the steady clock.
    pub(crate) fn next_tick_ns(&self) -> Option<u64> {
        match self.phase {
            FixPhase::Offline => None,
            FixPhase::Connected => Some(self.connected_ns.saturating_add(nanos(self.limits.logon_max))),
            FixPhase::LoggingOut => Some(self.logout_due()),
            FixPhase::Up if self.heartbeat_ns == 0 => None,
            FixPhase::Up if self.testing => Some(self.silence_due(24)),
            FixPhase::Up => Some(self.silence_due(12).min(self.outgoing.sent_ns.saturating_add(self.heartbeat_ns))),
        }
    }
}
