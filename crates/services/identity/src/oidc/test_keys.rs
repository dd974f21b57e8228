//! Keys of an issuer for tests, and tokens that they sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use openidconnect::core::CoreJsonWebKeySet;
use p256::ecdsa::Signature;
use serde_json::{Value, json};

use super::OidcOptions;
use crate::secret::{Secret, digest};

/// Seconds since 1970: Monday 2026-07-06, 09:15 in Beijing.
pub(super) const NOW_S: i64 = 1_783_300_500;
pub(super) const NONCE: &str = "nonce-of-this-sign-on";
pub(super) const ACCESS: &str = "access-token-of-this-sign-on";

pub(super) fn options() -> OidcOptions {
    OidcOptions {
        issuer: "https://login.example/realms/broker".to_owned(),
        client_id: "heng".to_owned(),
        client_secret: Secret::new("s3cret of the client".to_owned()),
        scopes: Vec::new(),
        label: "Login".to_owned(),
        claim: "preferred_username".to_owned(),
        second_factor_acr: Vec::new(),
        second_factor_amr: vec!["mfa".to_owned()],
        link_by_name: false,
        authorities: None,
        origin: "https://desk.example".to_owned(),
    }
}

/// An issuer with one key on each of two curves.
pub(super) struct Issuer {
    edwards: ed25519_dalek::SigningKey,
    weierstrass: p256::ecdsa::SigningKey,
}

pub(super) fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Issuer {
    pub(super) fn new(seed: u8) -> Self {
        let weierstrass = p256::ecdsa::SigningKey::from_slice(&[seed; 32]).expect("a scalar");
        Self { edwards: ed25519_dalek::SigningKey::from_bytes(&[seed; 32]), weierstrass }
    }

    pub(super) fn keys(&self) -> CoreJsonWebKeySet {
        let point = self.weierstrass.verifying_key().to_sec1_point(false);
        let (x, y) = (point.x().expect("a point"), point.y().expect("a point"));
        let keys = json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "e", "use": "sig", "alg": "EdDSA",
              "x": URL_SAFE_NO_PAD.encode(self.edwards.verifying_key().as_bytes()) },
            { "kty": "EC", "crv": "P-256", "kid": "w", "use": "sig", "alg": "ES256",
              "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) },
        ] });
        serde_json::from_value(keys).expect("keys")
    }

    /// Signs with the key that `header` names.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = if header["kid"] == "w" {
            let signature: Signature = self.weierstrass.sign(signed.as_bytes());
            signature.to_bytes().to_vec()
        } else {
            self.edwards.sign(signed.as_bytes()).to_bytes().to_vec()
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn edwards(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "EdDSA", "kid": "e" }), claims)
    }

    pub(super) fn weierstrass(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "kid": "w", "typ": "JWT" }), claims)
    }
}

/// The claims of a good ID token.
pub(super) fn claims() -> Value {
    json!({
        "iss": options().issuer, "sub": "248289761001", "aud": "heng", "exp": NOW_S + 300, "iat": NOW_S - 1,
        "nonce": NONCE, "preferred_username": "tina", "sid": "s-1", "amr": ["pwd", "mfa"],
    })
}

/// `at_hash` by SHA-256 (OpenID Connect Core 1.0, section 3.1.3.6).
pub(super) fn at_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest(access_token.as_bytes())[..16])
}
