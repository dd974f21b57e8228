//! The Merkle log of commitments.
