//! Verifies a journal and plans its repair. Nothing here changes a byte.

use crate::cursor::{FrameCursor, Step};
use crate::error::{JournalError, Result};
use crate::format::{Family, Hash, SEGMENT_HEADER_BYTES, frame_bytes};
use crate::journal::{Index, RecordKind, quarantine_of};
use crate::quarantine::Quarantine;
use crate::scan::{LogScan, Scan, TornTail, check_inside};
use crate::segment::{list_segments, live_segments, open_segment, segment_path};
use crate::storage::{OpenMode, Storage};
use std::path::{Path, PathBuf};

/// A journal that holds together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Partition of the journal.
    pub partition: u16,
    /// First index held; above `last_index` if there is no record.
    pub first_index: Index,
    /// Last index held.
    pub last_index: Index,
    /// Records read.
    pub records: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes in use.
    pub bytes: u64,
    /// Hash of the last record.
    pub chain_head: Hash,
    /// A tail that opening would drop.
    pub torn: Option<TornTail>,
    /// The quarantines, in order.
    pub quarantined: Vec<Quarantine>,
}

/// Bytes that a repair would cut from the end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment file.
    pub path: PathBuf,
    /// Where the cut would be.
    pub offset: u64,
    /// Why.
    pub reason: String,
}

/// What a repair would do. Making the plan changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairPlan {
    /// The cut, if any.
    pub cut: Option<Cut>,
    /// Files that would go whole.
    pub remove: Vec<PathBuf>,
    /// Last index that would be left; 0 if none.
    pub last_index_kept: Index,
    /// Whether records that were durable would be lost. Then a backup or a replica is the better
    /// source, and opening the journal refuses.
    pub loses_durable: bool,
}

impl RepairPlan {
    /// Whether there is nothing to repair.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.cut.is_none() && self.remove.is_empty()
    }
}

fn scan<'a>(storage: &'a dyn Storage, dir: &'a Path) -> Scan<'a> {
    Scan { storage, dir, family: Family::Journal, last_segment_only: false, partition: None }
}

/// Reads every record and checks checksums, hash chain, order and segment succession.
/// `None` if the folder holds no journal.
pub fn verify(storage: &dyn Storage, dir: &Path) -> Result<Option<Verification>> {
    let mut quarantined = Vec::new();
    let found = scan(storage, dir).run(&mut |span, payload, path| {
        quarantined.extend(quarantine_of(&span.header, span.offset, payload, path)?);
        Ok(())
    })?;
    Ok(found.map(|found| Verification {
        partition: found.last_segment.header.partition,
        first_index: found.segments[0],
        last_index: found.next_index - 1,
        records: found.records,
        segments: found.segments.len() as u64,
        bytes: found.bytes,
        chain_head: found.chain_head,
        torn: found.torn,
        quarantined,
    }))
}

/// The quarantines of a journal, in order; beside a living writer if need be.
///
/// Only headers and quarantines are read: a damaged payload elsewhere is left to whoever reads it. A folder without a
/// journal has none. Errors: [`JournalError::Damaged`] if headers are damaged before the last segment, or a quarantine
/// is.
pub fn quarantines(storage: &dyn Storage, dir: &Path) -> Result<Vec<Quarantine>> {
    let mut found = Vec::new();
    let (segments, _) = live_segments(storage, dir, Family::Journal, None)?;
    for (place, &first) in segments.iter().enumerate() {
        let segment = open_segment(storage, dir, first, OpenMode::Read, Family::Journal, None)?;
        let mut cursor = FrameCursor::new(segment, Family::Journal, false)?.for_headers();
        let ended = loop {
            match cursor.step_over(RecordKind::Quarantine as u8)? {
                Step::Frame(span) if span.header.kind == RecordKind::Quarantine as u8 => {
                    let path = &cursor.segment.path;
                    found.extend(quarantine_of(&span.header, span.offset, cursor.payload(&span), path)?);
                }
                Step::Frame(_) => {}
                Step::End(ended) => break ended,
            }
        };
        if let Some(&following) = segments.get(place + 1) {
            check_inside(&cursor, ended, following)?;
        }
    }
    Ok(found)
}

/// Says what would have to be cut so that the journal opens again.
///
/// Errors: only those of the disk itself; damage is what the plan is about.
pub fn repair_plan(storage: &dyn Storage, dir: &Path) -> Result<RepairPlan> {
    let mut kept = (0, PathBuf::new(), SEGMENT_HEADER_BYTES as u64);
    let outcome = scan(storage, dir).run(&mut |span, payload, path| {
        let end = span.offset + frame_bytes(payload.len() as u64);
        kept = (span.header.index, path.to_owned(), end);
        Ok(())
    });
    match outcome {
        Ok(found) => Ok(plan_torn(dir, found)),
        Err(JournalError::Damaged { path, offset, damage }) => {
            plan_damage(storage, dir, kept, path, offset, damage.to_string())
        }
        Err(other) => Err(other),
    }
}

fn plan_torn(dir: &Path, found: Option<LogScan>) -> RepairPlan {
    let Some(found) = found else {
        return RepairPlan::default();
    };
    let void = found.void.iter();
    RepairPlan {
        last_index_kept: found.next_index - 1,
        remove: void.map(|&first| segment_path(dir, first)).collect(),
        cut: found.torn.map(|torn| Cut { path: torn.path, offset: torn.offset, reason: torn.damage.to_string() }),
        loses_durable: false,
    }
}

fn plan_damage(
    storage: &dyn Storage,
    dir: &Path,
    kept: (Index, PathBuf, u64),
    path: PathBuf,
    offset: u64,
    reason: String,
) -> Result<RepairPlan> {
    let (last_index_kept, kept_path, kept_end) = kept;
    let segments = list_segments(storage, dir)?;
    let all = segments.iter().map(|&first| segment_path(dir, first));
    let mut remove: Vec<PathBuf> = all.filter(|segment| *segment > path).collect();
    let in_header = offset < SEGMENT_HEADER_BYTES as u64;
    if in_header {
        remove.insert(0, path.clone());
    }
    let offset = match kept_path == path {
        true => kept_end,
        false => SEGMENT_HEADER_BYTES as u64,
    };
    let cut = Cut { path, offset, reason };
    Ok(RepairPlan { cut: (!in_header).then_some(cut), remove, last_index_kept, loses_durable: true })
}
