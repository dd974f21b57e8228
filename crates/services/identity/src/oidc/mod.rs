//! Sign-on of staff by an OpenID provider (OpenID Connect Core 1.0, authorization code flow with PKCE).
//!
//! The provider proves who somebody is; who may do what stays here, decided by two people. Nobody is made by signing on:
//! a staff user is linked to an issuer and subject once, and the first sign-on over a fresh link takes what Heng itself
//! knows beside the provider, a second factor, so that whoever links cannot become somebody else.
//!
//! *Invariant:* an ID token counts only with an asymmetric signature by a key of the issuer, for this client, this browser
//! and this sign-on, inside of its time.

mod flow;
mod links;
mod logout;
mod provider;
mod rows;
mod sign_on;
#[cfg(test)]
mod spoilt;
#[cfg(test)]
mod test_keys;
mod token;

use std::path::PathBuf;

use flow::Flows;
pub(crate) use links::LinkShownRow;
use logout::Logouts;
use provider::Provider;
pub(crate) use rows::{MIGRATION_SQL, forget_sessions};
use sign_on::Waiting;
pub(crate) use sign_on::{Answered, COOKIE_S, Entered, Origin, SignOnRefused};

use crate::ceremonies::Ceremonies;
use crate::error::IdentityError;
use crate::secret::Secret;

/// Seconds that a provider's clock may differ from ours.
const SKEW_S: i64 = 60;
const SECOND: i64 = 1_000_000_000;

/// The provider, and what this service is to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcOptions {
    /// Issuer: `https://…`, as its discovery document tells it, letter by letter.
    pub issuer: String,
    /// Our name at the provider.
    pub client_id: String,
    /// What we prove ourselves with at its token endpoint.
    pub client_secret: Secret,
    /// Scopes beside `openid`.
    pub scopes: Vec<String>,
    /// What the button of the sign-in page says.
    pub label: String,
    /// The claim that names the user: `preferred_username`, `email` (only if verified), or one of the provider's own.
    pub claim: String,
    /// A second factor was proven at the provider if `acr` is one of these; empty = `acr` tells nothing.
    pub second_factor_acr: Vec<String>,
    /// The same if `amr` holds one of these. Where both lists are given, both must say so; without either Heng asks for
    /// a factor of its own.
    pub second_factor_amr: Vec<String>,
    /// Whether the first sign-on links to the staff user whose name the claim tells.
    pub link_by_name: bool,
    /// PEM certificates of the authorities that the provider's certificate comes from; none = those of browsers.
    pub authorities: Option<PathBuf>,
    /// Where people open the console: what comes back from the provider goes to a path of it.
    pub origin: String,
}

impl OidcOptions {
    /// Where the provider sends people back to.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}/v1/sign-in/oidc/callback", self.origin.trim_end_matches('/'))
    }

    /// Whether a provider can prove a second factor at all.
    fn trusts_factors(&self) -> bool {
        !self.second_factor_acr.is_empty() || !self.second_factor_amr.is_empty()
    }
}

/// What sign-on needs while it runs.
pub(crate) struct Oidc {
    pub(crate) options: OidcOptions,
    provider: Provider,
    flows: Flows,
    /// Sign-ons that the provider proved and that wait for a factor of ours, owned by the principal.
    waiting: Ceremonies<Waiting>,
    logouts: Logouts,
}

impl Oidc {
    /// # Errors
    /// If the authorities cannot be read.
    pub(crate) fn new(options: &OidcOptions) -> Result<Self, IdentityError> {
        Ok(Self {
            provider: Provider::new(options)?,
            flows: Flows::new(),
            waiting: Ceremonies::default(),
            logouts: Logouts::default(),
            options: options.clone(),
        })
    }
}
