//! Reads the command journal.

use crate::error::Result;
use crate::format::{Family, Hash};
use crate::journal::{Index, RecordKind};
use crate::reader::{Check, FrameReader};
use crate::storage::Storage;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A record inside the buffer of a [`JournalReader`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Its index.
    pub index: Index,
    /// Its term.
    pub term: u64,
    /// Engine level that its commands were executed at.
    pub level: u16,
    /// What it holds.
    pub kind: RecordKind,
    /// Partition.
    pub partition: u16,
    /// Key of the payload; 0 = plain.
    pub key_id: u32,
    /// Hash of the record before it.
    pub previous_hash: Hash,
    /// Highest index that was durable when it was written.
    pub synced: Index,
    /// The payload.
    pub payload: &'a [u8],
}

/// A record of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its index.
    pub index: Index,
    /// Its term.
    pub term: u64,
    /// Engine level that its commands were executed at.
    pub level: u16,
    /// What it holds.
    pub kind: RecordKind,
    /// The payload.
    pub payload: Vec<u8>,
}

/// Reads a journal without write access, in bounded memory, also while a writer is alive.
///
/// It sees whole records only. It may see records that are not durable yet; whoever must not
/// show those compares the index with the writer's durable mark.
#[derive(Debug)]
pub struct JournalReader {
    frames: Option<FrameReader>,
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    from: Index,
    check: Check,
    follow: bool,
}

impl JournalReader {
    /// Starts at `from`. An index that was purged is refused; one that is not yet written is
    /// waited for. A folder without a journal reads as an empty one.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, from: Index, check: Check) -> Result<Self> {
        let disk = Arc::clone(&storage);
        let frames = FrameReader::open(disk, dir, Family::Journal, check, from)?;
        Ok(Self { frames, storage, dir: dir.to_owned(), from, check, follow: false })
    }

    /// For tailing a living writer: an empty place is taken for the present end at once. Without
    /// this, each arrival at the end looks through the rest of the segment for damage that hides
    /// behind an empty place; opening the journal and [`crate::verify`] always do.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follow = true;
        self
    }

    /// The next record, or `None` at the present end; a later call continues there.
    /// Errors: [`crate::JournalError::Damaged`] with file, offset and reason.
    pub fn next_record(&mut self) -> Result<Option<RecordRef<'_>>> {
        if self.frames.is_none() {
            let storage = Arc::clone(&self.storage);
            let family = Family::Journal;
            self.frames = FrameReader::open(storage, &self.dir, family, self.check, self.from)?;
        }
        let Some(frames) = &mut self.frames else {
            return Ok(None);
        };
        frames.follow = self.follow;
        let Some(span) = frames.next()? else {
            return Ok(None);
        };
        let header = &span.header;
        Ok(Some(RecordRef {
            index: header.index,
            term: header.order,
            level: header.level,
            kind: RecordKind::of(header.kind),
            partition: header.partition,
            key_id: header.key_id,
            previous_hash: header.previous,
            synced: header.synced,
            payload: frames.payload(&span),
        }))
    }

    /// Hash of the record returned last; the start of its segment before the first.
    /// Meaningful only with [`Check::Chain`].
    #[must_use]
    pub fn chain_head(&self) -> Option<Hash> {
        self.frames.as_ref().map(FrameReader::chain_head)
    }

    /// The file that the last record stands in.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.frames.as_ref().map(FrameReader::path)
    }
}

impl Iterator for JournalReader {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.next_record().transpose()?;
        Some(record.map(|record| Record {
            index: record.index,
            term: record.term,
            level: record.level,
            kind: record.kind,
            payload: record.payload.to_vec(),
        }))
    }
}
