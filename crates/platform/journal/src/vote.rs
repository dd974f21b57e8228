//! The vote of a replica: a small durable cell beside the segments.
//!
//! Layout: `HENGVOTE`, length u32, CRC32C u32 over the length and the bytes, the bytes.
//! Replaced as a whole through a synced temporary file and a rename, so a crash leaves the old
//! vote or the new one.

use crate::error::{Damage, Refusal, Result, at, damaged};
use crate::format::u32_at;
use crate::limits::VOTE_BYTES_MAX;
use crate::storage::{OpenMode, Storage};
use std::io;
use std::path::Path;

const NAME: &str = "vote";
const TEMPORARY: &str = "vote.tmp";
const MAGIC: &[u8; 8] = b"HENGVOTE";
const HEAD_BYTES: usize = 16;

fn checksum(length: &[u8], vote: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(length), vote)
}

pub(crate) fn save(storage: &dyn Storage, dir: &Path, vote: &[u8]) -> Result<()> {
    if vote.len() > VOTE_BYTES_MAX {
        let (found, limit) = (vote.len() as u64, VOTE_BYTES_MAX as u64);
        return Err(Refusal::TooLarge { found, limit }.into());
    }
    let length = (vote.len() as u32).to_le_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&checksum(&length, vote).to_le_bytes());
    bytes.extend_from_slice(vote);
    let temporary = dir.join(TEMPORARY);
    let file = at(storage.open(&temporary, OpenMode::Create), "create", &temporary)?;
    at(file.write_at(0, &bytes), "write", &temporary)?;
    at(file.sync_all(), "sync", &temporary)?;
    let path = dir.join(NAME);
    at(storage.rename(&temporary, &path), "rename", &path)?;
    at(storage.sync_dir(dir), "sync", dir)
}

pub(crate) fn read(storage: &dyn Storage, dir: &Path) -> Result<Option<Vec<u8>>> {
    let path = dir.join(NAME);
    let file = match storage.open(&path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => at(other, "open", &path)?,
    };
    let mut bytes = vec![0; HEAD_BYTES + VOTE_BYTES_MAX + 1];
    let read = at(file.read_at(0, &mut bytes), "read", &path)?;
    bytes.truncate(read);
    parse(&bytes).map(Some).map_err(|(offset, damage)| damaged(&path, offset, damage))
}

fn parse(bytes: &[u8]) -> std::result::Result<Vec<u8>, (u64, Damage)> {
    if bytes.len() < HEAD_BYTES {
        return Err((0, Damage::ShortHeader));
    }
    if bytes[0..8] != *MAGIC {
        return Err((0, Damage::BadMagic));
    }
    let (head, vote) = bytes.split_at(HEAD_BYTES);
    let length = u64::from(u32_at(head, 8));
    if length != vote.len() as u64 {
        let found = length;
        let limit = vote.len() as u64;
        return Err((8, Damage::TooLong { found, limit }));
    }
    if u32_at(head, 12) != checksum(&head[8..12], vote) {
        return Err((12, Damage::PayloadChecksum));
    }
    Ok(vote.to_vec())
}
