//! AES-GCM of `aws-lc-rs`, which TLS uses as well.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce as OneNonce, UnboundKey};
use zeroize::Zeroizing;

use super::{Aead, Algorithm, Nonce, Tag, key_of};
use crate::CryptoError;

/// Longest message in bytes, as for SM4-GCM (SP 800-38D, 5.2.1.1).
const LONGEST: u64 = (1 << 36) - 32;

struct AesGcm {
    algorithm: Algorithm,
    key: LessSafeKey,
}

pub(super) fn aead(algorithm: Algorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
    let unbound = if algorithm == Algorithm::Aes128Gcm {
        UnboundKey::new(&AES_128_GCM, key_of::<16>(key)?)
    } else {
        UnboundKey::new(&AES_256_GCM, key_of::<32>(key)?)
    };
    let malformed = CryptoError::Malformed { what: "AES key", reason: "the library does not take it" };
    Ok(Box::new(AesGcm { algorithm, key: LessSafeKey::new(unbound.map_err(|_| malformed)?) }))
}

fn check_length(data: &[u8]) -> Result<(), CryptoError> {
    let got = data.len() as u64;
    if got > LONGEST { Err(CryptoError::TooLong { what: "message", got, most: LONGEST }) } else { Ok(()) }
}

impl Aead for AesGcm {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn seal_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Result<Tag, CryptoError> {
        check_length(data)?;
        let nonce = OneNonce::assume_unique_for_key(*nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), data);
        let tag = tag.map_err(|_| CryptoError::Refused)?;
        Ok(tag.as_ref().try_into().expect("GCM tags have 16 bytes"))
    }

    fn open_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8], tag: &Tag) -> Result<(), CryptoError> {
        check_length(data)?;
        let nonce = OneNonce::assume_unique_for_key(*nonce);
        // The library would leave nothing of the ciphertext if the tag is wrong; ours stays.
        let mut plaintext = Zeroizing::new(vec![0; data.len()]);
        let opened = self.key.open_separate_gather(nonce, Aad::from(aad), data, tag, &mut plaintext);
        opened.map_err(|_| CryptoError::Refused)?;
        data.copy_from_slice(&plaintext);
        Ok(())
    }
}
