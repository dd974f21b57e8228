//! What a received message does.

use std::cmp::Ordering;

use super::head::{Head, NUMBER_MAX, ROUTING};
use super::{Asked, Core, FixPhase, Held};
use crate::fix::application::{FixRefused, FixTaken};
use crate::fix::dictionary::{ApplVersion, Begin, Dictionary, MessageRule};
use crate::fix::encode::FixBody;
use crate::fix::fields::{Fault, Field, FixMessage, list};
use crate::fix::reject::{Refused, SessionRefusal};
use crate::fix::time::{self, FixMoment, nanos};
use crate::fix::validate::Rules;
use crate::fix::value::{Kind, parse_u64};

/// A gap that was requested and did not come is requested again after this time, if messages go on coming.
const ASK_AGAIN_NS: u64 = 30_000_000_000;

impl Core {
    /// Takes a message whose BodyLength and CheckSum are right.
    pub(crate) fn receive(&mut self, bytes: &[u8], now: FixMoment) {
        if self.closing.is_some() || self.phase == FixPhase::Offline {
            return;
        }
        self.counts.received += 1;
        let mut fields = std::mem::take(&mut self.fields);
        let fault = self.list(bytes, &mut fields);
        self.take(bytes, &mut fields, fault, now);
        self.fields = fields;
        self.take_held(now);
        self.notice_fault();
    }

    /// Takes note of a garbled message: it is ignored (Volume 2, "Message recovery"), unless it is the first.
    pub(crate) fn receive_garbled(&mut self, reason: &str) {
        self.counts.garbled += 1;
        tracing::debug!(session = %self.id, reason, "garbled FIX message ignored");
        if self.phase == FixPhase::Connected {
            self.close("the first message is garbled");
        }
    }

    /// The stream holds a message longer than permitted.
    pub(crate) fn receive_too_long(&mut self, now: FixMoment) {
        let text = format!("message longer than {} bytes", self.limits.message_max);
        match self.phase {
            FixPhase::Up | FixPhase::LoggingOut => self.log_out_and_close(&text, now),
            FixPhase::Connected | FixPhase::Offline => self.close(&text),
        }
    }

    fn list(&self, bytes: &[u8], fields: &mut Vec<Field>) -> Result<(), Fault> {
        let (session, version) = (self.id.begin.dictionary(), self.version.dictionary());
        let is_data = |tag| session.kind(tag).or_else(|| version.kind(tag)) == Some(Kind::Data);
        list(bytes, is_data, fields)
    }

    fn take(&mut self, bytes: &[u8], fields: &mut [Field], fault: Result<(), Fault>, now: FixMoment) {
        let head = Head::read(bytes, fields);
        if self.phase == FixPhase::Connected && head.kind != b"A" {
            return self.answered_without_logon(&head, bytes, fields);
        }
        if head.begin != self.id.begin.text().as_bytes() {
            return self.wrong_begin(&head, now);
        }
        let Some(number) = head.number else {
            return match self.phase {
                FixPhase::Connected => self.close("the Logon has no MsgSeqNum"),
                _ => self.log_out_and_close("MsgSeqNum missing", now),
            };
        };
        self.received_ns = now.steady_ns;
        self.testing = false;
        if head.kind == b"A" {
            return self.receive_logon(bytes, fields, fault, &head, number, now);
        }
        if let Some(refused) = self.wrong_party(&head, now) {
            self.reject(&head, number, refused, now);
            return self.send_logout("", now);
        }
        if !self.is_due(bytes, &head, number, fields, now) {
            return;
        }
        self.process(bytes, fields, fault, &head, number, now);
    }

    /// The first message is no Logon (session test 1e); an initiator may be refused with a Logout.
    fn answered_without_logon(&mut self, head: &Head<'_>, bytes: &[u8], fields: &[Field]) {
        let text = fields.iter().find(|field| field.tag == 58).map_or(&b""[..], |field| field.value(bytes));
        let text = String::from_utf8_lossy(text);
        self.close(&match (self.initiator, head.kind) {
            (true, b"5") => format!("the Logon was refused: {text}"),
            _ => "the first message is no Logon".to_owned(),
        });
    }

