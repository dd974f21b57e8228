//! Reads a snapshot, trusting nothing in it.

use crate::error::{Damage, Result, at, damaged};
use crate::format::{Hash, hash_at, u32_at, u64_at};
use crate::limits::{SECTION_BYTES_MAX, SNAPSHOT_META_BYTES_MAX};
use crate::snapshot::{END_BYTES, FORMAT, HEAD_BYTES, MAGIC, TAG_END, encode_head, section_checksum};
use crate::storage::StorageFile;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes read at once.
const STEP_BYTES: usize = 1 << 20;

/// Reads one snapshot from front to back.
#[derive(Debug)]
pub struct SnapshotReader {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    sequence: u64,
    meta: Vec<u8>,
    position: u64,
    len: u64,
    hash: Sha256,
    sections: u32,
    done: bool,
}

impl SnapshotReader {
    pub(crate) fn start(file: Arc<dyn StorageFile>, path: PathBuf, sequence: u64) -> Result<Self> {
        let len = at(file.len(), "measure", &path)?;
        let mut reader = Self {
            file,
            path,
            sequence,
            meta: Vec::new(),
            position: 0,
            len,
            hash: Sha256::new(),
            sections: 0,
            done: false,
        };
        let head = reader.take(HEAD_BYTES as u64)?;
        reader.read_head(&head)?;
        Ok(reader)
    }

    fn read_head(&mut self, head: &[u8]) -> Result<()> {
        if head[0..8] != *MAGIC {
            return Err(self.damage(0, Damage::BadMagic));
        }
        let format = u32_at(head, 8) as u16;
        if format != FORMAT {
            return Err(self.damage(8, Damage::UnknownFormat(format)));
        }
        let (found, limit) = (u64::from(u32_at(head, 12)), SNAPSHOT_META_BYTES_MAX as u64);
        if found > limit {
            return Err(self.damage(12, Damage::TooLong { found, limit }));
        }
        self.meta = self.take(found)?;
        if *head != encode_head(u64_at(head, 16), &self.meta) {
            return Err(self.damage(24, Damage::HeaderChecksum));
        }
        if u64_at(head, 16) != self.sequence {
            return Err(self.damage(16, Damage::WrongName(u64_at(head, 16))));
        }
        Ok(())
    }

    fn damage(&self, offset: u64, damage: Damage) -> crate::JournalError {
        damaged(&self.path, offset, damage)
    }

    /// The next bytes, never more than the file holds.
    fn take(&mut self, count: u64) -> Result<Vec<u8>> {
        if count > self.len - self.position {
            return Err(self.damage(self.position, Damage::PastEnd));
        }
        let mut bytes = vec![0; count as usize];
        for (step, part) in bytes.chunks_mut(STEP_BYTES).enumerate() {
            let offset = self.position + (step * STEP_BYTES) as u64;
            let read = at(self.file.read_at(offset, part), "read", &self.path)?;
            if read < part.len() {
                return Err(damaged(&self.path, offset, Damage::PastEnd));
            }
        }
        self.hash.update(&bytes);
        self.position += count;
        Ok(bytes)
    }

    /// The description given when it was written.
    #[must_use]
    pub fn meta(&self) -> &[u8] {
        &self.meta
    }

    /// Sequence of the last command whose effects are in it.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The next section, or `None` once the whole file has proved sound.
    pub fn next_section(&mut self) -> Result<Option<(u32, Vec<u8>)>> {
        if self.done {
            return Ok(None);
        }
        let start = self.position;
        let head = self.take(END_BYTES as u64)?;
        let tag = u32_at(&head, 0);
        if tag == TAG_END {
            self.finish(u32_at(&head, 4))?;
            return Ok(None);
        }
        let length = u64_at(&self.take(8)?, 0);
        if length > SECTION_BYTES_MAX {
            let (found, limit) = (length, SECTION_BYTES_MAX);
            return Err(self.damage(start + 8, Damage::TooLong { found, limit }));
        }
        let bytes = self.take(length)?;
        if u32_at(&head, 4) != section_checksum(tag, &bytes) {
            return Err(self.damage(start, Damage::PayloadChecksum));
        }
        self.sections += 1;
        Ok(Some((tag, bytes)))
    }

    fn finish(&mut self, count: u32) -> Result<()> {
        let expected: Hash = self.hash.clone().finalize().into();
        let place = self.position;
        let stored = self.take(expected.len() as u64)?;
        let whole = count == self.sections && self.position == self.len;
        if hash_at(&stored, 0) != expected || !whole {
            return Err(self.damage(place, Damage::ContentHash));
        }
        self.done = true;
        Ok(())
    }
}
