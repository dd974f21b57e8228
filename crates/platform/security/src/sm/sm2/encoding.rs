//! Key files: PKCS #8, SEC 1 and SubjectPublicKeyInfo as PEM or DER, and hexadecimal digits.

use ::sm2::elliptic_curve::pkcs8::der::pem::{self, LineEnding};
use ::sm2::elliptic_curve::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
};
use zeroize::Zeroizing;

use super::{POINT, PublicKey, SIDE, SecretKey};
use crate::CryptoError;

/// Longest key file in bytes that is read.
const LONGEST_FILE: usize = 64 << 10;
/// PEM blocks that a file may hold, for example parameters before a key.
const MOST_BLOCKS: usize = 8;

/// A key of either kind.
#[derive(Clone, Debug)]
pub enum AnyKey {
    /// A secret key; the public one belongs to it.
    Secret(SecretKey),
    /// A public key.
    Public(PublicKey),
}

impl AnyKey {
    /// The public key, in both cases.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        match self {
            Self::Secret(key) => key.public_key(),
            Self::Public(key) => key,
        }
    }
}

fn malformed(reason: &'static str) -> CryptoError {
    CryptoError::Malformed { what: "SM2 key", reason }
}

impl SecretKey {
    /// Reads PKCS #8 or the `ECPrivateKey` of SEC 1.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`], also if the curve is another one or the public key in it does not belong to it.
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let found = ::sm2::SecretKey::from_pkcs8_der(der).ok().or_else(|| ::sm2::SecretKey::from_sec1_der(der).ok());
        let key = found.ok_or(malformed("it is neither PKCS #8 nor SEC 1 with a secret key on the SM2 curve"))?;
        Self::from_scalar(key.to_nonzero_scalar())
    }

    /// PKCS #8 as PEM.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        ::sm2::SecretKey::from(self.scalar).to_pkcs8_pem(LineEnding::LF).expect("a key of 32 bytes encodes")
    }

    /// PKCS #8 as DER.
    #[must_use]
    pub fn to_der(&self) -> Zeroizing<Vec<u8>> {
        ::sm2::SecretKey::from(self.scalar).to_pkcs8_der().expect("a key of 32 bytes encodes").to_bytes()
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`], also if the curve is another one.
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let key = ::sm2::PublicKey::from_public_key_der(der);
        key.map(Self).map_err(|_| malformed("it is not a SubjectPublicKeyInfo with a point of the SM2 curve"))
    }

    /// A SubjectPublicKeyInfo as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("a point of 65 bytes encodes")
    }

    /// A SubjectPublicKeyInfo as DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        self.0.to_public_key_der().expect("a point of 65 bytes encodes").into_vec()
    }
}

/// Reads a key file: PEM (`PRIVATE KEY`, `EC PRIVATE KEY`, `SM2 PRIVATE KEY`, `PUBLIC KEY`; other blocks before it are
/// passed over), DER, or hexadecimal digits (64 for a secret key, 130 or 66 for a point).
///
/// # Errors
/// [`CryptoError::Malformed`] or [`CryptoError::TooLong`].
pub fn key_from_file(file: &[u8]) -> Result<AnyKey, CryptoError> {
    if file.len() > LONGEST_FILE {
        return Err(CryptoError::TooLong { what: "key file", got: file.len() as u64, most: LONGEST_FILE as u64 });
    }
    if file.windows(11).any(|some| some == b"-----BEGIN ") {
        return from_pem(file);
    }
    if let Some(bytes) = digits(file) {
        return from_digits(&bytes);
    }
    SecretKey::from_der(file)
        .map(AnyKey::Secret)
        .or_else(|_| PublicKey::from_der(file).map(AnyKey::Public))
        .map_err(|_| malformed("the file holds no key on the SM2 curve as PEM, DER or hexadecimal digits"))
}

fn from_pem(file: &[u8]) -> Result<AnyKey, CryptoError> {
    let begins = file.windows(11).enumerate().filter(|(_, some)| *some == b"-----BEGIN ").map(|(at, _)| at);
    for at in begins.take(MOST_BLOCKS) {
        let block = &file[at..];
        let end = block.windows(9).position(|some| some == b"-----END ").ok_or(malformed("a PEM block has no end"))?;
        let rest = block[end + 9..].iter().position(|byte| *byte == b'\n').map_or(block.len(), |line| end + 9 + line);
        let decoded = pem::decode_vec(&block[..rest]).map_err(|_| malformed("a PEM block is damaged"))?;
        let (label, der) = (decoded.0, Zeroizing::new(decoded.1));
        match label {
            "PRIVATE KEY" | "EC PRIVATE KEY" | "SM2 PRIVATE KEY" => {
                return SecretKey::from_der(&der).map(AnyKey::Secret);
            }
            "PUBLIC KEY" => return PublicKey::from_der(&der).map(AnyKey::Public),
            "ENCRYPTED PRIVATE KEY" => return Err(malformed("the key is encrypted; decrypt the file first")),
            _ => {}
        }
    }
    Err(malformed("no PEM block holds a key"))
}

/// The bytes that hexadecimal digits tell, if the file holds nothing else but white space around them.
fn digits(file: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = file.trim_ascii();
    let value = |digit: &u8| char::from(*digit).to_digit(16).map(|value| value as u8);
    let pairs = text.as_chunks::<2>();
    if text.is_empty() || !pairs.1.is_empty() {
        return None;
    }
    let bytes: Option<Vec<u8>> = pairs.0.iter().map(|[high, low]| Some(value(high)? << 4 | value(low)?)).collect();
    bytes.map(Zeroizing::new)
}

fn from_digits(bytes: &[u8]) -> Result<AnyKey, CryptoError> {
    match bytes.len() {
        SIDE => SecretKey::from_bytes(bytes.try_into().expect("32 bytes")).map(AnyKey::Secret),
        POINT | 33 => PublicKey::from_point(bytes).map(AnyKey::Public),
        _ => Err(malformed("hexadecimal keys have 64 digits (secret), 130 or 66 (public)")),
    }
}