    /// Session test 2i.
    fn wrong_begin(&mut self, head: &Head<'_>, now: FixMoment) {
        if self.phase == FixPhase::Connected {
            return self.close("the Logon has another BeginString");
        }
        if head.kind == b"5" {
            return self.receive_logout(head.number.unwrap_or(0), "", now);
        }
        if head.number == Some(self.expected) {
            self.advance_to(self.expected + 1);
        }
        self.send_logout("Incorrect BeginString", now);
    }

    /// Session tests 2k and 2o. What is missing or has a wrong form is found by the dictionary.
    pub(super) fn wrong_party(&self, head: &Head<'_>, now: FixMoment) -> Option<Refused> {
        let differs = |shown: &[u8], known: &str| !shown.is_empty() && shown != known.as_bytes();
        if differs(head.sender, &self.id.target) || differs(head.target, &self.id.sender) {
            return Some(SessionRefusal::CompIdProblem.whole());
        }
        let sent_ns = time::parse(head.sending_time)?;
        let apart = sent_ns.abs_diff(now.utc_ns);
        (apart > nanos(self.limits.latency_max)).then(|| SessionRefusal::SendingTimeAccuracy.whole())
    }

    /// Whether the message is due by its number; if not, does what has to be done instead.
    fn is_due(&mut self, bytes: &[u8], head: &Head<'_>, number: u64, fields: &[Field], now: FixMoment) -> bool {
        let fills_gap = || fields.iter().any(|field| field.tag == 123 && field.value(bytes) == b"Y");
        // Neither waits for a gap to be filled: one fills it, the others may be what the counterparty waits with.
        if matches!(head.kind, b"2" | b"5") || (head.kind == b"4" && !fills_gap()) {
            return true;
        }
        match number.cmp(&self.expected) {
            Ordering::Equal => true,
            Ordering::Greater => {
                self.hold(number, Held::Message(bytes.to_vec()));
                self.ask(number, now);
                false
            }
            Ordering::Less => {
                self.came_before(head, number, now);
                false
            }
        }
    }

    /// Session tests 2c, 2e, 2f and 2g.
    fn came_before(&mut self, head: &Head<'_>, number: u64, now: FixMoment) {
        if !head.possible_duplicate {
            let text = format!("MsgSeqNum too low, expecting {} but received {number}", self.expected);
            return self.log_out_and_close(&text, now);
        }
        if head.kind == b"4" {
            return;
        }
        if head.original_time.is_empty() {
            return self.reject(head, number, SessionRefusal::RequiredTagMissing.of(122), now);
        }
        let original = time::parse(head.original_time);
        if original.is_none() {
            return self.reject(head, number, SessionRefusal::IncorrectDataFormat.of(122), now);
        }
        if original > time::parse(head.sending_time) {
            self.reject(head, number, SessionRefusal::SendingTimeAccuracy.whole(), now);
            self.send_logout("", now);
        }
    }

    pub(super) fn hold(&mut self, number: u64, held: Held) {
        let bytes = if let Held::Message(bytes) = &held { bytes.len() } else { 0 };
        // An entry costs memory even without bytes.
        const ENTRY: usize = 64;
        if self.held_bytes + bytes + (self.held.len() + 1) * ENTRY > self.limits.held_max {
            return;
        }
        self.held_bytes += bytes;
        if let Some(Held::Message(old)) = self.held.insert(number, held) {
            self.held_bytes -= old.len();
        }
    }

    /// Requests everything from the expected message on, once for a gap.
    pub(super) fn ask(&mut self, number: u64, now: FixMoment) {
        let waits = |asked: Asked| now.steady_ns.saturating_sub(asked.at_ns) < ASK_AGAIN_NS;
        if self.asked.is_some_and(waits) {
            return;
        }
        let mut body = FixBody::new("2");
        body.number(7, self.expected).number(16, 0);
        self.outgoing.send_own(&body, now);
        self.asked = Some(Asked { last: number - 1, at_ns: now.steady_ns });
    }

