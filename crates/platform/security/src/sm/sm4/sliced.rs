//! SM4 without tables, for every processor: sixteen blocks at a time, one machine word for each bit.
//!
//! *Invariant:* constant time. No branch and no address depends on key or data: the code below consists of `&`, `^`,
//! shifts and rotations by fixed amounts on `u64`, and loops with fixed counts. The S-box is computed (see `field`).
//!
//! A word of the cipher (32 bits) of sixteen blocks is held in eight planes. Plane i holds bit i of each of its bytes:
//! bit 16·byte + block, where byte 0 is the least significant one. So one pass through the S-box serves 64 bytes, and a
//! rotation of the cipher's words by 8n is a rotation of the planes by 16n.

use zeroize::{Zeroize as _, Zeroizing};

use super::field::{AFFINE_CONSTANT, LAMBDA, Map, TOWER_IN, TOWER_OUT, multiply_16};
use super::schedule::{FAMILY_KEY, parameter};
use super::{BLOCK, ROUNDS};

/// Blocks that one pass takes.
pub(super) const AT_ONCE: usize = 16;

/// Bit i of every byte.
type Planes = [u64; 8];

// ---------------------------------------------------------------- the S-box

/// Applies a linear map of N bits. The map is a constant, so only its exclusive-ors remain.
#[inline(always)]
fn linear<const N: usize>(map: &[u8; N], input: &[u64; N]) -> [u64; N] {
    let mut output = [0; N];
    for (image, plane) in map.iter().zip(input) {
        for (bit, sum) in output.iter_mut().enumerate() {
            if image >> bit & 1 == 1 {
                *sum ^= plane;
            }
        }
    }
    output
}

#[inline(always)]
fn add<const N: usize>(left: [u64; N], right: [u64; N]) -> [u64; N] {
    std::array::from_fn(|at| left[at] ^ right[at])
}

#[inline(always)]
fn multiply_planes_4(left: [u64; 2], right: [u64; 2]) -> [u64; 2] {
    let (low, high) = (left[0] & right[0], left[1] & right[1]);
    let both = (left[0] ^ left[1]) & (right[0] ^ right[1]);
    [low ^ high, both ^ low]
}

/// Lower and upper half.
#[inline(always)]
fn halves_4(all: [u64; 4]) -> ([u64; 2], [u64; 2]) {
    ([all[0], all[1]], [all[2], all[3]])
}

#[inline(always)]
fn join_4(low: [u64; 2], high: [u64; 2]) -> [u64; 4] {
    [low[0], low[1], high[0], high[1]]
}

/// Times w, the number 2 of GF(4).
#[inline(always)]
fn times_w(all: [u64; 2]) -> [u64; 2] {
    [all[1], all[0] ^ all[1]]
}

/// In GF(4) the square is the inverse as well.
#[inline(always)]
fn square_4(all: [u64; 2]) -> [u64; 2] {
    [all[0] ^ all[1], all[1]]
}

#[inline(always)]
fn multiply_planes_16(left: [u64; 4], right: [u64; 4]) -> [u64; 4] {
    let ((left_low, left_high), (right_low, right_high)) = (halves_4(left), halves_4(right));
    let low = multiply_planes_4(left_low, right_low);
    let high = multiply_planes_4(left_high, right_high);
    let both = multiply_planes_4(add(left_low, left_high), add(right_low, right_high));
    join_4(add(low, times_w(high)), add(both, low))
}

/// One over (h·v + l): with the norm n = h²·w + h·l + l² it is (h/n)·v + (h + l)/n.
#[inline(always)]
fn invert_16(all: [u64; 4]) -> [u64; 4] {
    let (low, high) = halves_4(all);
    let sum = add(low, high);
    let norm = add(times_w(square_4(high)), multiply_planes_4(low, sum));
    let inverse = square_4(norm);
    join_4(multiply_planes_4(sum, inverse), multiply_planes_4(high, inverse))
}

