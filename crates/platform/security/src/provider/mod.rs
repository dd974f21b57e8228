//! Algorithms by number, behind small traits, so that what uses them can change them.
//!
//! *Invariant:* the number of an algorithm never changes and never serves another one: it stands beside every ciphertext
//! and signature (see [`crate::envelope`]).
//!
//! Deliberately absent: a default. Who seals or signs names the algorithm.

mod aes;
mod digests;
mod signatures;
mod sm4;
#[cfg(test)]
mod tests;

use crate::CryptoError;

pub use digests::{Sha256, Sm3};
pub use signatures::{signer, verifier};

/// What makes two messages under one key differ. It must never serve twice under one key.
pub type Nonce = [u8; 12];
/// What proves that a message is authentic.
pub type Tag = [u8; 16];
/// A signature: r ‖ s for SM2, R ‖ s for Ed25519.
pub type SignatureBytes = [u8; 64];

/// The algorithms, by their numbers. The first byte of a number is the kind: 1 authenticated encryption, 2 encryption
/// alone, 3 signature, 4 public-key encryption, 5 hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Algorithm {
    /// SM4 in Galois/counter mode, as in RFC 8998.
    Sm4Gcm = 0x0101,
    /// SM4 in counter mode with CBC-MAC, as in RFC 8998.
    Sm4Ccm = 0x0102,
    /// AES with keys of 128 bits in Galois/counter mode.
    Aes128Gcm = 0x0103,
    /// AES with keys of 256 bits in Galois/counter mode.
    Aes256Gcm = 0x0104,
    /// SM4 with cipher block chaining and the padding of PKCS #7.
    Sm4Cbc = 0x0201,
    /// SM4 in counter mode.
    Sm4Ctr = 0x0202,
    /// SM2 signatures of SM3 hashes.
    Sm2Sm3 = 0x0301,
    /// Ed25519, RFC 8032.
    Ed25519 = 0x0302,
    /// SM2 public-key encryption in the order C1 ‖ C3 ‖ C2.
    Sm2Encryption = 0x0401,
    /// SM3.
    Sm3 = 0x0501,
    /// SHA-256.
    Sha256 = 0x0502,
}

impl Algorithm {
    /// All of them, by number.
    pub const ALL: [Self; 11] = [
        Self::Sm4Gcm,
        Self::Sm4Ccm,
        Self::Aes128Gcm,
        Self::Aes256Gcm,
        Self::Sm4Cbc,
        Self::Sm4Ctr,
        Self::Sm2Sm3,
        Self::Ed25519,
        Self::Sm2Encryption,
        Self::Sm3,
        Self::Sha256,
    ];

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The algorithm of a number, if it has one.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.number() == number)
    }

    /// The name in settings, logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm4Gcm => "SM4-GCM",
            Self::Sm4Ccm => "SM4-CCM",
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::Sm4Cbc => "SM4-CBC",
            Self::Sm4Ctr => "SM4-CTR",
            Self::Sm2Sm3 => "SM2-SM3",
            Self::Ed25519 => "Ed25519",
            Self::Sm2Encryption => "SM2-ENC",
            Self::Sm3 => "SM3",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The algorithm of a name, if it has one.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Bytes of a secret key, for those that have keys of one length.
    #[must_use]
    pub const fn key_length(self) -> Option<usize> {
        match self {
            Self::Sm4Gcm | Self::Sm4Ccm | Self::Aes128Gcm | Self::Sm4Cbc | Self::Sm4Ctr => Some(16),
            Self::Aes256Gcm | Self::Sm2Sm3 | Self::Ed25519 | Self::Sm2Encryption => Some(32),
            Self::Sm3 | Self::Sha256 => None,
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A hash of 32 bytes.
pub trait MessageDigest: Send + Sync {
    /// Which one.
    fn algorithm(&self) -> Algorithm;
    /// The hash of parts one after another.
    fn digest(&self, parts: &[&[u8]]) -> [u8; 32];
}

/// Authenticated encryption under one key.
pub trait Aead: Send + Sync {
    /// Which one.
    fn algorithm(&self) -> Algorithm;

    /// Enciphers in place and returns the tag.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`].
    fn seal_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Result<Tag, CryptoError>;

    /// Checks the tag and deciphers in place. If it is refused, the data is what it was.
    ///
    /// # Errors
    /// [`CryptoError::Refused`] or [`CryptoError::TooLong`].
    fn open_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8], tag: &Tag) -> Result<(), CryptoError>;

    /// Ciphertext and tag, one after the other.
    ///
    /// # Errors
    /// As [`Aead::seal_in_place`].
    fn seal(&self, nonce: &Nonce, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = Vec::with_capacity(plaintext.len() + size_of::<Tag>());
        sealed.extend_from_slice(plaintext);
        let tag = self.seal_in_place(nonce, aad, &mut sealed)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// The plaintext of what [`Aead::seal`] made.
    ///
    /// # Errors
    /// As [`Aead::open_in_place`]; [`CryptoError::Length`] if there is no whole tag.
    fn open(&self, nonce: &Nonce, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (got, want) = (sealed.len(), size_of::<Tag>());
        let short = CryptoError::Length { what: "sealed message", got, want };
        let (data, tag) = sealed.split_last_chunk().ok_or(short)?;
        let mut data = data.to_vec();
        self.open_in_place(nonce, aad, &mut data, tag)?;
        Ok(data)
    }
}

/// Signs under one secret key.
pub trait Signer: Send + Sync {
    /// Which algorithm.
    fn algorithm(&self) -> Algorithm;

    /// Signs a message.
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    fn sign(&self, message: &[u8]) -> Result<SignatureBytes, CryptoError>;
}

/// Verifies under one public key.
pub trait Verifier: Send + Sync {
    /// Which algorithm.
    fn algorithm(&self) -> Algorithm;

    /// Verifies the signature of a message.
    ///
    /// # Errors
    /// [`CryptoError::Refused`] or [`CryptoError::Malformed`].
    fn verify(&self, message: &[u8], signature: &SignatureBytes) -> Result<(), CryptoError>;
}

/// Authenticated encryption by number.
///
/// # Errors
/// [`CryptoError::Length`] if the key has another length, [`CryptoError::Malformed`] if the algorithm is of another kind.
pub fn aead(algorithm: Algorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
    match algorithm {
        Algorithm::Sm4Gcm | Algorithm::Sm4Ccm => sm4::aead(algorithm, key_of(key)?),
        Algorithm::Aes128Gcm | Algorithm::Aes256Gcm => aes::aead(algorithm, key),
        _ => Err(CryptoError::Malformed { what: "algorithm", reason: "it is not one of authenticated encryption" }),
    }
}

/// A hash by number.
///
/// # Errors
/// [`CryptoError::Malformed`] if the algorithm is of another kind.
pub fn digest(algorithm: Algorithm) -> Result<&'static dyn MessageDigest, CryptoError> {
    match algorithm {
        Algorithm::Sm3 => Ok(&Sm3),
        Algorithm::Sha256 => Ok(&Sha256),
        _ => Err(CryptoError::Malformed { what: "algorithm", reason: "it is not a hash" }),
    }
}

/// A key of the length that the algorithm wants.
fn key_of<const N: usize>(key: &[u8]) -> Result<&[u8; N], CryptoError> {
    key.try_into().map_err(|_| CryptoError::Length { what: "key", got: key.len(), want: N })
}
