//! SM4, GB/T 32907-2016: the block cipher and its modes.
//!
//! Two paths compute the same: one with the processor's wide registers (`vector`), one for every processor (`sliced`).
//! [`Sm4::new`] takes the first where it can. Neither reads tables; neither branches on keys or data.

mod cbc;
mod ccm;
mod ctr;
pub(crate) mod field;
mod gcm;
pub(crate) mod schedule;
mod sliced;
#[cfg(test)]
mod tests;

use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::vector::Vector;

pub use cbc::Sm4Cbc;
pub use ccm::Sm4Ccm;
pub use ctr::Sm4Ctr;
pub use gcm::Sm4Gcm;

/// Bytes of a block.
pub const BLOCK: usize = 16;
/// Bytes of a key.
pub const KEY: usize = 16;
/// Rounds of the cipher.
pub(crate) const ROUNDS: usize = 32;

/// Which code computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// For every processor: bits in machine words, no tables.
    Portable,
    /// GFNI, AVX-512 and carry-less multiplication.
    Vector,
}

/// A key of the block cipher, ready for use. Its memory is wiped at the end.
#[derive(Clone)]
pub struct Sm4(Engine);

#[derive(Clone)]
enum Engine {
    Portable(Box<sliced::Sliced>),
    Vector(Vector, Zeroizing<[u32; ROUNDS]>),
}

impl ZeroizeOnDrop for Sm4 {}

impl std::fmt::Debug for Sm4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sm4").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Sm4 {
    /// Prepares a key, on the fastest path that this processor has.
    #[must_use]
    pub fn new(key: &[u8; KEY]) -> Self {
        match Vector::detect() {
            Some(vector) => Self(Engine::Vector(vector, Zeroizing::new(vector.expand(key)))),
            None => Self::portable(key),
        }
    }

    /// Prepares a key on the portable path, for comparison.
    #[must_use]
    pub fn portable(key: &[u8; KEY]) -> Self {
        let mut keys = sliced::expand(key);
        let sliced = Box::new(sliced::Sliced::new(&keys));
        keys.zeroize();
        Self(Engine::Portable(sliced))
    }

    /// The path that this key takes.
    #[must_use]
    pub fn path(&self) -> Path {
        match self.0 {
            Engine::Portable(_) => Path::Portable,
            Engine::Vector(..) => Path::Vector,
        }
    }

    /// Enciphers blocks one by one in place (no mode; for modes and tests).
    pub fn encrypt_blocks(&self, blocks: &mut [[u8; BLOCK]]) {
        match &self.0 {
            Engine::Portable(sliced) => blocks.chunks_mut(sliced::AT_ONCE).for_each(|some| sliced.pass(some, false)),
            Engine::Vector(vector, keys) => vector.blocks(keys, blocks),
        }
    }

    /// Deciphers blocks one by one in place.
    pub fn decrypt_blocks(&self, blocks: &mut [[u8; BLOCK]]) {
        match &self.0 {
            Engine::Portable(sliced) => blocks.chunks_mut(sliced::AT_ONCE).for_each(|some| sliced.pass(some, true)),
            Engine::Vector(vector, keys) => {
                let mut backwards = keys.clone();
                backwards.reverse();
                vector.blocks(&backwards, blocks);
            }
        }
    }

    /// One block.
    pub(super) fn encrypt(&self, block: &[u8; BLOCK]) -> [u8; BLOCK] {
        let mut block = *block;
        self.encrypt_blocks(std::array::from_mut(&mut block));
        block
    }

    /// The vector path, if this key takes it.
    fn vector(&self) -> Option<Vector> {
        match self.0 {
            Engine::Portable(_) => None,
            Engine::Vector(vector, _) => Some(vector),
        }
    }

    /// Adds the key stream whose counters are the last 32 bits of `counter` and those after it; they wrap at 2³².
    fn add_stream_32(&self, counter: &[u8; BLOCK], data: &mut [u8]) {
        match &self.0 {
            Engine::Vector(vector, keys) => vector.counter_mode(keys, counter, data),
            Engine::Portable(sliced) => {
                let (mut block, mut next) =
                    (*counter, u32::from_be_bytes([counter[12], counter[13], counter[14], counter[15]]));
                for some in data.chunks_mut(sliced::AT_ONCE * BLOCK) {
                    let mut stream = [[0; BLOCK]; sliced::AT_ONCE];
                    for place in &mut stream {
                        block[12..].copy_from_slice(&next.to_be_bytes());
                        *place = block;
                        next = next.wrapping_add(1);
                    }
                    sliced.pass(&mut stream[..some.len().div_ceil(BLOCK)], false);
                    some.iter_mut().zip(stream.as_flattened()).for_each(|(byte, key)| *byte ^= key);
                    stream.zeroize();
                }
            }
        }
    }
}
