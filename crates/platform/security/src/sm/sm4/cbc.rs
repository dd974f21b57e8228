//! Cipher block chaining with the padding of PKCS #7, GB/T 17964-2021, chapter 6.

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _, ConstantTimeLess as _};
use zeroize::Zeroize as _;

use super::{BLOCK, KEY, Sm4};
use crate::CryptoError;

/// SM4 in CBC mode, for formats that ask for it. It does not authenticate: whoever lets strangers ask whether a
/// ciphertext deciphers needs a tag over it; prefer [`super::Sm4Gcm`].
#[derive(Clone, Debug)]
pub struct Sm4Cbc(Sm4);

impl Sm4Cbc {
    /// Prepares a key.
    #[must_use]
    pub fn new(key: &[u8; KEY]) -> Self {
        Self(Sm4::new(key))
    }

    /// The same with a prepared cipher.
    #[must_use]
    pub fn with(cipher: Sm4) -> Self {
        Self(cipher)
    }

    /// Pads and enciphers. `start` must be unforeseeable and new for each message.
    #[must_use]
    pub fn encrypt(&self, start: &[u8; BLOCK], plaintext: &[u8]) -> Vec<u8> {
        let padding = BLOCK - plaintext.len() % BLOCK;
        let mut data = Vec::with_capacity(plaintext.len() + padding);
        data.extend_from_slice(plaintext);
        data.resize(plaintext.len() + padding, padding as u8);
        let mut chain = *start;
        for block in data.as_chunks_mut::<BLOCK>().0 {
            block.iter_mut().zip(chain).for_each(|(byte, before)| *byte ^= before);
            *block = self.0.encrypt(block);
            chain = *block;
        }
        data
    }

    /// Deciphers and takes the padding off, in time that does not tell what the padding was.
    ///
    /// # Errors
    /// [`CryptoError::Refused`], whether the length or the padding is wrong.
    pub fn decrypt(&self, start: &[u8; BLOCK], ciphertext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (before, rest) = ciphertext.as_chunks::<BLOCK>();
        if before.is_empty() || !rest.is_empty() {
            return Err(CryptoError::Refused);
        }
        let mut data = ciphertext.to_vec();
        let blocks = data.as_chunks_mut::<BLOCK>().0;
        self.0.decrypt_blocks(blocks);
        for (block, before) in blocks.iter_mut().zip(std::iter::once(start).chain(before)) {
            block.iter_mut().zip(before).for_each(|(byte, before)| *byte ^= before);
        }
        let (fits, padding) = padding_of(blocks.last().expect("it is not empty"));
        if !bool::from(fits) {
            data.zeroize();
            return Err(CryptoError::Refused);
        }
        data.truncate(data.len() - usize::from(padding));
        Ok(data)
    }
}

/// Whether a last block is padded as it should be, and with how many bytes.
fn padding_of(block: &[u8; BLOCK]) -> (Choice, u8) {
    let padding = block[BLOCK - 1];
    let mut fits = !padding.ct_eq(&0) & padding.ct_lt(&(BLOCK as u8 + 1));
    for (at, byte) in block.iter().rev().enumerate() {
        let belongs = (at as u8).ct_lt(&padding);
        fits &= !belongs | byte.ct_eq(&padding);
    }
    (fits, u8::conditional_select(&0, &padding, fits))
}