/// The map x → λ·x² of GF(16), which is linear.
const SQUARE_LAMBDA: [u8; 4] = {
    let (mut map, mut bit) = ([0; 4], 0);
    while bit < 4 {
        map[bit] = multiply_16(multiply_16(1 << bit, 1 << bit), LAMBDA);
        bit += 1;
    }
    map
};

/// One over (h·u + l) in the tower field, zero for zero.
#[inline(always)]
fn invert(all: Planes) -> Planes {
    let [l0, l1, l2, l3, h0, h1, h2, h3] = all;
    let (low, high) = ([l0, l1, l2, l3], [h0, h1, h2, h3]);
    let sum = add(low, high);
    let norm = add(linear(&SQUARE_LAMBDA, &high), multiply_planes_16(low, sum));
    let inverse = invert_16(norm);
    let ([l0, l1, l2, l3], [h0, h1, h2, h3]) = (multiply_planes_16(sum, inverse), multiply_planes_16(high, inverse));
    [l0, l1, l2, l3, h0, h1, h2, h3]
}

/// All ones where the bit of the constant is set.
#[inline(always)]
fn add_constant(planes: Planes, constant: u8) -> Planes {
    std::array::from_fn(|bit| if constant >> bit & 1 == 1 { !planes[bit] } else { planes[bit] })
}

#[inline(always)]
fn substitute(planes: Planes) -> Planes {
    const IN: Map = TOWER_IN.0;
    let inside = add_constant(linear(&IN, &planes), TOWER_IN.1);
    add_constant(linear(&TOWER_OUT, &invert(inside)), AFFINE_CONSTANT)
}

// ---------------------------------------------------------------- rounds

/// The linear map t ⊕ t⋘2 ⊕ t⋘10 ⊕ t⋘18 ⊕ t⋘24 of the data rounds. The rotations by 2, 10 and 18 read the same plane.
#[inline(always)]
fn spread(planes: Planes) -> Planes {
    std::array::from_fn(|bit| {
        let source = planes[(bit + 6) % 8].rotate_left(if bit < 2 { 16 } else { 0 });
        planes[bit] ^ planes[bit].rotate_left(48) ^ source ^ source.rotate_left(16) ^ source.rotate_left(32)
    })
}

#[inline(always)]
fn round(state: &mut [Planes; 4], at: usize, key: &Planes) {
    let mut mixed = *key;
    for other in 1..4 {
        mixed = add(mixed, state[(at + other) % 4]);
    }
    state[at] = add(state[at], spread(substitute(mixed)));
}

/// A key schedule in planes, so that a round key is added to sixteen blocks at once.
#[derive(Clone)]
pub(crate) struct Sliced {
    keys: Zeroizing<[Planes; ROUNDS]>,
}

impl Sliced {
    pub(super) fn new(keys: &[u32; ROUNDS]) -> Self {
        Self { keys: Zeroizing::new(keys.map(repeat)) }
    }

    /// Enciphers up to sixteen blocks in place, or deciphers them: the same with the keys in reverse.
    pub(super) fn pass(&self, blocks: &mut [[u8; BLOCK]], backwards: bool) {
        assert!(blocks.len() <= AT_ONCE, "one pass takes sixteen blocks");
        let mut state = std::array::from_fn(|word| gather(blocks, word));
        for step in 0..ROUNDS {
            let key = if backwards { ROUNDS - 1 - step } else { step };
            round(&mut state, step % 4, &self.keys[key]);
        }
        // The last step of the standard reverses the four words.
        for (word, planes) in state.iter().rev().enumerate() {
            scatter(planes, blocks, word);
        }
    }
}

/// A word for each of sixteen blocks.
fn repeat(word: u32) -> Planes {
    std::array::from_fn(|bit| {
        let bytes = (word >> bit) & 0x0101_0101;
        (0..4).fold(0, |plane, byte| plane | (u64::from(bytes >> (8 * byte) & 1) * 0xffff) << (16 * byte))
    })
}

