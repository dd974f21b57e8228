//! Tiles as C2SP tlog-tiles defines them: 256 hashes of one level in a file, and the entries in files beside them.

use std::fmt;
use std::str::FromStr;

use super::error::{EvidenceError, Result, malformed};
use super::hash::{HASH_LEN, Hash};
use super::text::decimal;

/// Levels of the binary tree that one tile spans.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes of a full tile.
pub const TILE_WIDTH: usize = 1 << TILE_HEIGHT;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = TILE_WIDTH * HASH_LEN;
/// Bytes of a full bundle of our entries: a length of two bytes before each.
pub const ENTRIES_BYTES_MAX: usize = TILE_WIDTH * (HASH_LEN + 2);
/// Longest path of a tile.
const PATH_MAX: usize = 64;
/// Highest level that 2^63 leaves need.
const LEVEL_MAX: u8 = 7;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TileKind {
    /// Hashes of this tile level: 0 = leaf hashes, 1 = roots of full tiles of level 0, and so on; at most 7.
    Level(u8),
    /// The entries themselves.
    Entries,
}

/// Where a tile is: the part of its path behind `tile/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TilePath {
    /// What it holds.
    pub kind: TileKind,
    /// Its index within the level.
    pub index: u64,
    /// How many hashes or entries: 1 to 255, or 256 of a full tile.
    pub width: u16,
}

impl TilePath {
    /// A full tile.
    #[must_use]
    pub const fn full(kind: TileKind, index: u64) -> Self {
        Self { kind, index, width: TILE_WIDTH as u16 }
    }

    /// Whether it is full, and so never changes.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.width as usize == TILE_WIDTH
    }
}

impl fmt::Display for TilePath {
    /// Three digits for each part of the path, all but the last behind an `x`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Level(level) => write!(f, "{level}/")?,
            TileKind::Entries => f.write_str("entries/")?,
        }
        let (mut parts, mut left) = (vec![self.index % 1_000], self.index / 1_000);
        while left > 0 {
            parts.push(left % 1_000);
            left /= 1_000;
        }
        for part in parts.iter().skip(1).rev() {
            write!(f, "x{part:03}/")?;
        }
        write!(f, "{:03}", parts[0])?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TilePath {
    type Err = EvidenceError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| malformed("a tile path", why);
        if text.len() > PATH_MAX {
            return Err(wrong("it is too long"));
        }
        let (kind, rest) = text.split_once('/').ok_or_else(|| wrong("there is no level"))?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Level(read_level(level)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH as u16),
            Some((index, width)) => (index, read_width(width)?),
        };
        let path = Self { kind, index: read_index(index)?, width };
        // A path that reads as this tile and is written otherwise would give one tile two names.
        if path.to_string() == text { Ok(path) } else { Err(wrong("it is not in its shortest form")) }
    }
}

fn read_level(text: &str) -> Result<u8> {
    let level = decimal("a tile path", text)?;
    let level = u8::try_from(level).ok().filter(|level| *level <= LEVEL_MAX);
    level.ok_or_else(|| malformed("a tile path", "there is no such level"))
}

fn read_width(text: &str) -> Result<u16> {
    match decimal("a tile path", text)? {
        width @ 1..=255 => Ok(width as u16),
        _ => Err(malformed("a tile path", "a partial tile has 1 to 255 hashes")),
    }
}

fn read_index(text: &str) -> Result<u64> {
    let wrong = || malformed("a tile path", "no index in parts of three digits");
    let mut index: u64 = 0;
    let mut parts = text.split('/').peekable();
    while let Some(part) = parts.next() {
        let digits = if parts.peek().is_some() { part.strip_prefix('x').ok_or_else(wrong)? } else { part };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        index = index.checked_mul(1_000).and_then(|index| index.checked_add(number)).ok_or_else(wrong)?;
    }
    Ok(index)
}

