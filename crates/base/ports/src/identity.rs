//! Who asks, and whether they may. The `identity` service answers; every door asks before it does anything.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use heng_model::AccountId;

/// What kind of party a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// A person who trades on accounts of their own.
    Client,
    /// A person who works at the broker.
    Staff,
    /// A program of a partner, by client credentials.
    Partner,
    /// A part of the broker itself.
    Service,
}

impl PrincipalKind {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Staff => "staff",
            Self::Partner => "partner",
            Self::Service => "service",
        }
    }
}

/// Accounts that a principal may act for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// Every account; what may be done with them is the policy's matter.
    All,
    /// These; at most `PRINCIPAL_ACCOUNTS_MAX`.
    These(Vec<AccountId>),
}

/// Most accounts that one principal may act for by name.
pub const PRINCIPAL_ACCOUNTS_MAX: usize = 256;

impl Accounts {
    /// Whether `account` is among them.
    #[must_use]
    pub fn hold(&self, account: AccountId) -> bool {
        match self {
            Self::All => true,
            Self::These(list) => list.contains(&account),
        }
    }
}

/// Who asks. `Debug` leaves the name out, because logs hold no personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    /// Stable id.
    pub id: u64,
    /// Kind.
    pub kind: PrincipalKind,
    /// Sign-in name, for people who read the audit trail.
    pub name: String,
    /// Accounts it may act for.
    pub accounts: Accounts,
    /// Roles, ascending; the policy gives them meaning.
    pub roles: Vec<String>,
    /// Scopes of the credential, ascending; empty = whatever the roles allow.
    pub scopes: Vec<String>,
    /// What it came with: `session:…`, `key:…`, `token:…`; a name for the audit trail, never the secret.
    pub credential: String,
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, kind, name: _, accounts, roles, scopes, credential } = self;
        let mut told = f.debug_struct("Principal");
        told.field("id", id).field("kind", kind).field("accounts", accounts).field("roles", roles);
        told.field("scopes", scopes).field("credential", credential).finish_non_exhaustive()
    }
}

/// What came with a request to prove who asks. Secrets are borrowed and never kept.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// HTTP method, upper case.
    pub method: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// The `authorization` header.
    pub authorization: Option<&'a str>,
    /// The session cookie's value.
    pub session: Option<&'a str>,
    /// `x-heng-key`, `x-heng-timestamp`, `x-heng-nonce`, `x-heng-signature` of a signed request.
    pub signed: Option<Signed<'a>>,
    /// The whole body.
    pub body: &'a [u8],
    /// The address that the connection came from.
    pub address: Option<IpAddr>,
}

/// The headers of a signed request.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// Id of the API key.
    pub key: &'a str,
    /// Milliseconds since 1970, as digits.
    pub timestamp: &'a str,
    /// At most 64 printable characters that this key has not used before.
    pub nonce: &'a str,
    /// Base64 of the signature.
    pub signature: &'a str,
}

/// Why nobody was identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// Nothing was brought.
    Missing,
    /// What was brought does not prove anything; the text tells nothing that helps to guess.
    Invalid(&'static str),
    /// The proof is good, but has ended or was revoked.
    Ended,
    /// The address is not on the key's list.
    Address,
    /// Too many attempts; try again after this many seconds.
    Slow(u32),
    /// It cannot be found out now, because what knows it does not answer.
    Unavailable,
}

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Nothing in particular: may this principal do the action at all?
    Any,
    /// One account.
    Account(AccountId),
}

/// The answer of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not; the text names the policy that forbids, or that none permits.
    Deny(String),
}

impl Decision {
    /// Whether it may.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow)
    }
}

/// What a caller wants to do that takes a fresh proof beside the credential: the operation, and the bytes that say it.
#[derive(Clone, Copy)]
pub struct StepUpAsk<'a> {
    /// Name of the operation, as the API's document tells it.
    pub operation: &'static str,
    /// The operation asks for the password itself, and lets pass who has no second factor yet.
    pub enrols: bool,
    /// HTTP method, upper case.
    pub method: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// The whole body.
    pub body: &'a [u8],
    /// The header `step-up`: the proof that was given for exactly this.
    pub proof: Option<&'a str>,
}

/// Why a fresh proof is still missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepUpFailure {
    /// None came, or what came was not given for this; the text says what to do.
    Needed(&'static str),
    /// It cannot be found out now, because what knows it does not answer.
    Unavailable,
}

/// What a door turned away before it reached the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TurnedAway {
    /// A request beyond the rates.
    Rate,
    /// A request that is not of the declared form.
    Malformed,
    /// A caller whose TLS handshake failed.
    Handshake,
}

/// Who was turned away, and where. Such things are counted, not told one by one.
#[derive(Clone, Copy, Debug)]
pub struct Turned<'a> {
    /// What.
    pub what: TurnedAway,
    /// Who, if they were identified.
    pub principal: Option<&'a Principal>,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// The operation, or the door of a handshake.
    pub at: &'a str,
    /// Why, in words for people; empty = `what` says it.
    pub detail: &'a str,
}

/// An answer that may take a while.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Says who asks and whether they may.
pub trait Gatekeeper: Send + Sync {
    /// Who brings these credentials.
    fn identify<'a>(&'a self, credentials: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>>;

    /// Whom the credential of `principal` stands for now, for streams that outlive the request that opened them. It is
    /// asked every second or two for each stream, so it must be cheap. Gatekeepers that revoke nothing keep this answer.
    fn again<'a>(&'a self, principal: &'a Arc<Principal>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        Box::pin(std::future::ready(Ok(Arc::clone(principal))))
    }

    /// Whether `principal` has proven for exactly this that it is there and wants it. The proof counts once, whatever
    /// becomes of the request. Gatekeepers that give no proofs let nobody do what takes one.
    fn step_up<'a>(
        &'a self,
        principal: &'a Arc<Principal>,
        ask: StepUpAsk<'a>,
    ) -> Later<'a, Result<(), StepUpFailure>> {
        let (_, _) = (principal, ask);
        Box::pin(std::future::ready(Err(StepUpFailure::Needed("nobody here gives such proofs"))))
    }

    /// Whether `principal` may see plain text of other people's personal values. It is asked for every answer that has
    /// some, so a refusal is no event of the trail.
    fn sees_personal(&self, principal: &Principal) -> bool {
        let _ = principal;
        false
    }

    /// An answer of `operation` showed plain personal values of these principals, ascending, to another one.
    fn showed_personal(&self, principal: &Principal, operation: &'static str, persons: &[u64]) {
        let (_, _, _) = (principal, operation, persons);
    }

    /// Hears what a door turned away. It must be cheap: floods are told as well. Gatekeepers without a trail ignore it.
    fn turned_away(&self, turned: Turned<'_>) {
        let _ = turned;
    }

    /// Whether `principal` may do `action` (for example `order.place`) to `resource`. Every decision is auditable.
    fn decide(&self, principal: &Principal, action: &'static str, resource: Resource) -> Decision;
}
