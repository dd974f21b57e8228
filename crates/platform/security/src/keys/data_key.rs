//! A data key: what seals and opens records.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hkdf::Hkdf;
use zeroize::Zeroizing;

use super::{KeysError, Scope};
use crate::CryptoError;
use crate::envelope::{Header, KeyId, Kind, PARAMETERS, SealingKey};
use crate::provider::{Aead, Algorithm, Nonce, Tag, aead};
use crate::sm::sm3;

/// Messages after which [`DataKey::is_full`], and after which the ring makes another key for the scope.
///
/// Nonces are eight random bytes for each opening of a key by a process, then a count of 32 bits, so under one opening
/// they never repeat: sealing ends by [`CryptoError::TooLong`] at 2³². Two openings collide with probability 2⁻⁶⁴; a key
/// opened 2¹⁵ times (process starts within its period, two series each) stays below 2⁻³², which SP 800-38D, 8, asks for.
pub const MESSAGES_MAX: u64 = 1 << 31;
/// Bytes of the secret of a data key.
pub(crate) const SECRET: usize = 32;
const INFO: &[u8] = b"heng data key 1";

/// The algorithms that data keys may have.
pub const ALGORITHMS: [Algorithm; 2] = [Algorithm::Aes256Gcm, Algorithm::Sm4Gcm];

/// A key that seals and opens records of one scope. Its memory is wiped when the last holder lets go of it.
///
/// The ring keeps a secret of 32 bytes. The cipher's key is HKDF of it, with the id and the algorithm as context:
/// HKDF-SHA-256 and 32 bytes for AES-256-GCM, HKDF-SM3 and 16 bytes for SM4-GCM. So no secret ever serves two algorithms.
pub struct DataKey {
    id: KeyId,
    algorithm: Algorithm,
    scope: Scope,
    sealing: SealingKey,
    aead: Box<dyn Aead>,
    header: [u8; crate::envelope::HEADER],
    start: [u8; 8],
    detached: AtomicU64,
    sealed: AtomicU64,
    destroyed: AtomicBool,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, algorithm, scope, .. } = self;
        f.debug_struct("DataKey")
            .field("id", id)
            .field("algorithm", algorithm)
            .field("scope", scope)
            .finish_non_exhaustive()
    }
}

/// The cipher's key, from the secret.
pub(super) fn derive(
    algorithm: Algorithm,
    id: KeyId,
    secret: &[u8; SECRET],
    serves: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let wrong = CryptoError::Malformed { what: "algorithm", reason: "data keys are AES-256-GCM or SM4-GCM" };
    let length = if ALGORITHMS.contains(&algorithm) { algorithm.key_length() } else { None }.ok_or(wrong)?;
    let info = [serves, &algorithm.number().to_le_bytes(), &id.get().to_le_bytes()].concat();
    let mut key = Zeroizing::new(vec![0; length]);
    if algorithm == Algorithm::Sm4Gcm {
        sm3::hkdf(secret, &[], &info, &mut key)?;
    } else {
        Hkdf::<sha2::Sha256>::new(None, secret).expand(&info, &mut key).expect("32 bytes are one hash");
    }
    Ok(key)
}

impl DataKey {
    pub(crate) fn new(id: KeyId, algorithm: Algorithm, scope: Scope, secret: &[u8; SECRET]) -> Result<Self, KeysError> {
        let key = derive(algorithm, id, secret, INFO)?;
        let header = Header { kind: Kind::Sealed, algorithm, parameters: PARAMETERS, key: id }.encode();
        let mut start = [0; 8];
        getrandom::fill(&mut start)?;
        Ok(Self {
            id,
            algorithm,
            scope,
            sealing: SealingKey::new(algorithm, id, &key)?,
            aead: aead(algorithm, &key)?,
            header,
            start,
            detached: AtomicU64::new(0),
            sealed: AtomicU64::new(0),
            destroyed: AtomicBool::new(false),
        })
    }

