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
use crate::passkeys::Factors;
use crate::secret::{Secret, digest};
use crate::store::{self, PrincipalRow, SessionRow};
use crate::tallies::Tally;
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
/// The scope of people whose password somebody else knows: all they can do is choose another one.
pub(crate) const PASSWORD_SCOPE: &str = "self.password";
/// How long such a password lets its owner in: seven days.
const INITIAL_NANOS: i64 = 7 * 86_400 * 1_000_000_000;
/// What a failed sign-in tells, whatever was wrong.
const WRONG: &str = "the user, password or code is not right";

/// How a session was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// By nobody: the start gave it to a tool.
    Given,
    /// By the password alone.
    Password,
    /// By password and one-time code.
    Totp,
    /// By password and passkey.
    Passkey,
    /// By password and recovery code.
    Recovery,
    /// By a partner's secret.
    Secret,
    /// By an OpenID provider, with whatever it saw.
    Oidc,
}

impl Means {
    const ALL: [Self; 7] =
        [Self::Given, Self::Password, Self::Totp, Self::Passkey, Self::Recovery, Self::Secret, Self::Oidc];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::Recovery => "recovery",
            Self::Secret => "secret",
            Self::Oidc => "oidc",
        }
    }

    /// As the audit trail tells it.
    const fn told(self) -> &'static str {
        match self {
            Self::Given => "",
            Self::Password => "by password",
            Self::Totp => "by password and one-time code",
            Self::Passkey => "by password and passkey",
            Self::Recovery => "by password and recovery code",
            Self::Secret => "by secret",
            Self::Oidc => "by the OpenID provider",
        }
    }

    /// Of what is stored; whatever is not known counts as the least that a person can bring.
    fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|means| means.name() == name).unwrap_or(Self::Password)
    }
}

/// A session as it is remembered.
pub(crate) struct Live {
    pub(crate) id: u64,
    pub(crate) means: Means,
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
    /// The answer of a passkey: the id of the challenge, and what the browser made of it.
    pub passkey: Option<(String, serde_json::Value)>,
    /// A recovery code in the place of a second factor.
    pub recovery: Option<Secret>,
    /// What it came from, as its owner reads it: `Firefox on Linux`.
    pub device: String,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

/// What became of a sign-in whose password is right.
#[derive(Clone, Debug)]
pub enum SignedIn {
    /// The session has begun.
    Session(Opened),
    /// A second factor is needed as well.
    FactorNeeded(FactorNeeded),
}

/// What a person may bring beside the password.
#[derive(Clone, Debug)]
pub struct FactorNeeded {
    /// A one-time code.
    pub totp: bool,
    /// A recovery code.
    pub recovery: bool,
    /// A passkey: the id of the challenge, and what `navigator.credentials.get` takes as its `publicKey`.
    pub passkey: Option<(String, serde_json::Value)>,
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

/// What became of the second factor.
pub(crate) enum Proven {
    By(Means),
    /// It was brought and is not good.
    Wrong(&'static str),
    /// None was brought.
    Nothing,
}

/// How a session begins.
pub(crate) struct Way<'a> {
    pub(crate) scopes: &'a str,
    pub(crate) address: Option<IpAddr>,
    /// What the audit trail calls it.
    pub(crate) action: &'a str,
    /// How it was proven. One that the start gave to its tools does not end for being idle.
    pub(crate) means: Means,
    /// What it came from.
    pub(crate) device: &'a str,
}

impl Identity {
    /// Signs a person in.
    ///
    /// # Errors
    /// If the proof is not good, after too many failures, or if too many sign in at once.
    pub async fn sign_in(&self, by: SignIn) -> Result<SignedIn, IdentityError> {
        let now = self.clock.now();
        self.may_try((&by.user, by.address), now)?;
        self.attacks.check(&by.user, by.address, &self.attempts, now)?;
        let found = store::principal_named(&mut self.store.read().await?, &by.user).await?;
        let known = found.filter(|row| !row.disabled && row.password.is_some());
        // The same work for a name that nobody has, so that the time tells nothing.
        let stored = known.as_ref().and_then(|row| row.password.as_deref());
        let right = self.hashing.matches(by.password.expose(), stored).await?;
        let Some(row) = known.filter(|_| right) else {
            return Err(self.sign_in_failed(&by, now, "user or password"));
        };
        if row.initial_until.is_some_and(|end| end <= now) {
            return Err(self.sign_in_failed(&by, now, "initial password, which has ended"));
        }
        let factors = self.factors(row.id).await?;
        self.attacks.password_right(&by.user, (by.address, factors.any()), &self.attempts, now)?;
        let means = match self.prove_factor(&row, &factors, &by).await? {
            Proven::By(means) => means,
            Proven::Wrong(what) => return Err(self.sign_in_failed(&by, now, what)),
            Proven::Nothing => {
                let rows = &factors.passkeys;
                let passkey = if rows.is_empty() { None } else { Some(self.begin_passkey_sign_in(row.id, rows)?) };
                let passkey = passkey.map(|challenge| (challenge.id, challenge.options));
                let (totp, recovery) = (factors.totp, factors.recovery);
                return Ok(SignedIn::FactorNeeded(FactorNeeded { totp, recovery, passkey }));
            }
        };
        self.judge_travel(&row, by.address, means).await?;
        self.attempts.succeeded(&by.user, by.address, now);
        let scopes = self.scopes_due(&row, factors.any());
        let way = Way { scopes, address: by.address, action: "sign-in", means, device: &by.device };
        self.open_session(&row, way).await.map(SignedIn::Session)
    }

