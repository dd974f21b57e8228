//! What is wrong with evidence.

/// Why evidence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Bytes that cannot be read: what they should be, and what is wrong with them.
    #[error("{what}: {why}")]
    Malformed {
        /// What they should be.
        what: &'static str,
        /// Place and reason.
        why: String,
    },
    /// A signature of a known key does not fit the text.
    #[error("the signature of {0} does not fit the text")]
    BadSignature(String),
    /// No known key has signed.
    #[error("none of the known keys has signed")]
    Unsigned,
    /// A proof does not lead to the root.
    #[error("{0}")]
    Unproven(String),
    /// A hash that a proof needs is not in the tiles.
    #[error("the tiles do not hold level {level} index {index}")]
    Missing {
        /// Binary level, 0 = leaves.
        level: u32,
        /// Index at that level.
        index: u64,
    },
}

/// Result of this module.
pub type Result<T> = std::result::Result<T, EvidenceError>;

/// Bytes that cannot be read.
pub(super) fn malformed(what: &'static str, why: impl Into<String>) -> EvidenceError {
    EvidenceError::Malformed { what, why: why.into() }
}
