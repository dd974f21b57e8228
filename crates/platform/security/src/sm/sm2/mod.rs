//! SM2, GB/T 32918-2016 (parts 1 to 5): keys, signatures, encryption and key exchange on the curve sm2p256v1.
//!
//! Points and scalars come from the crate `sm2`, sums of multiples for verification from `wnaf`; the protocols of the
//! standard are written here. What touches a secret key or a nonce uses only operations that those crates document as
//! constant-time; verification is of public data and may vary in time.

mod encoding;
mod encryption;
mod exchange;
mod signature;
mod tables;
#[cfg(test)]
mod tests;

use ::sm2::elliptic_curve::array::Array;
use ::sm2::elliptic_curve::ops::Reduce as _;
use ::sm2::elliptic_curve::point::AffineCoordinates as _;
use ::sm2::elliptic_curve::sec1::ToSec1Point as _;
use ::sm2::elliptic_curve::{Group as _, PrimeField as _};
use ::sm2::{AffinePoint, NonZeroScalar, ProjectivePoint, Scalar};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use super::sm3;
use crate::CryptoError;

pub use encoding::{AnyKey, key_from_file};
pub use encryption::{LONGEST_PLAINTEXT, decrypt, decrypt_der, encrypt, encrypt_der};
pub use exchange::{Agreement, Ephemeral, Party, Role, agree};
pub use signature::{MessageHash, Signature, SigningKey, VerifyingKey};

/// The distinguishing identifier where none is agreed (GM/T 0009-2012, chapter 10).
pub const DEFAULT_ID: &[u8] = b"1234567812345678";
/// Longest distinguishing identifier: its length in bits is told in two bytes.
pub const LONGEST_ID: usize = 8191;
/// Bytes of a coordinate or scalar.
const SIDE: usize = 32;
/// Bytes of a point that is not compressed.
pub const POINT: usize = 1 + 2 * SIDE;
/// How often a random choice that does not fit is repeated; one in 2³² does not.
const TRIES: usize = 64;

/// The parameters a, b, x_G and y_G, as the standard hashes them (GB/T 32918.5-2017, 2).
const CURVE: [[u8; SIDE]; 4] = [
    hex_side(b"FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"),
    hex_side(b"28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"),
    hex_side(b"32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"),
    hex_side(b"BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"),
];

const fn hex_side(text: &[u8; 2 * SIDE]) -> [u8; SIDE] {
    const fn digit(character: u8) -> u8 {
        if character.is_ascii_digit() { character - b'0' } else { character - b'A' + 10 }
    }
    let (mut bytes, mut at) = ([0; SIDE], 0);
    while at < SIDE {
        bytes[at] = digit(text[2 * at]) << 4 | digit(text[2 * at + 1]);
        at += 1;
    }
    bytes
}

/// A public key: a point of the curve that is not its neutral element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(::sm2::PublicKey);

impl PublicKey {
    /// Reads a point, compressed (33 bytes) or not (65 bytes).
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if it is not on the curve or not a point at all.
    pub fn from_point(bytes: &[u8]) -> Result<Self, CryptoError> {
        let malformed = |_| CryptoError::Malformed { what: "SM2 point", reason: "it is not a point of the curve" };
        ::sm2::PublicKey::from_sec1_bytes(bytes).map(Self).map_err(malformed)
    }

    /// The point, not compressed.
    #[must_use]
    pub fn to_point(&self) -> [u8; POINT] {
        point_bytes(self.0.as_affine())
    }

    /// Z: the hash of an identifier, the curve and this key (GB/T 32918.2-2016, 5.5).
    ///
    /// # Errors
    /// [`CryptoError::TooLong`] if the identifier is.
    pub fn identity_hash(&self, id: &[u8]) -> Result<[u8; sm3::HASH], CryptoError> {
        if id.len() > LONGEST_ID {
            let (got, most) = (id.len() as u64, LONGEST_ID as u64);
            return Err(CryptoError::TooLong { what: "distinguishing identifier", got, most });
        }
        let bits = (id.len() as u16 * 8).to_be_bytes();
        let [a, b, x, y] = &CURVE;
        Ok(sm3::hash(&[&bits, id, a, b, x, y, &self.to_point()[1..]]))
    }
}

/// A secret key d, 1 ≤ d ≤ n − 2. Its memory is wiped at the end.
#[derive(Clone)]
pub struct SecretKey {
    scalar: NonZeroScalar,
    /// 1 / (1 + d), which every signature needs.
    inverse: Scalar,
    public: PublicKey,
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.scalar.zeroize();
        self.inverse.zeroize();
    }
}

impl ZeroizeOnDrop for SecretKey {}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    pub fn generate() -> Result<Self, CryptoError> {
        for _ in 0..TRIES {
            if let Ok(key) = Self::from_scalar(random_scalar()?) {
                return Ok(key);
            }
        }
        Err(CryptoError::Random)
    }

    /// Reads the number d, big end first.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if it is not from 1 to n − 2.
    pub fn from_bytes(bytes: &[u8; SIDE]) -> Result<Self, CryptoError> {
        let malformed = CryptoError::Malformed { what: "SM2 secret key", reason: "it is not a number from 1 to n - 2" };
        let scalar: Option<NonZeroScalar> = NonZeroScalar::from_repr(Array(*bytes)).into();
        Self::from_scalar(scalar.ok_or(malformed)?)
    }

    fn from_scalar(scalar: NonZeroScalar) -> Result<Self, CryptoError> {
        let malformed = CryptoError::Malformed { what: "SM2 secret key", reason: "it is not a number from 1 to n - 2" };
        let inverse: Option<Scalar> = (*scalar + Scalar::ONE).invert().into();
        let public = PublicKey(::sm2::PublicKey::from_secret_scalar(&scalar));
        Ok(Self { scalar, inverse: inverse.ok_or(malformed)?, public })
    }

    /// The number d, big end first.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; SIDE]> {
        Zeroizing::new(self.scalar.to_repr().into())
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

/// A random number from 1 to n − 1, every one as likely: those that do not fit are drawn again.
fn random_scalar() -> Result<NonZeroScalar, CryptoError> {
    for _ in 0..TRIES {
        let mut bytes = Zeroizing::new([0; SIDE]);
        getrandom::fill(bytes.as_mut())?;
        let scalar: Option<NonZeroScalar> = NonZeroScalar::from_repr(Array(*bytes)).into();
        if let Some(scalar) = scalar {
            return Ok(scalar);
        }
    }
    Err(CryptoError::Random)
}

/// A point that is not compressed.
fn point_bytes(point: &AffinePoint) -> [u8; POINT] {
    let mut bytes = [0; POINT];
    bytes.copy_from_slice(point.to_sec1_point(false).as_bytes());
    bytes
}

/// The coordinates of a point that is not the neutral one.
fn coordinates(point: &AffinePoint) -> ([u8; SIDE], [u8; SIDE]) {
    let bytes = point_bytes(point);
    let (x, y) = bytes[1..].split_at(SIDE);
    (x.try_into().expect("a half"), y.try_into().expect("a half"))
}

/// A number of 256 bits modulo n.
fn reduced(bytes: &[u8; SIDE]) -> Scalar {
    Scalar::reduce(&Array(*bytes))
}

/// The x coordinate modulo n.
fn reduced_x(point: &AffinePoint) -> Scalar {
    Scalar::reduce(&point.x())
}

/// The neutral element, whose encoding would be one byte, is refused.
fn not_neutral(point: &ProjectivePoint) -> Result<AffinePoint, CryptoError> {
    if point.is_identity().into() { Err(CryptoError::Refused) } else { Ok(point.to_affine()) }
}
