//! Encryption of files in place: XTS (IEEE 1619, GB/T 17964-2021) with data units of one block.
//!
//! A block is enciphered by itself and by its place, so that any block can be read and written alone, and the same bytes
//! at two places look different. What XTS does not do: it hides, and proves nothing. Whoever can write to the disk can
//! turn a block into noise or back into what stood there before; checksums, chains of hashes and the evidence log tell.
//!
//! *Invariant:* a block of zeros stays a block of zeros, either way. Room that was made ahead stays recognisable, and
//! that a place is empty is no secret. No other block becomes zeros but with a chance of 2⁻¹²⁸.

use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use zeroize::Zeroizing;

use crate::sm::sm4::Sm4;

/// Bytes of a block.
pub const BLOCK: usize = 16;
/// A block.
pub type Block = [u8; BLOCK];
/// Blocks whose tweaks are made at once.
const AT_ONCE: usize = 64;

/// The ciphers that files are encrypted with; the numbers stand in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FileCipher {
    /// SM4: two keys of 128 bits.
    Sm4Xts = 0x0203,
    /// AES: two keys of 256 bits.
    Aes256Xts = 0x0204,
}

impl FileCipher {
    /// The cipher of a number, if it has one.
    #[must_use]
    pub const fn of_number(number: u16) -> Option<Self> {
        match number {
            0x0203 => Some(Self::Sm4Xts),
            0x0204 => Some(Self::Aes256Xts),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

enum Cipher {
    Sm4(Sm4),
    Aes(Box<aes::Aes256>),
}

impl Cipher {
    fn encrypt(&self, blocks: &mut [Block]) {
        match self {
            Self::Sm4(cipher) => cipher.encrypt_blocks(blocks),
            Self::Aes(cipher) => cipher.encrypt_blocks(aes::Block::cast_slice_from_core_mut(blocks)),
        }
    }

    fn decrypt(&self, blocks: &mut [Block]) {
        match self {
            Self::Sm4(cipher) => cipher.decrypt_blocks(blocks),
            Self::Aes(cipher) => cipher.decrypt_blocks(aes::Block::cast_slice_from_core_mut(blocks)),
        }
    }
}

/// A key of a file cipher, ready for use.
pub struct Xts {
    cipher: FileCipher,
    data: Cipher,
    tweak: Cipher,
}

impl std::fmt::Debug for Xts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Xts").field("cipher", &self.cipher).finish_non_exhaustive()
    }
}

impl Xts {
    /// Prepares the two keys that belong to `secret`: they are derived from it (HKDF with SHA-256), so that they differ,
    /// which XTS asks for, and serve nothing else.
    #[must_use]
    pub fn new(cipher: FileCipher, secret: &[u8; 32]) -> Self {
        let mut keys = Zeroizing::new([0; 64]);
        let info: &[u8] = match cipher {
            FileCipher::Sm4Xts => b"heng file key SM4-XTS",
            FileCipher::Aes256Xts => b"heng file key AES-256-XTS",
        };
        let derived = hkdf::Hkdf::<sha2::Sha256>::new(None, secret).expand(info, keys.as_mut());
        derived.expect("64 bytes are fewer than HKDF gives");
        let (data, tweak) = keys.split_at(32);
        let one = |key: &[u8]| match cipher {
            FileCipher::Sm4Xts => Cipher::Sm4(Sm4::new(key.first_chunk().expect("half of 64 bytes"))),
            FileCipher::Aes256Xts => Cipher::Aes(Box::new(aes::Aes256::new_from_slice(key).expect("half of 64 bytes"))),
        };
        Self { cipher, data: one(data), tweak: one(tweak) }
    }

    /// The cipher.
    #[must_use]
    pub const fn cipher(&self) -> FileCipher {
        self.cipher
    }

    /// Enciphers blocks in place; the first has the number `first` in the file called `salt`.
    pub fn seal(&self, salt: u64, first: u64, blocks: &mut [Block]) {
        self.each(salt, first, blocks, Cipher::encrypt);
    }

    /// Deciphers blocks in place.
    pub fn open(&self, salt: u64, first: u64, blocks: &mut [Block]) {
        self.each(salt, first, blocks, Cipher::decrypt);
    }

