//! GHASH (NIST SP 800-38D, 6.4) with carry-less multiplication of four blocks at once and one reduction for 64 blocks.
//!
//! Blocks are taken with their bytes reversed, as POLYVAL of RFC 8452 sees them (its appendix A says how the two are
//! related): then a product a·b·x⁻¹²⁸ needs no shifts, and is reduced by two multiplications.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_bslli_si128, _mm_bsrli_si128, _mm_clmulepi64_si128, _mm_loadu_si128, _mm_set_epi64x,
    _mm_setzero_si128, _mm_shuffle_epi32, _mm_storeu_si128, _mm_xor_si128, _mm512_broadcast_i32x4, _mm512_bslli_epi128,
    _mm512_bsrli_epi128, _mm512_castsi128_si512, _mm512_clmulepi64_epi128, _mm512_extracti32x4_epi32,
    _mm512_inserti32x4, _mm512_loadu_si512, _mm512_set_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_shuffle_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
    _mm512_zextsi128_si512,
};

use zeroize::Zeroizing;

/// Registers of powers, four in each.
const ROWS: usize = 16;
/// Blocks under one reduction.
const AT_ONCE: usize = 4 * ROWS;
/// The terms x⁶³ + x⁶² + x⁵⁷ by which the lower halves are folded upwards.
const FOLD: i64 = 0xc200_0000_0000_0000_u64.cast_signed();
/// The truth table of a ⊕ b ⊕ c.
const XOR3: i32 = 0x96;

/// H⁶⁴ down to H¹: row i holds the powers 64 − 4i to 61 − 4i.
#[derive(Clone)]
pub(crate) struct HashKey {
    powers: Zeroizing<[[u8; 64]; ROWS]>,
}

