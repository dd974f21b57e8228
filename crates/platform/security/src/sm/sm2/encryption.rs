//! Public-key encryption, GB/T 32918.4-2016, in the order C1 ‖ C3 ‖ C2, raw and as DER (GM/T 0009-2012, 7.2).

use ::sm2::NonZeroScalar;
use ::sm2::ProjectivePoint;
use ::sm2::elliptic_curve::Group as _;
use ::sm2::elliptic_curve::pkcs8::der::asn1::{OctetStringRef, UintRef};
use ::sm2::elliptic_curve::pkcs8::der::{self, Decode as _, Encode as _, Reader as _, SliceReader};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::{POINT, PublicKey, SIDE, SecretKey, TRIES, coordinates, point_bytes, random_scalar};
use crate::CryptoError;
use crate::sm::sm3::{self, HASH};

/// Longest plaintext in bytes that this code takes; the algorithm is for keys and small secrets.
pub const LONGEST_PLAINTEXT: usize = 1 << 20;
const WHAT: &str = "SM2 ciphertext";

/// Enciphers for the owner of a key: 04 ‖ x ‖ y ‖ hash ‖ ciphertext, 97 bytes longer than the plaintext.
///
/// # Errors
/// [`CryptoError::Length`] for nothing at all, [`CryptoError::TooLong`], [`CryptoError::Random`].
pub fn encrypt(key: &PublicKey, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    check_length(plaintext.len())?;
    for _ in 0..TRIES {
        let mut nonce = random_scalar()?;
        let ciphertext = encrypt_with(key, plaintext, &nonce);
        nonce.zeroize();
        if let Some(ciphertext) = ciphertext {
            return Ok(ciphertext);
        }
    }
    Err(CryptoError::Random)
}

fn check_length(length: usize) -> Result<(), CryptoError> {
    match length {
        // An empty message would have an empty key, which step A5 refuses.
        0 => Err(CryptoError::Length { what: "SM2 plaintext", got: 0, want: 1 }),
        1..=LONGEST_PLAINTEXT => Ok(()),
        _ => {
            let (got, most) = (length as u64, LONGEST_PLAINTEXT as u64);
            Err(CryptoError::TooLong { what: "SM2 plaintext", got, most })
        }
    }
}

/// Steps A2 to A8; none if the derived key is all zeros.
pub(super) fn encrypt_with(key: &PublicKey, plaintext: &[u8], nonce: &NonZeroScalar) -> Option<Vec<u8>> {
    let first = ProjectivePoint::mul_by_generator(nonce).to_affine();
    let (mut x, mut y) = coordinates(&(key.0.to_projective() * **nonce).to_affine());
    let stream = sm3::derive(&[&x, &y], plaintext.len());
    let hash = sm3::hash(&[&x, plaintext, &y]);
    x.zeroize();
    y.zeroize();
    if stream.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut ciphertext = Vec::with_capacity(POINT + HASH + plaintext.len());
    ciphertext.extend_from_slice(&point_bytes(&first));
    ciphertext.extend_from_slice(&hash);
    ciphertext.extend(plaintext.iter().zip(stream.iter()).map(|(byte, key)| byte ^ key));
    Some(ciphertext)
}

/// Deciphers what [`encrypt`] made.
///
/// # Errors
/// [`CryptoError::Malformed`] if the first point is not one; [`CryptoError::Refused`] if the hash does not fit.
pub fn decrypt(key: &SecretKey, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let short = CryptoError::Malformed { what: WHAT, reason: "it is too short" };
    let (point, rest) = ciphertext.split_first_chunk::<POINT>().ok_or(short)?;
    let (hash, body) = rest.split_first_chunk::<HASH>().ok_or(short)?;
    check_length(body.len())?;
    let point = PublicKey::from_point(point)?;
    let (mut x, mut y) = coordinates(&(point.0.to_projective() * *key.scalar).to_affine());
    let mut plaintext = sm3::derive(&[&x, &y], body.len());
    let some_key = plaintext.iter().fold(0, |all, byte| all | byte) != 0;
    plaintext.iter_mut().zip(body).for_each(|(key, byte)| *key ^= byte);
    let fits = bool::from(sm3::hash(&[&x, &plaintext, &y]).ct_eq(hash));
    x.zeroize();
    y.zeroize();
    if fits && some_key { Ok(plaintext) } else { Err(CryptoError::Refused) }
}

/// As [`encrypt`], in the DER form of GM/T 0009 that OpenSSL makes and takes.
///
/// # Errors
/// As [`encrypt`].
pub fn encrypt_der(key: &PublicKey, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let ciphertext = encrypt(key, plaintext)?;
    let too_long = |_| CryptoError::Malformed { what: WHAT, reason: "it does not fit into DER" };
    to_der(&ciphertext).map_err(too_long)
}

fn to_der(ciphertext: &[u8]) -> der::Result<Vec<u8>> {
    let (point, rest) = ciphertext.split_at(POINT);
    let (hash, body) = rest.split_at(HASH);
    let mut inside = Vec::with_capacity(ciphertext.len() + 24);
    UintRef::new(&point[1..=SIDE])?.encode_to_vec(&mut inside)?;
    UintRef::new(&point[1 + SIDE..])?.encode_to_vec(&mut inside)?;
    OctetStringRef::new(hash)?.encode_to_vec(&mut inside)?;
    OctetStringRef::new(body)?.encode_to_vec(&mut inside)?;
    let mut der = Vec::with_capacity(inside.len() + 8);
    der::Header::new(der::Tag::Sequence, der::Length::try_from(inside.len())?).encode_to_vec(&mut der)?;
    der.append(&mut inside);
    Ok(der)
}

/// Deciphers the DER form.
///
/// # Errors
/// As [`decrypt`].
pub fn decrypt_der(key: &SecretKey, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let malformed = |_| CryptoError::Malformed { what: WHAT, reason: "it is not the DER form of GM/T 0009" };
    decrypt(key, &from_der(ciphertext).map_err(malformed)?)
}

fn from_der(der: &[u8]) -> der::Result<Vec<u8>> {
    let mut reader = SliceReader::new(der)?;
    let (numbers, hash, body) = reader.sequence(|inside| -> der::Result<_> {
        let numbers = [UintRef::decode(inside)?, UintRef::decode(inside)?];
        Ok((numbers, <&OctetStringRef>::decode(inside)?, <&OctetStringRef>::decode(inside)?))
    })?;
    reader.finish()?;
    if hash.as_bytes().len() != HASH {
        return Err(der::ErrorKind::Length { tag: der::Tag::OctetString }.into());
    }
    let mut raw = vec![4];
    for number in numbers {
        let bytes = number.as_bytes();
        let zeros = SIDE.checked_sub(bytes.len()).ok_or(der::ErrorKind::Length { tag: der::Tag::Integer })?;
        raw.resize(raw.len() + zeros, 0);
        raw.extend_from_slice(bytes);
    }
    raw.extend_from_slice(hash.as_bytes());
    raw.extend_from_slice(body.as_bytes());
    Ok(raw)
}
