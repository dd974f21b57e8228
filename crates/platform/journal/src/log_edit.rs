//! The rare changes to a log: cutting its end, dropping its start, starting anew.

use crate::cursor::{FrameCursor, Step};
use crate::error::{Damage, JournalError, Refusal, Result, at, damaged};
use crate::format::{Hash, SegmentHeader};
use crate::log::{FrameLog, remove_segment};
use crate::segment::{Segment, open_segment, segment_path};
use crate::storage::OpenMode;

/// Where a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStart {
    /// Index of its first record, written or not; at least 1.
    pub first_index: u64,
    /// Term of the record before it; 0 at the very beginning.
    pub previous_term: u64,
    /// Hash of the record before it; zeros at the very beginning.
    pub previous_hash: Hash,
}

impl FrameLog {
    /// Drops every frame above `index`, durably. An interrupted call leaves the log with some of
    /// those frames still there, never with a hole.
    pub(crate) fn truncate_after(&mut self, index: u64) -> Result<()> {
        self.check_alive()?;
        let (first, last) = (self.purged_to(), self.last_index());
        if index < first || index > last {
            return Err(Refusal::OutOfRange { index, first, last }.into());
        }
        if index == last {
            return Ok(());
        }
        self.cut(index).map_err(|error| match error {
            fatal @ JournalError::Fatal { .. } => fatal,
            other => {
                let path = self.dir.clone();
                self.fail("truncate", &path, &other)
            }
        })
    }

    fn cut(&mut self, index: u64) -> Result<()> {
        // The sync that might be under way speaks of frames that are going away.
        self.epoch += 1;
        while self.segments.len() > 1 && self.active.header.first_index > index + 1 {
            self.drop_last_segment()?;
        }
        let cursor = self.seek(&self.active, index)?;
        let (file, path) = (&self.active.file, &self.active.path);
        at(file.set_len(cursor.position), "cut", path)?;
        at(file.sync_all(), "sync", path)?;
        self.position = cursor.position;
        self.durable_position = self.position;
        self.next_index = cursor.next_index;
        self.chain_head = cursor.chain_head;
        self.last_order = cursor.last_order;
        self.durable = index;
        self.durable_order = self.last_order;
        self.restore_capacity()?;
        self.write_mark();
        Ok(())
    }

    fn drop_last_segment(&mut self) -> Result<()> {
        let gone = self.segments.pop().expect("there are at least two segments");
        remove_segment(self.storage.as_ref(), &self.dir, gone)?;
        let first = self.segments[self.segments.len() - 1];
        self.active = open_segment(
            self.storage.as_ref(),
            &self.dir,
            first,
            OpenMode::Write,
            self.config.family,
            Some(self.config.partition),
        )?;
        Ok(())
    }

    /// A cursor behind the frame with this index.
    fn seek(&self, segment: &Segment, index: u64) -> Result<FrameCursor> {
        let mut cursor = FrameCursor::new(segment.clone(), self.config.family, true)?;
        while cursor.next_index <= index {
            if let Step::End(reason) = cursor.step()? {
                let damage = reason.unwrap_or(Damage::MissingSegment(cursor.next_index));
                return Err(damaged(&segment.path, cursor.position, damage));
            }
        }
        Ok(cursor)
    }

    /// Where the log begins now.
    pub(crate) fn start(&self) -> Result<LogStart> {
        let (first, mode) = (self.segments[0], OpenMode::Read);
        let partition = Some(self.config.partition);
        let disk = self.storage.as_ref();
        let family = self.config.family;
        let header = open_segment(disk, &self.dir, first, mode, family, partition)?.header;
        Ok(LogStart {
            first_index: header.first_index,
            previous_term: header.previous_order,
            previous_hash: header.previous,
        })
    }

    /// Removes whole segments whose frames all stand below `index`; returns the first index that
    /// is left. The active segment always stays.
    pub(crate) fn purge_before(&mut self, index: u64) -> Result<u64> {
        self.check_alive()?;
        while self.segments.len() > 1 && self.segments[1] <= index {
            remove_segment(self.storage.as_ref(), &self.dir, self.segments[0])?;
            self.segments.remove(0);
        }
        Ok(self.segments[0])
    }

    /// Empties the log and lets it continue at another place, after a snapshot was installed
    /// that reaches further than the log.
    pub(crate) fn start_anew(&mut self, start: LogStart) -> Result<()> {
        self.check_alive()?;
        let (index, first) = (start.first_index, self.segments[0]);
        if index < first {
            let last = self.last_index();
            return Err(Refusal::OutOfRange { index, first, last }.into());
        }
        if index <= self.last_index() {
            self.truncate_after(index - 1)?;
        }
        // A segment of this very name can only be the empty active one; the rename replaces it.
        let replaced = self.active.header.first_index == index;
        let old = self.segments.clone();
        let header = SegmentHeader {
            partition: self.config.partition,
            starts_anew: true,
            first_index: index,
            previous_order: start.previous_term,
            previous: start.previous_hash,
        };
        self.start_segment(header, self.config.segment_bytes)?;
        self.epoch += 1;
        self.next_index = index;
        self.chain_head = start.previous_hash;
        self.last_order = start.previous_term;
        self.durable = index - 1;
        self.durable_order = self.last_order;
        self.segments = vec![index];
        for first in old {
            if !(replaced && first == index) {
                remove_segment(self.storage.as_ref(), &self.dir, first)?;
            }
        }
        self.write_mark();
        debug_assert_eq!(self.active.path, segment_path(&self.dir, index));
        Ok(())
    }
}
