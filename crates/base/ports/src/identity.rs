//! Who asks, and whether they may. The `identity` service answers; every door asks before it does anything.

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

/// Who asks. Opaque ids only; no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// Whether `principal` may do `action` (for example `order.place`) to `resource`. Every decision is auditable.
    fn decide(&self, principal: &Principal, action: &'static str, resource: Resource) -> Decision;
}