    /// Whether somebody of this name may try to prove it now. Tries beyond the rates are counted in the trail.
    pub(crate) fn may_try(&self, (name, address): (&str, Option<IpAddr>), now: i64) -> Result<(), IdentityError> {
        let knocked = self.attempts.knock((&self.flood, &self.options), Door::SignIn, (name, address), now);
        let tried = knocked.and_then(|()| self.attempts.check(name, address, now));
        if tried.is_err() {
            let detail = "too often, or too many failures before";
            let tally = Tally { action: "sign-in.rate", principal: 0, name, address, resource: "", detail };
            self.audit.count(tally, now);
        }
        tried
    }

    /// What is brought beside the password; the first that is there counts.
    pub(crate) async fn prove_factor(
        &self,
        row: &PrincipalRow,
        factors: &Factors,
        by: &SignIn,
    ) -> Result<Proven, IdentityError> {
        if !factors.any() {
            return Ok(Proven::By(Means::Password));
        }
        if let Some((id, answer)) = &by.passkey {
            let good = self.finish_passkey_sign_in((row.id, &row.name), (id, answer.clone())).await?;
            return Ok(if good { Proven::By(Means::Passkey) } else { Proven::Wrong("passkey") });
        }
        if let Some(code) = &by.recovery {
            let good = self.use_recovery(row.id, code).await?;
            return Ok(if good { Proven::By(Means::Recovery) } else { Proven::Wrong("recovery code") });
        }
        let Some(code) = &by.totp else { return Ok(Proven::Nothing) };
        let Some(sealed) = row.totp.clone() else { return Ok(Proven::Wrong("code")) };
        let secret = self.code_secret(row.id, sealed)?;
        let Some(step) = matched_step(&secret, code.expose(), self.clock.now(), row.totp_step) else {
            return Ok(Proven::Wrong("code"));
        };
        let used = self.use_step(row.id, step).await?;
        Ok(if used { Proven::By(Means::Totp) } else { Proven::Wrong("code that was used") })
    }

    /// What holds a session of this user back; empty = nothing.
    pub(crate) fn scopes_due(&self, row: &PrincipalRow, protected: bool) -> &'static str {
        let staff = kind_of(&row.kind) == PrincipalKind::Staff;
        match (row.initial_until, staff && !protected && self.options.staff_totp) {
            (Some(_), _) => PASSWORD_SCOPE,
            (None, true) => ENROL_SCOPE,
            (None, false) => "",
        }
    }

    /// Until when a password that somebody else knows counts, if it is given now.
    pub(crate) fn initial_end(&self) -> i64 {
        self.clock.now().saturating_add(INITIAL_NANOS)
    }

