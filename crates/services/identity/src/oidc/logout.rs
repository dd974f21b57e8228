//! Logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.6): the provider ends sessions that it began.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey as _, JsonWebKeyAlgorithm};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::token::{ALGORITHMS, TOKEN_MAX, TokenRefused, plain_id, wrong};
use super::{OidcOptions, SECOND, SKEW_S};
use crate::secret::digest;

/// The member of `events` that makes a token one for logout.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds after which a logout token is too old, whatever its end says.
const AGE_MAX_S: i64 = 300;
/// Logout tokens that are remembered, so that each counts once; a repeat would only end what has ended.
const SEEN_MAX: usize = 20_000;

/// Whom a logout token names: a person, one of their sessions, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LoggedOut {
    pub(super) subject: Option<String>,
    pub(super) sid: Option<String>,
    /// Its own id.
    jti: String,
    until: i64,
}

/// Logout tokens that were taken.
#[derive(Default)]
pub(super) struct Logouts(Mutex<HashMap<[u8; 32], i64>>);

impl Logouts {
    /// Whether it comes for the first time.
    pub(super) fn take(&self, logged_out: &LoggedOut, now: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_MAX {
            seen.retain(|_, until| *until > now);
        }
        if seen.len() >= SEEN_MAX {
            seen.clear();
        }
        seen.insert(digest(logged_out.jti.as_bytes()), logged_out.until).is_none()
    }
}

#[derive(Deserialize)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: OneOrMore,
    iat: i64,
    exp: i64,
    jti: String,
    events: Map<String, Value>,
    sub: Option<String>,
    sid: Option<String>,
    nonce: Option<Value>,
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, TokenRefused> {
    let unclear = || wrong("the logout token cannot be read");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| unclear())?;
    serde_json::from_slice(&bytes).map_err(|_| unclear())
}

/// Checks a logout token.
pub(super) fn verify(
    text: &str,
    options: &OidcOptions,
    keys: &CoreJsonWebKeySet,
    now: i64,
) -> Result<LoggedOut, TokenRefused> {
    let parts: Vec<&str> = text.splitn(4, '.').collect();
    let ([head, body, signature], true) = (parts.as_slice(), text.len() <= TOKEN_MAX) else {
        return Err(wrong("the logout token has not three parts, or is too long"));
    };
    let header: Header = part(head)?;
    check_header(&header)?;
    check_signature(&header, &text[..head.len() + 1 + body.len()], signature, keys)?;
    let claims: Claims = part(body)?;
    check_claims(&claims, options, now / SECOND)?;
    Ok(LoggedOut { subject: claims.sub, sid: claims.sid, jti: claims.jti, until: (claims.exp + SKEW_S) * SECOND })
}

fn check_header(header: &Header) -> Result<(), TokenRefused> {
    if !ALGORITHMS.contains(&header.alg) {
        return Err(wrong("the logout token's algorithm is none of those taken"));
    }
    let typ = header.typ.as_deref().unwrap_or("logout+jwt").to_ascii_lowercase();
    let known = matches!(typ.as_str(), "logout+jwt" | "application/logout+jwt" | "jwt" | "application/jwt");
    if !known || header.crit.is_some() {
        return Err(wrong("the logout token is of another kind"));
    }
    Ok(())
}

fn check_signature(
    header: &Header,
    signed: &str,
    signature: &str,
    keys: &CoreJsonWebKeySet,
) -> Result<(), TokenRefused> {
    let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong("the logout token cannot be read"))?;
    let named = |key: &&CoreJsonWebKey| match (&header.kid, key.key_id()) {
        (Some(wanted), Some(id)) => id.as_str() == wanted,
        (wanted, _) => wanted.is_none(),
    };
    let candidates: Vec<&CoreJsonWebKey> = keys.keys().iter().filter(named).collect();
    if candidates.is_empty() {
        return Err(TokenRefused::UnknownKey);
    }
    let fits = |key: &&CoreJsonWebKey| match key.signing_alg() {
        JsonWebKeyAlgorithm::Unspecified => true,
        JsonWebKeyAlgorithm::Algorithm(own) => *own == header.alg,
        JsonWebKeyAlgorithm::Unsupported => false,
    };
    let good = candidates
        .into_iter()
        .filter(fits)
        .any(|key| key.verify_signature(&header.alg, signed.as_bytes(), &bytes).is_ok());
    if good { Ok(()) } else { Err(wrong("the logout token's signature is not good")) }
}

fn check_claims(claims: &Claims, options: &OidcOptions, now_s: i64) -> Result<(), TokenRefused> {
    if claims.iss != options.issuer {
        return Err(wrong("the logout token is of another issuer"));
    }
    let ours = match &claims.aud {
        OneOrMore::One(one) => *one == options.client_id,
        OneOrMore::More(more) => more.as_slice() == [options.client_id.as_str()],
    };
    if !ours {
        return Err(wrong("the logout token is for another audience"));
    }
    let times = claims.iat <= now_s + SKEW_S && claims.iat >= now_s - AGE_MAX_S;
    if !times || claims.exp <= now_s - SKEW_S || claims.exp > now_s + 86_400 {
        return Err(wrong("the logout token is over, or issued at another time"));
    }
    if !claims.events.get(EVENT).is_some_and(Value::is_object) || claims.nonce.is_some() {
        return Err(wrong("this is no logout token"));
    }
    let named = |id: &Option<String>| id.as_deref().is_none_or(plain_id);
    let somebody = claims.sub.is_some() || claims.sid.is_some();
    if !somebody || !named(&claims.sub) || !named(&claims.sid) || !plain_id(&claims.jti) {
        return Err(wrong("the logout token names nobody, or has no id"));
    }
    Ok(())
}
