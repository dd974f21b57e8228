//! SM4-GCM and SM4-CCM, ours.

use super::{Aead, Algorithm, Nonce, Tag};
use crate::CryptoError;
use crate::sm::sm4::{KEY, Sm4Ccm, Sm4Gcm};

macro_rules! provide {
    ($name:ty, $algorithm:expr) => {
        impl Aead for $name {
            fn algorithm(&self) -> Algorithm {
                $algorithm
            }

            fn seal_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Result<Tag, CryptoError> {
                <$name>::seal_in_place(self, nonce, aad, data)
            }

            fn open_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8], tag: &Tag) -> Result<(), CryptoError> {
                <$name>::open_in_place(self, nonce, aad, data, tag)
            }
        }
    };
}
provide!(Sm4Gcm, Algorithm::Sm4Gcm);
provide!(Sm4Ccm, Algorithm::Sm4Ccm);

pub(super) fn aead(algorithm: Algorithm, key: &[u8; KEY]) -> Result<Box<dyn Aead>, CryptoError> {
    Ok(if algorithm == Algorithm::Sm4Gcm { Box::new(Sm4Gcm::new(key)) } else { Box::new(Sm4Ccm::new(key)) })
}
