//! The constants of the key schedule, GB/T 32907-2016, 7.3.

use super::ROUNDS;

/// The system parameter FK.
pub(crate) const FAMILY_KEY: [u32; 4] = [0xa3b1_bac6, 0x56aa_3350, 0x677d_9197, 0xb270_22dc];

/// The fixed parameter CK of a round: its bytes are (4·round + j) · 7 modulo 256.
pub(crate) const fn parameter(round: usize) -> u32 {
    assert!(round < ROUNDS, "there are 32 rounds");
    let (mut word, mut byte) = (0, 0);
    while byte < 4 {
        word = (word << 8) | ((4 * round as u32 + byte) * 7 % 256);
        byte += 1;
    }
    word
}
