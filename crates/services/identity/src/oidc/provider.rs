//! What is asked of the provider: its discovery document, its keys, and what a code stands for. Answers are bounded in
//! size and time, kept for hours, and asked for again at an unknown key at most once a minute.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heng_transport::{FetchLimits, Fetcher};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, ProviderMetadata};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::{OidcOptions, SECOND};
use crate::error::IdentityError;
use crate::secret::Secret;

/// How long an answer of the provider may take, and how large it may be.
const LIMITS: FetchLimits = FetchLimits { time_max: Duration::from_secs(5), answer_max: 256 * 1_024 };
/// How long its documents are trusted.
const KEEP_NANOS: i64 = 6 * 3_600 * SECOND;
/// How soon an unknown key makes us ask again.
const KEYS_AGAIN_NANOS: i64 = 60 * SECOND;
/// How soon a provider that failed is asked again.
const RETRY_NANOS: i64 = 5 * SECOND;

/// What stands in the discovery document beside the fields of OpenID Connect Discovery 1.0.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct MoreMetadata {
    /// RFC 9207: the answer names its issuer.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for MoreMetadata {}

pub(super) type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Why the provider's answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProviderFault {
    /// It cannot be reached, or says what no provider says.
    Away(String),
    /// It refuses the code.
    Refused(String),
}

fn away(what: impl Into<String>) -> ProviderFault {
    ProviderFault::Away(what.into())
}

/// What a code stands for.
pub(super) struct Tokens {
    pub(super) id_token: String,
    pub(super) access_token: Option<Secret>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, i64)>,
    keys: Option<(Arc<CoreJsonWebKeySet>, i64)>,
    /// When asking last failed.
    failed_at: Option<i64>,
}

/// The provider, and what it said last.
pub(super) struct Provider {
    fetcher: Fetcher,
    issuer: String,
    known: Mutex<Known>,
}

impl Provider {
    pub(super) fn new(options: &OidcOptions) -> Result<Self, IdentityError> {
        let fetcher = Fetcher::new(options.authorities.as_deref(), LIMITS);
        let fetcher = fetcher.map_err(|error| IdentityError::Policy(format!("the OpenID provider: {error}")))?;
        Ok(Self { fetcher, issuer: options.issuer.clone(), known: Mutex::new(Known::default()) })
    }

    /// Its discovery document.
    pub(super) async fn metadata(&self, now: i64) -> Result<Arc<Metadata>, ProviderFault> {
        let mut known = self.known.lock().await;
        self.metadata_of(&mut known, now).await
    }

    async fn metadata_of(&self, known: &mut Known, now: i64) -> Result<Arc<Metadata>, ProviderFault> {
        if let Some((metadata, at)) = &known.metadata
            && now - at < KEEP_NANOS
        {
            return Ok(Arc::clone(metadata));
        }
        known.rest(now)?;
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let asked = async { checked(serde_json::from_slice(&self.get(&url).await?), &self.issuer) };
        let metadata = Arc::new(known.noted(asked.await, now)?);
        known.metadata = Some((Arc::clone(&metadata), now));
        Ok(metadata)
    }

    /// Its keys.
    pub(super) async fn keys(&self, now: i64) -> Result<Arc<CoreJsonWebKeySet>, ProviderFault> {
        self.keys_younger_than(KEEP_NANOS, now).await
    }

    /// Its keys after one was named that is not among them.
    pub(super) async fn keys_again(&self, now: i64) -> Result<Arc<CoreJsonWebKeySet>, ProviderFault> {
        self.keys_younger_than(KEYS_AGAIN_NANOS, now).await
    }

