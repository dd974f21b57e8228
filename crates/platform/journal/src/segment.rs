//! Segment files: their names, their headers, their order.

use crate::error::{Damage, Result, at, damaged};
use crate::format::{Family, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::limits::INDEX_MAX;
use crate::storage::{OpenMode, Storage, StorageFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SUFFIX: &str = ".seg";
/// Digits of the largest index.
const DIGITS: usize = 20;

/// A segment is prepared under this name and renamed when it is taken into use, so a file with a
/// segment name always has a whole, synced header.
pub(crate) const PREPARED: &str = "prepared.tmp";

pub(crate) fn segment_path(dir: &Path, first_index: u64) -> PathBuf {
    dir.join(format!("{first_index:0DIGITS$}{SUFFIX}"))
}

fn first_index_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// First indexes of the segments of a folder, ascending.
pub(crate) fn list_segments(storage: &dyn Storage, dir: &Path) -> Result<Vec<u64>> {
    let names = at(storage.list(dir), "list", dir)?;
    let mut found: Vec<u64> = names.iter().filter_map(|name| first_index_of(name)).collect();
    found.sort_unstable();
    Ok(found)
}

/// An open segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) header: SegmentHeader,
    pub(crate) salt: u32,
}

/// Opens a segment and checks its header against its name and the log.
pub(crate) fn open_segment(
    storage: &dyn Storage,
    dir: &Path,
    first_index: u64,
    mode: OpenMode,
    family: Family,
    partition: Option<u16>,
) -> Result<Segment> {
    let path = segment_path(dir, first_index);
    let file = at(storage.open(&path, mode), "open", &path)?;
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let read = at(file.read_at(0, &mut bytes), "read", &path)?;
    if read < SEGMENT_HEADER_BYTES {
        return Err(damaged(&path, 0, Damage::ShortHeader));
    }
    let header = SegmentHeader::decode(family, &bytes).map_err(|damage| damaged(&path, 0, damage))?;
    let in_bounds = (1..=INDEX_MAX).contains(&first_index);
    if header.first_index != first_index || !in_bounds {
        return Err(damaged(&path, 16, Damage::WrongName(header.first_index)));
    }
    if let Some(expected) = partition
        && expected != header.partition
    {
        let found = header.partition;
        return Err(damaged(&path, 10, Damage::ForeignPartition { expected, found }));
    }
    Ok(Segment { path, file, header, salt: SegmentHeader::salt(&bytes) })
}

/// Segments that count: those from the newest one that starts the log anew. Also returns the
/// void ones before it.
pub(crate) fn live_segments(
    storage: &dyn Storage,
    dir: &Path,
    family: Family,
    partition: Option<u16>,
) -> Result<(Vec<u64>, Vec<u64>)> {
    let mut all = list_segments(storage, dir)?;
    let mut start = 0;
    // An event log never starts anew, and has too many segments to open each.
    if family == Family::Events {
        return Ok((all, Vec::new()));
    }
    for (position, &first) in all.iter().enumerate().skip(1).rev() {
        let segment = open_segment(storage, dir, first, OpenMode::Read, family, partition)?;
        if segment.header.starts_anew {
            start = position;
            break;
        }
    }
    let live = all.split_off(start);
    Ok((live, all))
}