    /// Messages whose turn has come.
    fn take_held(&mut self, now: FixMoment) {
        while self.closing.is_none() {
            let Some(held) = self.held.remove(&self.expected) else { return };
            let Held::Message(bytes) = held else {
                self.advance_to(self.expected + 1);
                continue;
            };
            self.held_bytes -= bytes.len();
            let mut fields = std::mem::take(&mut self.fields);
            let fault = self.list(&bytes, &mut fields);
            let head = Head::read(&bytes, &fields);
            let number = self.expected;
            self.process(&bytes, &mut fields, fault, &head, number, now);
            self.fields = fields;
            // Whatever became of it, it was here: a held message must not stop the line.
            if self.expected == number {
                self.advance_to(number + 1);
            }
        }
    }

    /// Checks and acts.
    fn process(
        &mut self,
        bytes: &[u8],
        fields: &mut [Field],
        fault: Result<(), Fault>,
        head: &Head<'_>,
        number: u64,
        now: FixMoment,
    ) {
        let parts = match self.check(bytes, fields, fault, head) {
            Ok(parts) => parts,
            Err(refused) => return self.reject(head, number, refused, now),
        };
        let value = |tag: i32| fields.iter().find(|field| field.tag == tag).map(|field| field.value(bytes));
        let counted = |tag: i32| value(tag).and_then(parse_u64).unwrap_or(0);
        match head.kind {
            b"0" => self.pass(number),
            b"1" => {
                let mut body = FixBody::new("0");
                body.bytes(112, value(112).unwrap_or(&[]));
                self.outgoing.send_own(&body, now);
                self.pass(number);
            }
            b"2" => self.receive_resend_request(counted(7), counted(16), number, now),
            b"4" => self.receive_sequence_reset(counted(36), value(123) == Some(b"Y"), head, number, now),
            b"5" => {
                let text = String::from_utf8_lossy(value(58).unwrap_or(&[])).into_owned();
                self.receive_logout(number, &text, now);
            }
            _ => {
                let message = self.message(bytes, fields, parts, head, number);
                self.give(&message, counted(45), now);
            }
        }
    }

    /// The message is done with; the next is due.
    fn pass(&mut self, number: u64) {
        if number == self.expected {
            self.advance_to(number + 1);
        }
    }

    pub(super) fn check(
        &mut self,
        bytes: &[u8],
        fields: &mut [Field],
        fault: Result<(), Fault>,
        head: &Head<'_>,
    ) -> Result<(usize, usize), Refused> {
        match fault {
            Ok(()) => {}
            Err(Fault::Tag) => return Err(SessionRefusal::InvalidTagNumber.whole()),
            Err(Fault::Delimiter(tag)) => return Err(SessionRefusal::DelimiterInValue.of(tag)),
            Err(Fault::DataLength(tag)) => return Err(SessionRefusal::ValueIncorrect.of(tag)),
        }
        let (body, rule) = self.rule(head)?;
        let rules = Rules { session: self.id.begin.dictionary(), body, layout: &rule.body };
        self.validator.check(bytes, fields, rules)
    }

    /// The dictionary that knows the message.
    fn rule(&self, head: &Head<'_>) -> Result<(&'static Dictionary, &'static MessageRule), Refused> {
        let session = self.id.begin.dictionary();
        if let Some(rule) = session.message(head.kind) {
            return Ok((session, rule));
        }
        let version = self.version_of(head).ok_or(SessionRefusal::ValueIncorrect.of(1128))?.dictionary();
        match version.message(head.kind) {
            // FIXT has taken over what the older versions' sessions did.
            Some(rule) if !rule.admin => Ok((version, rule)),
            _ => Err(SessionRefusal::InvalidMsgType.whole()),
        }
    }

    fn version_of(&self, head: &Head<'_>) -> Option<ApplVersion> {
        if self.id.begin != Begin::Fixt11 || head.appl_version.is_empty() {
            return Some(self.version);
        }
        ApplVersion::from_text(head.appl_version)
    }

