//! Signatures, GB/T 32918.2-2016.

use ::sm2::elliptic_curve::array::Array;
use ::sm2::elliptic_curve::pkcs8::der::asn1::UintRef;
use ::sm2::elliptic_curve::pkcs8::der::{Decode as _, Encode as _, Reader as _, SliceReader};
use ::sm2::elliptic_curve::{Group as _, PrimeField as _};
use ::sm2::{NonZeroScalar, ProjectivePoint, Scalar};
use zeroize::Zeroize as _;

use super::tables::{self, Tables};
use super::{PublicKey, SIDE, SecretKey, TRIES, random_scalar, reduced, reduced_x};
use crate::CryptoError;
use crate::sm::sm3::{Digest as _, HASH, Sm3};

/// A signature (r, s), both from 1 to n − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    r: Scalar,
    s: Scalar,
}

const WHAT: &str = "SM2 signature";

impl Signature {
    /// Bytes of r and s one after the other.
    pub const RAW: usize = 2 * SIDE;

    /// Reads r ‖ s.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if one of them is zero or n or more.
    pub fn from_raw(bytes: &[u8; Self::RAW]) -> Result<Self, CryptoError> {
        let (r, s) = bytes.split_at(SIDE);
        let number = |half: &[u8]| -> Result<Scalar, CryptoError> {
            let scalar: Option<NonZeroScalar> =
                NonZeroScalar::from_repr(Array(half.try_into().expect("a half"))).into();
            let range = CryptoError::Malformed { what: WHAT, reason: "r and s must be from 1 to n - 1" };
            scalar.map(|scalar| *scalar).ok_or(range)
        };
        Ok(Self { r: number(r)?, s: number(s)? })
    }

    /// r ‖ s.
    #[must_use]
    pub fn to_raw(&self) -> [u8; Self::RAW] {
        let mut bytes = [0; Self::RAW];
        bytes[..SIDE].copy_from_slice(&self.r.to_repr());
        bytes[SIDE..].copy_from_slice(&self.s.to_repr());
        bytes
    }

    /// Reads the two numbers as a DER sequence (GM/T 0009-2012, 7.3). Only the one encoding that DER allows is taken.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`].
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let malformed = |_| CryptoError::Malformed { what: WHAT, reason: "it is not a DER sequence of two numbers" };
        let numbers = two_numbers(der).map_err(malformed)?;
        Self::from_raw(&numbers)
    }

    /// The two numbers as a DER sequence.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let raw = self.to_raw();
        let mut body = Vec::with_capacity(72);
        for half in raw.as_chunks::<SIDE>().0 {
            let number = UintRef::new(half).expect("32 bytes are a number");
            number.encode_to_vec(&mut body).expect("a number of 32 bytes encodes");
        }
        let mut der = vec![0x30, body.len() as u8];
        der.append(&mut body);
        der
    }
}

/// The two numbers of a DER sequence, each filled up to 32 bytes.
fn two_numbers(der: &[u8]) -> Result<[u8; Signature::RAW], ::sm2::elliptic_curve::pkcs8::der::Error> {
    use ::sm2::elliptic_curve::pkcs8::der::{ErrorKind, Tag};
    let mut reader = SliceReader::new(der)?;
    let [r, s] = reader.sequence(|body| {
        Ok::<_, ::sm2::elliptic_curve::pkcs8::der::Error>([UintRef::decode(body)?, UintRef::decode(body)?])
    })?;
    reader.finish()?;
    let mut numbers = [0; Signature::RAW];
    for (place, number) in numbers.as_chunks_mut::<SIDE>().0.iter_mut().zip([r, s]) {
        let bytes = number.as_bytes();
        let from = SIDE.checked_sub(bytes.len()).ok_or(ErrorKind::Length { tag: Tag::Integer })?;
        place[from..].copy_from_slice(bytes);
    }
    Ok(numbers)
}

/// The hash e of a message that comes in parts: SM3 over Z, then the message.
#[derive(Clone, Debug)]
pub struct MessageHash(Sm3);

impl MessageHash {
    fn new(identity_hash: &[u8; HASH]) -> Self {
        Self(Sm3::new_with_prefix(identity_hash))
    }

