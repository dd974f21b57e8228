//! How a record is hidden and still bound: a commitment is a hash over a salt and the record.
//!
//! The salt comes from a key that one client has for one period, so that the tree can be built again from the record
//! to the same root. Without the key the salt cannot be found, and without the salt a commitment tells nothing about
//! its record: that is how one client's part is deleted while the tree stays valid.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::hash::{Hash, sha256};

/// Bytes of a client's key.
pub const KEY_LEN: usize = 32;
/// Bytes of a salt.
pub const SALT_LEN: usize = 32;

/// HMAC-SHA-256 under the key of a client and period, over the sequence and the client, eight bytes each, most
/// significant first.
#[must_use]
pub fn salt(key: &[u8; KEY_LEN], sequence: u64, client: u64) -> [u8; SALT_LEN] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    let mut about = [0; 16];
    about[..8].copy_from_slice(&sequence.to_be_bytes());
    about[8..].copy_from_slice(&client.to_be_bytes());
    mac.update(&about);
    mac.finalize().into_bytes().into()
}

/// SHA-256 over the salt and the canonical record behind it.
#[must_use]
pub fn commitment(salt: &[u8; SALT_LEN], record: &[u8]) -> Hash {
    sha256(&[salt, record])
}

#[cfg(test)]
mod tests {
    use super::super::hash::hex;
    use super::*;

    #[test]
    fn a_salt_follows_from_key_sequence_and_client() {
        // Checked with Python: hmac.new(bytes(range(32)), (7).to_bytes(8,'big')+(9).to_bytes(8,'big'), 'sha256').
        let key = std::array::from_fn(|at| at as u8);
        let told = "3f92706fb190a52a6d99d2841159f0c92a9aede245d1d5f1faef26dc149acfb3";
        assert_eq!(hex(&salt(&key, 7, 9)), told);
        assert_ne!(salt(&key, 9, 7), salt(&key, 7, 9));
        let told = "b5cd97a5e3f496ff8452ea0fcebc3723709bc59d8b1aee7ad110e96b845a144a";
        assert_eq!(hex(&commitment(&salt(&key, 7, 9), b"record")), told);
    }
}