/// Turns eight bytes around: bit j of byte i becomes bit i of byte j.
#[inline(always)]
fn transpose(mut square: u64) -> u64 {
    for (shift, mask) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let swap = (square ^ square >> shift) & mask;
        square ^= swap ^ swap << shift;
    }
    square
}

/// The planes of one word of the blocks, which stand there with their most significant byte first.
#[inline(always)]
fn gather(blocks: &[[u8; BLOCK]], word: usize) -> Planes {
    let mut planes = [0; 8];
    for byte in 0..4 {
        for (eight, blocks) in blocks.chunks(8).enumerate() {
            let column = blocks.iter().enumerate();
            let bytes = column.fold(0, |sum, (at, block)| sum | u64::from(block[4 * word + 3 - byte]) << (8 * at));
            let bits = transpose(bytes).to_le_bytes();
            for (plane, bits) in planes.iter_mut().zip(bits) {
                *plane |= u64::from(bits) << (16 * byte + 8 * eight);
            }
        }
    }
    planes
}

/// The way back.
#[inline(always)]
fn scatter(planes: &Planes, blocks: &mut [[u8; BLOCK]], word: usize) {
    for byte in 0..4 {
        for (eight, blocks) in blocks.chunks_mut(8).enumerate() {
            let bits = planes.map(|plane| (plane >> (16 * byte + 8 * eight)) as u8);
            let bytes = transpose(u64::from_le_bytes(bits)).to_le_bytes();
            for (block, byte_of) in blocks.iter_mut().zip(bytes) {
                block[4 * word + 3 - byte] = byte_of;
            }
        }
    }
}

// ---------------------------------------------------------------- the key schedule

/// The round keys of a key, by the same S-box.
pub(super) fn expand(key: &[u8; BLOCK]) -> [u32; ROUNDS] {
    let mut words: [u32; 4] = std::array::from_fn(|at| word_of(key, at) ^ FAMILY_KEY[at]);
    let mut keys = [0; ROUNDS];
    for (step, round_key) in keys.iter_mut().enumerate() {
        let mixed = words[1] ^ words[2] ^ words[3] ^ parameter(step);
        let mixed = substitute_word(mixed);
        *round_key = words[0] ^ mixed ^ mixed.rotate_left(13) ^ mixed.rotate_left(23);
        words = [words[1], words[2], words[3], *round_key];
    }
    words.zeroize();
    keys
}

fn word_of(bytes: &[u8; BLOCK], at: usize) -> u32 {
    u32::from_be_bytes([bytes[4 * at], bytes[4 * at + 1], bytes[4 * at + 2], bytes[4 * at + 3]])
}

/// The S-box on the four bytes of a word: planes of which four bits are used.
fn substitute_word(word: u32) -> u32 {
    let planes = substitute(std::array::from_fn(|bit| u64::from(word >> bit & 0x0101_0101)));
    planes.iter().enumerate().fold(0, |word, (bit, plane)| word | (*plane as u32 & 0x0101_0101) << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_square_is_its_mirror() {
        let square = 0x0102_0408_1020_4081_u64;
        let bit = |square: u64, row: usize, column: usize| square >> (8 * row + column) & 1;
        for (row, column) in (0..8).flat_map(|row| (0..8).map(move |column| (row, column))) {
            assert_eq!(bit(square, row, column), bit(transpose(square), column, row));
        }
    }

    #[test]
    fn what_is_gathered_is_scattered_again() {
        for count in [1, 7, 8, 9, 16] {
            let blocks: Vec<[u8; BLOCK]> =
                (0..count).map(|block| std::array::from_fn(|at| (31 * block + 7 * at) as u8)).collect();
            let mut again = vec![[0; BLOCK]; count];
            for word in 0..4 {
                scatter(&gather(&blocks, word), &mut again, word);
            }
            assert_eq!(blocks, again);
        }
    }
}