    /// Takes a part of the message.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    fn finish(self) -> Scalar {
        reduced(&self.0.finalize().into())
    }
}

/// A secret key with the distinguishing identifier of its owner.
#[derive(Clone, Debug)]
pub struct SigningKey {
    secret: SecretKey,
    identity_hash: [u8; HASH],
}

impl SigningKey {
    /// Binds a key to an identifier; [`super::DEFAULT_ID`] where none is agreed.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`] if the identifier is.
    pub fn new(secret: SecretKey, id: &[u8]) -> Result<Self, CryptoError> {
        let identity_hash = secret.public_key().identity_hash(id)?;
        Ok(Self { secret, identity_hash })
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.secret.public_key()
    }

    /// Begins the hash of a message that comes in parts.
    #[must_use]
    pub fn message(&self) -> MessageHash {
        MessageHash::new(&self.identity_hash)
    }

    /// Signs a message.
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    pub fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        let mut hash = self.message();
        hash.update(message);
        self.sign_hash(hash)
    }

    /// Signs a message whose parts were hashed. The nonce is drawn from the random source of the system (6.1, step A3).
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    pub fn sign_hash(&self, hash: MessageHash) -> Result<Signature, CryptoError> {
        let e = hash.finish();
        for _ in 0..TRIES {
            let mut nonce = random_scalar()?;
            let signature = self.sign_with(e, &nonce);
            nonce.zeroize();
            if let Some(signature) = signature {
                return Ok(signature);
            }
        }
        Err(CryptoError::Random)
    }

    /// Steps A4 to A6; none where the standard says that another nonce must be drawn.
    ///
    /// s = (k − r·d) / (1 + d) is computed as (k + r) / (1 + d) − r, which is the same and needs one product.
    pub(super) fn sign_with(&self, e: Scalar, nonce: &NonZeroScalar) -> Option<Signature> {
        let r = e + reduced_x(&ProjectivePoint::mul_by_generator(nonce).to_affine());
        let sum = r + **nonce;
        let s = self.secret.inverse * sum - r;
        let fits = !bool::from(r.is_zero() | sum.is_zero() | s.is_zero());
        fits.then_some(Signature { r, s })
    }
}

/// A public key with the distinguishing identifier of its owner, ready to verify.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    public: PublicKey,
    identity_hash: [u8; HASH],
    tables: Option<Box<Tables>>,
}

impl VerifyingKey {
    /// For a key that is met once or a few times.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`] if the identifier is.
    pub fn new(public: PublicKey, id: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self { public, identity_hash: public.identity_hash(id)?, tables: None })
    }

    /// For a key that is met again and again: takes the time of some two signatures and 12 KiB, and then verifies
    /// about twice as fast.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`] if the identifier is.
    pub fn prepared(public: PublicKey, id: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self { tables: Some(Box::new(Tables::new(&public.0.to_projective()))), ..Self::new(public, id)? })
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Begins the hash of a message that comes in parts.
    #[must_use]
    pub fn message(&self) -> MessageHash {
        MessageHash::new(&self.identity_hash)
    }

    /// Verifies the signature of a message.
    ///
    /// # Errors
    /// [`CryptoError::Refused`].
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), CryptoError> {
        let mut hash = self.message();
        hash.update(message);
        self.verify_hash(hash, signature)
    }

    /// Verifies the signature of a message whose parts were hashed (7.1, steps B4 to B7).
    ///
    /// # Errors
    /// [`CryptoError::Refused`].
    pub fn verify_hash(&self, hash: MessageHash, signature: &Signature) -> Result<(), CryptoError> {
        let Signature { r, s } = signature;
        let t = *r + *s;
        if t.is_zero().into() {
            return Err(CryptoError::Refused);
        }
        let point = match &self.tables {
            Some(tables) => tables.multiply_and_add(s, &t),
            None => tables::multiply_and_add(s, &t, &self.public.0.to_projective()),
        };
        let point = super::not_neutral(&point)?;
        if hash.finish() + reduced_x(&point) == *r { Ok(()) } else { Err(CryptoError::Refused) }
    }
}
