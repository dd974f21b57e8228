//! API keys: requests signed with a shared secret (HMAC-SHA256) or a private key (Ed25519).
//!
//! Signed is `METHOD\nTARGET\nTIMESTAMP\nNONCE\nhex(sha256(body))`. The key of an HMAC is the text of the secret, as it
//! was shown. A signature counts for 30 s to each side of its timestamp, and once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use heng_ports::{AuthFailure, Credentials, Principal, Signed};
use heng_transport::Network;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::repeats::{Once, RepeatKey, known, remember};
use crate::seals::seal_key;
use crate::secret::{Secret, base32, digest, random};
use crate::store::{self, KeyRow, PrincipalRow};
use crate::tallies::Tally;
use crate::users::{by_or_system, check_scopes, list_of, principal_of, text_of};

/// How far a timestamp may lie from now, in milliseconds.
const WINDOW_MS: i64 = 30_000;
/// Characters of a nonce at most.
const NONCE_MAX: usize = 64;
/// Nonces that are remembered at once: 60 s of 15,000 signed requests a second.
const NONCES_MAX: usize = 1_000_000;
/// Keys of one principal that are not revoked, at most.
pub(crate) const KEYS_MAX: u64 = 50;
/// Networks of one key at most.
pub(crate) const NETWORKS_MAX: usize = 32;
/// Keys that are remembered at once.
const REMEMBERED_MAX: usize = 100_000;
const MS: i64 = 1_000_000;

/// How a key signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A secret that both sides know; it is made here and shown once.
    Hmac,
    /// The public half of a key pair; the private half never comes here.
    Ed25519([u8; 32]),
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What its owner calls it, 1 to 64 characters.
    pub name: String,
    /// How it signs.
    pub kind: KeyKind,
    /// Actions that it may do; empty = whatever its owner may.
    pub scopes: Vec<String>,
    /// Addresses and networks that it may come from; empty = any.
    pub networks: Vec<String>,
    /// Nanoseconds since 1970 at which it ends; none = never.
    pub expires_at: Option<i64>,
}

/// A key that was made. The secret is shown here and never again.
#[derive(Clone, Debug)]
pub struct MadeKey {
    /// Its id, which signed requests name.
    pub id: String,
    /// The shared secret, if it is one.
    pub secret: Option<Secret>,
}

/// What verifies a signature.
enum Verifier {
    Hmac(Box<Hmac<Sha256>>),
    Ed25519(Box<VerifyingKey>),
}

impl Verifier {
    fn of(kind: &str, secret: &[u8]) -> Option<Self> {
        if kind == "ed25519" {
            let bytes = secret.try_into().ok()?;
            return VerifyingKey::from_bytes(bytes).ok().map(|key| Self::Ed25519(Box::new(key)));
        }
        Hmac::new_from_slice(secret).ok().map(|mac| Self::Hmac(Box::new(mac)))
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(mac) => (**mac).clone().chain_update(message).verify_slice(signature).is_ok(),
            Self::Ed25519(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
        }
    }
}

/// A key as it is remembered.
struct LiveKey {
    principal: Arc<Principal>,
    verifier: Verifier,
    networks: Vec<Network>,
    expires_at: Option<i64>,
    compared_at: i64,
}

/// Keys by their id.
#[derive(Default)]
pub(crate) struct Keys {
    by_id: RwLock<HashMap<String, Arc<LiveKey>>>,
    revocations: AtomicU64,
}

impl Keys {
    fn find(&self, id: &str) -> Option<Arc<LiveKey>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn remember(&self, id: &str, live: &Arc<LiveKey>, seen: u64) {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        if self.revocations.load(Ordering::SeqCst) != seen {
            return;
        }
        if by_id.len() >= REMEMBERED_MAX {
            by_id.clear();
        }
        by_id.insert(id.to_owned(), Arc::clone(live));
    }

    fn forget(&self, gone: impl Fn(&str, &LiveKey) -> bool) {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        self.revocations.fetch_add(1, Ordering::SeqCst);
        by_id.retain(|id, live| !gone(id, live));
    }

    pub(crate) fn forget_principal(&self, id: u64) {
        self.forget(|_, live| live.principal.id == id);
    }
}

/// Nonces that were used and whose timestamps could still count.
pub(crate) struct Nonces {
    hashers: (RandomState, RandomState),
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    known: HashSet<u128>,
    /// In the order in which they came, with the time after which they cannot count any more.
    queue: VecDeque<(i64, u128)>,
}

impl Nonces {
    pub(crate) fn new() -> Self {
        Self { hashers: (RandomState::new(), RandomState::new()), used: Mutex::new(Used::default()) }
    }

