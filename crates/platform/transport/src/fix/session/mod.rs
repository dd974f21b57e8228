//! The state of a session, without sockets and clocks: what was received and the time go in, bytes to send come out.

mod head;
mod logon;
mod receive;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::application::{FixApplication, FixReplies};
use super::config::{FixError, FixLimits, FixSessionConfig, FixSessionId};
use super::dictionary::{ApplVersion, Begin};
use super::encode::FixBody;
use super::fields::Field;
use super::outgoing::Outgoing;
use super::store::MessageStore;
use super::time::{FixMoment, nanos};
use super::validate::Validator;

pub(crate) use head::Head;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixPhase {
    /// There is no connection.
    Offline,
    /// There is a connection, but no Logon was received on it.
    Connected,
    /// Logged on.
    Up,
    /// We sent a Logout and wait for the answer.
    LoggingOut,
}

/// A message that came before its turn.
enum Held {
    Message(Vec<u8>),
    /// It was acted upon at once; only its number has to pass.
    Done,
}

/// The numbers that were requested with a ResendRequest.
#[derive(Clone, Copy)]
struct Asked {
    last: u64,
    at_ns: u64,
}

/// See the module.
pub(crate) struct Core {
    pub(crate) id: FixSessionId,
    initiator: bool,
    reset_on_logon: bool,
    limits: FixLimits,
    configured_heartbeat_ns: u64,
    application: Arc<dyn FixApplication>,
    pub(crate) outgoing: Outgoing,
    pub(crate) phase: FixPhase,
    /// Why the connection must end, once what was written is sent.
    pub(crate) closing: Option<String>,
    /// The number of the next message expected; the store may lag behind for what is not settled.
    expected: u64,
    /// Numbers given to the application that it has not settled.
    unsettled: BTreeSet<u64>,
    version: ApplVersion,
    heartbeat_ns: u64,
    received_ns: u64,
    connected_ns: u64,
    /// A TestRequest waits for any sign of life.
    testing: bool,
    /// We sent a Logout.
    logout_ns: Option<u64>,
    /// The last Logon that we sent had ResetSeqNumFlag.
    sent_reset: bool,
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    asked: Option<Asked>,
    fields: Vec<Field>,
    validator: Validator,
    pub(crate) counts: Counts,
    /// The application was told of a logon, and not yet of its end.
    announced: bool,
}

/// What was received since the session was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) refused: u64,
    pub(crate) garbled: u64,
}

impl Core {
    pub(crate) fn new(
        config: &FixSessionConfig,
        limits: FixLimits,
        initiator: bool,
        store: Box<dyn MessageStore>,
        application: Arc<dyn FixApplication>,
    ) -> Result<Self, FixError> {
        let id = config.identity()?;
        let heartbeat_ns = nanos(Duration::from_secs(config.heartbeat_s.into()));
        Ok(Self {
            initiator,
            reset_on_logon: config.reset_on_logon,
            limits,
            configured_heartbeat_ns: heartbeat_ns,
            application,
            expected: store.incoming(),
            outgoing: Outgoing::new(&id, limits, config.reset_on_logon, store),
            phase: FixPhase::Offline,
            closing: None,
            unsettled: BTreeSet::new(),
            version: id.version,
            heartbeat_ns,
            received_ns: 0,
            connected_ns: 0,
            testing: false,
            logout_ns: None,
            sent_reset: false,
            held: BTreeMap::new(),
            held_bytes: 0,
            asked: None,
            fields: Vec::new(),
            validator: Validator::default(),
            counts: Counts::default(),
            announced: false,
            id,
        })
    }

    /// A connection was made. Returns false if there is one already (session test 1b).
    pub(crate) fn attach(&mut self, now: FixMoment) -> bool {
        if self.phase != FixPhase::Offline {
            return false;
        }
        self.phase = FixPhase::Connected;
        self.closing = None;
        self.version = self.id.version;
        self.heartbeat_ns = self.configured_heartbeat_ns;
        self.received_ns = now.steady_ns;
        self.connected_ns = now.steady_ns;
        self.testing = false;
        self.logout_ns = None;
        self.sent_reset = false;
        self.asked = None;
        self.release_held();
        self.outgoing.begin(now);
        if self.initiator {
            self.send_first_logon(now);
        }
        true
    }

