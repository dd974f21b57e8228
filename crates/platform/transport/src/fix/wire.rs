//! A session's connection without a socket: bytes go in, bytes come out.

use std::sync::Arc;

use super::frame::{Frame, FrameReader};
use super::handle::FixSession;
use super::session::FixPhase;

/// Attached to a session as a connection is, and detached when dropped. For sockets there are `FixAcceptor` and
/// `initiate`; this is what they are made of, and what simulations and fuzzing use.
pub struct FixWire {
    session: Arc<FixSession>,
    reader: FrameReader,
}

impl FixWire {
    /// Connects the session; nothing if it is connected already.
    #[must_use]
    pub fn attach(session: &Arc<FixSession>) -> Option<Self> {
        Self::attach_with(session, FrameReader::new(session.limits.message_max), None).ok()
    }

    /// The same with what was read already: the first message, and in the reader what came behind it. The reader comes
    /// back if the session is connected already.
    pub(crate) fn attach_with(
        session: &Arc<FixSession>,
        reader: FrameReader,
        first: Option<&[u8]>,
    ) -> Result<Self, FrameReader> {
        let now = session.clock.now();
        let mut core = session.core();
        if !core.attach(now) {
            return Err(reader);
        }
        if let Some(first) = first {
            core.receive(first, now);
        }
        drop(core);
        Ok(Self { session: Arc::clone(session), reader: reader.limit(session.limits.message_max) })
    }

    /// Connects the session for a Logout alone; nothing if it is connected.
    pub(crate) fn attach_refused(session: &Arc<FixSession>, text: &str) -> Option<Self> {
        let now = session.clock.now();
        let mut core = session.core();
        if !core.attach(now) {
            return None;
        }
        core.turn_away(text, now);
        drop(core);
        Some(Self { session: Arc::clone(session), reader: FrameReader::new(session.limits.message_max) })
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> &Arc<FixSession> {
        &self.session
    }

    /// Where to put bytes that the counterparty sent, behind those that are there; then call [`Self::work`].
    pub fn received(&mut self) -> &mut Vec<u8> {
        self.reader.buffer()
    }

    /// Gives the session what was received, and the time.
    pub fn work(&mut self) {
        let now = self.session.clock.now();
        let mut core = self.session.core();
        let mut any = false;
        while core.closing.is_none() && core.phase != FixPhase::Offline {
            match self.reader.take() {
                None => break,
                Some(Frame::Message(bytes)) => core.receive(bytes, now),
                Some(Frame::Garbled(_, reason)) => core.receive_garbled(reason),
                Some(Frame::TooLong) => core.receive_too_long(now),
            }
            any = true;
        }
        if any {
            core.batch_ended();
        }
        core.tick(now);
    }

    /// Takes what the session wants to send, in place of what was in `out`; nothing if there is nothing. What is taken
    /// is safe in the store.
    pub fn send(&mut self, out: &mut Vec<u8>) {
        out.clear();
        let now = self.session.clock.now();
        let mut core = self.session.core();
        // A long gap is looked through piece by piece and may give nothing to send yet.
        while core.outgoing.out.is_empty() && core.outgoing.pump(now) {}
        match core.outgoing.store.flush() {
            Ok(()) => std::mem::swap(out, &mut core.outgoing.out),
            Err(error) => core.fail(&format!("message store: {error}")),
        }
    }

    /// Why the connection must end, once what the session sent is through.
    #[must_use]
    pub fn closing(&self) -> Option<String> {
        self.session.core().closing.clone()
    }

    /// Nothing more can be sent: the connection must end at once.
    pub(crate) fn is_lost(&self) -> bool {
        self.session.core().outgoing.fault.is_some()
    }
}

impl Drop for FixWire {
    fn drop(&mut self) {
        self.session.core().detach();
        self.session.freed.notify_one();
    }
}
