//! SM3 and SHA-256.

use sha2::Digest as _;

use super::{Algorithm, MessageDigest};
use crate::sm::sm3;

/// SM3.
#[derive(Clone, Copy, Debug)]
pub struct Sm3;

impl MessageDigest for Sm3 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Sm3
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        sm3::hash(parts)
    }
}

/// SHA-256.
#[derive(Clone, Copy, Debug)]
pub struct Sha256;

impl MessageDigest for Sha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Sha256
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = sha2::Sha256::new();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize().into()
    }
}
