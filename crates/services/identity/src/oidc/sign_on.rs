//! A sign-on from its start to a session, and its end by the provider.

use std::net::IpAddr;

use heng_ports::PrincipalKind;
use url::Url;

use super::flow::{FLOW_S, Flow, checked_path};
use super::provider::{ProviderFault, names_issuer};
use super::rows::{self, LinkRow, ProviderSessionRow};
use super::token::{self, Expected, Proven as Told, TokenRefused};
use super::{Oidc, SECOND, logout};
use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::flood::caller;
use crate::identity::Identity;
use crate::passkeys::{Factors, ceremony_id};
use crate::secret::Secret;
use crate::sessions::{FactorNeeded, Means, Opened, Proven, SignIn, SignedIn, Way};
use crate::store::{self, PrincipalRow};
use crate::users::kind_of;

/// How long a sign-on waits for a factor of ours.
const WAITING_NANOS: i64 = 300 * SECOND;
/// Factors that may be tried for one sign-on.
const TRIES_MAX: u32 = 5;
/// No name of a user: only failures of the address count against who has not said who they are.
const NO_NAME: &str = "by:provider";
/// Characters of a code or state at most.
const WORD_MAX: usize = 2_048;

/// What the provider sends a browser back with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) code: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) iss: Option<String>,
    pub(crate) error: Option<String>,
}

/// What became of a return.
pub(crate) enum Entered {
    /// In, and where to.
    In(Opened, String),
    /// The provider is not enough: the ticket for the next step, and where to afterwards.
    FactorNeeded(String, String),
}

/// Why somebody does not come in by the provider. The page tells the word; the trail tells the rest.
#[derive(Debug)]
pub(crate) enum SignOnRefused {
    /// Nothing waits for this answer in this browser.
    Expired,
    /// The provider or its answer says no.
    Refused(String),
    /// Nobody here is linked, or they are shut out.
    Unknown(String),
    /// Heng knows nothing by which the link could be confirmed: they sign in with their password first, and enrol.
    Enrol(u64),
    /// The provider cannot be reached.
    Away(String),
    /// Too often, or the tables failed.
    Failed(IdentityError),
}

impl SignOnRefused {
    /// The word that the page is told.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Refused(_) => "refused",
            Self::Unknown(_) => "unknown",
            Self::Enrol(_) => "enrol",
            Self::Away(_) => "away",
            Self::Failed(IdentityError::Slow(_)) => "busy",
            Self::Failed(_) => "failed",
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Expired => "nothing waits for this answer in this browser".to_owned(),
            Self::Refused(why) | Self::Unknown(why) | Self::Away(why) => why.clone(),
            Self::Enrol(id) => format!("principal {id} has no second factor of ours to confirm the link by"),
            Self::Failed(error) => error.to_string(),
        }
    }
}

impl From<IdentityError> for SignOnRefused {
    fn from(error: IdentityError) -> Self {
        Self::Failed(error)
    }
}

impl From<heng_store::StoreError> for SignOnRefused {
    fn from(error: heng_store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ProviderFault> for SignOnRefused {
    fn from(fault: ProviderFault) -> Self {
        match fault {
            ProviderFault::Away(why) => Self::Away(why),
            ProviderFault::Refused(why) => Self::Refused(why),
        }
    }
}

/// A sign-on that the provider proved and that waits for a factor of ours.
pub(crate) struct Waiting {
    link: LinkRow,
    sid: String,
    until: i64,
    tries: u32,
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) address: Option<IpAddr>,
    pub(crate) device: &'a str,
}

impl Identity {
    fn oidc(&self) -> Result<&Oidc, IdentityError> {
        self.oidc.as_ref().ok_or(IdentityError::Absent("OpenID provider"))
    }

    fn knock_from(&self, address: Option<IpAddr>) -> Result<(), IdentityError> {
        let Some(address) = address else { return Ok(()) };
        self.flood
            .take(&("oidc", caller(address)), self.options.address_per_s, self.clock.now())
            .map_err(IdentityError::Slow)
    }

    /// Where the browser goes, and the cookie that it brings back.
    pub(crate) async fn begin_sign_on(
        &self,
        back: &str,
        address: Option<IpAddr>,
    ) -> Result<(String, String), SignOnRefused> {
        self.knock_from(address)?;
        let (oidc, now) = (self.oidc()?, self.clock.now());
        let metadata = match oidc.provider.metadata(now).await {
            Ok(metadata) => metadata,
            Err(fault) => return Err(self.sign_on_refused(fault.into(), address)),
        };
        let flow = oidc.flows.begin(checked_path(back), now);
        let url = authorization_url(oidc, metadata.authorization_endpoint().url(), &flow);
        Ok((url.into(), oidc.flows.seal(&flow)))
    }

