//! What stands beside every ciphertext and signature, so that it can be read when keys and algorithms have changed.
//!
//! | at | bytes | holds |
//! |---|---|---|
//! | 0 | 2 | `HE` |
//! | 2 | 1 | version of this layout, 1 |
//! | 3 | 1 | kind: 1 sealed, 2 signature |
//! | 4 | 2 | algorithm ([`Algorithm`]), little end first, as all numbers here |
//! | 6 | 2 | version of the parameters of the algorithm, 1 |
//! | 8 | 8 | key id, not 0 |
//! | 16 | | sealed: nonce (12), ciphertext, tag (16); signature: 64 bytes |
//!
//! *Invariant:* a sealed envelope authenticates its first 16 bytes as additional data in front of the caller's, so
//! neither algorithm nor key id can be exchanged. A signature is one of the message alone, so that other people's
//! programs can verify it; its header is compared with the key at hand, not believed.
//!
//! Deliberately absent: choosing the key for an id (the key store's part).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::CryptoError;
use crate::provider::{Aead, Algorithm, Nonce, SignatureBytes, Signer, Tag, Verifier, aead};

/// Bytes of a header.
pub const HEADER: usize = 16;
/// Bytes by which a sealed envelope is longer than the plaintext.
pub const OVERHEAD: usize = HEADER + size_of::<Nonce>() + size_of::<Tag>();
/// Bytes of a signature envelope.
pub const SIGNED: usize = HEADER + size_of::<SignatureBytes>();
/// Longest envelope in bytes that is opened.
pub const LONGEST: usize = 1 << 30;
/// The version of the parameters of every algorithm so far. SM2: default distinguishing identifier.
pub const PARAMETERS: u16 = 1;

const MAGIC: [u8; 2] = *b"HE";
const VERSION: u8 = 1;
/// Messages that one object seals: its nonces count 32 bits.
const MOST_MESSAGES: u64 = 1 << 32;
const WHAT: &str = "envelope";

/// The number of a key in the key store, never zero (zero says "plain" in the journal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u64);

impl KeyId {
    /// An id, unless it is zero.
    #[must_use]
    pub const fn new(id: u64) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A ciphertext with its tag.
    Sealed = 1,
    /// A signature.
    Signature = 2,
}

/// The first 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// With which version of its parameters.
    pub parameters: u16,
    /// Under which key.
    pub key: KeyId,
}

impl Header {
    /// The 16 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2] = VERSION;
        bytes[3] = self.kind as u8;
        bytes[4..6].copy_from_slice(&self.algorithm.number().to_le_bytes());
        bytes[6..8].copy_from_slice(&self.parameters.to_le_bytes());
        bytes[8..].copy_from_slice(&self.key.get().to_le_bytes());
        bytes
    }

    /// Reads the header of an envelope and returns what follows it; nothing is proved yet.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`], [`CryptoError::TooLong`].
    pub fn decode(envelope: &[u8]) -> Result<(Self, &[u8]), CryptoError> {
        let malformed = |reason| CryptoError::Malformed { what: WHAT, reason };
        if envelope.len() > LONGEST {
            return Err(CryptoError::TooLong { what: WHAT, got: envelope.len() as u64, most: LONGEST as u64 });
        }
        let (header, body) = envelope.split_first_chunk::<HEADER>().ok_or(malformed("it is shorter than a header"))?;
        let [m0, m1, version, kind, a0, a1, p0, p1, key @ ..] = *header;
        if [m0, m1] != MAGIC {
            return Err(malformed("it does not begin with HE"));
        }
        if version != VERSION {
            return Err(malformed("its layout has an unknown version"));
        }
        let kind = [Kind::Sealed, Kind::Signature].into_iter().find(|known| *known as u8 == kind);
        let algorithm = Algorithm::of_number(u16::from_le_bytes([a0, a1]));
        let header = Self {
            kind: kind.ok_or(malformed("it is of an unknown kind"))?,
            algorithm: algorithm.ok_or(malformed("its algorithm is unknown"))?,
            parameters: u16::from_le_bytes([p0, p1]),
            key: KeyId::new(u64::from_le_bytes(key)).ok_or(malformed("its key id is zero"))?,
        };
        Ok((header, body))
    }

    /// The rest of an envelope that must have this header.
    fn take<'a>(&self, envelope: &'a [u8]) -> Result<&'a [u8], CryptoError> {
        let (found, body) = Self::decode(envelope)?;
        let same =
            |what, got: u64, want: u64| if got == want { Ok(()) } else { Err(CryptoError::Other { what, got, want }) };
        same("kind", found.kind as u64, self.kind as u64)?;
        same("algorithm", found.algorithm.number().into(), self.algorithm.number().into())?;
        same("parameter version", found.parameters.into(), self.parameters.into())?;
        same("key id", found.key.get(), self.key.get())?;
        Ok(body)
    }
}

