//! The service as a whole: opened on its tables, asked by the doors.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use heng_model::UnixNanos;
use heng_ports::{
    ActionLeaves, ActionSource, ActionTaken, AuthFailure, Credentials, Decision, FeedError, Gatekeeper, Later,
    LegalHolds, Principal, Resource, StepUpAsk, StepUpFailure, Turned, TurnedAway,
};
use heng_runtime::Clock;
use heng_store::{Engine, OwnedStore, StoreOptions};

use crate::api_keys::{Keys, Nonces};
use crate::attacks::Attacks;
use crate::attempts::Attempts;
use crate::audit::{Audit, AuditRow};
use crate::error::IdentityError;
use crate::flood::Flood;
use crate::oidc::{self, Oidc, OidcOptions};
use crate::passkeys::Passkeys;
use crate::password::HashPool;
use crate::policy::Policy;
use crate::seals::seal_all;
use crate::sessions::Sessions;
use crate::step_up::StepUps;
use crate::store::{self, MIGRATIONS};
use crate::tallies::Tally;
use crate::travel::Places;
use crate::webauthn::PasskeyOptions;

/// How the service behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityOptions {
    /// Threads that hash passwords, at least 1.
    pub hash_threads: usize,
    /// Sign-ins that wait for one at most; further ones get 429.
    pub hash_queue_len_max: usize,
    /// Sign-ins and requests for tokens of one address in a second; twice as many at once. The rest get 429.
    pub address_per_s: NonZeroU32,
    /// The same of one user or client name, from addresses where it has not proven itself; and of a name from an
    /// address where it has.
    pub name_per_s: NonZeroU32,
    /// A session ends after this long whatever happens.
    pub session_age: Duration,
    /// A session ends when it was not used for this long; a stream that is open uses it.
    pub session_idle: Duration,
    /// An access token ends after this long.
    pub token_age: Duration,
    /// Staff without a second factor can do nothing but enrol one.
    pub staff_totp: bool,
    /// Whom browsers hand passkeys to.
    pub passkeys: PasskeyOptions,
    /// Whoever has no passkey steps up by a one-time code.
    pub step_up_totp: bool,
    /// Clients without any second factor step up by the password.
    pub step_up_password: bool,
    /// Where addresses are; none = impossible travel is not judged.
    pub places: Option<Arc<Places>>,
    /// The provider by which staff sign on, if there is one.
    pub oidc: Option<OidcOptions>,
    /// Words that passwords must not be built around: the firm's names and products.
    pub firm_words: Vec<String>,
}

impl Default for IdentityOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            hash_threads: (cores / 2).max(1),
            hash_queue_len_max: 32,
            address_per_s: NonZeroU32::new(50).expect("not zero"),
            name_per_s: NonZeroU32::new(5).expect("not zero"),
            session_age: Duration::from_hours(12),
            session_idle: Duration::from_mins(30),
            token_age: Duration::from_hours(1),
            staff_totp: true,
            passkeys: PasskeyOptions::default(),
            step_up_totp: true,
            step_up_password: true,
            places: None,
            oidc: None,
            firm_words: Vec::new(),
        }
    }
}

/// How long a remembered session or key is trusted where other processes write the same tables.
const COMPARE_NANOS: i64 = 5_000_000_000;
/// How often what has ended is swept, and uses are written.
const SWEEP: Duration = Duration::from_secs(15);
/// How long ended sessions stay in the tables, so that the audit trail can be understood.
const FORGET_NANOS: i64 = 30 * 86_400 * 1_000_000_000;
/// Ended sessions that one sweep removes at most.
const FORGET_MAX: u32 = 1_000;

/// Sign-in, sessions, keys, partners, policy and audit.
pub struct Identity {
    pub(crate) store: OwnedStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: IdentityOptions,
    pub(crate) policy: Policy,
    pub(crate) audit: Audit,
    pub(crate) hashing: HashPool,
    pub(crate) attempts: Attempts,
    pub(crate) attacks: Attacks,
    pub(crate) passkeys: Passkeys,
    pub(crate) step_ups: StepUps,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) flood: Flood,
    pub(crate) sessions: Sessions,
    pub(crate) keys: Keys,
    pub(crate) nonces: Nonces,
    /// Who knows where actions stand in the evidence log, and what the law keeps; set when those are open.
    pub(crate) leaves: OnceLock<Arc<dyn ActionLeaves>>,
    pub(crate) holds: OnceLock<Arc<dyn LegalHolds>>,
    /// Nanoseconds since 1970.
    pub(crate) begun_at: i64,
    /// How long what is remembered is trusted; none = as long as it lives, because nobody else writes.
    pub(crate) compare_nanos: Option<i64>,
}

