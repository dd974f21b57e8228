//! Who gets the messages of a session.

use std::future::Future;
use std::pin::Pin;

use super::config::{FixError, FixSessionId};
use super::encode::FixBody;
use super::fields::FixMessage;
use super::outgoing::Outgoing;
use super::reject::FixRefusal;
use super::time::FixMoment;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixTaken {
    /// It is done with; if the process ends now, it is not needed again.
    Settled,
    /// It is not safe yet: until `FixSession::settle` is called with its number, a start after the end of the
    /// process requests it from the counterparty again, and it comes with PossDupFlag.
    Later,
}

/// Why an application refuses a message; becomes a BusinessMessageReject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixRefused {
    /// BusinessRejectReason (380).
    pub reason: FixRefusal,
    /// Text (58).
    pub text: String,
    /// BusinessRejectRefID (379): the identifier that the message gave itself; may be empty.
    pub id: String,
}

impl From<FixRefusal> for FixRefused {
    fn from(reason: FixRefusal) -> Self {
        Self { reason, text: reason.text().to_owned(), id: String::new() }
    }
}

/// Sends within a call of the application, on the session of the message.
pub struct FixReplies<'a> {
    pub(crate) outgoing: &'a mut Outgoing,
    pub(crate) session: &'a FixSessionId,
    pub(crate) now: FixMoment,
}

impl FixReplies<'_> {
    /// Sends a message. Returns its MsgSeqNum.
    ///
    /// # Errors
    /// If it cannot be kept, or nobody would get it.
    pub fn send(&mut self, body: &FixBody) -> Result<u64, FixError> {
        self.outgoing.send(body, self.now)
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> &FixSessionId {
        self.session
    }

    /// When the bytes were read.
    #[must_use]
    pub const fn now(&self) -> FixMoment {
        self.now
    }
}

/// An application. Its functions are called in the order of the messages, one at a time for each session, and must
/// not wait: while one runs, its session stands still. They must not call the `FixSession` they run for; use `replies`.
pub trait FixApplication: Send + Sync {
    /// Says whether the counterparty may log on; its Logon was found valid.
    ///
    /// # Errors
    /// With the text of the Logout that refuses it.
    fn logon(&self, _session: &FixSessionId, _logon: &FixMessage<'_>) -> Result<(), String> {
        Ok(())
    }

    /// The counterparty is logged on.
    fn logged_on(&self, _replies: &mut FixReplies<'_>) {}

    /// The session was logged on and has no connection any more.
    fn logged_out(&self, _session: &FixSessionId) {}

    /// Takes a valid application message that is due by its number.
    ///
    /// # Errors
    /// With the refusal to send.
    fn received(&self, message: &FixMessage<'_>, replies: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused>;

    /// The counterparty refuses our message of this number, with Reject (35=3) or BusinessMessageReject (35=j).
    fn refused(&self, _message: &FixMessage<'_>, _number: u64, _session: &FixSessionId) {}

    /// All messages that were read at once have been given; whoever collects them can hand them on.
    fn batch_ended(&self, _session: &FixSessionId) {}

    /// Ready when the application can take more messages. Nothing is read from the session meanwhile, which holds
    /// the counterparty back.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}