    /// The number that stands beside everything it seals. It fits 32 bits and is never given to another key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// AES-256-GCM or SM4-GCM.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What it serves for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Messages sealed by this process.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.sealed.load(Ordering::Relaxed)
    }

    /// Whether it has sealed [`MESSAGES_MAX`] messages; then [`super::KeyRing::current`] answers with another one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.sealed() >= MESSAGES_MAX
    }

    /// From now on it neither seals nor opens, for all who hold it.
    pub(crate) fn forbid(&self) {
        self.destroyed.store(true, Ordering::Release);
    }

    fn check(&self) -> Result<(), CryptoError> {
        let destroyed = CryptoError::Malformed { what: "data key", reason: "it was destroyed" };
        if self.destroyed.load(Ordering::Acquire) { Err(destroyed) } else { Ok(()) }
    }

    /// The envelope of a plaintext: algorithm, key id and parameter version beside it, with a nonce of its own.
    /// It is [`crate::envelope::OVERHEAD`] bytes longer; `aad` must be the same when it is opened.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`], also after 2³² messages; [`CryptoError::Malformed`] if the key was destroyed.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.check()?;
        self.sealed.fetch_add(1, Ordering::Relaxed);
        self.sealing.seal(aad, plaintext)
    }

    /// The plaintext of an envelope that this key sealed.
    ///
    /// # Errors
    /// [`CryptoError::Refused`], [`CryptoError::Other`] under another key, [`CryptoError::Malformed`].
    pub fn open(&self, aad: &[u8], envelope: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.check()?;
        self.sealing.open(aad, envelope)
    }

    /// Enciphers in place, for formats that have their own header with the key id (journal, blocks). The nonce is drawn
    /// here and never by the caller: a journal that is cut and written again would use an index twice. Header bytes of
    /// the envelope (algorithm, key id, version) are authenticated in front of `aad`, as in an envelope.
    ///
    /// # Errors
    /// As [`DataKey::seal`].
    pub fn seal_in_place(&self, aad: &[u8], data: &mut [u8]) -> Result<(Nonce, Tag), CryptoError> {
        self.check()?;
        let got = self.detached.fetch_add(1, Ordering::Relaxed);
        let count = u32::try_from(got);
        let count = count.map_err(|_| CryptoError::TooLong { what: "messages under one key", got, most: 1 << 32 })?;
        self.sealed.fetch_add(1, Ordering::Relaxed);
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.start);
        nonce[8..].copy_from_slice(&count.to_be_bytes());
        let tag = self.bound(aad, |bound| self.aead.seal_in_place(&nonce, bound, data))?;
        Ok((nonce, tag))
    }

    /// Deciphers in place what [`DataKey::seal_in_place`] made. If it is refused, the data is what it was.
    ///
    /// # Errors
    /// As [`DataKey::open`].
    pub fn open_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8], tag: &Tag) -> Result<(), CryptoError> {
        self.check()?;
        self.bound(aad, |bound| self.aead.open_in_place(nonce, bound, data, tag))
    }

    /// Calls with header and `aad`, without asking for memory if they are short.
    fn bound<T>(&self, aad: &[u8], call: impl FnOnce(&[u8]) -> T) -> T {
        let (mut short, length) = ([0; 128], self.header.len() + aad.len());
        if length <= short.len() {
            short[..self.header.len()].copy_from_slice(&self.header);
            short[self.header.len()..length].copy_from_slice(aad);
            return call(&short[..length]);
        }
        call(&[&self.header[..], aad].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: Algorithm) -> DataKey {
        let scope = Scope::new("clients/accounts", "house", "2026-11").expect("good");
        let secret = std::array::from_fn(|at| at as u8);
        DataKey::new(KeyId::new(7).expect("not zero"), algorithm, scope, &secret).expect("a key")
    }

    #[test]
    fn both_ways_of_sealing_open_and_nothing_else_does() {
        for algorithm in ALGORITHMS {
            let key = key(algorithm);
            let sealed = key.seal(b"aad", b"plaintext").expect("it seals");
            assert_eq!(key.open(b"aad", &sealed).as_deref(), Ok(&b"plaintext"[..]));
            assert!(key.open(b"other", &sealed).is_err());
            for aad in [&b"aad"[..], &[1; 500]] {
                let mut data = *b"plaintext";
                let (nonce, tag) = key.seal_in_place(aad, &mut data).expect("it seals");
                assert_ne!(&data, b"plaintext");
                assert!(key.open_in_place(&nonce, b"other", &mut data, &tag).is_err());
                key.open_in_place(&nonce, aad, &mut data, &tag).expect("it opens");
                assert_eq!(&data, b"plaintext");
            }
            assert_eq!(key.sealed(), 3);
            key.forbid();
            assert!(key.open(b"aad", &sealed).is_err() && key.seal(b"", b"").is_err());
            assert!(
                key.seal_in_place(b"", &mut []).is_err()
                    && key.open_in_place(&[0; 12], b"", &mut [], &[0; 16]).is_err()
            );
        }
    }

    #[test]
    fn nonces_differ_and_end() {
        let key = key(Algorithm::Sm4Gcm);
        let nonces: std::collections::BTreeSet<Nonce> =
            (0..1_000).map(|_| key.seal_in_place(b"", &mut []).expect("it seals").0).collect();
        assert_eq!(nonces.len(), 1_000);
        key.detached.store(u64::from(u32::MAX), Ordering::Relaxed);
        assert!(key.seal_in_place(b"", &mut []).is_ok() && !key.is_full());
        assert!(matches!(key.seal_in_place(b"", &mut []), Err(CryptoError::TooLong { .. })));
        key.sealed.store(MESSAGES_MAX, Ordering::Relaxed);
        assert!(key.is_full());
    }

    #[test]
    fn only_two_algorithms_are_taken() {
        for algorithm in Algorithm::ALL {
            let made = derive(algorithm, KeyId::new(1).expect("not zero"), &[0; SECRET], INFO);
            assert_eq!(made.is_ok(), ALGORITHMS.contains(&algorithm), "{algorithm}");
        }
    }

    /// Made by PyPI `cryptography` (HKDF, then GCM) from the secret 00 01 … 1f: what is sealed today is read by others.
    #[test]
    fn golden_envelopes_of_another_library() {
        for (algorithm, golden) in [
            (
                Algorithm::Aes256Gcm,
                "48450101040101000700000000000000a0a1a2a3a4a5a6a7a8a9aaab63f2da567d6a051ea87edb0396b228337d8b4df23cac51901fcf99eb14416d1cf009e1",
            ),
            (
                Algorithm::Sm4Gcm,
                "48450101010101000700000000000000a0a1a2a3a4a5a6a7a8a9aaab77eeae8945767ee64531b119c5ce04bede940ffafc761815cc929a45a573deddf09013",
            ),
        ] {
            let opened = key(algorithm).open(b"accounts/7", &crate::hexadecimal::hex(golden));
            assert_eq!(opened.as_deref(), Ok(&b"6222 0212 3456 7890"[..]), "{algorithm}");
        }
    }
}
