//! Sessions and access tokens: opaque, 256 random bits, stored as SHA-256 only, revocable at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use heng_ports::{AuthFailure, Principal, PrincipalKind};

use crate::attempts::Door;
use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::secret::{Secret, digest};
use crate::store::{self, PrincipalRow, SessionRow};
use crate::totp::matched_step;
use crate::users::{kind_of, principal_of};

/// What the tokens of people begin with.
const SESSION_PREFIX: &str = "hst_";
/// What the tokens of partners begin with.
const TOKEN_PREFIX: &str = "hat_";
/// Sessions that are remembered at once; beyond it the memory is emptied and filled again from the tables.
const REMEMBERED_MAX: usize = 200_000;
/// The scope of staff who have no second factor yet: it names no action, so all they can do is look after themselves.
pub(crate) const ENROL_SCOPE: &str = "self.enrol";
/// What a failed sign-in tells, whatever was wrong.
const WRONG: &str = "the user, password or code is not right";

/// A session as it is remembered.
pub(crate) struct Live {
    pub(crate) id: u64,
    pub(crate) principal: Arc<Principal>,
    expires_at: i64,
    idle_nanos: i64,
    used_at: AtomicI64,
    /// When its use was last written to the tables.
    written_at: AtomicI64,
    /// When it was last compared with the tables.
    compared_at: i64,
}

impl Live {
    fn ended(&self, now: i64) -> bool {
        let idle = self.idle_nanos > 0 && self.used_at.load(Ordering::Relaxed).saturating_add(self.idle_nanos) <= now;
        now >= self.expires_at || idle
    }

    /// Notes that it was used, unless it has ended.
    fn used(self: Arc<Self>, now: i64) -> Result<Arc<Self>, AuthFailure> {
        if self.ended(now) {
            return Err(AuthFailure::Ended);
        }
        self.used_at.fetch_max(now, Ordering::Relaxed);
        Ok(self)
    }
}

/// How a session is looked up.
#[derive(Clone, Copy)]
enum Named {
    /// By the hash of its token.
    Token([u8; 32]),
    /// By its id.
    Id(u64),
}

/// Sessions by the hash of their token, and that by their id.
#[derive(Default)]
struct Remembered {
    by_token: HashMap<[u8; 32], Arc<Live>>,
    by_id: HashMap<u64, [u8; 32]>,
}

impl Remembered {
    fn retain(&mut self, keep: impl Fn(&Live) -> bool) {
        self.by_token.retain(|_, live| keep(live));
        let by_token = &self.by_token;
        self.by_id.retain(|_, token| by_token.contains_key(token));
    }
}

/// Sessions as they are remembered.
#[derive(Default)]
pub(crate) struct Sessions {
    remembered: RwLock<Remembered>,
    /// Counts revocations: what was read before one must not be remembered after it.
    revocations: AtomicU64,
}

impl Sessions {
    /// Sessions and tokens that were used here and have not ended.
    pub(crate) fn count(&self) -> usize {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).by_token.len()
    }

    fn find(&self, token: &[u8; 32]) -> Option<Arc<Live>> {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).by_token.get(token).cloned()
    }

    fn find_id(&self, id: u64) -> Option<Arc<Live>> {
        let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
        remembered.by_id.get(&id).and_then(|token| remembered.by_token.get(token)).cloned()
    }

    fn remember(&self, token: [u8; 32], live: &Arc<Live>, seen: u64) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if self.revocations.load(Ordering::SeqCst) != seen {
            return;
        }
        if remembered.by_token.len() >= REMEMBERED_MAX {
            remembered.retain(|_| false);
        }
        remembered.by_token.insert(token, Arc::clone(live));
        remembered.by_id.insert(live.id, token);
    }

    fn forget(&self, gone: impl Fn(&Live) -> bool) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        self.revocations.fetch_add(1, Ordering::SeqCst);
        remembered.retain(|live| !gone(live));
    }

    pub(crate) fn forget_principal(&self, id: u64) {
        self.forget(|live| live.principal.id == id);
    }

    pub(crate) fn forget_session(&self, id: u64) {
        self.forget(|live| live.id == id);
    }

    /// Forgets what has ended, and tells which uses are not written yet.
    pub(crate) fn sweep(&self, now: i64) -> Vec<(u64, i64)> {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|live| !live.ended(now));
        let mut used = Vec::new();
        for live in remembered.by_token.values() {
            let at = live.used_at.load(Ordering::Relaxed);
            // An eighth of the idle time is exact enough to survive a restart.
            if live.idle_nanos > 0 && at - live.written_at.load(Ordering::Relaxed) > live.idle_nanos / 8 {
                live.written_at.store(at, Ordering::Relaxed);
                used.push((live.id, at));
            }
        }
        used
    }
}

