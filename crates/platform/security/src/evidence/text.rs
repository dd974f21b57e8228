//! Lines, numbers and base64 as the C2SP formats write them: one form for one value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::{Result, malformed};
use super::hash::Hash;

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard base64; other forms of the same bytes are refused.
pub(super) fn from_base64(what: &'static str, text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|error| malformed(what, format!("no standard base64: {error}")))
}

/// A hash in base64.
#[must_use]
pub fn base64_hash(hash: &Hash) -> String {
    base64(hash)
}

/// Reads a hash in base64.
///
/// # Errors
/// If it is not the standard base64 of 32 bytes.
pub fn hash_from_base64(text: &str) -> Result<Hash> {
    // 32 bytes are 44 characters; more is not decoded at all.
    let bytes = if text.len() == 44 { from_base64("a hash", text)? } else { Vec::new() };
    bytes.try_into().map_err(|_| malformed("a hash", "it is not the base64 of 32 bytes"))
}

/// A decimal number without leading zeros, at most 2^63 - 1.
pub(super) fn decimal(what: &'static str, text: &str) -> Result<u64> {
    let plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = if plain { text.parse::<i64>().ok() } else { None };
    number.map(i64::cast_unsigned).ok_or_else(|| malformed(what, "no decimal number in its shortest form"))
}

/// Whether a key or an origin may be called so: not empty, without spaces, control characters or plus, not too long.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != '+';
    !text.is_empty() && text.len() <= 255 && text.chars().all(fits)
}
