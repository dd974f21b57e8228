//! Counterparties of FIX sessions: programs that prove themselves with each Logon by a password, a certificate, or both.
//! They are configured, not made here; what they may do is that of the user as whom they act.

use std::net::IpAddr;
use std::sync::Arc;

use heng_ports::Principal;
use subtle::ConstantTimeEq as _;

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::password;
use crate::secret::{Secret, digest};

/// What the trail calls a Logon.
const ACTION: &str = "fix.logon";

/// What a counterparty must prove.
#[derive(Clone, Debug)]
pub struct Counterparty {
    /// What people call its session, in the trail.
    session: String,
    /// What its failures are counted by: no name of a user, and short whatever the session's is.
    counted: String,
    username: Option<String>,
    password: Option<Kept>,
    certificates: Vec<[u8; 32]>,
    acts_as: Option<Arc<Principal>>,
}

/// How its password is known here.
#[derive(Clone, Debug)]
enum Kept {
    /// Its argon2id.
    Hash(Secret),
    /// Its SHA-256: the configuration names the password itself, which is not kept.
    Digest([u8; 32]),
}

/// What a Logon brings.
#[derive(Clone, Copy)]
pub struct CounterpartyProof<'a> {
    /// Username (553).
    pub username: Option<&'a [u8]>,
    /// Password (554).
    pub password: Option<&'a [u8]>,
    /// The certificate (DER) whose key signed the TLS handshake.
    pub certificate: Option<&'a [u8]>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// Why a counterparty is not let in. Which part was wrong, nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterpartyRefused {
    /// Something is wrong or missing.
    Wrong,
    /// Too many failures: it was not even looked at.
    Slow,
}

impl Counterparty {
    /// The counterparty of `session`, who acts as `acts_as`. Without any proof to ask for, everybody is let in.
    #[must_use]
    pub fn new(session: &str, acts_as: Option<Arc<Principal>>) -> Self {
        let mark: String = digest(session.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let counted = format!("fix:{mark}");
        let (username, password, certificates) = (None, None, Vec::new());
        Self { session: session.to_owned(), counted, username, password, certificates, acts_as }
    }

    /// Asks for a password: an argon2id hash of the kind that is kept here, or the password itself; and with it for a
    /// Username, if one is given.
    ///
    /// # Errors
    /// If it is a hash of another kind.
    pub fn with_password(mut self, password: &Secret, username: Option<String>) -> Result<Self, IdentityError> {
        let text = password.expose();
        let kept = if text.starts_with("$argon2") {
            if !password::is_kept(text) {
                return Err(IdentityError::field("/password", "must be argon2id with m=19456, t=2, p=1"));
            }
            Kept::Hash(password.clone())
        } else {
            Kept::Digest(digest(text.as_bytes()))
        };
        (self.password, self.username) = (Some(kept), username);
        Ok(self)
    }

    /// Asks for one of these certificates, by the SHA-256 of their DER.
    #[must_use]
    pub fn with_certificates(mut self, certificates: Vec<[u8; 32]>) -> Self {
        self.certificates = certificates;
        self
    }

    /// Whether anything is asked for.
    #[must_use]
    pub const fn proves_itself(&self) -> bool {
        self.password.is_some() || !self.certificates.is_empty()
    }

    fn shows_certificate(&self, brought: CounterpartyProof<'_>) -> bool {
        let Some(certificate) = brought.certificate else { return false };
        let shown = digest(certificate);
        self.certificates.iter().any(|known| bool::from(known.ct_eq(&shown)))
    }
}

impl Identity {
    /// Whether a Logon proves that it comes from `known`. Failures are counted by session and address and cost a growing
    /// wait, as those of people do; the trail has each.
    ///
    /// # Errors
    /// If it does not, or after too many failures.
    pub async fn admit_counterparty(
        &self,
        known: &Counterparty,
        brought: CounterpartyProof<'_>,
    ) -> Result<(), CounterpartyRefused> {
        if !known.proves_itself() {
            return Ok(());
        }
        let (now, address) = (self.clock.now(), Some(brought.address));
        // Each address for itself: failures from elsewhere must not keep a counterparty from its session.
        let counted = format!("{}@{}", known.counted, brought.address);
        let slow = |error: IdentityError| {
            let note = self.note_logon(known, "denied", address);
            self.audit.note(note.telling(format!("{}: {error}", known.session)));
            CounterpartyRefused::Slow
        };
        self.attempts.check(&counted, address, now).map_err(slow)?;
        let by_certificate = known.certificates.is_empty() || known.shows_certificate(brought);
        let by_name = known.username.as_deref().is_none_or(|name| brought.username == Some(name.as_bytes()));
        let by_password = self.knows_password(known, brought).await.map_err(slow)?;
        if by_certificate && by_name && by_password {
            self.attempts.succeeded(&counted, address, now);
            self.audit.note(self.note_logon(known, "done", address).telling(known.session.clone()));
            return Ok(());
        }
        self.attempts.failed(&counted, address, now);
        // The trail is for those who look after the session: it tells them what to mend.
        let parts = [(by_certificate, "certificate"), (by_name, "username"), (by_password, "password")];
        let wrong: Vec<&str> = parts.iter().filter(|(good, _)| !good).map(|(_, what)| *what).collect();
        let told = format!("{}: wrong or missing {}", known.session, wrong.join(", "));
        self.audit.note(self.note_logon(known, "failed", address).telling(told));
        Err(CounterpartyRefused::Wrong)
    }

    fn note_logon(&self, known: &Counterparty, outcome: &str, address: Option<IpAddr>) -> AuditRow {
        let note = AuditRow::of(self.clock.now(), ACTION, outcome).from(address);
        match &known.acts_as {
            Some(principal) if outcome == "done" => note.by(principal),
            _ => note,
        }
    }

    async fn knows_password(
        &self,
        known: &Counterparty,
        brought: CounterpartyProof<'_>,
    ) -> Result<bool, IdentityError> {
        let Some(kept) = &known.password else { return Ok(true) };
        let Some(password) = brought.password else { return Ok(false) };
        match kept {
            Kept::Digest(expected) => Ok(digest(password).ct_eq(expected).into()),
            Kept::Hash(stored) => match std::str::from_utf8(password) {
                Ok(password) => self.hashing.matches(password, Some(stored.expose())).await,
                Err(_) => Ok(false),
            },
        }
    }
}
