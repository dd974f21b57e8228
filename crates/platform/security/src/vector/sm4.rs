//! SM4 on sixteen blocks in four registers, register i holding word i of each; up to four such groups are interleaved,
//! because one alone waits for its own results.
//!
//! The S-box is two instructions: GFNI's affine map into the field of AES, then its inverse followed by an affine map
//! back (`sm::sm4::field` has the constants).

use core::arch::x86_64::{
    __m512i, _mm_cvtsi128_si32, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_gf2p8affine_epi64_epi8,
    _mm512_gf2p8affineinv_epi64_epi8, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set_epi32, _mm512_set_epi64,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_shuffle_epi8, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use crate::sm::sm4::field::{AES_IN, AES_OUT, AFFINE_CONSTANT};
use crate::sm::sm4::schedule::{FAMILY_KEY, parameter};

/// Blocks in a group.
const GROUP: usize = 16;
/// Bytes in a group.
const GROUP_BYTES: usize = 16 * GROUP;
/// Groups that are interleaved.
const GROUPS: usize = 4;
/// The truth table of a ⊕ b ⊕ c.
const XOR3: i32 = 0x96;

/// Word i of each of sixteen blocks.
type Words = [__m512i; 4];

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn substitute(word: __m512i) -> __m512i {
    const IN_CONSTANT: i32 = AES_IN.1;
    const OUT_CONSTANT: i32 = AFFINE_CONSTANT as i32;
    let inside = _mm512_gf2p8affine_epi64_epi8::<IN_CONSTANT>(word, _mm512_set1_epi64(AES_IN.0));
    _mm512_gf2p8affineinv_epi64_epi8::<OUT_CONSTANT>(inside, _mm512_set1_epi64(AES_OUT))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<XOR3>(a, b, c)
}

/// One round of one group: word `at` is replaced. The word that came last waits longest, so it is added last.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn round(words: &mut Words, at: usize, key: u32) {
    let others = xor3(words[(at + 1) % 4], words[(at + 2) % 4], _mm512_set1_epi32(key.cast_signed()));
    let mixed = substitute(_mm512_xor_si512(others, words[(at + 3) % 4]));
    let near = xor3(mixed, _mm512_rol_epi32::<2>(mixed), _mm512_rol_epi32::<10>(mixed));
    let far = xor3(words[at], _mm512_rol_epi32::<18>(mixed), _mm512_rol_epi32::<24>(mixed));
    words[at] = _mm512_xor_si512(near, far);
}

/// All rounds of all groups. A macro, because a function would keep the state in memory.
macro_rules! rounds {
    ($state:expr, $keys:expr) => {
        for four in $keys.as_chunks::<4>().0 {
            $state.iter_mut().for_each(|words| round(words, 0, four[0]));
            $state.iter_mut().for_each(|words| round(words, 1, four[1]));
            $state.iter_mut().for_each(|words| round(words, 2, four[2]));
            $state.iter_mut().for_each(|words| round(words, 3, four[3]));
        }
    };
}

/// Reverses the bytes of every word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn swap_bytes(words: __m512i) -> __m512i {
    let (high, low) = (0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm512_shuffle_epi8(words, _mm512_set_epi64(high, low, high, low, high, low, high, low))
}

/// Turns four rows of four words around, in each quarter of the registers. Row j, quarter l is block 4j + l on one side
/// and place 4l + j of every word on the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn turn(rows: Words) -> Words {
    let [a, b, c, d] = rows;
    let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
    let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab, cd),
        _mm512_unpackhi_epi64(ab, cd),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// What the rounds leave as sixteen blocks: the last step of the standard reverses the words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn to_blocks(words: Words) -> Words {
    turn([swap_bytes(words[3]), swap_bytes(words[2]), swap_bytes(words[1]), swap_bytes(words[0])])
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn from_blocks(blocks: Words) -> Words {
    let [a, b, c, d] = blocks;
    turn([swap_bytes(a), swap_bytes(b), swap_bytes(c), swap_bytes(d)])
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the 64 bytes are there to read, and this load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn store(bytes: &mut [u8; 64], value: __m512i) {
    // SAFETY: the 64 bytes are there to write and borrowed by nobody else, and this store asks for no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) }
}

/// Enciphers G groups of blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn groups<const G: usize>(keys: &[u32; 32], data: &mut [[[u8; 64]; 4]; G]) {
    let mut state = [[_mm512_set1_epi32(0); 4]; G];
    for (words, rows) in state.iter_mut().zip(data.iter()) {
        *words = from_blocks([load(&rows[0]), load(&rows[1]), load(&rows[2]), load(&rows[3])]);
    }
    rounds!(state, keys);
    for (words, rows) in state.iter().zip(data) {
        for (row, value) in rows.iter_mut().zip(to_blocks(*words)) {
            store(row, value);
        }
    }
}