    /// Uses a nonce of a key; refused if it was used, or if there are too many.
    fn take(&self, key: &str, nonce: &str, now_ms: i64) -> Result<(), AuthFailure> {
        // Two keyed hashes: nobody outside can make two nonces meet.
        let half = |hasher: &RandomState| u128::from(hasher.hash_one((key, nonce)));
        let hash = half(&self.hashers.0) << 64 | half(&self.hashers.1);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while used.queue.front().is_some_and(|(until, _)| *until < now_ms) {
            if let Some((_, old)) = used.queue.pop_front() {
                used.known.remove(&old);
            }
        }
        if used.known.contains(&hash) {
            return Err(AuthFailure::Invalid("the nonce was used before"));
        }
        if used.known.len() >= NONCES_MAX {
            return Err(AuthFailure::Slow(1));
        }
        used.known.insert(hash);
        // A timestamp may lie 30 s ahead, and then counts for 60 s more.
        used.queue.push_back((now_ms + 2 * WINDOW_MS, hash));
        Ok(())
    }
}

/// What a client signs.
#[must_use]
pub fn signed_text(method: &str, target: &str, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    let hex: String = digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{method}\n{target}\n{timestamp}\n{nonce}\n{hex}")
}

/// Checks what can be checked without knowing the key, and returns the signature.
fn shape(signed: Signed<'_>, now_ms: i64, begun_ms: i64) -> Result<Vec<u8>, AuthFailure> {
    let digits = !signed.timestamp.is_empty() && signed.timestamp.bytes().all(|b| b.is_ascii_digit());
    let timestamp: Option<i64> = signed.timestamp.parse().ok().filter(|_| digits && signed.timestamp.len() <= 16);
    let timestamp = timestamp.ok_or(AuthFailure::Invalid("the timestamp is not milliseconds since 1970"))?;
    if (timestamp - now_ms).abs() > WINDOW_MS {
        return Err(AuthFailure::Invalid("the timestamp is more than 30 s away from the server's time"));
    }
    // Nonces of before the start are not known any more.
    if timestamp < begun_ms {
        return Err(AuthFailure::Invalid("the request was signed before this server started; sign it again"));
    }
    let printable = signed.nonce.bytes().all(|b| b.is_ascii_graphic());
    if !(1..=NONCE_MAX).contains(&signed.nonce.len()) || !printable {
        return Err(AuthFailure::Invalid("a nonce has 1 to 64 printable characters"));
    }
    let signature = STANDARD.decode(signed.signature).ok().filter(|bytes| matches!(bytes.len(), 32 | 64));
    signature.ok_or(AuthFailure::Invalid("the signature is not base64 of the right length"))
}

impl Identity {
    /// Who signed this request. A signature that is not good is counted in the trail.
    pub(crate) async fn signer(
        &self,
        came: Credentials<'_>,
        signed: Signed<'_>,
    ) -> Result<Arc<Principal>, AuthFailure> {
        let found = self.find_signer(came, signed).await;
        let why = match &found {
            Ok(_) | Err(AuthFailure::Missing | AuthFailure::Slow(_) | AuthFailure::Unavailable) => return found,
            Err(AuthFailure::Invalid(why)) => why,
            Err(AuthFailure::Ended) => "the key has ended",
            Err(AuthFailure::Address) => "the address is not on the key's list",
        };
        let known = self.keys.find(signed.key).map_or(0, |live| live.principal.id);
        let tally = Tally {
            action: "key.signature",
            principal: known,
            name: signed.key,
            address: came.address,
            resource: "",
            detail: why,
        };
        self.audit.count(tally, self.clock.now());
        found
    }

    async fn find_signer(&self, came: Credentials<'_>, signed: Signed<'_>) -> Result<Arc<Principal>, AuthFailure> {
        const WRONG: AuthFailure = AuthFailure::Invalid("the key or the signature is not right");
        let now = self.clock.now();
        let signature = shape(signed, now / MS, self.begun_at / MS)?;
        if signed.key.len() > 64 {
            return Err(WRONG);
        }
        let fresh = |live: &Arc<LiveKey>| self.compare_nanos.is_none_or(|nanos| now - live.compared_at < nanos);
        let live = match self.keys.find(signed.key).filter(fresh) {
            Some(live) => live,
            None => self.load_key(signed.key, now).await?.ok_or(WRONG)?,
        };
        let text = signed_text(came.method, came.target, signed.timestamp, signed.nonce, came.body);
        if !live.verifier.verifies(text.as_bytes(), &signature) {
            return Err(WRONG);
        }
        if live.expires_at.is_some_and(|end| now >= end) {
            return Err(AuthFailure::Ended);
        }
        let from = |address: IpAddr| live.networks.iter().any(|network| network.holds(address));
        if !live.networks.is_empty() && !came.address.is_some_and(from) {
            return Err(AuthFailure::Address);
        }
        self.nonces.take(signed.key, signed.nonce, now / MS)?;
        Ok(Arc::clone(&live.principal))
    }

