//! SM2, with the default distinguishing identifier unless the key was bound to another one, and Ed25519.

use ed25519_dalek::Signer as _;

use super::{Algorithm, SignatureBytes, Signer, Verifier, key_of};
use crate::CryptoError;
use crate::sm::sm2;

impl Signer for sm2::SigningKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Sm2Sm3
    }

    fn sign(&self, message: &[u8]) -> Result<SignatureBytes, CryptoError> {
        Self::sign(self, message).map(|signature| signature.to_raw())
    }
}

impl Verifier for sm2::VerifyingKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Sm2Sm3
    }

    fn verify(&self, message: &[u8], signature: &SignatureBytes) -> Result<(), CryptoError> {
        Self::verify(self, message, &sm2::Signature::from_raw(signature)?)
    }
}

impl Signer for ed25519_dalek::SigningKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    fn sign(&self, message: &[u8]) -> Result<SignatureBytes, CryptoError> {
        Ok(self.try_sign(message).map_err(|_| CryptoError::Random)?.to_bytes())
    }
}

impl Verifier for ed25519_dalek::VerifyingKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    fn verify(&self, message: &[u8], signature: &SignatureBytes) -> Result<(), CryptoError> {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.verify_strict(message, &signature).map_err(|_| CryptoError::Refused)
    }
}

/// A signer by number, from the 32 bytes of its secret key.
///
/// # Errors
/// [`CryptoError::Length`] or [`CryptoError::Malformed`].
pub fn signer(algorithm: Algorithm, secret: &[u8]) -> Result<Box<dyn Signer>, CryptoError> {
    match algorithm {
        Algorithm::Sm2Sm3 => {
            let secret = sm2::SecretKey::from_bytes(key_of(secret)?)?;
            Ok(Box::new(sm2::SigningKey::new(secret, sm2::DEFAULT_ID)?))
        }
        Algorithm::Ed25519 => Ok(Box::new(ed25519_dalek::SigningKey::from_bytes(key_of(secret)?))),
        _ => Err(NOT_A_SIGNATURE),
    }
}

/// A verifier by number, from its public key: a point (65 or 33 bytes) for SM2, 32 bytes for Ed25519.
///
/// # Errors
/// [`CryptoError::Length`] or [`CryptoError::Malformed`].
pub fn verifier(algorithm: Algorithm, public: &[u8]) -> Result<Box<dyn Verifier>, CryptoError> {
    match algorithm {
        Algorithm::Sm2Sm3 => {
            let public = sm2::PublicKey::from_point(public)?;
            Ok(Box::new(sm2::VerifyingKey::prepared(public, sm2::DEFAULT_ID)?))
        }
        Algorithm::Ed25519 => {
            let malformed =
                |_| CryptoError::Malformed { what: "Ed25519 key", reason: "it is not a point of the curve" };
            let public = ed25519_dalek::VerifyingKey::from_bytes(key_of(public)?).map_err(malformed)?;
            Ok(Box::new(public))
        }
        _ => Err(NOT_A_SIGNATURE),
    }
}

const NOT_A_SIGNATURE: CryptoError =
    CryptoError::Malformed { what: "algorithm", reason: "it is not one of signatures" };
