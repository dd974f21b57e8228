//! What cryptography can answer instead of a result.

use thiserror::Error;

/// Why a cryptographic operation gave no result.
///
/// Messages tell places, lengths and kinds, never bytes of keys or of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CryptoError {
    /// Tag, padding, signature or confirmation do not fit. Which of them, and where, is not told.
    #[error("refused: the data is not authentic under this key")]
    Refused,
    /// Some part has a wrong length.
    #[error("{what}: {got} bytes where {want} are needed")]
    Length {
        /// The part.
        what: &'static str,
        /// Bytes that came.
        got: usize,
        /// Bytes that are needed.
        want: usize,
    },
    /// Some part is longer than the algorithm or this code allows.
    #[error("{what}: {got} bytes, at most {most} are allowed")]
    TooLong {
        /// The part.
        what: &'static str,
        /// Bytes that came.
        got: u64,
        /// Bytes that are allowed.
        most: u64,
    },
    /// A key, point, signature or file is not what it should be.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// The part.
        what: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The algorithm, key id or parameter version is not the one of the key at hand.
    #[error("another {what}: {got} where the key at hand has {want}")]
    Other {
        /// Which of them.
        what: &'static str,
        /// What came.
        got: u64,
        /// What the key has.
        want: u64,
    },
    /// The random source of the system failed.
    #[error("the random source of the system failed")]
    Random,
}

impl From<getrandom::Error> for CryptoError {
    fn from(_: getrandom::Error) -> Self {
        Self::Random
    }
}
