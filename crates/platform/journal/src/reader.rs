//! Reads the frames of a log across its segments, beside a living writer if need be.

use crate::cursor::{FrameCursor, Span, Step};
use crate::error::{Damage, Refusal, Result, damaged};
use crate::format::{Family, Hash};
use crate::scan::{check_inside, check_joint, judge_tail};
use crate::segment::{list_segments, live_segments, open_segment};
use crate::storage::{OpenMode, Storage};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much a reader checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Checksums and the hash chain.
    Chain,
    /// Checksums only: faster where the chain was verified before.
    Checksums,
}

#[derive(Debug)]
pub(crate) struct FrameReader {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    family: Family,
    check: Check,
    cursor: FrameCursor,
    from: u64,
    /// Whether an empty place is taken for the present end without looking behind it.
    pub(crate) follow: bool,
    /// Where the bytes behind the last whole frame were judged; repeated only after progress.
    judged_at: Option<u64>,
}

impl FrameReader {
    /// Starts at `from`, which may be the next index still to be written. `None` if the folder
    /// holds no segment.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        family: Family,
        check: Check,
        from: u64,
    ) -> Result<Option<Self>> {
        let (segments, _) = live_segments(storage.as_ref(), dir, family, None)?;
        let Some(&first) = segments.first() else {
            return Ok(None);
        };
        if from < first {
            let last = segments[segments.len() - 1];
            let index = from;
            return Err(Refusal::OutOfRange { index, first, last }.into());
        }
        let start = segments.partition_point(|&segment| segment <= from) - 1;
        let mode = OpenMode::Read;
        let segment = open_segment(storage.as_ref(), dir, segments[start], mode, family, None)?;
        let cursor = FrameCursor::new(segment, family, check == Check::Chain)?;
        Ok(Some(Self { storage, dir: dir.to_owned(), family, check, cursor, from, follow: false, judged_at: None }))
    }

    /// The next frame, or `None` at the present end. A later call continues there.
    pub(crate) fn next(&mut self) -> Result<Option<Span>> {
        loop {
            let step = self.cursor.step()?;
            let found = match step {
                Step::Frame(span) => Some(span),
                Step::End(_) => self.pass_end()?,
            };
            match found {
                Some(span) if span.header.index < self.from => {}
                other => return Ok(other),
            }
        }
    }

    pub(crate) fn payload(&self, span: &Span) -> &[u8] {
        self.cursor.payload(span)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.cursor.segment.path
    }

    pub(crate) fn chain_head(&self) -> Hash {
        self.cursor.chain_head
    }

    /// The end of a segment, the present end of the log, or damage. The folder is listed before
    /// the segment is read again: a segment that has a successor in the list is complete by then.
    fn pass_end(&mut self) -> Result<Option<Span>> {
        let current = self.cursor.segment.header.first_index;
        let later = list_segments(self.storage.as_ref(), &self.dir)?.into_iter().find(|&first| first > current);
        self.cursor.refresh()?;
        let ended = match self.cursor.step()? {
            Step::Frame(span) => return Ok(Some(span)),
            Step::End(ended) => ended,
        };
        match later {
            Some(following) => self.enter(following, ended),
            None => self.judge(ended),
        }
    }

    fn enter(&mut self, following: u64, ended: Option<Damage>) -> Result<Option<Span>> {
        let (mode, partition) = (OpenMode::Read, Some(self.cursor.segment.header.partition));
        let disk = self.storage.as_ref();
        let segment = open_segment(disk, &self.dir, following, mode, self.family, partition)?;
        if segment.header.starts_anew {
            let damage = Damage::MissingSegment(self.cursor.next_index);
            return Err(damaged(&segment.path, 12, damage));
        }
        check_inside(&self.cursor, ended, following)?;
        if self.check == Check::Chain {
            check_joint(&self.cursor, &segment)?;
        }
        self.cursor.move_to(segment)?;
        match self.cursor.step()? {
            Step::Frame(span) => Ok(Some(span)),
            Step::End(_) => self.pass_end(),
        }
    }

    /// Damage in the last segment must not look like its end. What looks like damage may also be
    /// a record that a writer finished, and proved durable, while we looked: then it is there now.
    fn judge(&mut self, ended: Option<Damage>) -> Result<Option<Span>> {
        let trusted = self.follow && ended.is_none();
        if trusted || self.judged_at == Some(self.cursor.position) {
            return Ok(None);
        }
        if let Err(error) = judge_tail(&self.cursor, ended) {
            self.cursor.refresh()?;
            return match self.cursor.step()? {
                Step::Frame(span) => Ok(Some(span)),
                Step::End(_) => Err(error),
            };
        }
        self.judged_at = Some(self.cursor.position);
        Ok(None)
    }
}
