//! Key exchange with confirmation, GB/T 32918.3-2016.

use ::sm2::elliptic_curve::Group as _;
use ::sm2::{NonZeroScalar, ProjectivePoint, Scalar};
use zeroize::{Zeroize as _, Zeroizing};

use super::{POINT, PublicKey, SIDE, SecretKey, coordinates, not_neutral, point_bytes, random_scalar, reduced};
use crate::CryptoError;
use crate::sm::sm3::{self, HASH};

/// Longest key in bytes that this code derives.
const LONGEST_KEY: usize = 1 << 16;

/// Who began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A, who sends the first point.
    Initiator,
    /// B, who answers.
    Responder,
}

/// A key that serves one exchange, r and the point R = r·G.
#[derive(Debug)]
pub struct Ephemeral {
    scalar: NonZeroScalar,
    point: [u8; POINT],
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        self.scalar.zeroize();
    }
}

impl Ephemeral {
    /// Draws one.
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    pub fn generate() -> Result<Self, CryptoError> {
        Ok(Self::from_scalar(random_scalar()?))
    }

    pub(super) fn from_scalar(scalar: NonZeroScalar) -> Self {
        Self { point: point_bytes(&ProjectivePoint::mul_by_generator(&scalar).to_affine()), scalar }
    }

    /// The point that the other side must get.
    #[must_use]
    pub fn point(&self) -> &[u8; POINT] {
        &self.point
    }
}

/// The other side, as this side knows it.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// Its long-lived key.
    pub key: &'a PublicKey,
    /// Its distinguishing identifier.
    pub id: &'a [u8],
    /// The point that it sent for this exchange.
    pub point: &'a [u8],
}

/// What both sides have if they did the same.
pub struct Agreement {
    /// The shared key.
    pub key: Zeroizing<Vec<u8>>,
    /// S_B: the responder shows it, the initiator compares it (in constant time).
    pub of_responder: [u8; HASH],
    /// S_A: the initiator shows it, the responder compares it.
    pub of_initiator: [u8; HASH],
}

/// Computes the shared key of `length` bytes; `id` is this side's own identifier.
///
/// # Errors
/// [`CryptoError::Malformed`] if the other point is not on the curve, [`CryptoError::Refused`] if the exchange ends in
/// the neutral point, [`CryptoError::TooLong`], [`CryptoError::Length`] for a key of no bytes.
pub fn agree(
    role: Role,
    secret: &SecretKey,
    id: &[u8],
    ephemeral: &Ephemeral,
    other: Party<'_>,
    length: usize,
) -> Result<Agreement, CryptoError> {
    check_length(length)?;
    let other_point = PublicKey::from_point(other.point)?;
    let mut t = *secret.scalar + short(&ephemeral.point) * *ephemeral.scalar;
    let theirs = other.key.0.to_projective() + other_point.0.to_projective() * short(&other_point.to_point());
    let shared = not_neutral(&(theirs * t));
    t.zeroize();
    let (mut x, mut y) = coordinates(&shared?);
    let (own_hash, other_hash) = (secret.public_key().identity_hash(id)?, other.key.identity_hash(other.id)?);
    let (first, second) = (Side(own_hash, ephemeral.point), Side(other_hash, other_point.to_point()));
    let (a, b) = if role == Role::Initiator { (first, second) } else { (second, first) };
    let agreement = confirm(&x, &y, &a, &b, length);
    x.zeroize();
    y.zeroize();
    Ok(agreement)
}

/// Z and the point R of one side.
struct Side([u8; HASH], [u8; POINT]);

fn confirm(x: &[u8; SIDE], y: &[u8; SIDE], a: &Side, b: &Side, length: usize) -> Agreement {
    let inner = sm3::hash(&[x, &a.0, &b.0, &a.1[1..], &b.1[1..]]);
    Agreement {
        key: sm3::derive(&[x, y, &a.0, &b.0], length),
        of_responder: sm3::hash(&[&[2], y, &inner]),
        of_initiator: sm3::hash(&[&[3], y, &inner]),
    }
}

fn check_length(length: usize) -> Result<(), CryptoError> {
    match length {
        0 => Err(CryptoError::Length { what: "shared key", got: 0, want: 1 }),
        1..=LONGEST_KEY => Ok(()),
        _ => Err(CryptoError::TooLong { what: "shared key", got: length as u64, most: LONGEST_KEY as u64 }),
    }
}

/// 2¹²⁷ plus the last 127 bits of x (step A4).
fn short(point: &[u8; POINT]) -> Scalar {
    let mut bytes = [0; SIDE];
    bytes[16..].copy_from_slice(&point[1 + 16..=SIDE]);
    bytes[16] |= 0x80;
    reduced(&bytes)
}