    fn each(&self, salt: u64, first: u64, blocks: &mut [Block], turn: impl Fn(&Cipher, &mut [Block])) {
        let mut number = first;
        for some in blocks.chunks_mut(AT_ONCE) {
            let (mut tweaks, mut empty) = ([[0; BLOCK]; AT_ONCE], [false; AT_ONCE]);
            for ((tweak, block), is_empty) in tweaks.iter_mut().zip(&*some).zip(&mut empty) {
                tweak[..8].copy_from_slice(&number.to_le_bytes());
                tweak[8..].copy_from_slice(&salt.to_le_bytes());
                *is_empty = *block == [0; BLOCK];
                number += 1;
            }
            let tweaks = &mut tweaks[..some.len()];
            self.tweak.encrypt(tweaks);
            add(some, tweaks);
            turn(&self.data, some);
            add(some, tweaks);
            some.iter_mut().zip(empty).filter(|(_, is_empty)| *is_empty).for_each(|(block, _)| *block = [0; BLOCK]);
        }
    }
}

fn add(blocks: &mut [Block], tweaks: &[Block]) {
    for (block, tweak) in blocks.iter_mut().zip(tweaks) {
        *block = (u128::from_ne_bytes(*block) ^ u128::from_ne_bytes(*tweak)).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    #[test]
    fn blocks_come_back_alone_and_together() {
        for cipher in [FileCipher::Sm4Xts, FileCipher::Aes256Xts] {
            let xts = Xts::new(cipher, &SECRET);
            let plain: Vec<Block> = (0..200_u128).map(|number| (number * 3 + 1).to_le_bytes()).collect();
            let mut sealed = plain.clone();
            xts.seal(9, 1_000, &mut sealed);
            assert!(plain.iter().zip(&sealed).all(|(plain, sealed)| plain != sealed));
            for (number, block) in (1_000..).zip(&sealed) {
                let mut one = [*block];
                xts.open(9, number, &mut one);
                assert_eq!(one[0], plain[usize::try_from(number).unwrap() - 1_000], "{cipher:?} {number}");
            }
            xts.open(9, 1_000, &mut sealed);
            assert_eq!(sealed, plain);
        }
    }

    #[test]
    fn equal_blocks_look_different_at_other_places_files_and_keys() {
        let sealed = |cipher, secret: &[u8; 32], salt, first| {
            let mut block = [[5; BLOCK]];
            Xts::new(cipher, secret).seal(salt, first, &mut block);
            block[0]
        };
        let all = [
            sealed(FileCipher::Sm4Xts, &SECRET, 1, 1),
            sealed(FileCipher::Sm4Xts, &SECRET, 1, 2),
            sealed(FileCipher::Sm4Xts, &SECRET, 2, 1),
            sealed(FileCipher::Sm4Xts, &[8; 32], 1, 1),
            sealed(FileCipher::Aes256Xts, &SECRET, 1, 1),
        ];
        let different: std::collections::BTreeSet<Block> = all.into_iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn empty_blocks_stay_empty() {
        let xts = Xts::new(FileCipher::Sm4Xts, &SECRET);
        let mut blocks = [[0; BLOCK], [1; BLOCK], [0; BLOCK]];
        xts.seal(0, 0, &mut blocks);
        assert_eq!((blocks[0], blocks[2]), ([0; BLOCK], [0; BLOCK]));
        assert_ne!(blocks[1], [0; BLOCK]);
        xts.open(0, 0, &mut blocks);
        assert_eq!(blocks, [[0; BLOCK], [1; BLOCK], [0; BLOCK]]);
    }

    /// The construction itself, against AES one block at a time.
    #[test]
    fn it_is_xts_with_units_of_one_block() {
        let mut keys = [0; 64];
        hkdf::Hkdf::<sha2::Sha256>::new(None, &SECRET).expand(b"heng file key AES-256-XTS", &mut keys).unwrap();
        let (data, tweak) =
            (aes::Aes256::new_from_slice(&keys[..32]).unwrap(), aes::Aes256::new_from_slice(&keys[32..]).unwrap());
        let mut place: aes::Block = ((77_u128 << 64) | 5).to_le_bytes().into();
        tweak.encrypt_block(&mut place);
        let mut expected: aes::Block = std::array::from_fn::<u8, 16, _>(|at| 42 ^ place[at]).into();
        data.encrypt_block(&mut expected);
        let expected: Block = std::array::from_fn(|at| expected[at] ^ place[at]);
        let mut block = [[42; BLOCK]];
        Xts::new(FileCipher::Aes256Xts, &SECRET).seal(77, 5, &mut block);
        assert_eq!(block[0], expected);
    }
}
