//! SM3, GB/T 32905-2016: the hash, and what is built on it. The compression function is that of the crate `sm3`.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::CryptoError;

pub use ::sm3::Sm3;
pub use ::sm3::digest::Digest;

/// Bytes of a hash.
pub const HASH: usize = 32;

/// The hash of parts one after another.
#[must_use]
pub fn hash(parts: &[&[u8]]) -> [u8; HASH] {
    let mut sm3 = Sm3::new();
    parts.iter().for_each(|part| sm3.update(part));
    sm3.finalize().into()
}

/// HMAC-SM3, GB/T 15852.2-2012, of parts one after another.
#[must_use]
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; HASH] {
    let mut mac = Hmac::<Sm3>::new_from_slice(key).expect("HMAC takes keys of every length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Whether this is the HMAC-SM3, compared in constant time.
#[must_use]
pub fn hmac_fits(key: &[u8], parts: &[&[u8]], expected: &[u8; HASH]) -> bool {
    hmac(key, parts).ct_eq(expected).into()
}

/// HKDF with HMAC-SM3, RFC 5869: fills `output` with key material.
///
/// # Errors
/// [`CryptoError::TooLong`] beyond 255 hashes.
pub fn hkdf(secret: &[u8], salt: &[u8], info: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
    let (got, most) = (output.len() as u64, 255 * HASH as u64);
    let expanded = Hkdf::<Sm3>::new(Some(salt), secret).expand(info, output);
    expanded.map_err(|_| CryptoError::TooLong { what: "key material", got, most })
}

/// The key derivation function of GB/T 32918.3-2016, 5.4.3, and 32918.4-2016, 5.4.3: hashes of the secret and a counter.
pub(crate) fn derive(secret: &[&[u8]], length: usize) -> Zeroizing<Vec<u8>> {
    let mut start = Sm3::new();
    secret.iter().for_each(|part| start.update(part));
    let mut output = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(HASH)));
    for counter in 1..=length.div_ceil(HASH) as u32 {
        output.extend_from_slice(&start.clone().chain_update(counter.to_be_bytes()).finalize());
    }
    output.truncate(length);
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hexadecimal::hex;

    /// GB/T 32905-2016, A.1 and A.2.
    #[test]
    fn the_examples_of_the_standard() {
        let abc = "66c7f0f4 62eeedd9 d1f2d46b dc10e4e2 4167c487 5cf2f7a2 297da02b 8f4ba8e0";
        assert_eq!(hash(&[b"abc"]).to_vec(), hex(abc));
        let sixteen = "debe9ff9 2275b8a1 38604889 c18e5a4d 6fdb70e5 387e5765 293dcba3 9c0c5732";
        assert_eq!(hash(&[&b"abcd".repeat(16)]).to_vec(), hex(sixteen));
        assert_eq!(hash(&[&b"abcd".repeat(15), b"abcd"]).to_vec(), hex(sixteen));
    }

    #[test]
    fn key_material_has_a_limit_and_depends_on_all_inputs() {
        let derived = |secret: &[u8], salt: &[u8], info: &[u8]| {
            let mut output = [0; 48];
            hkdf(secret, salt, info, &mut output).map(|()| output)
        };
        let first = derived(b"secret", b"salt", b"info").expect("it is short");
        for other in
            [(&b"Secret"[..], &b"salt"[..], &b"info"[..]), (b"secret", b"Salt", b"info"), (b"secret", b"salt", b"")]
        {
            assert_ne!(derived(other.0, other.1, other.2).expect("it is short"), first);
        }
        // The first step of RFC 5869 by hand.
        let extracted = hmac(b"salt", &[b"secret"]);
        assert_eq!(hmac(&extracted, &[b"info", &[1]]), first[..HASH]);
        assert!(hmac_fits(&extracted, &[b"info", &[1]], first.first_chunk().expect("32 bytes")));
        assert!(!hmac_fits(&extracted, &[b"info", &[2]], first.first_chunk().expect("32 bytes")));
        assert!(hkdf(b"s", b"s", b"i", &mut vec![0; 255 * HASH + 1]).is_err());
    }
}