/// A product before its reduction.
#[derive(Clone, Copy)]
struct Sum {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the 64 bytes are there to read, and this load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
fn store(bytes: &mut [u8; 64], value: __m512i) {
    // SAFETY: the 64 bytes are there to write and borrowed by nobody else, and this store asks for no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
fn load_block(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the 16 bytes are there to read, and this load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
fn store_block(bytes: &mut [u8; 16], value: __m128i) {
    // SAFETY: the 16 bytes are there to write and borrowed by nobody else, and this store asks for no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), value) }
}

/// Reverses the bytes of each block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
fn reverse(blocks: __m512i) -> __m512i {
    let (high, low) = (0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    _mm512_shuffle_epi8(blocks, _mm512_set_epi64(high, low, high, low, high, low, high, low))
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
    fn zero() -> Self {
        let zero = _mm512_setzero_si512();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds four products.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
    fn add(&mut self, left: __m512i, right: __m512i) {
        let (one, other) =
            (_mm512_clmulepi64_epi128::<0x01>(left, right), _mm512_clmulepi64_epi128::<0x10>(left, right));
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128::<0x00>(left, right));
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128::<0x11>(left, right));
        self.middle = _mm512_ternarylogic_epi64::<XOR3>(self.middle, one, other);
    }

    /// The four products, reduced one by one.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
    fn reduce(self) -> __m512i {
        let low = _mm512_xor_si512(self.low, _mm512_bslli_epi128::<8>(self.middle));
        let high = _mm512_xor_si512(self.high, _mm512_bsrli_epi128::<8>(self.middle));
        let fold = _mm512_set1_epi64(FOLD);
        let once = _mm512_xor_si512(_mm512_shuffle_epi32::<0x4e>(low), _mm512_clmulepi64_epi128::<0x00>(low, fold));
        let twice = _mm512_clmulepi64_epi128::<0x00>(once, fold);
        _mm512_ternarylogic_epi64::<XOR3>(high, _mm512_shuffle_epi32::<0x4e>(once), twice)
    }

    /// The sum of the four products, reduced.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
    fn reduce_to_one(self) -> __m128i {
        let (low, middle, high) = (across(self.low), across(self.middle), across(self.high));
        let low = _mm_xor_si128(low, _mm_bslli_si128::<8>(middle));
        let high = _mm_xor_si128(high, _mm_bsrli_si128::<8>(middle));
        let fold = _mm_set_epi64x(FOLD, FOLD);
        let once = _mm_xor_si128(_mm_shuffle_epi32::<0x4e>(low), _mm_clmulepi64_si128::<0x00>(low, fold));
        let twice = _mm_clmulepi64_si128::<0x00>(once, fold);
        _mm_xor_si128(_mm_xor_si128(high, _mm_shuffle_epi32::<0x4e>(once)), twice)
    }
}

/// The sum of the four quarters.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
fn across(all: __m512i) -> __m128i {
    let (a, b) = (_mm512_extracti32x4_epi32::<0>(all), _mm512_extracti32x4_epi32::<1>(all));
    let (c, d) = (_mm512_extracti32x4_epi32::<2>(all), _mm512_extracti32x4_epi32::<3>(all));
    _mm_xor_si128(_mm_xor_si128(a, b), _mm_xor_si128(c, d))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
fn product(left: __m512i, right: __m512i) -> __m512i {
    let mut sum = Sum::zero();
    sum.add(left, right);
    sum.reduce()
}

/// A block, its bytes reversed, in the lowest quarter.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
fn widened(block: &[u8; 16]) -> __m512i {
    reverse(_mm512_zextsi128_si512(load_block(block)))
}

impl HashKey {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
    pub(super) fn new(key: &[u8; 16]) -> Self {
        // GHASH's H as POLYVAL takes it: reversed and times x. The mask avoids a branch on the key.
        let reversed = u128::from_be_bytes(*key);
        let carry = 0_u128.wrapping_sub(reversed >> 127);
        let times_x = reversed << 1 ^ carry & 0xc200_0000_0000_0000_0000_0000_0000_0001;
        let one = _mm512_zextsi128_si512(load_block(&times_x.to_le_bytes()));
        let two = product(one, one);
        let (three, four) = (product(two, one), product(two, two));
        let low = _mm512_extracti32x4_epi32::<0>(one);
        let mut row = _mm512_castsi128_si512(_mm512_extracti32x4_epi32::<0>(four));
        row = _mm512_inserti32x4::<1>(row, _mm512_extracti32x4_epi32::<0>(three));
        row = _mm512_inserti32x4::<2>(row, _mm512_extracti32x4_epi32::<0>(two));
        row = _mm512_inserti32x4::<3>(row, low);
        let step = _mm512_broadcast_i32x4(_mm512_extracti32x4_epi32::<0>(four));
        let mut powers = Zeroizing::new([[0; 64]; ROWS]);
        for place in powers.iter_mut().rev() {
            store(place, row);
            row = product(row, step);
        }
        Self { powers }
    }

    /// See [`super::Vector::hash_blocks`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
    pub(super) fn absorb(&self, sum: &mut [u8; 16], blocks: &[[u8; 16]]) {
        let mut state = _mm512_extracti32x4_epi32::<0>(widened(sum));
        let (many, rest) = blocks.as_chunks::<AT_ONCE>();
        for blocks in many {
            state = self.rows(state, blocks.as_flattened().as_chunks::<64>().0);
        }
        if !rest.is_empty() {
            state = self.rest(state, rest);
        }
        let state = _mm512_extracti32x4_epi32::<0>(reverse(_mm512_zextsi128_si512(state)));
        store_block(sum, state);
    }

    /// Up to 16 rows of four blocks; the state is added to the first block.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
    fn rows(&self, state: __m128i, rows: &[[u8; 64]]) -> __m128i {
        let mut sum = Sum::zero();
        let mut first = _mm512_zextsi128_si512(state);
        for (power, row) in self.powers[ROWS - rows.len()..].iter().zip(rows) {
            sum.add(_mm512_xor_si512(reverse(load(row)), first), load(power));
            first = _mm512_setzero_si512();
        }
        sum.reduce_to_one()
    }

    /// Fewer than 64 blocks. Empty blocks in front of the first complete its row; they add nothing.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,vpclmulqdq")]
    fn rest(&self, state: __m128i, blocks: &[[u8; 16]]) -> __m128i {
        let empty = blocks.len().next_multiple_of(4) - blocks.len();
        let mut padded = [[0; 64]; ROWS];
        let filled = padded.as_flattened_mut();
        let end = 16 * (empty + blocks.len());
        filled[16 * empty..end].copy_from_slice(blocks.as_flattened());
        let mut reversed = [0; 16];
        store_block(&mut reversed, state);
        reversed.reverse();
        for (byte, of_state) in filled[16 * empty..].iter_mut().zip(reversed) {
            *byte ^= of_state;
        }
        self.rows(_mm_setzero_si128(), &padded[..end / 64])
    }
}
