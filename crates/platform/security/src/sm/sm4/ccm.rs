//! Counter with CBC-MAC, NIST SP 800-38C and RFC 3610, with SM4 as RFC 8998 uses it: nonces of 12 bytes, tags of 16.

use subtle::ConstantTimeEq as _;

use super::{BLOCK, KEY, Sm4};
use crate::CryptoError;
use crate::provider::{Nonce, Tag};

/// Longest message in bytes: nonces of 12 bytes leave three bytes for the length.
const LONGEST: u64 = (1 << 24) - 1;
/// Longest additional data in bytes: the longest whose length is told in six bytes.
const LONGEST_AAD: u64 = (1 << 32) - 1;
/// Bytes that tell the length, less one, as the flags hold it.
const LENGTH_FLAG: u8 = 2;
/// The flags of a tag of 16 bytes.
const TAG_FLAG: u8 = 7 << 3;
/// The flag that says that there is additional data.
const AAD_FLAG: u8 = 1 << 6;

/// SM4-CCM. A nonce must never serve twice under one key. The tag is made block after block: [`super::Sm4Gcm`] is many
/// times faster.
#[derive(Clone, Debug)]
pub struct Sm4Ccm(Sm4);

impl Sm4Ccm {
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

    /// Enciphers in place and returns the tag.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`] beyond 2²⁴ − 1 bytes.
    pub fn seal_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Result<Tag, CryptoError> {
        check_lengths(aad, data)?;
        let tag = self.tag(nonce, aad, data);
        self.0.add_stream_32(&counter(nonce, 1), data);
        Ok(tag)
    }

    /// Deciphers in place and checks the tag. If it is refused, the data is what it was.
    ///
    /// # Errors
    /// [`CryptoError::Refused`] or [`CryptoError::TooLong`].
    pub fn open_in_place(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8], tag: &Tag) -> Result<(), CryptoError> {
        check_lengths(aad, data)?;
        self.0.add_stream_32(&counter(nonce, 1), data);
        if bool::from(self.tag(nonce, aad, data).ct_eq(tag)) {
            return Ok(());
        }
        self.0.add_stream_32(&counter(nonce, 1), data);
        Err(CryptoError::Refused)
    }

    fn tag(&self, nonce: &Nonce, aad: &[u8], plaintext: &[u8]) -> Tag {
        let mut chain = Chain { cipher: &self.0, sum: [0; BLOCK] };
        chain.block(&first_block(nonce, aad, plaintext));
        if !aad.is_empty() {
            // The length of the additional data stands before it and shares its first block.
            let (prefix, length) = aad_prefix(aad);
            let (head, rest) = aad.split_at(aad.len().min(BLOCK - length));
            let mut block = [0; BLOCK];
            block[..length].copy_from_slice(&prefix[..length]);
            block[length..length + head.len()].copy_from_slice(head);
            chain.block(&block);
            chain.part(rest);
        }
        chain.part(plaintext);
        let mask = self.0.encrypt(&counter(nonce, 0));
        std::array::from_fn(|at| chain.sum[at] ^ mask[at])
    }
}

/// CBC-MAC.
struct Chain<'a> {
    cipher: &'a Sm4,
    sum: [u8; BLOCK],
}

impl Chain<'_> {
    fn block(&mut self, block: &[u8; BLOCK]) {
        self.sum.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
        self.sum = self.cipher.encrypt(&self.sum);
    }

    /// A part, filled up to whole blocks with zeros.
    fn part(&mut self, part: &[u8]) {
        let (blocks, end) = part.as_chunks::<BLOCK>();
        blocks.iter().for_each(|block| self.block(block));
        if !end.is_empty() {
            let mut block = [0; BLOCK];
            block[..end.len()].copy_from_slice(end);
            self.block(&block);
        }
    }
}

fn check_lengths(aad: &[u8], data: &[u8]) -> Result<(), CryptoError> {
    let too_long = |what, got, most| if got > most { Err(CryptoError::TooLong { what, got, most }) } else { Ok(()) };
    too_long("message", data.len() as u64, LONGEST)?;
    too_long("additional data", aad.len() as u64, LONGEST_AAD)
}

fn framed(flags: u8, nonce: &Nonce, number: u32) -> [u8; BLOCK] {
    let mut block = [flags; BLOCK];
    block[1..13].copy_from_slice(nonce);
    block[13..].copy_from_slice(&number.to_be_bytes()[1..]);
    block
}

fn counter(nonce: &Nonce, count: u32) -> [u8; BLOCK] {
    framed(LENGTH_FLAG, nonce, count)
}

fn first_block(nonce: &Nonce, aad: &[u8], plaintext: &[u8]) -> [u8; BLOCK] {
    let flags = LENGTH_FLAG | TAG_FLAG | if aad.is_empty() { 0 } else { AAD_FLAG };
    framed(flags, nonce, plaintext.len() as u32)
}

/// How the length of the additional data is told: in two bytes, or in four after a mark of two.
fn aad_prefix(aad: &[u8]) -> ([u8; 6], usize) {
    let length = (aad.len() as u32).to_be_bytes();
    if aad.len() < 0xff00 {
        ([length[2], length[3], 0, 0, 0, 0], 2)
    } else {
        ([0xff, 0xfe, length[0], length[1], length[2], length[3]], 6)
    }
}