/// Nonces that differ: eight random bytes for an object, then a count.
#[derive(Debug)]
struct Nonces {
    start: [u8; 8],
    next: AtomicU64,
}

impl Nonces {
    fn new() -> Result<Self, CryptoError> {
        let mut start = [0; 8];
        getrandom::fill(&mut start)?;
        Ok(Self { start, next: AtomicU64::new(0) })
    }

    fn next(&self) -> Result<Nonce, CryptoError> {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let most = CryptoError::TooLong { what: "messages under one key", got: count, most: MOST_MESSAGES };
        let count = u32::try_from(count).map_err(|_| most)?;
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.start);
        nonce[8..].copy_from_slice(&count.to_be_bytes());
        Ok(nonce)
    }
}

/// A key that seals and opens envelopes. Each object draws its own nonces, so several may share a key.
pub struct SealingKey {
    aead: Box<dyn Aead>,
    header: Header,
    nonces: Nonces,
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealingKey").field("header", &self.header).finish_non_exhaustive()
    }
}

impl SealingKey {
    /// Prepares a key of an algorithm of authenticated encryption.
    ///
    /// # Errors
    /// As [`aead`]; [`CryptoError::Random`].
    pub fn new(algorithm: Algorithm, id: KeyId, key: &[u8]) -> Result<Self, CryptoError> {
        let header = Header { kind: Kind::Sealed, algorithm, parameters: PARAMETERS, key: id };
        Ok(Self { aead: aead(algorithm, key)?, header, nonces: Nonces::new()? })
    }

    /// Seals a plaintext; `aad` must be the same when it is opened.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`], also after 2³² messages: rotate the key.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.seal_with(&self.nonces.next()?, aad, plaintext)
    }

    fn seal_with(&self, nonce: &Nonce, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let length = OVERHEAD + plaintext.len();
        if length > LONGEST {
            return Err(CryptoError::TooLong { what: WHAT, got: length as u64, most: LONGEST as u64 });
        }
        let header = self.header.encode();
        let mut envelope = Vec::with_capacity(length);
        envelope.extend_from_slice(&header);
        envelope.extend_from_slice(nonce);
        envelope.extend_from_slice(plaintext);
        let bound = [&header[..], aad].concat();
        let tag = self.aead.seal_in_place(nonce, &bound, &mut envelope[HEADER + size_of::<Nonce>()..])?;
        envelope.extend_from_slice(&tag);
        Ok(envelope)
    }

    /// Opens an envelope that was sealed under this key.
    ///
    /// # Errors
    /// [`CryptoError::Refused`], [`CryptoError::Other`], [`CryptoError::Malformed`], [`CryptoError::TooLong`].
    pub fn open(&self, aad: &[u8], envelope: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let body = self.header.take(envelope)?;
        let short = CryptoError::Malformed { what: WHAT, reason: "it is too short for nonce and tag" };
        let (nonce, sealed) = body.split_first_chunk().ok_or(short)?;
        if sealed.len() < size_of::<Tag>() {
            return Err(short);
        }
        self.aead.open(nonce, &[&self.header.encode()[..], aad].concat(), sealed)
    }
}

/// A key that signs.
pub struct SignerWithId {
    signer: Box<dyn Signer>,
    header: Header,
}

impl SignerWithId {
    /// Gives a signer its id.
    #[must_use]
    pub fn new(id: KeyId, signer: Box<dyn Signer>) -> Self {
        let header = Header { kind: Kind::Signature, algorithm: signer.algorithm(), parameters: PARAMETERS, key: id };
        Self { signer, header }
    }

