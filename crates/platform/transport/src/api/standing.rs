//! Streams outlive the request that opened them: whether the caller is still who they were.

use std::sync::Arc;
use std::time::Duration;

use heng_ports::{AuthFailure, Gatekeeper, Principal};
use tokio::time::Instant;

/// How often a stream asks. With what other processes may take to see a revocation it stays below five seconds.
const EVERY: Duration = Duration::from_millis(1_500);

/// Why a stream must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Stable name: `revoked` or `changed`.
    pub reason: &'static str,
    /// The same for people.
    pub detail: &'static str,
}

impl Lost {
    /// The session, token or key does not count any more.
    pub const REVOKED: Self =
        Self { reason: "revoked", detail: "the session, token or key has ended; sign in and connect again" };
    /// It counts, but reaches elsewhere now.
    pub const CHANGED: Self =
        Self { reason: "changed", detail: "the roles, scopes or accounts of the caller have changed; connect again" };
}

/// A caller who holds a stream open.
pub struct Standing {
    gatekeeper: Arc<dyn Gatekeeper>,
    principal: Arc<Principal>,
    asked_at: Instant,
}

impl Standing {
    pub(super) fn new(gatekeeper: Arc<dyn Gatekeeper>, principal: Arc<Principal>) -> Self {
        Self { gatekeeper, principal, asked_at: Instant::now() }
    }

    /// Why the stream must end, if it must. The gatekeeper is asked every second and a half at most, so that this may
    /// stand in a loop.
    pub async fn lost(&mut self) -> Option<Lost> {
        if self.asked_at.elapsed() < EVERY {
            return None;
        }
        self.asked_at = Instant::now();
        match self.gatekeeper.again(&self.principal).await {
            Ok(now) => (now != self.principal).then_some(Lost::CHANGED),
            // Nothing was found out; the next look asks again.
            Err(AuthFailure::Slow(_) | AuthFailure::Unavailable) => None,
            Err(_) => Some(Lost::REVOKED),
        }
    }

    /// Waits until the stream must end.
    pub async fn until_lost(mut self) -> Lost {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Some(lost) = self.lost().await {
                return lost;
            }
        }
    }
}
