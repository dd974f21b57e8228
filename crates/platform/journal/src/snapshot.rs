//! Snapshots: whole states in canonical sections, each file complete or absent.
//!
//! Layout, little-endian: `HENGSNAP`, format u16 (1), zero u16, description length u32, sequence
//! u64, CRC32C u32 over what stands before it and the description, the description; then per
//! section tag u32, CRC32C u32 over tag, length and bytes, length u64, bytes; then tag
//! 0xFFFF_FFFF, section count u32, and SHA-256 over everything before it.

use crate::error::{Refusal, Result, at};
use crate::format::Hash;
use crate::limits::{SECTION_BYTES_MAX, SECTIONS_MAX, SNAPSHOT_META_BYTES_MAX};
use crate::snapshot_reader::SnapshotReader;
use crate::storage::{OpenMode, Storage, StorageFile};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const MAGIC: &[u8; 8] = b"HENGSNAP";
pub(crate) const FORMAT: u16 = 1;
pub(crate) const HEAD_BYTES: usize = 28;
const SECTION_HEAD_BYTES: usize = 16;
pub(crate) const END_BYTES: usize = 8;
pub(crate) const TAG_END: u32 = u32::MAX;
const SUFFIX: &str = ".snap";
const TEMPORARY: &str = "snapshot.tmp";

/// The snapshots of one partition in one folder.
#[derive(Debug)]
pub struct SnapshotStore {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
}

/// A snapshot that was skipped, and why.
#[derive(Debug)]
pub struct Skipped {
    /// Sequence by its file name.
    pub sequence: u64,
    /// What is wrong, with file and offset.
    pub reason: crate::JournalError,
}

/// The newest sound snapshot, and the damaged ones above it.
#[derive(Debug)]
pub struct LatestValid {
    /// Sequence of the snapshot; `None` if no sound one exists.
    pub sequence: Option<u64>,
    /// Newer snapshots that are damaged.
    pub skipped: Vec<Skipped>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Sequence of the last command whose effects are in it.
    pub sequence: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file without that hash.
    pub content_hash: Hash,
}