    /// The signature of a message, in its envelope.
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNED], CryptoError> {
        let mut envelope = [0; SIGNED];
        envelope[..HEADER].copy_from_slice(&self.header.encode());
        envelope[HEADER..].copy_from_slice(&self.signer.sign(message)?);
        Ok(envelope)
    }
}

/// A key that verifies.
pub struct VerifierWithId {
    verifier: Box<dyn Verifier>,
    header: Header,
}

impl VerifierWithId {
    /// Gives a verifier its id.
    #[must_use]
    pub fn new(id: KeyId, verifier: Box<dyn Verifier>) -> Self {
        let header = Header { kind: Kind::Signature, algorithm: verifier.algorithm(), parameters: PARAMETERS, key: id };
        Self { verifier, header }
    }

    /// Verifies the signature of a message.
    ///
    /// # Errors
    /// [`CryptoError::Refused`], [`CryptoError::Other`], [`CryptoError::Malformed`].
    pub fn verify(&self, message: &[u8], envelope: &[u8]) -> Result<(), CryptoError> {
        let body = self.header.take(envelope)?;
        let wrong = CryptoError::Length { what: "signature", got: body.len(), want: size_of::<SignatureBytes>() };
        self.verifier.verify(message, body.try_into().map_err(|_| wrong)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hexadecimal::hex;
    use crate::provider::{signer, verifier};

    const ID: KeyId = KeyId(0x0102_0304_0506_0708);
    const SEALING: [(Algorithm, &str); 4] = [
        (
            Algorithm::Sm4Gcm,
            "48450101010101000807060504030201a0a1a2a3a4a5a6a7a8a9aaab5f3bb04b3c84b0d68673af8a1c66687be9ddf2e07d47e1282f5ed6764496c60227",
        ),
        (
            Algorithm::Sm4Ccm,
            "48450101020101000807060504030201a0a1a2a3a4a5a6a7a8a9aaabca325854cc2d3bf76e08efcdfa3bc7c8fe5b4bc26ef991ae80c9c06c1a53474389",
        ),
        (
            Algorithm::Aes128Gcm,
            "48450101030101000807060504030201a0a1a2a3a4a5a6a7a8a9aaabc8f3419b4fb9032ae51e953676228050635788288835d08d5a87db2d7081347bfd",
        ),
        (
            Algorithm::Aes256Gcm,
            "48450101040101000807060504030201a0a1a2a3a4a5a6a7a8a9aaab846d050d74fb329f0d03a7e5374af0ee401e5800b12470768dee360f12535cea7e",
        ),
    ];

    fn key(algorithm: Algorithm, id: KeyId) -> SealingKey {
        let bytes: Vec<u8> = (0..algorithm.key_length().expect("it has keys") as u8).collect();
        SealingKey::new(algorithm, id, &bytes).expect("the key fits")
    }

    /// The bytes behind the nonce were made by OpenSSL through PyPI `cryptography`.
    #[test]
    fn golden_bytes_of_sealed_envelopes() {
        for (algorithm, golden) in SEALING {
            let key = key(algorithm, ID);
            let nonce = std::array::from_fn(|at| 0xa0 + at as u8);
            let sealed = key.seal_with(&nonce, b"orders/7", b"buy 100 of 600000").expect("it is short");
            assert_eq!(sealed, hex(golden), "{algorithm}");
            assert_eq!(key.open(b"orders/7", &hex(golden)).expect("it is authentic"), b"buy 100 of 600000");
        }
    }

    #[test]
    fn every_changed_bit_of_a_sealed_envelope_is_refused() {
        for (algorithm, _) in SEALING {
            let key = key(algorithm, ID);
            let sealed = key.seal(b"a", b"plaintext").expect("it is short");
            for bit in 0..8 * sealed.len() {
                let mut changed = sealed.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(key.open(b"a", &changed).is_err(), "{algorithm} bit {bit}");
            }
            for length in 0..sealed.len() {
                assert!(key.open(b"a", &sealed[..length]).is_err(), "{algorithm} {length}");
            }
            assert_eq!(key.open(b"b", &sealed), Err(CryptoError::Refused));
            assert_eq!(key.open(b"a", &sealed).as_deref(), Ok(&b"plaintext"[..]));
        }
    }

    #[test]
    fn algorithm_and_key_id_cannot_be_exchanged() {
        let first = key(Algorithm::Sm4Gcm, ID);
        let sealed = first.seal(b"", b"text").expect("it is short");
        // The same key bytes under another id: the header is authenticated, so rewriting it does not help.
        let other = key(Algorithm::Sm4Gcm, KeyId(9));
        let differs = CryptoError::Other { what: "key id", got: ID.get(), want: 9 };
        assert_eq!(other.open(b"", &sealed), Err(differs));
        let mut renamed = sealed.clone();
        renamed[8..16].copy_from_slice(&9_u64.to_le_bytes());
        assert_eq!(other.open(b"", &renamed), Err(CryptoError::Refused));
        assert!(matches!(
            key(Algorithm::Sm4Ccm, ID).open(b"", &sealed),
            Err(CryptoError::Other { what: "algorithm", .. })
        ));
        for wrong in [Algorithm::Sm4Cbc, Algorithm::Sm4Ctr, Algorithm::Sm2Sm3, Algorithm::Sm3] {
            assert!(SealingKey::new(wrong, ID, &[0; 16]).is_err(), "{wrong}");
        }
        assert!(SealingKey::new(Algorithm::Sm4Gcm, ID, &[0; 15]).is_err());
    }

    #[test]
    fn nonces_differ_and_end() {
        let nonces = Nonces::new().expect("there is a random source");
        assert_ne!(nonces.next(), nonces.next());
        nonces.next.store(MOST_MESSAGES - 1, Ordering::Relaxed);
        assert!(nonces.next().is_ok());
        assert!(matches!(nonces.next(), Err(CryptoError::TooLong { .. })));
    }

    #[test]
    fn headers_are_read_back_and_garbage_is_refused() {
        for algorithm in Algorithm::ALL {
            for kind in [Kind::Sealed, Kind::Signature] {
                let header = Header { kind, algorithm, parameters: 7, key: ID };
                let bytes = [&header.encode()[..], b"rest"].concat();
                assert_eq!(Header::decode(&bytes), Ok((header, &b"rest"[..])));
            }
        }
        let good = Header { kind: Kind::Sealed, algorithm: Algorithm::Sm4Gcm, parameters: 1, key: ID }.encode();
        for (at, value) in [(0, b'X'), (1, b'X'), (2, 0), (2, 2), (3, 0), (3, 3), (4, 0xff), (5, 0)] {
            let mut wrong = good;
            wrong[at] = value;
            assert!(matches!(Header::decode(&wrong), Err(CryptoError::Malformed { .. })), "{at}");
        }
        let zero_key = [&good[..8], &[0; 8]].concat();
        assert!(Header::decode(&zero_key).is_err());
    }

    /// The Ed25519 key is that of RFC 8032, 7.1, test 1; the SM2 one that of GB/T 32918.5-2017, A.2. Ed25519 signs the
    /// same bytes each time; SM2 does not, so its golden bytes are verified.
    #[test]
    fn golden_bytes_of_signatures() {
        let ed = (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        );
        let golden = "4845010202030100 0807060504030201
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        let signing = SignerWithId::new(ID, signer(Algorithm::Ed25519, &hex(ed.0)).expect("32 bytes"));
        assert_eq!(signing.sign(b"").expect("it signs").to_vec(), hex(golden));
        let verifying = VerifierWithId::new(ID, verifier(Algorithm::Ed25519, &hex(ed.1)).expect("a key"));
        assert_eq!(verifying.verify(b"", &hex(golden)), Ok(()));
        let point = "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13";
        let golden = "4845010201030100 0807060504030201
            F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA";
        let verifying = VerifierWithId::new(ID, verifier(Algorithm::Sm2Sm3, &hex(point)).expect("a point"));
        assert_eq!(verifying.verify(b"message digest", &hex(golden)), Ok(()));
        let mut changed = hex(golden);
        for bit in 0..8 * changed.len() {
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(verifying.verify(b"message digest", &changed).is_err(), "bit {bit}");
            changed[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(verifying.verify(b"message digest", &changed[..SIGNED - 1]).is_err());
    }
}