impl Identity {
    /// Opens the tables and starts what works in the background; it ends when the last reference goes.
    ///
    /// # Errors
    /// If the tables cannot be opened, or the policies do not fit their schema.
    pub async fn open(
        place: &StoreOptions,
        options: IdentityOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, IdentityError> {
        let store = OwnedStore::open(place, &MIGRATIONS).await?;
        seal_all(&store).await?;
        let alone = store.read().await?.engine() == Engine::Sqlite;
        let identity = Arc::new(Self {
            policy: Policy::new()?,
            audit: Audit::start(store.clone(), Arc::clone(&clock)),
            hashing: HashPool::new(options.hash_threads, options.hash_queue_len_max),
            attempts: Attempts::default(),
            attacks: Attacks::default(),
            passkeys: Passkeys::new(&options.passkeys)?,
            step_ups: StepUps::default(),
            oidc: options.oidc.as_ref().map(Oidc::new).transpose()?,
            flood: Flood::new(),
            sessions: Sessions::default(),
            keys: Keys::default(),
            nonces: Nonces::new(),
            leaves: OnceLock::new(),
            holds: OnceLock::new(),
            begun_at: clock.now(),
            compare_nanos: (!alone).then_some(COMPARE_NANOS),
            store,
            clock,
            options,
        });
        tokio::spawn(sweep_often(Arc::downgrade(&identity)));
        Ok(identity)
    }

    /// Whom the doors ask.
    #[must_use]
    pub fn gatekeeper(self: &Arc<Self>) -> Arc<dyn Gatekeeper> {
        Arc::clone(self) as Arc<dyn Gatekeeper>
    }

    /// Sessions and tokens in use here.
    #[must_use]
    pub fn sessions_in_use(&self) -> usize {
        self.sessions.count()
    }

    /// Waits until everything that was reported is in the audit trail.
    pub async fn flush(&self) {
        self.audit.flush().await;
    }

    /// Writes what is left and closes the tables.
    pub async fn close(&self) {
        self.audit.flush().await;
        if let Err(error) = self.note_uses().await {
            tracing::warn!(%error, "write the last uses of sessions");
        }
        self.store.close().await;
    }

    /// Writes when sessions were used.
    async fn note_uses(&self) -> Result<(), IdentityError> {
        let used = self.sessions.sweep(self.clock.now());
        let mut change = self.store.begin().await?;
        store::touch_sessions(change.connection(), &used).await?;
        change.commit().await?;
        Ok(())
    }

    /// Writes when sessions were used, and forgets those that ended long ago, but for what the law holds. While that is
    /// not known nothing is forgotten.
    pub(crate) async fn sweep(&self) -> Result<(), IdentityError> {
        self.note_uses().await?;
        let kept = self.held_principals().await?;
        let ended_before = self.clock.now().saturating_sub(FORGET_NANOS);
        let mut change = self.store.begin().await?;
        store::forget_sessions(change.connection(), ended_before, &kept, FORGET_MAX).await?;
        oidc::forget_sessions(change.connection(), ended_before).await?;
        change.commit().await?;
        Ok(())
    }
}

async fn sweep_often(identity: Weak<Identity>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick comes at once.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(identity) = identity.upgrade() else { return };
        if let Err(error) = identity.sweep().await {
            tracing::warn!(%error, "sweep the sessions");
        }
    }
}

impl Gatekeeper for Identity {
    fn identify<'a>(&'a self, came: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        Box::pin(async move {
            if let Some(signed) = came.signed {
                return self.signer(came, signed).await;
            }
            let token = match came.authorization.map(|text| text.split_once(' ').unwrap_or((text, ""))) {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
                Some(_) => return Err(AuthFailure::Invalid("the authorization is not a bearer token")),
                None => came.session.ok_or(AuthFailure::Missing)?,
            };
            self.holder(token).await.map(|live| Arc::clone(&live.principal))
        })
    }

    fn again<'a>(&'a self, principal: &'a Arc<Principal>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        Box::pin(async move {
            match principal.credential.split_once(':') {
                Some(("key", id)) => self.signer_again(id).await,
                Some(("session" | "token", id)) => {
                    let id = id.parse().map_err(|_| AuthFailure::Ended)?;
                    self.holder_again(id).await.map(|live| Arc::clone(&live.principal))
                }
                // What is configured has no credential that could end.
                _ => Ok(Arc::clone(principal)),
            }
        })
    }

    fn step_up<'a>(
        &'a self,
        principal: &'a Arc<Principal>,
        ask: StepUpAsk<'a>,
    ) -> Later<'a, Result<(), StepUpFailure>> {
        Box::pin(self.stepped_up(principal, ask))
    }

    fn turned_away(&self, turned: Turned<'_>) {
        let action = match turned.what {
            TurnedAway::Rate => "request.rate",
            TurnedAway::Malformed => "request.malformed",
            TurnedAway::Handshake => "door.handshake",
        };
        let (principal, name) = turned.principal.map_or((0, ""), |who| (who.id, who.name.as_str()));
        let (address, resource, detail) = (turned.address, turned.at, turned.detail);
        self.audit.count(Tally { action, principal, name, address, resource, detail }, self.clock.now());
    }

    fn decide(&self, principal: &Principal, action: &'static str, resource: Resource) -> Decision {
        let decision = self.policy.decide(principal, action, resource);
        let now = self.clock.now();
        match &decision {
            Decision::Allow => self.audit.allowed(principal, action, resource, now),
            Decision::Deny(why) => {
                let on = match resource {
                    Resource::Any => String::new(),
                    Resource::Account(account) => format!("account:{}", account.0),
                };
                self.audit.note(AuditRow::of(now, action, "denied").by(principal).on(on).telling(why.clone()));
            }
        }
        decision
    }

    fn sees_personal(&self, principal: &Principal) -> bool {
        self.policy.decide(principal, "personal.read", Resource::Any).is_allowed()
    }

    fn showed_personal(&self, principal: &Principal, operation: &'static str, persons: &[u64]) {
        self.note_shown(principal, operation, persons);
    }
}

impl ActionSource for Identity {
    /// The audit trail without names, addresses and words, which may tell of persons.
    fn actions_after(&self, number: u64, limit: u32) -> Later<'_, Result<Vec<ActionTaken>, FeedError>> {
        Box::pin(async move {
            let rows = store::audit_after(&mut self.store.read().await?, number, limit).await?;
            let taken = |(number, row): (u64, AuditRow)| ActionTaken {
                number,
                at: UnixNanos(row.at),
                principal: row.principal,
                credential: row.credential,
                action: row.action,
                resource: row.resource,
                outcome: row.outcome,
                times: row.times,
            };
            Ok(rows.into_iter().map(taken).collect())
        })
    }
}
