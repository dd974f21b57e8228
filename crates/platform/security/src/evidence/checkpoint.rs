//! Checkpoints (C2SP tlog-checkpoint): how long a log is, and its root.

use std::fmt;

use super::error::{Result, malformed};
use super::hash::Hash;
use super::text::{base64_hash, decimal, hash_from_base64, is_name};

/// What begins the extension line with the root of the SM3 tree; a space and the root in base64 follow.
pub const SM3_EXTENSION: &str = "sm3";
/// Extension lines that are read at most.
const EXTENSIONS_MAX: usize = 16;

/// A log at one of its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of its leaves.
    pub size: u64,
    /// Root of the SHA-256 tree.
    pub root: Hash,
    /// Further lines, as they are.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Of this log, with both roots.
    #[must_use]
    pub fn new(origin: &str, size: u64, root: Hash, sm3_root: Hash) -> Self {
        let extensions = vec![format!("{SM3_EXTENSION} {}", base64_hash(&sm3_root))];
        Self { origin: origin.to_owned(), size, root, extensions }
    }

    /// Root of the SM3 tree, if the checkpoint tells one.
    #[must_use]
    pub fn sm3_root(&self) -> Option<Hash> {
        let told = self.extensions.iter().filter_map(|line| line.strip_prefix(SM3_EXTENSION)?.strip_prefix(' '));
        told.filter_map(|root| hash_from_base64(root).ok()).next()
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// If it is no checkpoint.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| malformed("a checkpoint", why);
        let body = text.strip_suffix('\n').ok_or_else(|| wrong("the last line has no end"))?;
        let mut lines = body.split('\n');
        let origin = lines.next().filter(|line| is_name(line)).ok_or_else(|| wrong("the first line is no origin"))?;
        let size = decimal("a checkpoint", lines.next().ok_or_else(|| wrong("there is no size"))?)?;
        let root = hash_from_base64(lines.next().ok_or_else(|| wrong("there is no root"))?)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.len() > EXTENSIONS_MAX || extensions.iter().any(String::is_empty) {
            return Err(wrong("there is an empty line, or too many"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, base64_hash(&self.root))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_read_as_they_are_written() {
        let told = Checkpoint::new("heng.example/log", 7, [1; 32], [2; 32]);
        let text = told.to_string();
        assert_eq!(text.lines().nth(3), Some("sm3 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="));
        assert_eq!(Checkpoint::parse(&text).as_ref(), Ok(&told));
        assert_eq!(told.sm3_root(), Some([2; 32]));
        for wrong in [
            text.replace("\n7\n", "\n07\n"),
            text.replace("\n7\n", "\n-7\n"),
            text.replace("\n7\n", "\n9223372036854775808\n"),
            text.replace("AQEB", "AQE"),
            text.replace("heng.example", "heng example"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            "a\n1\n".into(),
            String::new(),
            format!("{text}{}", "x\n".repeat(20)),
        ] {
            assert!(Checkpoint::parse(&wrong).is_err(), "{wrong}");
        }
    }
}
