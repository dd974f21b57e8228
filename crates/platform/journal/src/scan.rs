//! Reads a whole log from its first segment to its tail and says what was found.

use crate::cursor::{FrameCursor, Span, Step};
use crate::error::{Damage, Result, damaged};
use crate::format::{Family, Hash};
use crate::segment::{Segment, live_segments, open_segment};
use crate::storage::{OpenMode, Storage};
use std::path::{Path, PathBuf};

/// Bytes behind the last whole record that were never reported durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment file.
    pub path: PathBuf,
    /// Where the first damaged record starts.
    pub offset: u64,
    /// Bytes from there to the last one that is not zero.
    pub bytes: u64,
    /// What is wrong with the record.
    pub damage: Damage,
}

/// A whole log, read once.
#[derive(Debug)]
pub(crate) struct LogScan {
    /// First indexes of the live segments, ascending, never empty.
    pub(crate) segments: Vec<u64>,
    /// Segments before the newest one that starts the log anew.
    pub(crate) void: Vec<u64>,
    pub(crate) last_segment: Segment,
    pub(crate) next_index: u64,
    pub(crate) chain_head: Hash,
    pub(crate) last_order: u64,
    /// Where the next frame belongs in the last segment.
    pub(crate) position: u64,
    pub(crate) torn: Option<TornTail>,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// Which log to read and what to tell the caller of each frame.
pub(crate) struct Scan<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) dir: &'a Path,
    pub(crate) family: Family,
    /// Starts at the last segment and trusts its header for what came before.
    pub(crate) last_segment_only: bool,
    /// `None` accepts the partition of the first segment.
    pub(crate) partition: Option<u16>,
}

/// Called with each whole frame, its payload, and the file.
pub(crate) type Visit<'a> = dyn FnMut(&Span, &[u8], &Path) -> Result<()> + 'a;

impl Scan<'_> {
    /// `None` if the folder holds no segment.
    pub(crate) fn run(&self, visit: &mut Visit<'_>) -> Result<Option<LogScan>> {
        let (segments, void) = live_segments(self.storage, self.dir, self.family, self.partition)?;
        let skipped = match self.last_segment_only {
            true => segments.len().saturating_sub(1),
            false => 0,
        };
        let Some(&first) = segments.get(skipped) else {
            return Ok(None);
        };
        let segment = self.open(first, self.partition)?;
        let partition = Some(segment.header.partition);
        let mut cursor = FrameCursor::new(segment, self.family, true)?;
        let (mut records, mut bytes) = (0, 0);
        let mut rest = segments.iter().skip(skipped + 1);
        loop {
            let (ended, count) = self.walk(&mut cursor, visit)?;
            records += count;
            bytes += cursor.position;
            let Some(&following) = rest.next() else {
                let torn = judge_tail(&cursor, ended)?;
                return Ok(Some(LogScan {
                    next_index: cursor.next_index,
                    chain_head: cursor.chain_head,
                    last_order: cursor.last_order,
                    position: cursor.position,
                    last_segment: cursor.segment,
                    segments,
                    void,
                    torn,
                    records,
                    bytes,
                }));
            };
            check_inside(&cursor, ended, following)?;
            let segment = self.open(following, partition)?;
            check_joint(&cursor, &segment)?;
            cursor.move_to(segment)?;
        }
    }

    fn open(&self, first: u64, partition: Option<u16>) -> Result<Segment> {
        let mode = OpenMode::Read;
        open_segment(self.storage, self.dir, first, mode, self.family, partition)
    }

    /// Visits the frames of one segment; returns why it ended and how many there were.
    fn walk(&self, cursor: &mut FrameCursor, visit: &mut Visit<'_>) -> Result<(Option<Damage>, u64)> {
        let mut count = 0;
        loop {
            match cursor.step()? {
                Step::Frame(span) => {
                    visit(&span, cursor.payload(&span), &cursor.segment.path)?;
                    count += 1;
                }
                Step::End(ended) => return Ok((ended, count)),
            }
        }
    }
}

/// A segment that has a successor was synced whole before that successor came to be.
pub(crate) fn check_inside(cursor: &FrameCursor, ended: Option<Damage>, following: u64) -> Result<()> {
    if cursor.next_index == following && ended.is_none() {
        return Ok(());
    }
    let damage = match ended {
        Some(damage) => Damage::Inside(Box::new(damage)),
        None if cursor.tail()?.durable.is_some() => Damage::Inside(Box::new(Damage::BadMagic)),
        None => Damage::MissingSegment(cursor.next_index),
    };
    Err(damaged(&cursor.segment.path, cursor.position, damage))
}

/// The header of a segment continues the one before it.
pub(crate) fn check_joint(cursor: &FrameCursor, segment: &Segment) -> Result<()> {
    if segment.header.previous != cursor.chain_head {
        return Err(damaged(&segment.path, 32, Damage::ChainBreak));
    }
    if segment.header.previous_order != cursor.last_order {
        let (last, found) = (cursor.last_order, segment.header.previous_order);
        let damage = Damage::OrderDecreased { last, found };
        return Err(damaged(&segment.path, 24, damage));
    }
    Ok(())
}

/// Tells a tail that was never durable, which may go, from damage, which may not.
pub(crate) fn judge_tail(cursor: &FrameCursor, ended: Option<Damage>) -> Result<Option<TornTail>> {
    let tail = cursor.tail()?;
    let mark_only = ended.is_none() && tail.used_bytes <= crate::format::FRAME_HEADER_BYTES as u64;
    let reason = ended.unwrap_or(Damage::BadMagic);
    if let Some(durable) = tail.durable {
        let reason = Box::new(reason);
        let damage = Damage::DurableLost { reason, durable };
        return Err(damaged(&cursor.segment.path, cursor.position, damage));
    }
    let torn =
        TornTail { path: cursor.segment.path.clone(), offset: cursor.position, bytes: tail.used_bytes, damage: reason };
    let is_torn = tail.used_bytes > 0 && !mark_only;
    Ok(is_torn.then_some(torn))
}