    /// Whose key this is, for a stream that it opened.
    pub(crate) async fn signer_again(&self, id: &str) -> Result<Arc<Principal>, AuthFailure> {
        let now = self.clock.now();
        let fresh = |live: &Arc<LiveKey>| self.compare_nanos.is_none_or(|nanos| now - live.compared_at < nanos / 2);
        let live = match self.keys.find(id).filter(fresh) {
            Some(live) => live,
            None => self.load_key(id, now).await?.ok_or(AuthFailure::Ended)?,
        };
        if live.expires_at.is_some_and(|end| now >= end) {
            return Err(AuthFailure::Ended);
        }
        Ok(Arc::clone(&live.principal))
    }

    async fn load_key(&self, id: &str, now: i64) -> Result<Option<Arc<LiveKey>>, AuthFailure> {
        let seen = self.keys.revocations.load(Ordering::SeqCst);
        let loaded = async {
            let mut look = self.store.read().await?;
            let Some(key) = store::key(&mut look, id).await? else { return Ok(None) };
            let principal = store::principal(&mut look, key.principal).await?;
            Ok::<_, IdentityError>(principal.map(|principal| (key, principal)))
        };
        let found = loaded.await.map_err(|error| {
            tracing::error!(%error, "look up a key");
            AuthFailure::Unavailable
        })?;
        let Some((key, principal)) = found else { return Ok(None) };
        if key.revoked_at.is_some() || principal.disabled {
            self.keys.forget(|known, _| known == id);
            return Err(AuthFailure::Ended);
        }
        // A public key is no secret and stands as it is.
        let secret = if key.kind == "ed25519" {
            Ok(Zeroizing::new(key.secret.clone()))
        } else {
            self.key_secret(&key.id, key.secret.clone())
        };
        let secret = secret.map_err(|error| {
            tracing::error!(%error, key = key.id, "unseal a key");
            AuthFailure::Unavailable
        })?;
        let Some(live) = live_key(&key, &secret, &principal, now) else {
            tracing::error!(key = key.id, "read a key that cannot verify");
            return Ok(None);
        };
        let live = Arc::new(live);
        self.keys.remember(id, &live, seen);
        Ok(Some(live))
    }

    /// Makes a key of the principal `owner`, by `by` or at the start of the system (none).
    ///
    /// # Errors
    /// If a field cannot be that, there is no such principal, or it has too many keys.
    pub async fn make_key(&self, by: Option<&Principal>, owner: u64, new: NewKey) -> Result<MadeKey, IdentityError> {
        match self.make_key_once(by, owner, new, None).await? {
            Once::First(made) => Ok(made),
            Once::Again(_) => unreachable!("nothing is repeated without a key"),
        }
    }

    /// As [`Identity::make_key`]; a repeat of the same write gets the key that the first one made, without its secret.
    pub(crate) async fn make_key_once(
        &self,
        by: Option<&Principal>,
        owner: u64,
        new: NewKey,
        key: Option<RepeatKey<'_>>,
    ) -> Result<Once<MadeKey>, IdentityError> {
        let now = self.clock.now();
        check_key(&new, now)?;
        let id = format!("hk-{}", base32(&random::<15>()).to_ascii_lowercase());
        let (kind, shared, stored) = match new.kind {
            KeyKind::Hmac => {
                let secret = Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()));
                let stored = seal_key(self.store.seals(), &id, secret.expose().as_bytes())?;
                ("hmac-sha256", Some(secret), stored)
            }
            KeyKind::Ed25519(public) => ("ed25519", None, public.to_vec()),
        };
        let mut change = self.store.begin().await?;
        if let Some(first) = known(&mut change, by, key, now).await? {
            return Ok(Once::Again(first));
        }
        if store::principal(change.connection(), owner).await?.is_none() {
            return Err(IdentityError::Absent("user"));
        }
        if store::count_keys(change.connection(), owner).await? >= KEYS_MAX {
            return Err(IdentityError::Clash(format!("there are {KEYS_MAX} keys already; remove one first")));
        }
        let row = KeyRow {
            id: id.clone(),
            number: store::next_number(change.connection(), "key", 1).await?,
            principal: owner,
            name: new.name,
            kind: kind.to_owned(),
            secret: stored,
            scopes: text_of(&new.scopes),
            networks: new.networks.join(","),
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
        };
        store::insert_key(change.connection(), &row).await?;
        let note = AuditRow::of(now, "key.created", "done").on(format!("key:{id}"));
        let note = note.telling(format!("{kind} of principal {owner}, scopes {}, from {}", row.scopes, row.networks));
        store::insert_audit(change.connection(), &[by_or_system(note, by)]).await?;
        remember(&mut change, by, key, now, &id).await?;
        change.commit().await?;
        Ok(Once::First(MadeKey { id, secret: shared }))
    }

    /// Ends a key at once.
    ///
    /// # Errors
    /// If there is none, or it is another principal's and `others` is false.
    pub(crate) async fn end_key(&self, by: &Principal, id: &str, others: bool) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let found = store::key(change.connection(), id).await?;
        let Some(key) = found.filter(|key| others || key.principal == by.id) else {
            return Err(IdentityError::Absent("key"));
        };
        if store::revoke_key(change.connection(), id, now).await? {
            let note = AuditRow::of(now, "key.revoked", "done").by(by).on(format!("key:{id}"));
            let note = note.telling(format!("of principal {}", key.principal));
            store::insert_audit(change.connection(), &[note]).await?;
        }
        change.commit().await?;
        self.keys.forget(|known, _| known == id);
        Ok(())
    }
}