    pub(super) fn message<'a>(
        &self,
        bytes: &'a [u8],
        fields: &'a [Field],
        body: (usize, usize),
        head: &Head<'a>,
        sequence: u64,
    ) -> FixMessage<'a> {
        let version = self.version_of(head).unwrap_or(self.version);
        let sending_time_ns = time::parse(head.sending_time).unwrap_or(0);
        FixMessage { bytes, fields, body, kind: head.kind, version, sequence, sending_time_ns }
    }

    /// To the application.
    fn give(&mut self, message: &FixMessage<'_>, about: u64, now: FixMoment) {
        let application = self.application();
        if matches!(message.kind, b"3" | b"j") {
            let text = message.text(58).unwrap_or("");
            tracing::warn!(session = %self.id, number = about, text, "our FIX message was refused");
            application.refused(message, about, &self.id);
            return self.pass(message.sequence);
        }
        let taken = application.received(message, &mut self.replies(now));
        match taken {
            Ok(FixTaken::Settled) => {}
            Ok(FixTaken::Later) => {
                self.unsettled.insert(message.sequence);
            }
            Err(refused) => self.refuse(message, &refused, now),
        }
        self.pass(message.sequence);
    }

    fn refuse(&mut self, message: &FixMessage<'_>, refused: &FixRefused, now: FixMoment) {
        self.counts.refused += 1;
        let mut body = FixBody::new("j");
        body.number(45, message.sequence).text(58, &refused.text).bytes(372, message.kind);
        body.text(379, &refused.id).number(380, refused.reason.code());
        // If it cannot be sent, the connection ends.
        let _ = self.outgoing.send(&body, now);
    }

    /// Session test 8: resends, also when our own request for a gap is open (test 20).
    fn receive_resend_request(&mut self, from: u64, last: u64, number: u64, now: FixMoment) {
        let sent = self.outgoing.store.outgoing() - 1;
        let last = if last == 0 || last > sent { sent } else { last };
        if from <= last {
            self.outgoing.resend(from, last);
            self.outgoing.pump(now);
        }
        if number > self.expected {
            self.hold(number, Held::Done);
            return self.ask(number, now);
        }
        self.pass(number);
    }

    /// Session tests 10 and 11.
    fn receive_sequence_reset(&mut self, next: u64, fills_gap: bool, head: &Head<'_>, number: u64, now: FixMoment) {
        if next < self.expected || (fills_gap && next <= number) || next > NUMBER_MAX {
            return self.reject(head, number, SessionRefusal::ValueIncorrect.whole(), now);
        }
        self.advance_to(next);
    }

    /// Session test 13.
    fn receive_logout(&mut self, number: u64, text: &str, now: FixMoment) {
        self.pass(number);
        if self.phase == FixPhase::Up {
            self.send_logout("", now);
        }
        self.close(&if text.is_empty() { "logged out".to_owned() } else { format!("logged out: {text}") });
    }

    /// Refuses a message for the session.
    fn reject(&mut self, head: &Head<'_>, number: u64, refused: Refused, now: FixMoment) {
        let (reason, text) = (refused.reason.code(), refused.reason.text());
        self.counts.refused += 1;
        tracing::debug!(session = %self.id, number, reason, tag = refused.tag, text, "FIX message refused");
        let mut body = FixBody::new("3");
        self.route_back(head, &mut body);
        body.number(45, number).text(58, text);
        if let Some(tag) = refused.tag {
            body.text(371, &tag.to_string());
        }
        body.bytes(372, head.kind);
        // FIX 4.2 knows no reason above 11.
        if self.id.begin != Begin::Fix42 || reason <= SessionRefusal::InvalidMsgType.code() {
            body.number(373, reason);
        }
        self.outgoing.send_own(&body, now);
        if head.kind != b"4" {
            self.pass(number);
        }
    }

    /// OnBehalfOf becomes DeliverTo, and the other way round. FIX 4.2 has all of these fields, too.
    fn route_back(&self, head: &Head<'_>, body: &mut FixBody) {
        for (at, value) in head.routing.iter().enumerate() {
            let back = ROUTING[(at + 3) % ROUTING.len()];
            body.header(u32::try_from(back).expect("routing tags are positive"), value);
        }
    }
}