/// What a sign-in brings.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Name.
    pub user: String,
    /// Password.
    pub password: Secret,
    /// Code of the second factor.
    pub totp: Option<Secret>,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

/// What became of a sign-in whose password is right.
#[derive(Clone, Debug)]
pub enum SignedIn {
    /// The session has begun.
    Session(Opened),
    /// A code of the second factor is needed as well.
    CodeNeeded,
}

/// A session or access token that has begun. The token is shown here and never again.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The token.
    pub token: Secret,
    /// Nanoseconds since 1970.
    pub expires_at: i64,
    /// Who.
    pub principal: Principal,
}

/// How a session begins.
pub(crate) struct Way<'a> {
    pub(crate) scopes: &'a str,
    pub(crate) address: Option<IpAddr>,
    /// What the audit trail calls it.
    pub(crate) action: &'a str,
    /// Given by the system's own start to its tools: it does not end for being idle.
    pub(crate) given: bool,
}

impl Identity {
    /// Signs a person in.
    ///
    /// # Errors
    /// If the proof is not good, after too many failures, or if too many sign in at once.
    pub async fn sign_in(&self, by: SignIn) -> Result<SignedIn, IdentityError> {
        let now = self.clock.now();
        let rates = (&self.flood, &self.options);
        self.attempts.knock(rates, Door::SignIn, (&by.user, by.address), now)?;
        self.attempts.check(&by.user, by.address, now)?;
        let found = store::principal_named(&mut self.store.read().await?, &by.user).await?;
        let known = found.filter(|row| !row.disabled && row.password.is_some());
        // The same work for a name that nobody has, so that the time tells nothing.
        let stored = known.as_ref().and_then(|row| row.password.as_deref());
        let right = self.hashing.matches(by.password.expose(), stored).await?;
        let Some(row) = known.filter(|_| right) else {
            return Err(self.sign_in_failed(&by, now, "user or password"));
        };
        match (&row.totp, &by.totp) {
            (Some(_), None) => return Ok(SignedIn::CodeNeeded),
            (Some(secret), Some(code)) => {
                let step = matched_step(secret, code.expose(), now, row.totp_step);
                let Some(step) = step else { return Err(self.sign_in_failed(&by, now, "code")) };
                if !self.use_step(row.id, step).await? {
                    return Err(self.sign_in_failed(&by, now, "code that was used"));
                }
            }
            (None, _) => {}
        }
        self.attempts.succeeded(&by.user, by.address, now);
        let unprotected = row.totp.is_none() && kind_of(&row.kind) == PrincipalKind::Staff;
        let scopes = if unprotected && self.options.staff_totp { ENROL_SCOPE } else { "" };
        let way = Way { scopes, address: by.address, action: "sign-in", given: false };
        self.open_session(&row, way).await.map(SignedIn::Session)
    }

    fn sign_in_failed(&self, by: &SignIn, now: i64, what: &str) -> IdentityError {
        self.attempts.failed(&by.user, by.address, now);
        let name = by.user.chars().take(64).collect();
        let note = AuditRow::of(now, "sign-in", "failed").from(by.address).telling(format!("wrong {what}"));
        self.audit.note(AuditRow { name, ..note });
        IdentityError::Unproven(WRONG)
    }

    /// Notes that the code of a step was used; false if it, or a later one, was used before.
    pub(crate) async fn use_step(&self, principal: u64, step: i64) -> Result<bool, IdentityError> {
        let mut change = self.store.begin().await?;
        let found = store::principal(change.connection(), principal).await?;
        let Some(mut row) = found.filter(|row| row.totp_step < step) else { return Ok(false) };
        row.totp_step = step;
        store::update_principal(change.connection(), &row).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Begins a session of a person, or an access token of a partner.
    pub(crate) async fn open_session(&self, row: &PrincipalRow, way: Way<'_>) -> Result<Opened, IdentityError> {
        let mut change = self.store.begin().await?;
        // Between the proof and now the principal may have been shut out, or what was proven may have been replaced.
        let same = |now: &PrincipalRow| !now.disabled && now.password == row.password && now.secret == row.secret;
        let fresh = store::principal(change.connection(), row.id).await?.filter(same);
        let Some(row) = fresh else { return Err(IdentityError::Unproven(WRONG)) };
        let id = store::next_number(change.connection(), "session", 1).await?;
        let (session, token) = self.new_session(&row, id, &way);
        store::insert_sessions(change.connection(), std::slice::from_ref(&session)).await?;
        let principal = principal_of(&row, way.scopes, format!("{}:{id}", session.kind));
        let note = AuditRow::of(session.created_at, way.action, "done").by(&principal).from(way.address);
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        Ok(Opened { token, expires_at: session.expires_at, principal })
    }

    /// A session to be written, and its token.
    pub(crate) fn new_session(&self, row: &PrincipalRow, id: u64, way: &Way<'_>) -> (SessionRow, Secret) {
        let now = self.clock.now();
        let partner = kind_of(&row.kind) == PrincipalKind::Partner;
        let (kind, prefix) = if partner { ("token", TOKEN_PREFIX) } else { ("session", SESSION_PREFIX) };
        let token = Secret::fresh(prefix);
        let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4);
        let age = if partner { self.options.token_age } else { self.options.session_age };
        let idle_nanos = if partner || way.given { 0 } else { nanos(self.options.session_idle) };
        let session = SessionRow {
            id,
            principal: row.id,
            kind: kind.to_owned(),
            token: digest(token.expose().as_bytes()).to_vec(),
            scopes: way.scopes.to_owned(),
            address: way.address.map(|address| address.to_string()).unwrap_or_default(),
            created_at: now,
            expires_at: now.saturating_add(nanos(age)),
            idle_nanos,
            used_at: now,
            revoked_at: None,
        };
        (session, token)
    }