    /// Lets somebody in whom the provider sent back with an answer.
    pub(crate) async fn finish_sign_on(
        &self,
        answered: Answered,
        cookie: Option<&str>,
        from: Origin<'_>,
    ) -> Result<Entered, SignOnRefused> {
        self.knock_from(from.address)?;
        let entered = self.enter(answered, cookie, &from).await;
        entered.map_err(|refused| self.sign_on_refused(refused, from.address))
    }

    /// Tells the trail, and counts the failure against the address.
    fn sign_on_refused(&self, refused: SignOnRefused, address: Option<IpAddr>) -> SignOnRefused {
        let now = self.clock.now();
        if let SignOnRefused::Failed(error) = &refused {
            tracing::warn!(%error, "sign somebody on by the provider");
        } else if !matches!(refused, SignOnRefused::Away(_) | SignOnRefused::Enrol(_)) {
            self.attempts.failed_from(address, now);
        }
        let told: String = refused.told().chars().take(400).collect();
        self.audit.note(AuditRow::of(now, "sign-in.provider", "failed").from(address).telling(told));
        refused
    }

    async fn enter(
        &self,
        answered: Answered,
        cookie: Option<&str>,
        from: &Origin<'_>,
    ) -> Result<Entered, SignOnRefused> {
        let (oidc, now) = (self.oidc()?, self.clock.now());
        self.attempts.check(NO_NAME, from.address, now)?;
        let state = answered.state.as_deref().filter(|state| state.len() <= WORD_MAX);
        let flow = cookie.zip(state).and_then(|(cookie, state)| oidc.flows.take(cookie, state, now));
        let flow = flow.ok_or(SignOnRefused::Expired)?;
        let told = self.proven_by(oidc, &answered, &flow, now).await?;
        let (link, row) = self.linked(oidc, &told, now).await?;
        let factors = self.factors(row.id).await?;
        let waiting = Waiting { link, sid: told.sid, until: now + WAITING_NANOS, tries: 0 };
        if told.second_factor && waiting.link.confirmed_at.is_some() {
            return Ok(Entered::In(self.open_by_provider(&row, &waiting, Means::Oidc, from).await?, flow.back));
        }
        if !factors.any() {
            return Err(SignOnRefused::Enrol(row.id));
        }
        let ticket = self.wait_for_factor(oidc, &row, waiting)?;
        Ok(Entered::FactorNeeded(ticket, flow.back))
    }

    /// What the answer's code proves.
    async fn proven_by(&self, oidc: &Oidc, answered: &Answered, flow: &Flow, now: i64) -> Result<Told, SignOnRefused> {
        let metadata = oidc.provider.metadata(now).await?;
        // RFC 9207: an answer of another provider must not be taken for one of ours.
        match answered.iss.as_deref() {
            Some(iss) if iss != oidc.options.issuer => {
                return Err(SignOnRefused::Refused("the answer is of another issuer".to_owned()));
            }
            None if names_issuer(&metadata) => {
                return Err(SignOnRefused::Refused("the answer does not name its issuer".to_owned()));
            }
            _ => {}
        }
        if let Some(error) = &answered.error {
            let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let error: String = error.chars().filter(plain).take(40).collect();
            return Err(SignOnRefused::Refused(format!("the provider answers {error}")));
        }
        let code = answered.code.as_deref().filter(|code| (1..=WORD_MAX).contains(&code.len()));
        let code = code.ok_or_else(|| SignOnRefused::Refused("the answer has no code".to_owned()))?;
        let verifier = oidc.flows.verifier(flow);
        let tokens = oidc.provider.exchange(&oidc.options, &metadata, (code, &verifier)).await?;
        let (nonce, access) = (oidc.flows.nonce(flow), tokens.access_token.as_ref().map(Secret::expose));
        let mut keys = oidc.provider.keys(now).await?;
        for again in [true, false] {
            let expected = Expected { keys: &keys, nonce: &nonce, access_token: access, now };
            match token::verify(&tokens.id_token, &oidc.options, expected) {
                Ok(told) => return Ok(told),
                Err(TokenRefused::UnknownKey) if again => keys = oidc.provider.keys_again(now).await?,
                Err(TokenRefused::UnknownKey) => break,
                Err(TokenRefused::Wrong(why)) => return Err(SignOnRefused::Refused(why)),
            }
        }
        Err(SignOnRefused::Refused("the ID token is signed by a key that the provider does not tell".to_owned()))
    }

