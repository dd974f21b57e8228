//! Galois/counter mode, NIST SP 800-38D, with SM4 as RFC 8998 uses it: nonces of 12 bytes, tags of 16.

use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use subtle::ConstantTimeEq as _;

use super::{BLOCK, KEY, Sm4};
use crate::CryptoError;
use crate::provider::{Nonce, Tag};
use crate::vector::{HashKey, Vector};

/// Longest message in bytes: the counter has 32 bits, of which two values are taken (SP 800-38D, 5.2.1.1).
pub(super) const LONGEST: u64 = (1 << 36) - 32;
/// Longest additional data in bytes that this code takes.
const LONGEST_AAD: u64 = 1 << 36;
/// What is enciphered and hashed in one go, small enough to stay in the nearest cache.
const PIECE: usize = 4096;
/// Blocks that are hashed at once.
const HASHED: usize = 64;

/// SM4-GCM. A nonce must never serve twice under one key.
#[derive(Clone)]
pub struct Sm4Gcm {
    cipher: Sm4,
    key: HashOf,
}

#[derive(Clone)]
enum HashOf {
    Portable(Box<GHash>),
    Vector(Vector, Box<HashKey>),
}

impl std::fmt::Debug for Sm4Gcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sm4Gcm").field("cipher", &self.cipher).finish_non_exhaustive()
    }
}

impl Sm4Gcm {
    /// Prepares a key.
    #[must_use]
    pub fn new(key: &[u8; KEY]) -> Self {
        Self::with(Sm4::new(key))
    }

    /// The same with a prepared cipher.
    #[must_use]
    #[cfg_attr(not(target_arch = "x86_64"), allow(unreachable_code, reason = "there is no vector path"))]
    pub fn with(cipher: Sm4) -> Self {
        let hash_key = zeroize::Zeroizing::new(cipher.encrypt(&[0; BLOCK]));
        let key = match cipher.vector() {
            Some(vector) => HashOf::Vector(vector, Box::new(vector.hash_key(&hash_key))),
            None => HashOf::Portable(Box::new(GHash::new(&(*hash_key).into()))),
        };
        Self { cipher, key }
    }

    /// Enciphers in place and returns the tag.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`] beyond 2³⁶ − 32 bytes.
    pub fn seal_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Result<Tag, CryptoError> {
        check_lengths(aad, data)?;
        let mut hashing = Hashing::new(&self.key);
        hashing.update(aad);
        let mut counter = 2;
        for piece in data.chunks_mut(PIECE) {
            self.cipher.add_stream_32(&block(nonce, counter), piece);
            hashing.update(piece);
            counter = counter.wrapping_add((PIECE / BLOCK) as u32);
        }
        Ok(self.tag(nonce, hashing, aad, data))
    }

    /// Checks the tag, then deciphers in place. If it is refused, the data stays as it was.
    ///
    /// # Errors
    /// [`CryptoError::Refused`] or [`CryptoError::TooLong`].
    pub fn open_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8], tag: &Tag) -> Result<(), CryptoError> {
        check_lengths(aad, data)?;
        let mut hashing = Hashing::new(&self.key);
        hashing.update(aad);
        hashing.update(data);
        if !bool::from(self.tag(nonce, hashing, aad, data).ct_eq(tag)) {
            return Err(CryptoError::Refused);
        }
        self.cipher.add_stream_32(&block(nonce, 2), data);
        Ok(())
    }

    fn tag(&self, nonce: &Nonce, mut hashing: Hashing<'_>, aad: &[u8], data: &[u8]) -> Tag {
        let bits = u128::from(aad.len() as u64 * 8) << 64 | u128::from(data.len() as u64 * 8);
        hashing.update(&bits.to_be_bytes());
        let (sum, mask) = (hashing.finish(), self.cipher.encrypt(&block(nonce, 1)));
        std::array::from_fn(|at| sum[at] ^ mask[at])
    }
}

fn check_lengths(aad: &[u8], data: &[u8]) -> Result<(), CryptoError> {
    let too_long = |what, got, most| if got > most { Err(CryptoError::TooLong { what, got, most }) } else { Ok(()) };
    too_long("message", data.len() as u64, LONGEST)?;
    too_long("additional data", aad.len() as u64, LONGEST_AAD)
}

/// A counter block.
fn block(nonce: &Nonce, counter: u32) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..nonce.len()].copy_from_slice(nonce);
    block[nonce.len()..].copy_from_slice(&counter.to_be_bytes());
    block
}

/// GHASH of parts, each filled up to whole blocks with zeros; short parts wait, so that they share a reduction.
struct Hashing<'a> {
    key: &'a HashOf,
    sum: [u8; BLOCK],
    waiting: [[u8; BLOCK]; HASHED],
    count: usize,
}

impl<'a> Hashing<'a> {
    fn new(key: &'a HashOf) -> Self {
        Self { key, sum: [0; BLOCK], waiting: [[0; BLOCK]; HASHED], count: 0 }
    }

    fn update(&mut self, part: &[u8]) {
        let (blocks, end) = part.as_chunks::<BLOCK>();
        let rest = self.absorb_many(blocks);
        if self.count + rest.len() + 1 > HASHED {
            self.flush();
        }
        self.waiting[self.count..self.count + rest.len()].copy_from_slice(rest);
        self.count += rest.len();
        if !end.is_empty() {
            self.waiting[self.count] = [0; BLOCK];
            self.waiting[self.count][..end.len()].copy_from_slice(end);
            self.count += 1;
        }
    }

    /// Takes what comes in great numbers without a copy; returns fewer than 64 blocks that are left.
    fn absorb_many<'b>(&mut self, blocks: &'b [[u8; BLOCK]]) -> &'b [[u8; BLOCK]] {
        if blocks.len() < HASHED {
            return blocks;
        }
        self.flush();
        let (many, rest) = blocks.split_at(blocks.len() - blocks.len() % HASHED);
        absorb(self.key, &mut self.sum, many);
        rest
    }

    fn flush(&mut self) {
        absorb(self.key, &mut self.sum, &self.waiting[..self.count]);
        self.count = 0;
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.flush();
        self.sum
    }
}

fn absorb(key: &HashOf, sum: &mut [u8; BLOCK], blocks: &[[u8; BLOCK]]) {
    let Some((first, others)) = blocks.split_first() else { return };
    match key {
        HashOf::Vector(vector, key) => vector.hash_blocks(key, sum, blocks),
        HashOf::Portable(hash) => {
            // The crate begins at zero; going on from a sum is the same as adding it to the first block.
            let mut hash = hash.as_ref().clone();
            let first: [u8; BLOCK] = std::array::from_fn(|at| first[at] ^ sum[at]);
            hash.update(&[first.into()]);
            for block in others {
                hash.update(&[(*block).into()]);
            }
            *sum = hash.finalize().into();
        }
    }
}
