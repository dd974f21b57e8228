//! Logging on, on both sides.

use std::time::Duration;

use super::head::Head;
use super::{Core, FixPhase, Held};
use crate::fix::dictionary::ApplVersion;
use crate::fix::encode::FixBody;
use crate::fix::fields::{Fault, Field};
use crate::fix::time::{FixMoment, nanos};
use crate::fix::value::parse_u64;

/// A heartbeat slower than a day is none.
const HEARTBEAT_MAX_S: u64 = 86_400;

/// What a Logon asks for.
struct Wish {
    heartbeat_s: u64,
    reset: bool,
    /// NextExpectedMsgSeqNum (789).
    next_expected: Option<u64>,
    version: ApplVersion,
}

impl Core {
    /// The initiator's Logon.
    pub(super) fn send_first_logon(&mut self, now: FixMoment) {
        if self.reset_on_logon {
            self.reset();
        }
        self.sent_reset = self.reset_on_logon;
        let heartbeat_s = self.configured_heartbeat_ns / nanos(Duration::from_secs(1));
        self.send_logon(heartbeat_s, self.sent_reset, now);
        self.notice_fault();
    }

    fn send_logon(&mut self, heartbeat_s: u64, reset: bool, now: FixMoment) {
        let mut body = FixBody::new("A");
        body.number(98, 0).number(108, heartbeat_s);
        if reset {
            body.text(141, "Y");
        }
        if self.is_fixt() {
            body.text(1137, self.version.id());
        }
        self.outgoing.send_own(&body, now);
    }

    pub(super) fn receive_logon(
        &mut self,
        bytes: &[u8],
        fields: &mut [Field],
        fault: Result<(), Fault>,
        head: &Head<'_>,
        number: u64,
        now: FixMoment,
    ) {
        let checked = self.check(bytes, fields, fault, head);
        let (Ok(parts), None) = (checked, self.wrong_party(head, now)) else {
            // Whoever sends this is not the counterparty we know (session tests 1c and 1d), so gets no answer.
            tracing::warn!(session = %self.id, ?checked, "FIX Logon is not valid");
            return self.close("the Logon is not valid");
        };
        let wish = match self.wish(bytes, fields, head) {
            Ok(wish) => wish,
            Err(text) => return self.log_out_and_close(&text, now),
        };
        let logged_on = self.phase != FixPhase::Connected;
        if logged_on && !wish.reset {
            return self.logon_again(head, number, now);
        }
        let message = self.message(bytes, fields, parts, head, number);
        if let Err(text) = self.application().logon(&self.id, &message) {
            return self.log_out_and_close(&text, now);
        }
        let answers = self.initiator && !logged_on;
        let resets = if answers { wish.reset && !self.sent_reset } else { wish.reset || self.reset_on_logon };
        if resets {
            self.reset();
        }
        if number < self.expected && !head.possible_duplicate {
            let text = format!("MsgSeqNum too low, expecting {} but received {number}", self.expected);
            return self.log_out_and_close(&text, now);
        }
        self.accept(&wish, answers && !resets, number, now);
    }

    /// A second Logon that resets nothing has no place in a session.
    fn logon_again(&mut self, head: &Head<'_>, number: u64, now: FixMoment) {
        if number < self.expected && head.possible_duplicate {
            return;
        }
        self.log_out_and_close("already logged on", now);
    }

    fn wish(&self, bytes: &[u8], fields: &[Field], head: &Head<'_>) -> Result<Wish, String> {
        let value = |tag: i32| fields.iter().find(|field| field.tag == tag).map(|field| field.value(bytes));
        if value(98) != Some(b"0") {
            return Err("EncryptMethod is not supported".to_owned());
        }
        let heartbeat_s = value(108).and_then(parse_u64).filter(|seconds| *seconds <= HEARTBEAT_MAX_S);
        let heartbeat_s = heartbeat_s.ok_or_else(|| "HeartBtInt is out of range".to_owned())?;
        let version = if self.is_fixt() {
            let version = ApplVersion::from_text(head.default_version);
            version.ok_or_else(|| "DefaultApplVerID is not supported".to_owned())?
        } else {
            self.id.version
        };
        let next_expected = value(789).and_then(parse_u64);
        Ok(Wish { heartbeat_s, reset: value(141) == Some(b"Y"), next_expected, version })
    }

    fn accept(&mut self, wish: &Wish, is_answer: bool, number: u64, now: FixMoment) {
        // Before our answer takes a number of its own.
        let unsent = self.outgoing.store.outgoing();
        if let Some(next) = wish.next_expected.filter(|next| *next > unsent) {
            let text = format!("NextExpectedMsgSeqNum too high, expecting {unsent} but received {next}");
            return self.log_out_and_close(&text, now);
        }
        self.version = wish.version;
        self.heartbeat_ns = nanos(Duration::from_secs(wish.heartbeat_s));
        if !is_answer {
            self.send_logon(wish.heartbeat_s, wish.reset, now);
        }
        self.sent_reset = false;
        self.phase = FixPhase::Up;
        self.logout_ns = None;
        self.outgoing.up = true;
        tracing::info!(session = %self.id, number, heartbeat_s = wish.heartbeat_s, "FIX counterparty logged on");
        if number > self.expected {
            self.hold(number, Held::Done);
            self.ask(number, now);
        } else if number == self.expected {
            self.advance_to(number + 1);
        }
        if let Some(next) = wish.next_expected.filter(|next| *next < unsent) {
            self.outgoing.resend(next, unsent - 1);
            self.outgoing.pump(now);
        }
        self.announced = true;
        let application = self.application();
        application.logged_on(&mut self.replies(now));
    }
}