    /// Gives a session that was held back what it may do now that its user has a second factor.
    pub(crate) async fn lift(
        &self,
        change: &mut heng_store::Change,
        caller: &Principal,
        session: u64,
        row: &PrincipalRow,
    ) -> Result<(), IdentityError> {
        self.lift_to(change, caller, session, self.scopes_due(row, true)).await
    }

    /// The same with scopes that are known. A session that was not held back stays as it is.
    pub(crate) async fn lift_to(
        &self,
        change: &mut heng_store::Change,
        caller: &Principal,
        session: u64,
        scopes: &str,
    ) -> Result<(), IdentityError> {
        if !caller.scopes.is_empty() {
            store::set_scopes(change.connection(), session, scopes).await?;
        }
        Ok(())
    }

    pub(crate) fn sign_in_failed(&self, by: &SignIn, now: i64, what: &str) -> IdentityError {
        self.attempts.failed(&by.user, by.address, now);
        for seen in self.attacks.failed(&by.user, by.address, now) {
            self.audit.note(seen);
        }
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
        let (_, opened) = self.open_session_in(&mut change, row, way).await?;
        change.commit().await?;
        Ok(opened)
    }

    /// As [`Identity::open_session`], inside of a change; tells the session's number as well.
    pub(crate) async fn open_session_in(
        &self,
        change: &mut heng_store::Change,
        row: &PrincipalRow,
        way: Way<'_>,
    ) -> Result<(u64, Opened), IdentityError> {
        // Between the proof and now the principal may have been shut out, or what was proven may have been replaced.
        let same = |now: &PrincipalRow| !now.disabled && now.password == row.password && now.secret == row.secret;
        let fresh = store::principal(change.connection(), row.id).await?.filter(same);
        let Some(row) = fresh else { return Err(IdentityError::Unproven(WRONG)) };
        let id = store::next_number(change.connection(), "session", 1).await?;
        let (session, token) = self.new_session(&row, id, &way);
        store::insert_sessions(change.connection(), std::slice::from_ref(&session)).await?;
        let principal = principal_of(&row, way.scopes, format!("{}:{id}", session.kind));
        let note = AuditRow::of(session.created_at, way.action, "done").by(&principal).from(way.address);
        let note = note.telling(way.means.told());
        store::insert_audit(change.connection(), &[note]).await?;
        Ok((id, Opened { token, expires_at: session.expires_at, principal }))
    }

    /// A session to be written, and its token.
    pub(crate) fn new_session(&self, row: &PrincipalRow, id: u64, way: &Way<'_>) -> (SessionRow, Secret) {
        let now = self.clock.now();
        let partner = kind_of(&row.kind) == PrincipalKind::Partner;
        let (kind, prefix) = if partner { ("token", TOKEN_PREFIX) } else { ("session", SESSION_PREFIX) };
        let token = Secret::fresh(prefix);
        let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4);
        let age = if partner { self.options.token_age } else { self.options.session_age };
        let idle_nanos = if partner || way.means == Means::Given { 0 } else { nanos(self.options.session_idle) };
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
            means: way.means.name().to_owned(),
            device: way.device.to_owned(),
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
            means: Means::of(&session.means),
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

    /// Ends the session with this token because its browser has begun another one. What is no session that lives is left
    /// alone; so are those that the start gave to its tools.
    ///
    /// # Errors
    /// If the tables fail.
    pub(crate) async fn replace_session(&self, token: &str, by: &Opened) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let found = store::session_of_token(change.connection(), &digest(token.as_bytes())).await?;
        let ends = |row: &SessionRow| row.kind == "session" && row.means != Means::Given.name();
        let Some(old) = found.filter(ends) else { return Ok(()) };
        if store::revoke_session(change.connection(), old.id, now).await? {
            let note = AuditRow::of(now, "session.replaced", "done").by(&by.principal);
            let note = note.on(format!("session:{}", old.id)).telling(format!("of principal {}", old.principal));
            store::insert_audit(change.connection(), &[note]).await?;
        }
        change.commit().await?;
        self.sessions.forget_session(old.id);
        Ok(())
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
