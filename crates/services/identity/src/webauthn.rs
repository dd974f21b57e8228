//! What of a passkey is checked (W3C Web Authentication, sections 7.1 and 7.2): the kept crate verifies, and around it
//! stands what it leaves to its callers: whose handle it is, other origins inside of frames, and fields that nobody
//! signed but that must fit those that were.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use webauthn_rs::prelude::{
    Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid,
    WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use crate::error::IdentityError;
use crate::secret::digest;

/// Whom browsers hand passkeys to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyOptions {
    /// The relying party: the domain of the console, or one above it. An address is none.
    pub rp_id: String,
    /// Where the console is, as browsers tell it: `https://broker.example`.
    pub origin: String,
    /// Any port of the origin counts, for a loopback whose port nobody knows before it is bound.
    pub any_port: bool,
}

impl Default for PasskeyOptions {
    fn default() -> Self {
        Self { rp_id: "localhost".to_owned(), origin: "http://localhost".to_owned(), any_port: true }
    }
}

/// Why a passkey's answer does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It proves nothing.
    Wrong,
    /// Its counter went back: there may be a second one.
    Cloned,
}

/// Verifies what authenticators say.
pub(crate) struct Verifier {
    webauthn: Webauthn,
    rp_id: String,
    origin: String,
}

/// A proof of a passkey that is good as far as it alone can tell.
pub(crate) struct Shown {
    /// Base64url of the credential's id.
    pub(crate) id: String,
    /// What the authenticator counts; 0 = nothing.
    pub(crate) counter: u32,
    result: webauthn_rs::prelude::AuthenticationResult,
}

impl Shown {
    /// The stored credential with what is new of it; none if it is another one.
    pub(crate) fn renewed(&self, stored: &str) -> Option<String> {
        let mut passkey: Passkey = serde_json::from_str(stored).ok()?;
        passkey.update_credential(&self.result)?;
        serde_json::to_string(&passkey).ok()
    }
}

fn flaw(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Policy(format!("passkeys: {error}"))
}

/// The name under which authenticators keep a user: no word of it tells who that is.
fn handle(rp_id: &str, principal: u64) -> Uuid {
    let hash = digest(format!("heng passkey\n{rp_id}\n{principal}").as_bytes());
    Uuid::from_bytes(*hash.first_chunk().expect("32 bytes have a first 16"))
}

/// What the browser says it did.
fn client_data(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// Not signed by the key, but said twice: both must be the same. A page in another's frame is refused.
fn consistent(id: &str, raw_id: &[u8], kind: &str, client: &[u8]) -> bool {
    let data = client_data(client).unwrap_or_default();
    let framed = data["crossOrigin"].as_bool() == Some(true) || !data["topOrigin"].is_null();
    id == URL_SAFE_NO_PAD.encode(raw_id) && kind == "public-key" && !framed
}

impl Verifier {
    pub(crate) fn new(options: &PasskeyOptions) -> Result<Self, IdentityError> {
        let origin = Url::parse(&options.origin).map_err(flaw)?;
        let builder = WebauthnBuilder::new(&options.rp_id, &origin).map_err(flaw)?;
        let webauthn = builder.rp_name("Heng 衡").allow_any_port(options.any_port).build().map_err(flaw)?;
        Ok(Self { webauthn, rp_id: options.rp_id.clone(), origin: options.origin.clone() })
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Asks for a new passkey of this user: the options for the browser, and what to compare its answer with.
    pub(crate) fn begin_new(
        &self,
        (principal, name): (u64, &str),
        known: &[String],
    ) -> Result<(Value, PasskeyRegistration), IdentityError> {
        let known = stored(known)?.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let user = handle(&self.rp_id, principal);
        let begun = self.webauthn.start_passkey_registration(user, name, name, Some(known));
        let (options, state) = begun.map_err(flaw)?;
        let mut options = serde_json::to_value(&options.public_key).map_err(flaw)?;
        // An authenticator that keeps it can be found without a name later; one that cannot still serves.
        options["authenticatorSelection"]["residentKey"] = "preferred".into();
        Ok((options, state))
    }

    /// The id and the credential to be stored, if the answer is good.
    pub(crate) fn finish_new(&self, answer: Value, state: &PasskeyRegistration) -> Result<(String, String), Unfit> {
        let answer: RegisterPublicKeyCredential = serde_json::from_value(answer).map_err(|_| Unfit::Wrong)?;
        if !consistent(&answer.id, &answer.raw_id, &answer.type_, &answer.response.client_data_json) {
            return Err(Unfit::Wrong);
        }
        let passkey = self.webauthn.finish_passkey_registration(&answer, state).map_err(|_| Unfit::Wrong)?;
        if passkey.cred_id().as_slice() != answer.raw_id.as_slice() {
            return Err(Unfit::Wrong);
        }
        Ok((answer.id, serde_json::to_string(&passkey).map_err(|_| Unfit::Wrong)?))
    }

    /// Asks one of these passkeys for a proof. With `text`, its hash stands in the challenge behind 32 random bytes, so
    /// that what is signed binds it.
    pub(crate) fn begin_proof(
        &self,
        known: &[String],
        text: Option<[u8; 32]>,
    ) -> Result<(Value, PasskeyAuthentication), IdentityError> {
        let begun = self.webauthn.start_passkey_authentication(&stored(known)?).map_err(flaw)?;
        let (options, state) = begun;
        let mut told = serde_json::to_value(&options.public_key).map_err(flaw)?;
        let Some(text) = text else { return Ok((told, state)) };
        let mut challenge = options.public_key.challenge.clone();
        challenge.extend_from_slice(&text);
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        // The crate makes the challenge itself and lets nobody add to it but by its own form of storing it.
        let mut kept = serde_json::to_value(&state).map_err(flaw)?;
        let place = kept.pointer_mut("/ast/challenge").ok_or_else(|| flaw("a state without a challenge"))?;
        *place = challenge.clone().into();
        told["challenge"] = challenge.into();
        Ok((told, serde_json::from_value(kept).map_err(flaw)?))
    }

    /// Whether the answer proves that `principal` was there, verified, and holds one of the passkeys of the challenge.
    pub(crate) fn finish_proof(
        &self,
        principal: u64,
        answer: Value,
        state: &PasskeyAuthentication,
    ) -> Result<Shown, Unfit> {
        let answer: PublicKeyCredential = serde_json::from_value(answer).map_err(|_| Unfit::Wrong)?;
        let own = handle(&self.rp_id, principal);
        let other = answer.response.user_handle.as_ref().is_some_and(|handle| handle.as_slice() != own.as_bytes());
        if other || !consistent(&answer.id, &answer.raw_id, &answer.type_, &answer.response.client_data_json) {
            return Err(Unfit::Wrong);
        }
        match self.webauthn.finish_passkey_authentication(&answer, state) {
            Ok(result) if result.user_verified() => Ok(Shown { id: answer.id, counter: result.counter(), result }),
            Err(WebauthnError::CredentialPossibleCompromise) => Err(Unfit::Cloned),
            Ok(_) | Err(_) => Err(Unfit::Wrong),
        }
    }
}

fn stored(known: &[String]) -> Result<Vec<Passkey>, IdentityError> {
    known.iter().map(|text| serde_json::from_str(text).map_err(flaw)).collect()
}