    async fn keys_younger_than(&self, age: i64, now: i64) -> Result<Arc<CoreJsonWebKeySet>, ProviderFault> {
        let mut known = self.known.lock().await;
        if let Some((keys, at)) = &known.keys
            && now - at < age
        {
            return Ok(Arc::clone(keys));
        }
        let metadata = self.metadata_of(&mut known, now).await?;
        known.rest(now)?;
        let asked = async {
            let bytes = self.get(metadata.jwks_uri().as_str()).await?;
            serde_json::from_slice(&bytes).map_err(|_| away("the provider's keys cannot be read"))
        };
        let keys: Arc<CoreJsonWebKeySet> = Arc::new(known.noted(asked.await, now)?);
        known.keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, ProviderFault> {
        let request = Request::get(url).header(header::ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(|_| away("an address of the provider is none"))?;
        let answer = self.fetcher.fetch(request).await.map_err(|error| away(error.to_string()))?;
        match answer.status().as_u16() {
            200 => Ok(answer.into_body()),
            other => Err(away(format!("the provider answers {other} at {url}"))),
        }
    }

    /// Gives the code for tokens (OpenID Connect Core 1.0, section 3.1.3), proven by our secret and the proof key.
    pub(super) async fn exchange(
        &self,
        options: &OidcOptions,
        metadata: &Metadata,
        (code, verifier): (&str, &str),
    ) -> Result<Tokens, ProviderFault> {
        let request = token_request(options, metadata, (code, verifier))?;
        let answer = self.fetcher.fetch(request).await.map_err(|error| away(error.to_string()))?;
        read_tokens(answer.status().as_u16(), answer.body())
    }
}

impl Known {
    /// A provider that failed just now is left alone for a moment.
    fn rest(&self, now: i64) -> Result<(), ProviderFault> {
        match self.failed_at {
            Some(at) if now - at < RETRY_NANOS => Err(away("the provider failed a moment ago")),
            _ => Ok(()),
        }
    }

    fn noted<T>(&mut self, asked: Result<T, ProviderFault>, now: i64) -> Result<T, ProviderFault> {
        self.failed_at = asked.is_err().then_some(now);
        asked
    }
}

/// The document must name the issuer that was asked (OpenID Connect Discovery 1.0, section 4.3), and lead to safe places.
fn checked(read: Result<Metadata, serde_json::Error>, issuer: &str) -> Result<Metadata, ProviderFault> {
    let metadata = read.map_err(|_| away("the provider's discovery document cannot be read"))?;
    if metadata.issuer().as_str() != issuer {
        return Err(away("the discovery document is of another issuer"));
    }
    let safe = |url: &Url| url.scheme() == "https" || issuer.starts_with("http://");
    if !safe(metadata.authorization_endpoint().url()) {
        return Err(away("the authorization endpoint is not https"));
    }
    Ok(metadata)
}

/// Whether the answer to a browser must name its issuer (RFC 9207, section 2.4).
pub(super) fn names_issuer(metadata: &Metadata) -> bool {
    metadata.additional_metadata().authorization_response_iss_parameter_supported
}

/// HTTP Basic unless the provider takes only the form (OpenID Connect Core 1.0, section 9).
fn by_header(metadata: &Metadata) -> bool {
    let methods = metadata.token_endpoint_auth_methods_supported();
    let has = |wanted| methods.is_some_and(|methods| methods.contains(&wanted));
    has(CoreClientAuthMethod::ClientSecretBasic) || !has(CoreClientAuthMethod::ClientSecretPost)
}

/// The request that gives a code for tokens.
fn token_request(
    options: &OidcOptions,
    metadata: &Metadata,
    (code, verifier): (&str, &str),
) -> Result<Request<Vec<u8>>, ProviderFault> {
    let url = metadata.token_endpoint().ok_or_else(|| away("the provider has no token endpoint"))?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code").append_pair("code", code);
    form.append_pair("redirect_uri", &options.redirect_uri()).append_pair("code_verifier", verifier);
    let mut request = Request::builder().method(Method::POST).uri(url.as_str());
    request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request = request.header(header::ACCEPT, "application/json");
    if by_header(metadata) {
        request = request.header(header::AUTHORIZATION, basic(options));
    } else {
        form.append_pair("client_id", &options.client_id);
        form.append_pair("client_secret", options.client_secret.expose());
    }
    let request = request.body(form.finish().into_bytes());
    request.map_err(|_| away("the token endpoint's address is none"))
}

/// RFC 6749, section 2.3.1: both are encoded as in a form first.
fn basic(options: &OidcOptions) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(&options.client_id), encoded(options.client_secret.expose()));
    format!("Basic {}", STANDARD.encode(pair))
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
    access_token: Option<String>,
    error: Option<String>,
}

fn read_tokens(status: u16, body: &[u8]) -> Result<Tokens, ProviderFault> {
    let answer: TokenAnswer =
        serde_json::from_slice(body).map_err(|_| away(format!("the token endpoint answers {status} without JSON")))?;
    match (status, answer.id_token, answer.error) {
        (200, Some(id_token), None) => Ok(Tokens { id_token, access_token: answer.access_token.map(Secret::new) }),
        (200, None, None) => Err(away("the token endpoint gives no ID token: openid must be among the scopes")),
        (400 | 401, _, Some(error)) => {
            let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let error: String = error.chars().filter(plain).take(40).collect();
            Err(ProviderFault::Refused(format!("the provider refuses the code: {error}")))
        }
        (other, ..) => Err(away(format!("the token endpoint answers {other}"))),
    }
}