fn check_key(new: &NewKey, now: i64) -> Result<(), IdentityError> {
    if !(1..=64).contains(&new.name.chars().count()) || new.name.chars().any(char::is_control) {
        return Err(IdentityError::field("/name", "must have 1 to 64 printable characters"));
    }
    check_scopes(&new.scopes, "/scopes")?;
    if new.networks.len() > NETWORKS_MAX {
        return Err(IdentityError::field("/networks", format!("are more than {NETWORKS_MAX}")));
    }
    if let Some(wrong) = new.networks.iter().find(|text| text.parse::<Network>().is_err()) {
        return Err(IdentityError::field("/networks", format!("{wrong} is neither an address nor a network")));
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(IdentityError::field("/expires_at", "is over already"));
    }
    if let KeyKind::Ed25519(public) = &new.kind
        && VerifyingKey::from_bytes(public).map_or(true, |key| key.is_weak())
    {
        return Err(IdentityError::field("/public_key", "is no point that a key may be"));
    }
    Ok(())
}

fn live_key(key: &KeyRow, secret: &[u8], principal: &PrincipalRow, now: i64) -> Option<LiveKey> {
    Some(LiveKey {
        principal: Arc::new(principal_of(principal, &key.scopes, format!("key:{}", key.id))),
        verifier: Verifier::of(&key.kind, secret)?,
        networks: list_of(&key.networks).iter().filter_map(|text| text.parse().ok()).collect(),
        expires_at: key.expires_at,
        compared_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once_for_its_key_until_it_cannot_count_anyway() {
        let nonces = Nonces::new();
        assert_eq!(nonces.take("a", "n", 0), Ok(()));
        assert!(nonces.take("a", "n", 60_000).is_err());
        assert_eq!(nonces.take("b", "n", 60_000), Ok(()), "nonces belong to their key");
        assert_eq!(nonces.take("a", "n", 60_001), Ok(()), "its timestamp is over by now");
        assert_eq!(nonces.used.lock().expect("nobody panicked").known.len(), 2);
    }

    #[test]
    fn the_shape_is_checked_before_anything_else() {
        let good = Signed { key: "k", timestamp: "1000000", nonce: "n", signature: &STANDARD.encode([0; 32]) };
        let check = |signed: Signed<'_>, now| shape(signed, now, 500_000).map(|bytes| bytes.len());
        assert_eq!(check(good, 1_000_000), Ok(32));
        assert_eq!(check(good, 1_030_000), Ok(32));
        assert!(check(good, 1_030_001).is_err() && check(good, 969_999).is_err());
        assert!(shape(good, 1_000_000, 1_000_001).is_err(), "signed before the start");
        for timestamp in ["", "+1000000", "-1", "1e6", "99999999999999999999", "１００００００"] {
            assert!(check(Signed { timestamp, ..good }, 1_000_000).is_err(), "{timestamp}");
        }
        for nonce in ["", "a b", "ü", &"x".repeat(65)] {
            assert!(check(Signed { nonce, ..good }, 1_000_000).is_err(), "{nonce}");
        }
        for signature in ["", "!", "AAAA", &STANDARD.encode([0; 33])] {
            assert!(check(Signed { signature, ..good }, 1_000_000).is_err(), "{signature}");
        }
    }

    #[test]
    fn what_is_signed_is_one_text() {
        let text = signed_text("POST", "/v1/orders?x=1", "12", "n", b"{}");
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(text, format!("POST\n/v1/orders?x=1\n12\nn\n{hash}"));
    }
}