impl SnapshotStore {
    /// Opens or creates the folder. A leftover of an interrupted write is removed.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path) -> Result<Self> {
        at(storage.create_dir(dir), "create", dir)?;
        let store = Self { storage, dir: dir.to_owned() };
        store.remove_temporary();
        Ok(store)
    }

    fn remove_temporary(&self) {
        // It never counts as a snapshot, so a failure to remove it is harmless.
        let _ = self.storage.remove(&self.dir.join(TEMPORARY));
    }

    fn path(&self, sequence: u64) -> PathBuf {
        self.dir.join(format!("{sequence:020}{SUFFIX}"))
    }

    /// Writes a snapshot; it exists, durably, when this returns, and not at all before.
    ///
    /// `meta`: at most 1 MiB, the caller's own description (format, engine level, rulebook hash).
    /// Section tags are any value but 0xFFFF_FFFF and keep their order.
    /// Errors: after [`crate::JournalError::DiskFull`] the space is given back.
    pub fn write(
        &self,
        sequence: u64,
        meta: &[u8],
        sections: impl Iterator<Item = (u32, Vec<u8>)>,
    ) -> Result<SnapshotInfo> {
        let written = self.write_temporary(sequence, meta, sections);
        let published = written.and_then(|info| {
            let path = self.path(sequence);
            at(self.storage.rename(&self.dir.join(TEMPORARY), &path), "rename", &path)?;
            at(self.storage.sync_dir(&self.dir), "sync", &self.dir)?;
            Ok(info)
        });
        if published.is_err() {
            self.remove_temporary();
        }
        published
    }

    fn write_temporary(
        &self,
        sequence: u64,
        meta: &[u8],
        sections: impl Iterator<Item = (u32, Vec<u8>)>,
    ) -> Result<SnapshotInfo> {
        refuse_over(meta.len() as u64, SNAPSHOT_META_BYTES_MAX as u64)?;
        let path = self.dir.join(TEMPORARY);
        let file = at(self.storage.open(&path, OpenMode::Create), "create", &path)?;
        let mut output = Output { file, path, position: 0, hash: Sha256::new() };
        output.put(&encode_head(sequence, meta))?;
        output.put(meta)?;
        let mut count = 0;
        for (tag, bytes) in sections {
            refuse_over(bytes.len() as u64, SECTION_BYTES_MAX)?;
            count += 1;
            if tag == TAG_END || count > SECTIONS_MAX {
                return Err(Refusal::Options("section tag or count out of bounds").into());
            }
            output.put(&encode_section_head(tag, &bytes))?;
            output.put(&bytes)?;
        }
        output.finish(sequence, count)
    }

    /// Sequences of the snapshots by name, ascending, sound or not.
    pub fn list(&self) -> Result<Vec<u64>> {
        let names = at(self.storage.list(&self.dir), "list", &self.dir)?;
        let mut found: Vec<u64> = names
            .iter()
            .filter_map(|name| name.strip_suffix(SUFFIX))
            .filter(|digits| digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()))
            .filter_map(|digits| digits.parse().ok())
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Opens a snapshot for reading section by section. Each section is checked when it is read;
    /// the whole is sound once the reader has returned `None`.
    pub fn load(&self, sequence: u64) -> Result<SnapshotReader> {
        let path = self.path(sequence);
        let file = match self.storage.open(&path, OpenMode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Refusal::NoSnapshot(sequence).into());
            }
            other => at(other, "open", &path)?,
        };
        SnapshotReader::start(file, path, sequence)
    }

    /// Reads the whole snapshot and checks it.
    pub fn verify(&self, sequence: u64) -> Result<()> {
        let mut reader = self.load(sequence)?;
        while reader.next_section()?.is_some() {}
        Ok(())
    }

    /// The newest snapshot that is sound from the first byte to the last, and why newer ones were
    /// skipped.
    pub fn latest_valid(&self) -> Result<LatestValid> {
        let mut skipped = Vec::new();
        for sequence in self.list()?.into_iter().rev() {
            match self.verify(sequence) {
                Ok(()) => {
                    let sequence = Some(sequence);
                    return Ok(LatestValid { sequence, skipped });
                }
                Err(reason) => skipped.push(Skipped { sequence, reason }),
            }
        }
        let sequence = None;
        Ok(LatestValid { sequence, skipped })
    }

    /// Keeps the newest `count` (at least 1) sound snapshots and removes everything older than
    /// them; returns what was removed. A damaged one never takes the place of a sound one.
    pub fn retain_last(&self, count: usize) -> Result<Vec<u64>> {
        let all = self.list()?;
        let sound = all.iter().rev().filter(|&&sequence| self.verify(sequence).is_ok());
        let Some(&oldest_kept) = sound.take(count.max(1)).last() else {
            return Ok(Vec::new());
        };
        let gone: Vec<u64> = all.into_iter().filter(|&s| s < oldest_kept).collect();
        for &sequence in &gone {
            let path = self.path(sequence);
            at(self.storage.remove(&path), "remove", &path)?;
        }
        at(self.storage.sync_dir(&self.dir), "sync", &self.dir)?;
        Ok(gone)
    }
}

fn refuse_over(found: u64, limit: u64) -> Result<()> {
    if found > limit {
        return Err(Refusal::TooLarge { found, limit }.into());
    }
    Ok(())
}

pub(crate) fn encode_head(sequence: u64, meta: &[u8]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[0..8].copy_from_slice(MAGIC);
    head[8..10].copy_from_slice(&FORMAT.to_le_bytes());
    head[12..16].copy_from_slice(&(meta.len() as u32).to_le_bytes());
    head[16..24].copy_from_slice(&sequence.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..24]), meta);
    head[24..28].copy_from_slice(&crc.to_le_bytes());
    head
}

pub(crate) fn section_checksum(tag: u32, bytes: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&tag.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &(bytes.len() as u64).to_le_bytes());
    crc32c::crc32c_append(crc, bytes)
}

fn encode_section_head(tag: u32, bytes: &[u8]) -> [u8; SECTION_HEAD_BYTES] {
    let mut head = [0; SECTION_HEAD_BYTES];
    head[0..4].copy_from_slice(&tag.to_le_bytes());
    head[4..8].copy_from_slice(&section_checksum(tag, bytes).to_le_bytes());
    head[8..16].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    head
}

struct Output {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    position: u64,
    hash: Sha256,
}

impl Output {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        at(self.file.write_at(self.position, bytes), "write", &self.path)?;
        self.hash.update(bytes);
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self, sequence: u64, count: u32) -> Result<SnapshotInfo> {
        let mut end = [0; END_BYTES];
        end[0..4].copy_from_slice(&TAG_END.to_le_bytes());
        end[4..8].copy_from_slice(&count.to_le_bytes());
        self.put(&end)?;
        let content_hash: Hash = self.hash.clone().finalize().into();
        self.put(&content_hash)?;
        at(self.file.sync_all(), "sync", &self.path)?;
        Ok(SnapshotInfo { sequence, bytes: self.position, content_hash })
    }
}
