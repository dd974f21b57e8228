//! The canonical bundle: all rule files in one text, so that one hash names them and one command carries them.
//!
//! ```text
//! heng-rules 1
//! file calendar.toml 1234
//! <1234 bytes>
//! file fees.toml …
//! ```
//! Files stand in order of name, so equal files make equal bytes.

use sha2::{Digest, Sha256};

use crate::document::FILE_MAX;
use crate::error::RuleError;

const TITLE: &str = "heng-rules 1\n";
/// Most files of a bundle.
pub(crate) const FILES_MAX: usize = 64;
/// Largest bundle, in bytes.
const BUNDLE_MAX: usize = 16 << 20;
/// Longest file name.
const NAME_MAX: usize = 64;

/// Whether a rule file may have this name: letters, digits, `-`, `_` and `.`, not hidden, ending in `.toml`.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    plain && name.len() <= NAME_MAX && !name.starts_with('.') && name.ends_with(".toml")
}

/// The canonical bundle of these files, `(name, text)`. Equal files in any order give equal bytes.
#[must_use]
pub fn bundle(files: &[(String, String)]) -> Vec<u8> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    let mut out = String::from(TITLE);
    for (name, text) in sorted {
        out.push_str(&format!("file {name} {}\n", text.len()));
        out.push_str(text);
    }
    out.into_bytes()
}

/// SHA-256 of a bundle: the name of a rule book.
#[must_use]
pub fn bundle_hash(bundle: &[u8]) -> [u8; 32] {
    Sha256::digest(bundle).into()
}

/// Takes a bundle apart into `(name, text)`. Accepts exactly what [`bundle`] makes.
///
/// # Errors
/// If the bytes are no canonical bundle; the line counts from the begin of the bundle.
pub fn parse_bundle(bytes: &[u8]) -> Result<Vec<(String, String)>, RuleError> {
    let wrong = |at: usize, reason: &str| {
        let line = bytes[..at.min(bytes.len())].iter().filter(|b| **b == b'\n').count() + 1;
        RuleError::new("bundle", u32::try_from(line).unwrap_or(u32::MAX), reason)
    };
    if bytes.len() > BUNDLE_MAX {
        return Err(wrong(0, "the bundle is larger than 16 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|why| wrong(why.valid_up_to(), "the bundle is not UTF-8"))?;
    let Some(mut rest) = text.strip_prefix(TITLE) else {
        return Err(wrong(0, "the bundle must begin with the line \"heng-rules 1\""));
    };
    let mut files: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let (name, length, after) = file_line(rest).ok_or_else(|| wrong(at, "expected \"file NAME.toml LENGTH\""))?;
        let body = after.get(..length).ok_or_else(|| wrong(at, "the file is shorter than its length says"))?;
        if files.len() == FILES_MAX || length > FILE_MAX {
            return Err(wrong(at, "too many files, or one larger than 4 MiB"));
        }
        if files.last().is_some_and(|(before, _)| before.as_str() >= name) {
            return Err(wrong(at, "files must stand in order of name, each once"));
        }
        files.push((name.to_owned(), body.to_owned()));
        rest = &after[length..];
    }
    Ok(files)
}

fn file_line(rest: &str) -> Option<(&str, usize, &str)> {
    let (line, after) = rest.split_once('\n')?;
    let (name, length) = line.strip_prefix("file ")?.split_once(' ')?;
    let value: usize = length.parse().ok()?;
    // A length with a sign or leading zeros would make two bundles of the same files.
    (is_name(name) && value.to_string() == length).then_some((name, value, after))
}