/// How many hashes the rightmost tile of `level` has in a tree of `size` leaves; 0 = there is no partial tile.
#[must_use]
pub const fn partial_width(level: u8, size: u64) -> u16 {
    let shift = level as u32 * TILE_HEIGHT;
    if shift >= u64::BITS { 0 } else { ((size >> shift) % TILE_WIDTH as u64) as u16 }
}

/// The hashes of a tile.
///
/// # Errors
/// If the bytes are not 1 to 256 hashes.
pub fn tile_hashes(bytes: &[u8]) -> Result<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_LEN>();
    if hashes.is_empty() || hashes.len() > TILE_WIDTH || !rest.is_empty() {
        return Err(malformed("a tile", format!("{} bytes are not 1 to 256 hashes", bytes.len())));
    }
    Ok(hashes.to_vec())
}

/// A bundle of entries: each behind its length, two bytes, most significant first.
#[must_use]
pub fn entry_bundle(entries: &[Hash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * (HASH_LEN + 2));
    for entry in entries {
        bytes.extend_from_slice(&(HASH_LEN as u16).to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes
}

/// The entries of a bundle of this log.
///
/// # Errors
/// If an entry has another length than a commitment, or there are none or more than 256.
pub fn entries_of(bytes: &[u8]) -> Result<Vec<Hash>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let number = entries.len();
        let wrong = || malformed("an entry bundle", format!("entry {number} is no commitment of 32 bytes"));
        let (length, behind) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let (entry, behind) = behind.split_first_chunk::<HASH_LEN>().ok_or_else(wrong)?;
        if usize::from(u16::from_be_bytes(*length)) != HASH_LEN || number == TILE_WIDTH {
            return Err(wrong());
        }
        entries.push(*entry);
        rest = behind;
    }
    if entries.is_empty() { Err(malformed("an entry bundle", "it is empty")) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<TilePath>) {
        assert_eq!(text.parse::<TilePath>().ok(), expected, "{text}");
        if let Some(path) = expected {
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        check("0/x001/x234/067", Some(TilePath::full(TileKind::Level(0), 1_234_067)));
        check("1/000", Some(TilePath::full(TileKind::Level(1), 0)));
        check("entries/x001/000.p/7", Some(TilePath { kind: TileKind::Entries, index: 1_000, width: 7 }));
        check("7/999.p/255", Some(TilePath { kind: TileKind::Level(7), index: 999, width: 255 }));
        for wrong in [
            "",
            "0",
            "0/",
            "00/000",
            "8/000",
            "0/0",
            "0/001/000",
            "0/x000/001",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/07",
            "0/x1/000",
            "0/x18446/x744/073/709/551/616",
            "entries",
            "data/000",
            "0/000/",
            "-1/000",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
            "0/000.p/1/2",
            "0/٣٣٣",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn widths_are_those_of_the_specification() {
        // The example of the specification: a tree of 70,000 leaves.
        assert_eq!([0, 1, 2, 3].map(|level| partial_width(level, 70_000)), [112, 17, 1, 0]);
        assert_eq!([0, 1].map(|level| partial_width(level, 256)), [0, 1]);
    }

    #[test]
    fn bundles_are_read_as_they_are_written() {
        let entries = [[1; 32], [2; 32]];
        let bytes = entry_bundle(&entries);
        assert_eq!((bytes.len(), &bytes[..3]), (68, &[0, 32, 1][..]));
        assert_eq!(entries_of(&bytes), Ok(entries.to_vec()));
        for wrong in [&bytes[..67], &bytes[..33], &bytes[..35], &[], &[0, 1, 7]] {
            assert!(entries_of(wrong).is_err());
        }
        assert!(entries_of(&entry_bundle(&[[0; 32]; 257])).is_err());
        assert!(tile_hashes(&[0; 33]).is_err() && tile_hashes(&[0; 257 * 32]).is_err() && tile_hashes(&[]).is_err());
    }
}