    /// Who holds this token.
    pub(crate) async fn holder(&self, token: &str) -> Result<Arc<Live>, AuthFailure> {
        let shaped = token.len() == 47 && (token.starts_with(SESSION_PREFIX) || token.starts_with(TOKEN_PREFIX));
        if !shaped {
            return Err(AuthFailure::Invalid("this is no token"));
        }
        let (hash, now) = (digest(token.as_bytes()), self.clock.now());
        let known = self.sessions.find(&hash);
        let fresh = |live: &Arc<Live>| self.compare_nanos.is_none_or(|nanos| now - live.compared_at < nanos);
        let live = match known {
            Some(live) if fresh(&live) => live,
            known => self.load_session(Named::Token(hash), known, now).await?,
        };
        live.used(now)
    }

    /// Who holds the session or token with this id, for a stream that it opened. A stream counts as use.
    pub(crate) async fn holder_again(&self, id: u64) -> Result<Arc<Live>, AuthFailure> {
        let now = self.clock.now();
        let known = self.sessions.find_id(id);
        let fresh = |live: &Arc<Live>| self.compare_nanos.is_none_or(|nanos| now - live.compared_at < nanos / 2);
        let live = match known {
            Some(live) if fresh(&live) => live,
            known => self.load_session(Named::Id(id), known, now).await?,
        };
        live.used(now)
    }

    async fn load_session(&self, named: Named, known: Option<Arc<Live>>, now: i64) -> Result<Arc<Live>, AuthFailure> {
        let seen = self.sessions.revocations.load(Ordering::SeqCst);
        let loaded = async {
            let mut look = self.store.read().await?;
            let session = match named {
                Named::Token(hash) => store::session_of_token(&mut look, &hash).await?,
                Named::Id(id) => store::session(&mut look, id).await?,
            };
            let Some(session) = session else { return Ok(None) };
            let principal = store::principal(&mut look, session.principal).await?;
            Ok::<_, IdentityError>(principal.map(|principal| (session, principal)))
        };
        let found = loaded.await.map_err(|error| {
            tracing::error!(%error, "look up a session");
            AuthFailure::Unavailable
        })?;
        let Some((session, principal)) = found else { return Err(AuthFailure::Invalid("the token is not known")) };
        if session.revoked_at.is_some() || principal.disabled {
            self.sessions.forget_session(session.id);
            return Err(AuthFailure::Ended);
        }
        let used_at = known.map_or(session.used_at, |live| live.used_at.load(Ordering::Relaxed).max(session.used_at));
        let credential = format!("{}:{}", session.kind, session.id);
        let live = Arc::new(Live {
            id: session.id,
            principal: Arc::new(principal_of(&principal, &session.scopes, credential)),
            expires_at: session.expires_at,
            idle_nanos: session.idle_nanos,
            used_at: AtomicI64::new(used_at),
            written_at: AtomicI64::new(session.used_at),
            compared_at: now,
        });
        if let Ok(hash) = session.token.as_slice().try_into() {
            self.sessions.remember(hash, &live, seen);
        }
        Ok(live)
    }

    /// Ends a session or token at once.
    ///
    /// # Errors
    /// If there is none, or it is another principal's and `others` is false.
    pub(crate) async fn end_session(
        &self,
        by: &Principal,
        id: u64,
        others: bool,
        action: &str,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let found = store::session(change.connection(), id).await?;
        let Some(session) = found.filter(|session| others || session.principal == by.id) else {
            return Err(IdentityError::Absent("session"));
        };
        if store::revoke_session(change.connection(), id, now).await? {
            let note = AuditRow::of(now, action, "done").by(by).on(format!("session:{id}"));
            let note = note.telling(format!("of principal {}", session.principal));
            store::insert_audit(change.connection(), &[note]).await?;
        }
        change.commit().await?;
        self.sessions.forget_session(id);
        Ok(())
    }
}
