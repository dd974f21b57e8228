//! A session as the rest of the program sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::application::FixApplication;
use super::config::{FixError, FixLimits, FixSessionConfig, FixSessionId};
use super::dictionary::{ApplVersion, Begin};
use super::encode::FixBody;
use super::session::{Core, FixPhase};
use super::store::MessageStore;
use super::time::FixClock;

/// Which side opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixRole {
    /// The counterparty connects to us.
    Acceptor,
    /// We connect to the counterparty.
    Initiator,
}

/// What a session is made of.
pub struct FixParts {
    /// Acceptor or initiator.
    pub role: FixRole,
    /// Its limits.
    pub limits: FixLimits,
    /// Where it keeps its numbers and messages.
    pub store: Box<dyn MessageStore>,
    /// Who gets its messages.
    pub application: Arc<dyn FixApplication>,
    /// Its time.
    pub clock: Arc<dyn FixClock>,
}

/// How a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixStatus {
    /// Logged on or not.
    pub phase: FixPhase,
    /// The number of the next message to send.
    pub next_outgoing: u64,
    /// The number of the next message expected.
    pub next_incoming: u64,
    /// Bytes that the counterparty has not read yet.
    pub unsent_bytes: usize,
    /// Messages sent since the session was opened, those of the session itself and those sent again counted too.
    pub sent: u64,
    /// Messages received since the session was opened, garbled ones not counted.
    pub received: u64,
    /// How many of these were refused with Reject or BusinessMessageReject.
    pub refused: u64,
    /// Garbled messages that were ignored.
    pub garbled: u64,
}

/// A session. It outlives its connections: what is sent without one is kept, and the counterparty requests it after
/// its logon (unless the session begins anew with each).
pub struct FixSession {
    id: FixSessionId,
    core: Mutex<Core>,
    pub(crate) limits: FixLimits,
    pub(crate) clock: Arc<dyn FixClock>,
    /// Rings when there is something to send or to end.
    pub(crate) bell: Notify,
    /// Rings when its connection is gone.
    pub(crate) freed: Notify,
}

impl FixSession {
    /// Opens a session with what its store holds.
    ///
    /// # Errors
    /// If the configuration is wrong.
    pub fn open(config: &FixSessionConfig, parts: FixParts) -> Result<Arc<Self>, FixError> {
        let initiator = parts.role == FixRole::Initiator;
        let core = Core::new(config, parts.limits, initiator, parts.store, parts.application)?;
        // The dictionaries are read now, not when the first order waits for them.
        core.id.begin.dictionary();
        core.id.version.dictionary();
        Ok(Arc::new(Self {
            id: core.id.clone(),
            core: Mutex::new(core),
            limits: parts.limits,
            clock: parts.clock,
            bell: Notify::new(),
            freed: Notify::new(),
        }))
    }

    /// Who the two sides are.
    #[must_use]
    pub const fn id(&self) -> &FixSessionId {
        &self.id
    }

    /// Sends an application message. Returns its MsgSeqNum. When this returns, the message has its number and place;
    /// the bytes leave as fast as the counterparty reads.
    ///
    /// # Errors
    /// If it cannot be kept, or nobody would get it.
    pub fn send(&self, body: &FixBody) -> Result<u64, FixError> {
        let sent = self.core().send(body, self.clock.now());
        self.bell.notify_one();
        sent
    }

    /// The application needs the received message of this number no more; see `FixTaken::Later`.
    pub fn settle(&self, number: u64) {
        self.core().settle(number);
        self.bell.notify_one();
    }

    /// Logs out; Text (58) tells why and may be empty.
    pub fn log_out(&self, text: &str) {
        self.core().log_out(text, self.clock.now());
        self.bell.notify_one();
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> FixStatus {
        let core = self.core();
        FixStatus {
            phase: core.phase,
            next_outgoing: core.outgoing.store.outgoing(),
            next_incoming: core.expected(),
            unsent_bytes: core.outgoing.out.len(),
            sent: core.outgoing.sent,
            received: core.counts.received,
            refused: core.counts.refused,
            garbled: core.counts.garbled,
        }
    }

    /// How long until the session has to be given the time; nothing if it has nothing to wait for.
    #[must_use]
    pub fn until_tick(&self) -> Option<Duration> {
        let due_ns = self.core().next_tick_ns()?;
        Some(Duration::from_nanos(due_ns.saturating_sub(self.clock.now().steady_ns)))
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        // A panic in the application costs its message; the numbers are right at every step.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sessions that an acceptor serves, by what a Logon says.
#[derive(Default)]
pub(crate) struct Sessions(BTreeMap<Parties, Vec<Arc<FixSession>>>);

/// The transport, our CompID and the counterparty's.
type Parties = (Begin, Vec<u8>, Vec<u8>);

impl Sessions {
    pub(crate) fn new(sessions: Vec<Arc<FixSession>>) -> Self {
        let mut by_id = Self::default();
        for session in sessions {
            let id = session.id();
            let key = (id.begin, id.sender.clone().into_bytes(), id.target.clone().into_bytes());
            by_id.0.entry(key).or_default().push(session);
        }
        by_id
    }

    /// The session of these CompIDs; of several, the one of this version.
    pub(crate) fn find(&self, begin: &[u8], ours: &[u8], theirs: &[u8], version: &[u8]) -> Option<&Arc<FixSession>> {
        let found = self.0.get(&(Begin::from_text(begin)?, ours.to_vec(), theirs.to_vec()))?;
        let version = ApplVersion::from_text(version);
        let exact = found.iter().find(|session| Some(session.id().version) == version);
        exact.or_else(|| (found.len() == 1).then(|| &found[0]))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<FixSession>> {
        self.0.values().flatten()
    }
}