    /// The connection is gone.
    pub(crate) fn detach(&mut self) {
        if self.phase == FixPhase::Offline {
            return;
        }
        self.phase = FixPhase::Offline;
        self.outgoing.up = false;
        self.release_held();
        self.asked = None;
        if std::mem::take(&mut self.announced) {
            self.application.logged_out(&self.id);
        }
    }

    fn release_held(&mut self) {
        self.held.clear();
        self.held_bytes = 0;
    }

    /// Both numbers to 1.
    fn reset(&mut self) {
        match self.outgoing.store.reset() {
            Ok(()) => {
                self.expected = 1;
                self.unsettled.clear();
                self.asked = None;
                self.release_held();
            }
            Err(error) => self.outgoing.fault = Some(format!("message store: {error}")),
        }
    }

    /// The next number is expected from now on.
    fn advance_to(&mut self, expected: u64) {
        self.expected = expected;
        if self.asked.is_some_and(|asked| expected > asked.last) {
            self.asked = None;
        }
        while let Some(first) = self.held.first_entry().filter(|first| *first.key() < expected) {
            if let Held::Message(bytes) = first.remove() {
                self.held_bytes -= bytes.len();
            }
        }
        self.keep_expected();
    }

    /// The store learns up to which number nothing is needed again.
    fn keep_expected(&mut self) {
        let safe = self.unsettled.first().copied().unwrap_or(self.expected);
        if self.outgoing.store.incoming() == safe {
            return;
        }
        if let Err(error) = self.outgoing.store.set_incoming(safe) {
            self.outgoing.fault = Some(format!("message store: {error}"));
        }
    }

    /// The application needs the message of this number no more.
    pub(crate) fn settle(&mut self, number: u64) {
        if self.unsettled.remove(&number) {
            self.keep_expected();
        }
    }

    /// Sends an application message.
    pub(crate) fn send(&mut self, body: &FixBody, now: FixMoment) -> Result<u64, FixError> {
        let sent = self.outgoing.send(body, now);
        self.notice_fault();
        sent
    }

    /// Begins to log out; the text may be empty.
    pub(crate) fn log_out(&mut self, text: &str, now: FixMoment) {
        match self.phase {
            FixPhase::Up => self.send_logout(text, now),
            FixPhase::Connected => self.close(text),
            FixPhase::Offline | FixPhase::LoggingOut => {}
        }
    }

    fn send_logout(&mut self, text: &str, now: FixMoment) {
        let mut body = FixBody::new("5");
        body.text(58, text);
        self.outgoing.send_own(&body, now);
        self.phase = FixPhase::LoggingOut;
        self.logout_ns = Some(now.steady_ns);
    }

    /// Tells the counterparty why, and ends the connection.
    fn log_out_and_close(&mut self, text: &str, now: FixMoment) {
        self.send_logout(text, now);
        self.close(text);
    }

    /// Whoever sent the Logon is not who it says.
    pub(crate) fn turn_away(&mut self, text: &str, now: FixMoment) {
        self.log_out_and_close(text, now);
    }

    fn close(&mut self, reason: &str) {
        if self.closing.is_none() {
            self.closing = Some(reason.to_owned());
        }
        self.outgoing.up = false;
    }

    /// Nothing can be sent any more.
    pub(crate) fn fail(&mut self, fault: &str) {
        self.outgoing.fault = Some(fault.to_owned());
        self.close(fault);
    }

    /// What went wrong in sending ends the connection.
    fn notice_fault(&mut self) {
        if let Some(fault) = &self.outgoing.fault {
            let fault = fault.clone();
            self.close(&fault);
        }
    }

    fn replies(&mut self, now: FixMoment) -> FixReplies<'_> {
        FixReplies { outgoing: &mut self.outgoing, session: &self.id, now }
    }

    /// The number of the next message expected.
    pub(crate) const fn expected(&self) -> u64 {
        self.expected
    }

    /// What was read at once is through.
    pub(crate) fn batch_ended(&self) {
        self.application.batch_ended(&self.id);
    }

    pub(crate) fn application(&self) -> Arc<dyn FixApplication> {
        Arc::clone(&self.application)
    }

    const fn is_fixt(&self) -> bool {
        matches!(self.id.begin, Begin::Fixt11)
    }
}
