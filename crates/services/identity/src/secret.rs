//! Secrets: made from the system's randomness, shown once, never in a log.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A secret text. `Debug` hides it, dropping wipes it, and showing it takes a word that can be searched for.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps a secret that came from outside.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// 256 random bits behind a prefix that tells scanners of leaked secrets what it is.
    pub(crate) fn fresh(prefix: &str) -> Self {
        let bytes = Zeroizing::new(random::<32>());
        Self::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(*bytes)))
    }

    /// A password that a person can type: 20 characters, 100 random bits.
    pub(crate) fn fresh_password() -> Self {
        let text = base32(&random::<13>()).to_ascii_lowercase();
        let groups: Vec<&str> = [0, 5, 10, 15].iter().filter_map(|at| text.get(*at..*at + 5)).collect();
        Self::new(groups.join("-"))
    }

    /// The text itself, to be handed to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Compared in a time that does not tell where two secrets differ.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Bytes from the system's source.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("a system without randomness must not make secrets");
    bytes
}

/// SHA-256, which is enough for tokens of 256 random bits: nobody can guess them.
pub(crate) fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Base32 of RFC 4648 without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut text, mut bits, mut held) = (String::with_capacity(bytes.len() * 8 / 5 + 1), 0u32, 0u32);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xFFFF;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        for (bytes, text) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn secrets_differ_and_hide() {
        let (one, other) = (Secret::fresh("hst_"), Secret::fresh("hst_"));
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 4 + 43);
        assert_eq!(format!("{one:?}"), "Secret(hidden)");
        let password = Secret::fresh_password();
        assert_eq!(password.expose().len(), 23);
        assert!(password.expose().split('-').all(|group| group.len() == 5), "{}", password.expose());
    }
}
