//! Cryptography that the rules ask for, and the log that proves afterwards what happened.
//!
//! [`sm`] holds SM2, SM3 and SM4; [`provider`] puts them and their foreign counterparts behind traits, by number;
//! [`envelope`] writes the number and the key id beside every ciphertext and signature; [`evidence`] is the Merkle log of
//! commitments; [`keys`] keeps the keys themselves. [`tls`] and [`ca`] bring SM to connections, [`xts`] to files.
//! [`privacy`] grades and masks data of persons. docs/security/ tells what each is compared with.
//!
//! *Invariant:* `unsafe` stands in `vector` alone, and whatever it computes the portable code computes as well.
//! *Invariant:* no branch and no address depends on a secret key, a nonce or a plaintext. (What verifies signatures sees
//! public data alone.)
//! *Invariant:* bytes from outside never make this crate panic; they get a [`CryptoError`].
//!
//! Deliberately absent: curve arithmetic of our own, a TLS stack of our own.

pub mod ca;
pub mod envelope;
mod error;
pub mod evidence;
#[cfg(test)]
mod hexadecimal;
pub mod keys;
pub mod privacy;
pub mod provider;
pub mod sm;
pub mod tls;
mod vector;
pub mod xts;

pub use error::CryptoError;
