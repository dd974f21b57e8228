//! The algorithms of the Chinese commercial cryptography standards (国密): SM2, SM3 and SM4.
//!
//! Which code serves what, and how each is compared with other people's: docs/security/crypto.md.

pub mod sm2;
pub mod sm3;
pub mod sm4;
