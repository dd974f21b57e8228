//! SM4 and GHASH with the wide registers of a processor that has them.
//!
//! *Invariant:* a [`Vector`] exists only where [`Vector::detect`] has seen every instruction that the code behind it
//! uses; that is what makes the calls into it sound.
//! *Invariant:* what it answers equals the portable path byte for byte; tests compare them for random lengths and
//! alignments. It reads no tables, and nothing but lengths decides a branch or an address.
//!
//! Deliberately absent: modes and their rules (`sm::sm4` has them for both paths), other processors' instructions.
#![allow(unsafe_code, reason = "loads, stores and calls that need instructions; see the SAFETY sentences")]

#[cfg(target_arch = "x86_64")]
mod ghash;
#[cfg(target_arch = "x86_64")]
mod sm4;

/// Proof that this processor can do what this module needs: AVX-512 (F, BW, VL), GFNI and VPCLMULQDQ.
#[derive(Clone, Copy, Debug)]
#[cfg(target_arch = "x86_64")]
pub(crate) struct Vector(());

#[cfg(target_arch = "x86_64")]
pub(crate) use ghash::HashKey;

#[cfg(target_arch = "x86_64")]
impl Vector {
    /// Asks the processor; the answer is remembered by the standard library.
    pub(crate) fn detect() -> Option<Self> {
        let all = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && std::arch::is_x86_feature_detected!("gfni")
            && std::arch::is_x86_feature_detected!("vpclmulqdq");
        all.then_some(Self(()))
    }

    /// The round keys of a key.
    pub(crate) fn expand(self, key: &[u8; 16]) -> [u32; 32] {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { sm4::expand(key) }
    }

    /// Enciphers blocks in place; with the keys in reverse, deciphers them.
    pub(crate) fn blocks(self, keys: &[u32; 32], blocks: &mut [[u8; 16]]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { sm4::blocks(keys, blocks) }
    }

    /// Adds the key stream of counter mode to the data. The last 32 bits of the first counter are counted, and wrap.
    pub(crate) fn counter_mode(self, keys: &[u32; 32], counter: &[u8; 16], data: &mut [u8]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { sm4::counter_mode(keys, counter, data) }
    }

    /// The powers of a hash key.
    pub(crate) fn hash_key(self, key: &[u8; 16]) -> HashKey {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { HashKey::new(key) }
    }

    /// GHASH of whole blocks, going on from `sum`, which is kept as GHASH would give it.
    pub(crate) fn hash_blocks(self, key: &HashKey, sum: &mut [u8; 16], blocks: &[[u8; 16]]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { key.absorb(sum, blocks) }
    }
}

/// On other processors there is none.
#[derive(Clone, Copy, Debug)]
#[cfg(not(target_arch = "x86_64"))]
pub(crate) enum Vector {}

/// On other processors there is none.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone)]
pub(crate) enum HashKey {}

#[cfg(not(target_arch = "x86_64"))]
impl Vector {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn expand(self, _: &[u8; 16]) -> [u32; 32] {
        match self {}
    }

    pub(crate) fn blocks(self, _: &[u32; 32], _: &mut [[u8; 16]]) {
        match self {}
    }

    pub(crate) fn counter_mode(self, _: &[u32; 32], _: &[u8; 16], _: &mut [u8]) {
        match self {}
    }

    pub(crate) fn hash_key(self, _: &[u8; 16]) -> HashKey {
        match self {}
    }

    pub(crate) fn hash_blocks(self, _: &HashKey, _: &mut [u8; 16], _: &[[u8; 16]]) {
        match self {}
    }
}