/// Enciphers blocks in place.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
pub(super) fn blocks(keys: &[u32; 32], blocks: &mut [[u8; 16]]) {
    let (rows, rest) = blocks.as_flattened_mut().as_chunks_mut::<64>();
    let (small, rest_rows) = rows.as_chunks_mut::<4>();
    let (large, small) = small.as_chunks_mut::<GROUPS>();
    for four in large {
        groups(keys, four);
    }
    for one in small {
        groups::<1>(keys, std::array::from_mut(one));
    }
    if rest_rows.is_empty() && rest.is_empty() {
        return;
    }
    let mut last = [[[0; 64]; 4]];
    let tail = last.as_flattened_mut().as_flattened_mut();
    let (length, whole) = (64 * rest_rows.len() + rest.len(), 64 * rest_rows.len());
    tail[..whole].copy_from_slice(rest_rows.as_flattened());
    tail[whole..length].copy_from_slice(rest);
    groups::<1>(keys, &mut last);
    let tail = last.as_flattened().as_flattened();
    rest_rows.as_flattened_mut().copy_from_slice(&tail[..whole]);
    rest.copy_from_slice(&tail[whole..length]);
}

/// The key stream of G groups whose first counter block is this one.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn stream<const G: usize>(keys: &[u32; 32], first: &[u32; 4]) -> [Words; G] {
    // Place 4l + j is block 4j + l (see `turn`), so the counters need no turning.
    let places = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    let mut state = [[_mm512_set1_epi32(0); 4]; G];
    for (group, words) in state.iter_mut().enumerate() {
        let start = first[3].wrapping_add((GROUP * group) as u32);
        for at in 0..3 {
            words[at] = _mm512_set1_epi32(first[at].cast_signed());
        }
        words[3] = _mm512_add_epi32(_mm512_set1_epi32(start.cast_signed()), places);
    }
    rounds!(state, keys);
    for words in &mut state {
        *words = to_blocks(*words);
    }
    state
}

/// Adds the key stream to G whole groups.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn add_stream<const G: usize>(keys: &[u32; 32], first: &mut [u32; 4], data: &mut [[[u8; 64]; 4]; G]) {
    let state = stream::<G>(keys, first);
    for (words, rows) in state.iter().zip(data) {
        for (row, word) in rows.iter_mut().zip(words) {
            let sum = _mm512_xor_si512(load(row), *word);
            store(row, sum);
        }
    }
    first[3] = first[3].wrapping_add((GROUP * G) as u32);
}

/// Counter mode over all of `data`; see [`super::Vector::counter_mode`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
pub(super) fn counter_mode(keys: &[u32; 32], counter: &[u8; 16], data: &mut [u8]) {
    let mut next = [0; 4];
    for (word, bytes) in next.iter_mut().zip(counter.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let mut large = data.chunks_exact_mut(GROUPS * GROUP_BYTES);
    for four in &mut large {
        add_stream::<GROUPS>(keys, &mut next, grouped(four));
    }
    let rest = large.into_remainder();
    match rest.len().div_ceil(GROUP_BYTES) {
        0 => {}
        1 => add_partly::<1>(keys, &mut next, rest),
        2 => add_partly::<2>(keys, &mut next, rest),
        3 => add_partly::<3>(keys, &mut next, rest),
        _ => add_partly::<4>(keys, &mut next, rest),
    }
}

/// The last groups, of which the end may be missing.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
fn add_partly<const G: usize>(keys: &[u32; 32], first: &mut [u32; 4], data: &mut [u8]) {
    if data.len() == G * GROUP_BYTES {
        return add_stream::<G>(keys, first, grouped(data));
    }
    let mut whole = [[[0; 64]; 4]; G];
    whole.as_flattened_mut().as_flattened_mut()[..data.len()].copy_from_slice(data);
    add_stream::<G>(keys, first, &mut whole);
    data.copy_from_slice(&whole.as_flattened().as_flattened()[..data.len()]);
}

/// Bytes as G groups of rows.
#[inline]
fn grouped<const G: usize>(data: &mut [u8]) -> &mut [[[u8; 64]; 4]; G] {
    let rows = data.as_chunks_mut::<64>().0;
    let groups = rows.as_chunks_mut::<4>().0;
    groups.first_chunk_mut::<G>().expect("the caller cut G groups")
}

/// The key schedule, with the same S-box on one word.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
pub(super) fn expand(key: &[u8; 16]) -> [u32; 32] {
    let mut words = FAMILY_KEY;
    for (word, bytes) in words.iter_mut().zip(key.as_chunks::<4>().0) {
        *word ^= u32::from_be_bytes(*bytes);
    }
    let mut keys = [0; 32];
    for (step, round_key) in keys.iter_mut().enumerate() {
        let mixed = words[1] ^ words[2] ^ words[3] ^ parameter(step);
        let mixed = substitute(_mm512_set1_epi32(mixed.cast_signed()));
        let mixed = _mm_cvtsi128_si32(_mm512_castsi512_si128(mixed)).cast_unsigned();
        *round_key = words[0] ^ mixed ^ mixed.rotate_left(13) ^ mixed.rotate_left(23);
        words = [words[1], words[2], words[3], *round_key];
    }
    keys
}
