//! Hashes of state and events.
//!
//! A *state hash* covers every table in canonical order with SHA-256; it is computed on demand and compared among
//! replicas, versions and restarts. An *event digest* is a running 128-bit hash over the bytes of all events so far;
//! the core keeps it at all times, so that a snapshot can be checked at any sequence without stopping the core.

use sha2::{Digest as _, Sha256};

use crate::wire::{Wire, Writer};

/// Bytes collected before they are hashed: large enough that hashing runs at memory speed.
const CHUNK: usize = 1 << 16;

/// Hashes canonical bytes of state.
pub struct StateHasher {
    sha: Sha256,
    pending: Writer,
}

impl Default for StateHasher {
    fn default() -> Self {
        Self { sha: Sha256::new(), pending: Writer::with_capacity(CHUNK + 1024) }
    }
}

impl StateHasher {
    /// Adds one value.
    pub fn add<T: Wire>(&mut self, value: &T) {
        value.put(&mut self.pending);
        if self.pending.len() >= CHUNK {
            self.flush();
        }
    }

    /// Adds bytes, length first.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(&(bytes.len() as u64));
        self.flush();
        self.sha.update(bytes);
    }

    fn flush(&mut self) {
        self.sha.update(self.pending.bytes());
        self.pending.clear();
    }

    /// The hash of all that was added.
    #[must_use]
    pub fn finish(mut self) -> [u8; 32] {
        self.flush();
        self.sha.finalize().into()
    }
}

/// SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The running digest of all events up to a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventDigest(pub u128);

impl EventDigest {
    /// Continues the digest over the event bytes of one command.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        let low = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0 as u64);
        let high = (self.0 >> 64) as u64;
        let mixed = (high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_add(low);
        self.0 = u128::from(mixed) << 64 | u128::from(low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_depends_on_order_and_content() {
        let run = |parts: &[&[u8]]| {
            let mut digest = EventDigest::default();
            parts.iter().for_each(|p| digest.extend(p));
            digest
        };
        assert_ne!(run(&[b"a", b"b"]), run(&[b"b", b"a"]));
        assert_ne!(run(&[b"ab"]), run(&[b"a", b"b"]));
        assert_eq!(run(&[b"a", b"b"]), run(&[b"a", b"b"]));
    }
}