    /// Whom the subject is here; a fresh link by the name, where the configuration allows one.
    async fn linked(&self, oidc: &Oidc, told: &Told, now: i64) -> Result<(LinkRow, PrincipalRow), SignOnRefused> {
        let issuer = oidc.options.issuer.as_str();
        let found = rows::link_by_subject(&mut self.store.read().await?, (issuer, &told.subject)).await?;
        let link = match found {
            Some(link) => link,
            None => self.linked_by_name(oidc, told, now).await?,
        };
        let row = store::principal(&mut self.store.read().await?, link.principal).await?;
        let staff = row.filter(|row| !row.disabled && kind_of(&row.kind) == PrincipalKind::Staff);
        let shut_out = || SignOnRefused::Unknown(format!("principal {} is shut out", link.principal));
        let row = staff.ok_or_else(shut_out)?;
        Ok((link, row))
    }

    async fn linked_by_name(&self, oidc: &Oidc, told: &Told, now: i64) -> Result<LinkRow, SignOnRefused> {
        let nobody = || {
            let name: String = told.name.clone().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
            SignOnRefused::Unknown(format!("nobody is linked to the subject {} (named {name})", told.subject))
        };
        let name = told.name.as_deref().filter(|_| oidc.options.link_by_name).ok_or_else(nobody)?;
        let found = store::principal_named(&mut self.store.read().await?, name).await?;
        let staff = |row: &PrincipalRow| !row.disabled && kind_of(&row.kind) == PrincipalKind::Staff;
        let row = found.filter(staff).ok_or_else(nobody)?;
        let link = LinkRow {
            principal: row.id,
            issuer: oidc.options.issuer.clone(),
            subject: told.subject.clone(),
            linked_by: 0,
            linked_at: now,
            confirmed_at: None,
        };
        match self.insert_provider_link(link, None).await {
            Err(IdentityError::Clash(_)) => Err(nobody()),
            other => Ok(other?),
        }
    }

    fn wait_for_factor(&self, oidc: &Oidc, row: &PrincipalRow, waiting: Waiting) -> Result<String, SignOnRefused> {
        let (id, now, until) = (ceremony_id(), self.clock.now(), waiting.until);
        if !oidc.waiting.begin(&id, row.id, (now, until), waiting) {
            return Err(SignOnRefused::Failed(IdentityError::Slow(1)));
        }
        Ok(format!("{}.{id}", row.id))
    }

    /// Takes a factor of ours for a sign-on that the provider proved; without one, tells what would do.
    pub(crate) async fn prove_sign_on(&self, ticket: &str, brought: SignIn) -> Result<SignedIn, IdentityError> {
        const OVER: IdentityError = IdentityError::Unproven("no sign-on waits for this: begin again");
        let (oidc, now) = (self.oidc()?, self.clock.now());
        self.knock_from(brought.address)?;
        let (principal, id) = ticket.split_once('.').ok_or(OVER)?;
        let principal: u64 = principal.parse().map_err(|_| OVER)?;
        let mut waiting = oidc.waiting.take(id, principal, now).ok_or(OVER)?;
        let row = store::principal(&mut self.store.read().await?, principal).await?;
        let row = row.filter(|row| !row.disabled).ok_or(OVER)?;
        self.attempts.check(&row.name, brought.address, now)?;
        let factors = self.factors(row.id).await?;
        let brought = SignIn { user: row.name.clone(), ..brought };
        let tried = brought.passkey.is_some() || brought.recovery.is_some() || brought.totp.is_some();
        waiting.tries += u32::from(tried);
        match self.prove_factor(&row, &factors, &brought).await? {
            // Without any factor there is nothing to ask for: it was taken away meanwhile.
            Proven::By(_) if !factors.any() => Err(OVER),
            Proven::By(means) => {
                self.attempts.succeeded(&row.name, brought.address, now);
                let from = Origin { address: brought.address, device: &brought.device };
                self.open_by_provider(&row, &waiting, means, &from).await.map(SignedIn::Session)
            }
            Proven::Wrong(what) => {
                self.keep_waiting(oidc, (principal, id), waiting);
                Err(self.sign_in_failed(&brought, now, what))
            }
            Proven::Nothing => {
                self.keep_waiting(oidc, (principal, id), waiting);
                self.factor_needed(row.id, &factors).map(SignedIn::FactorNeeded)
            }
        }
    }

    fn keep_waiting(&self, oidc: &Oidc, (principal, id): (u64, &str), waiting: Waiting) {
        let (now, until) = (self.clock.now(), waiting.until);
        if waiting.tries < TRIES_MAX {
            // Where too many wait, this one begins again at the provider.
            let _ = oidc.waiting.begin(id, principal, (now, until), waiting);
        }
    }

