//! ID tokens: what must hold before one counts (OpenID Connect Core 1.0, section 3.1.3.7).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreGenderClaim, CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, ClaimsVerificationError, ClientId, IdToken, IdTokenClaims,
    IdTokenVerifier, IssuerUrl, Nonce, SignatureVerificationError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OidcOptions, SECOND, SKEW_S};

/// Bytes of a token at most.
pub(super) const TOKEN_MAX: usize = 16 * 1_024;
/// Seconds that may lie between a token and us, whatever its own end says.
const AGE_MAX_S: i64 = 600;
/// Characters of a subject at most (OpenID Connect Core 1.0, section 2), and of a provider's session id.
const SUBJECT_MAX: usize = 255;

/// Asymmetric algorithms alone: whoever can check a token must not be able to make one.
pub(super) const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Claims that are not among the standard ones.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct MoreClaims {
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl AdditionalClaims for MoreClaims {}

type StaffClaims = IdTokenClaims<MoreClaims, CoreGenderClaim>;
pub(super) type StaffToken =
    IdToken<MoreClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// Why a token does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenRefused {
    /// No key that we know has its id: the issuer may have a new one.
    UnknownKey,
    /// What is wrong.
    Wrong(String),
}

pub(super) fn wrong(what: impl Into<String>) -> TokenRefused {
    TokenRefused::Wrong(what.into())
}

/// What the token must be for.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) keys: &'a CoreJsonWebKeySet,
    pub(super) nonce: &'a str,
    /// What came with it; `at_hash` must be its hash.
    pub(super) access_token: Option<&'a str>,
    /// Nanoseconds since 1970.
    pub(super) now: i64,
}

/// What a token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proven {
    pub(super) subject: String,
    /// The session at the provider, which it may end.
    pub(super) sid: String,
    /// What the claim of the configuration names.
    pub(super) name: Option<String>,
    /// Whether the provider says that it saw a second factor, in the words of the configuration.
    pub(super) second_factor: bool,
}

pub(super) fn instant(nanos: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanos)
}

/// Checks a token and reads what it proves.
pub(super) fn verify(text: &str, options: &OidcOptions, expected: Expected<'_>) -> Result<Proven, TokenRefused> {
    if text.len() > TOKEN_MAX {
        return Err(wrong("the ID token is too long"));
    }
    let token: StaffToken = text.parse().map_err(|_| wrong("the ID token cannot be read"))?;
    let verifier = verifier(options, expected)?;
    let claims = token.claims(&verifier, &Nonce::new(expected.nonce.to_owned())).map_err(|error| refused(&error))?;
    check_access_token(&token, claims, &verifier, expected.access_token)?;
    check_rest(claims, options, expected.now)?;
    Ok(read(claims, options))
}

fn verifier<'a>(
    options: &OidcOptions,
    expected: Expected<'a>,
) -> Result<IdTokenVerifier<'a, CoreJsonWebKey>, TokenRefused> {
    let issuer = IssuerUrl::new(options.issuer.clone()).map_err(|_| wrong("the issuer is no address"))?;
    let client = ClientId::new(options.client_id.clone());
    let verifier = IdTokenVerifier::new_public_client(client, issuer, expected.keys.clone());
    let now = expected.now;
    let issued = move |at: DateTime<Utc>| {
        let ahead = at.timestamp() - now / SECOND;
        if (-AGE_MAX_S..=SKEW_S).contains(&ahead) { Ok(()) } else { Err("issued at another time".to_owned()) }
    };
    let verifier = verifier.set_allowed_algs(ALGORITHMS).set_issue_time_verifier_fn(issued);
    Ok(verifier.set_time_fn(move || instant(now - SKEW_S * SECOND)))
}

