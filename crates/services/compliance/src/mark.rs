//! How far the log has got: written in turn into two places of one file, so that a torn write leaves the other.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use heng_security::evidence::{HASH_LEN, Hash, Sha256Tree, Sm3Tree, TreeHash as _};

use crate::error::{ComplianceError, Result};

const MAGIC: [u8; 8] = *b"HENGMRK1";
/// Bytes from one place to the other: no disk tears both with one write.
const PLACE: u64 = 4_096;
const NUMBERS: usize = 5;
const LEN: usize = 8 + 8 * NUMBERS + 2 * HASH_LEN + 4;

/// A state of the log that is whole on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Grows by one with every mark.
    pub(crate) generation: u64,
    /// Leaves.
    pub(crate) size: u64,
    /// The next command to take.
    pub(crate) next_sequence: u64,
    /// The last action that was taken.
    pub(crate) action: u64,
    /// Tiles of leaves before this one are on the disk for certain.
    pub(crate) tiles_through: u64,
    pub(crate) root: Hash,
    pub(crate) sm3_root: Hash,
}

impl Mark {
    /// Before the first command.
    pub(crate) fn start() -> Self {
        let (root, sm3_root) = (Sha256Tree::empty(), Sm3Tree::empty());
        Self { generation: 0, size: 0, next_sequence: 1, action: 0, tiles_through: 0, root, sm3_root }
    }

    const fn numbers(&self) -> [u64; NUMBERS] {
        [self.generation, self.size, self.next_sequence, self.action, self.tiles_through]
    }

    fn bytes(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let (body, crc) = bytes.split_at_mut(LEN - 4);
        let numbers = self.numbers().map(u64::to_le_bytes).concat();
        body.copy_from_slice(&[&MAGIC[..], &numbers, &self.root, &self.sm3_root].concat());
        crc.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; LEN]) -> Option<Self> {
        let (body, crc) = bytes.split_at(LEN - 4);
        let (magic, rest) = body.split_first_chunk::<8>()?;
        if *magic != MAGIC || crc32c::crc32c(body).to_le_bytes() != crc {
            return None;
        }
        let (numbers, rest) = rest.as_chunks::<8>().0.split_at(NUMBERS);
        let mut number = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let mut next = || number.next().unwrap_or_default();
        let (generation, size, next_sequence, action, tiles_through) = (next(), next(), next(), next(), next());
        let rest = rest.as_flattened();
        let (root, sm3_root) = (*rest.first_chunk()?, *rest.last_chunk()?);
        Some(Self { generation, size, next_sequence, action, tiles_through, root, sm3_root })
    }

    /// The newest whole mark of the file; `None` if there is none.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ComplianceError::file(path)(error)),
        };
        let place = |number: u64| {
            let mut bytes = [0; LEN];
            file.read_exact_at(&mut bytes, number * PLACE).ok()?;
            Self::read(&bytes)
        };
        Ok([place(0), place(1)].into_iter().flatten().max_by_key(|mark| mark.generation))
    }

    /// Writes it over the older of the two and makes it durable.
    pub(crate) fn store(&self, file: &File, path: &Path) -> Result<()> {
        file.write_all_at(&self.bytes(), (self.generation % 2) * PLACE)
            .and_then(|()| file.sync_data())
            .map_err(ComplianceError::file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_mark_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        assert_eq!(Mark::load(&path).unwrap(), None);
        let file = File::options().create(true).truncate(false).write(true).open(&path).unwrap();
        let first = Mark { generation: 1, size: 7, next_sequence: 9, ..Mark::start() };
        let second = Mark { generation: 2, size: 8, root: [3; 32], sm3_root: [4; 32], ..first };
        first.store(&file, &path).unwrap();
        assert_eq!(Mark::load(&path).unwrap(), Some(first));
        second.store(&file, &path).unwrap();
        assert_eq!(Mark::load(&path).unwrap(), Some(second));
        file.write_all_at(&[9], 40).unwrap();
        assert_eq!(Mark::load(&path).unwrap(), Some(first), "the second was torn");
    }
}