    fn factor_needed(&self, principal: u64, factors: &Factors) -> Result<FactorNeeded, IdentityError> {
        let rows = &factors.passkeys;
        let passkey = if rows.is_empty() { None } else { Some(self.begin_passkey_sign_in(principal, rows)?) };
        let passkey = passkey.map(|challenge| (challenge.id, challenge.options));
        Ok(FactorNeeded { totp: factors.totp, recovery: factors.recovery, passkey })
    }

    async fn open_by_provider(
        &self,
        row: &PrincipalRow,
        waiting: &Waiting,
        means: Means,
        from: &Origin<'_>,
    ) -> Result<Opened, IdentityError> {
        let way = Way { scopes: "", address: from.address, action: "sign-in.provider", means, device: from.device };
        let mut change = self.store.begin().await?;
        // The link may have been taken away since the provider was asked.
        let named = (waiting.link.issuer.as_str(), waiting.link.subject.as_str());
        let link = rows::link_by_subject(change.connection(), named).await?;
        if link.is_none_or(|link| link.principal != row.id) {
            return Err(IdentityError::Unproven("the link to the provider was taken away"));
        }
        let (session, opened) = self.open_session_in(&mut change, row, way).await?;
        let provided = ProviderSessionRow {
            session,
            issuer: &waiting.link.issuer,
            subject: &waiting.link.subject,
            sid: &waiting.sid,
            until: opened.expires_at,
        };
        rows::insert_session(change.connection(), &provided).await?;
        if means != Means::Oidc {
            rows::confirm_link(change.connection(), &waiting.link, self.clock.now()).await?;
        }
        change.commit().await?;
        Ok(opened)
    }

    /// Ends the sessions that a logout token of the provider names. Tells how many.
    ///
    /// # Errors
    /// With what is wrong with the token.
    pub(crate) async fn end_by_provider(&self, token: &str, address: Option<IpAddr>) -> Result<u64, SignOnRefused> {
        self.knock_from(address)?;
        let ended = self.end_named(token).await;
        ended.inspect_err(|refused| {
            let told = refused.told();
            self.audit.note(AuditRow::of(self.clock.now(), "logout.provider", "failed").from(address).telling(told));
        })
    }

    async fn end_named(&self, token: &str) -> Result<u64, SignOnRefused> {
        let (oidc, now) = (self.oidc()?, self.clock.now());
        let keys = oidc.provider.keys(now).await?;
        let checked = match logout::verify(token, &oidc.options, &keys, now) {
            Err(TokenRefused::UnknownKey) => {
                let keys = oidc.provider.keys_again(now).await?;
                logout::verify(token, &oidc.options, &keys, now)
            }
            other => other,
        };
        let named = checked.map_err(|refused| match refused {
            TokenRefused::Wrong(why) => SignOnRefused::Refused(why),
            TokenRefused::UnknownKey => SignOnRefused::Refused("no key of the provider signed the logout token".into()),
        })?;
        if !oidc.logouts.take(&named, now) {
            return Err(SignOnRefused::Refused("the logout token was used before".to_owned()));
        }
        let words = (named.subject.as_deref().unwrap_or_default(), named.sid.as_deref().unwrap_or_default());
        let mut change = self.store.begin().await?;
        let sessions = rows::sessions_named(change.connection(), &oidc.options.issuer, words).await?;
        let mut ended = 0;
        for session in &sessions {
            ended += u64::from(store::revoke_session(change.connection(), *session, now).await?);
        }
        let note = AuditRow::of(now, "logout.provider", "done");
        let note = AuditRow { name: "provider".to_owned(), ..note.telling(format!("{ended} sessions ended")) };
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        for session in sessions {
            self.sessions.forget_session(session);
        }
        Ok(ended)
    }
}

fn authorization_url(oidc: &Oidc, endpoint: &Url, flow: &Flow) -> Url {
    let options = &oidc.options;
    let mut scopes = vec!["openid"];
    scopes.extend(options.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid"));
    let mut url = endpoint.clone();
    let mut query = url.query_pairs_mut();
    query.append_pair("response_type", "code").append_pair("client_id", &options.client_id);
    query.append_pair("redirect_uri", &options.redirect_uri()).append_pair("scope", &scopes.join(" "));
    query.append_pair("state", &oidc.flows.state(flow)).append_pair("nonce", &oidc.flows.nonce(flow));
    query.append_pair("code_challenge", &oidc.flows.challenge(flow)).append_pair("code_challenge_method", "S256");
    if !options.second_factor_acr.is_empty() {
        query.append_pair("acr_values", &options.second_factor_acr.join(" "));
    }
    drop(query);
    url
}

/// Seconds that the cookie of a sign-on lives.
pub(crate) const COOKIE_S: i64 = FLOW_S;