fn refused(error: &ClaimsVerificationError) -> TokenRefused {
    match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            TokenRefused::UnknownKey
        }
        // The token's own words stay out of the trail: they are whatever somebody wrote.
        ClaimsVerificationError::Expired(_) => wrong("the ID token is over, or issued at another time"),
        ClaimsVerificationError::InvalidAudience(_) => wrong("the ID token is for another audience"),
        ClaimsVerificationError::InvalidIssuer(_) => wrong("the ID token is of another issuer"),
        ClaimsVerificationError::InvalidNonce(_) => wrong("the ID token is of another sign-on"),
        ClaimsVerificationError::SignatureVerification(_) => wrong("the ID token's signature is not good"),
        _ => wrong("the ID token is not one that counts here"),
    }
}

/// Who takes the place of the access token takes the place of the person (section 3.1.3.8).
fn check_access_token(
    token: &StaffToken,
    claims: &StaffClaims,
    verifier: &IdTokenVerifier<'_, CoreJsonWebKey>,
    access_token: Option<&str>,
) -> Result<(), TokenRefused> {
    let Some(told) = claims.access_token_hash() else { return Ok(()) };
    let Some(access_token) = access_token else { return Err(wrong("the access token of at_hash is missing")) };
    let unclear = || wrong("at_hash cannot be checked");
    let algorithm = token.signing_alg().map_err(|_| unclear())?;
    let key = token.signing_key(verifier).map_err(|_| unclear())?;
    let access_token = AccessToken::new(access_token.to_owned());
    let own = AccessTokenHash::from_token(&access_token, algorithm, key).map_err(|_| unclear())?;
    if own == *told { Ok(()) } else { Err(wrong("at_hash is not that of the access token")) }
}

/// What the library leaves to its user: the authorized party, the time before which it does not count, and sizes.
fn check_rest(claims: &StaffClaims, options: &OidcOptions, now: i64) -> Result<(), TokenRefused> {
    let party = claims.authorized_party();
    if party.is_some_and(|party| **party != *options.client_id) {
        return Err(wrong("the ID token's authorized party is another"));
    }
    let begins = claims.additional_claims().rest.get("nbf");
    let latest = now / SECOND + SKEW_S;
    if begins.is_some_and(|at| at.as_i64().is_none_or(|at| at > latest)) {
        return Err(wrong("the ID token does not count yet"));
    }
    if claims.expiration() <= claims.issue_time() {
        return Err(wrong("the ID token ends before it begins"));
    }
    let subject = claims.subject().as_str();
    if !plain_id(subject) {
        return Err(wrong("the subject is no plain text of 1 to 255 characters"));
    }
    Ok(())
}

/// Ids that a provider gives: bounded, printable ASCII.
pub(super) fn plain_id(text: &str) -> bool {
    (1..=SUBJECT_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

fn read(claims: &StaffClaims, options: &OidcOptions) -> Proven {
    let rest = &claims.additional_claims().rest;
    let text = |name: &str| rest.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = match options.claim.as_str() {
        "preferred_username" => claims.preferred_username().map(|name| name.to_string()),
        // An address that nobody verified is whatever somebody typed.
        "email" => claims.email().filter(|_| claims.email_verified() == Some(true)).map(|email| email.to_string()),
        other => text(other),
    };
    Proven {
        subject: claims.subject().as_str().to_owned(),
        sid: text("sid").filter(|sid| plain_id(sid)).unwrap_or_default(),
        name: name.filter(|name| name.len() <= crate::users::NAME_MAX),
        second_factor: second_factor(claims, options),
    }
}

fn second_factor(claims: &StaffClaims, options: &OidcOptions) -> bool {
    let acr = claims.auth_context_ref().map(|acr| acr.as_str());
    let by_class = options.second_factor_acr.iter().any(|wanted| Some(wanted.as_str()) == acr);
    let methods = claims.auth_method_refs().map(Vec::as_slice).unwrap_or_default();
    let by_method = methods.iter().any(|told| options.second_factor_amr.iter().any(|wanted| **wanted == **told));
    options.trusts_factors()
        && (options.second_factor_acr.is_empty() || by_class)
        && (options.second_factor_amr.is_empty() || by_method)
}
