//! Counter mode, GB/T 17964-2021, chapter 9.

use super::{BLOCK, KEY, Sm4};

/// SM4 in counter mode: secrecy alone. Anyone can change single bits unseen; prefer [`super::Sm4Gcm`].
#[derive(Clone, Debug)]
pub struct Sm4Ctr(Sm4);

impl Sm4Ctr {
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

    /// Enciphers or deciphers in place. `first` is the first counter block, counted as one number of 128 bits. A counter
    /// block must never serve twice under one key.
    pub fn apply(&self, first: &[u8; BLOCK], data: &mut [u8]) {
        let (mut counter, mut rest) = (u128::from_be_bytes(*first), data);
        while !rest.is_empty() {
            // The paths count 32 bits, so a carry beyond them begins a new piece.
            let until_carry = (1_u64 << 32) - u64::from(counter as u32);
            let most = usize::try_from(until_carry * BLOCK as u64).unwrap_or(usize::MAX);
            let (piece, after) = rest.split_at_mut(rest.len().min(most));
            self.0.add_stream_32(&counter.to_be_bytes(), piece);
            counter = counter.wrapping_add(u128::from(until_carry));
            rest = after;
        }
    }
}
