//! The event log: the record, kept for 20 years, in compressed blocks.

use crate::cursor::Span;
use crate::error::{JournalError, Refusal, Result, at, damaged};
use crate::event_block::{BlockHead, BlockSpan, KIND_BLOCK, decode_head, encode, expand};
use crate::format::{Family, Hash};
use crate::log::{FrameLog, FrameMeta, LogConfig};
use crate::reader::{Check, FrameReader};
use crate::scan::{Scan, TornTail};
use crate::segment::{list_segments, open_segment};
use crate::spare::Preallocation;
use crate::storage::{OpenMode, Storage};
use crate::sync_ticket::{SyncOutcome, SyncTicket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How an event log is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventLogOptions {
    /// The partition whose events these are.
    pub partition: u16,
    /// First sequence of a new log; at least 1. An existing log keeps its own.
    pub first_sequence: u64,
    /// Bytes of a segment, 1 KiB to 4 GiB.
    pub segment_bytes: u64,
    /// How the room of segments is made. The log stands behind the gate, nobody waits for its
    /// sync, so the default lets files grow.
    pub preallocation: Preallocation,
}

impl Default for EventLogOptions {
    fn default() -> Self {
        Self { partition: 0, first_sequence: 1, segment_bytes: 256 << 20, preallocation: Preallocation::Grow }
    }
}

/// What opening an event log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecovery {
    /// Last sequence held. Later events are made again by re-executing the journal.
    pub last_sequence: u64,
    /// Hash of the last block.
    pub chain_head: Hash,
    /// The tail that was dropped, if any.
    pub torn: Option<TornTail>,
}

/// The one writer of an event log.
#[derive(Debug)]
pub struct EventLog {
    log: FrameLog,
    /// A compressed block, if `prepared` says of which events.
    scratch: Vec<u8>,
    prepared: Option<FrameMeta>,
}

impl EventLog {
    /// Opens the log in `dir`, or creates it there. Only the last segment is read: the log holds
    /// 20 years, and [`verify_events`] reads it all.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, options: EventLogOptions) -> Result<(Self, EventRecovery)> {
        if options.first_sequence == 0 {
            return Err(Refusal::Options("the first sequence is 0").into());
        }
        let config = LogConfig {
            family: Family::Events,
            partition: options.partition,
            key_id: 0,
            segment_bytes: options.segment_bytes,
            preallocation: options.preallocation,
            initial_order: options.first_sequence - 1,
            last_segment_only: true,
        };
        let (log, found) = FrameLog::open(storage, dir, config, &mut |span, payload, path| {
            check_block(span, payload, path).map(|_| ())
        })?;
        let recovery = EventRecovery { last_sequence: log.last_order, chain_head: log.chain_head, torn: found.torn };
        Ok((Self { log, scratch: Vec::new(), prepared: None }, recovery))
    }

    /// Compresses `raw` (at most [`crate::BLOCK_RAW_BYTES_MAX`]) into one block behind the last one.
    ///
    /// Errors: [`Refusal::Gap`] and [`Refusal::Overlap`] unless the block starts right behind the
    /// last sequence; [`JournalError::DiskFull`] changes nothing and may be repeated.
    pub fn append_block(&mut self, span: &BlockSpan, raw: &[u8]) -> Result<()> {
        self.prepare_block(span, raw)?;
        self.append_prepared()
    }

    /// The first half of [`EventLog::append_block`]: checks and compresses without touching the disk, so that a caller
    /// who must wait before it may append uses the time. A block that was prepared before is forgotten.
    ///
    /// Errors: as [`EventLog::append_block`], but for those of the disk.
    pub fn prepare_block(&mut self, span: &BlockSpan, raw: &[u8]) -> Result<()> {
        self.prepared = None;
        let (expected, found) = (self.last_sequence() + 1, span.first_sequence);
        if found > expected {
            return Err(Refusal::Gap { expected, found }.into());
        }
        if found < expected {
            return Err(Refusal::Overlap { expected, found }.into());
        }
        if span.last_sequence < found || span.last_sequence == u64::MAX {
            let (first, last) = (found, span.last_sequence);
            return Err(Refusal::EmptyBlock { first, last }.into());
        }
        encode(&mut self.scratch, span, raw)?;
        self.prepared = Some(FrameMeta { kind: KIND_BLOCK, level: span.level, order: span.last_sequence });
        Ok(())
    }

    /// Appends the prepared block; nothing if there is none.
    ///
    /// Errors: [`JournalError::DiskFull`] changes nothing, the block stays prepared and the call may be repeated.
    pub fn append_prepared(&mut self) -> Result<()> {
        if let Some(meta) = self.prepared {
            self.log.append(meta, &self.scratch)?;
            self.prepared = None;
        }
        Ok(())
    }

    /// Whether the prepared block goes into the segment in use. If not, appending it syncs that segment; the kernel
    /// reports a failed write-back to one caller only, so no [`SyncTicket`] may be run beside that.
    #[must_use]
    pub fn has_room_for_prepared(&self) -> bool {
        self.prepared.is_none() || self.log.room() >= self.scratch.len() as u64
    }

    /// Makes all blocks so far durable and returns the last durable sequence. A failed fdatasync
    /// is fatal for this log, as in the journal.
    pub fn sync(&mut self) -> Result<u64> {
        self.log.sync()?;
        Ok(self.durable_sequence())
    }

    /// Begins a sync of all blocks so far that another thread can run, so that nobody waits for it here.
    pub fn begin_sync(&self) -> Result<SyncTicket> {
        self.log.begin_sync()
    }

    /// Takes note of a sync that was run and returns the last durable sequence. A failed one is fatal, as in
    /// [`EventLog::sync`].
    pub fn complete_sync(&mut self, outcome: SyncOutcome) -> Result<u64> {
        self.log.complete_sync(outcome)?;
        Ok(self.durable_sequence())
    }

    /// Last sequence appended; one below the first sequence if there is none.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.log.last_order
    }

    /// Last sequence that survives a power loss.
    #[must_use]
    pub fn durable_sequence(&self) -> u64 {
        self.log.durable_order
    }

    /// Hash of the last block.
    #[must_use]
    pub fn chain_head(&self) -> Hash {
        self.log.chain_head
    }

    /// Blocks from the one that holds `sequence` on.
    pub fn read_from(&self, sequence: u64) -> Result<EventReader> {
        let storage = Arc::clone(&self.log.storage);
        EventReader::open(storage, &self.log.dir, sequence)
    }
}

fn check_block(span: &Span, payload: &[u8], path: &Path) -> Result<BlockHead> {
    decode_head(span, payload).map_err(|damage| damaged(path, span.offset, damage))
}

/// A block with its events expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventBlock<'a> {
    /// Which events it holds. The first block may start below the sequence asked for.
    pub span: BlockSpan,
    /// The events as they were appended.
    pub raw: &'a [u8],
}

/// A block with its events left compressed, for inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInfo {
    /// Which events it holds.
    pub span: BlockSpan,
    /// Number of the block, from 1.
    pub index: u64,
    /// Bytes before compression.
    pub raw_bytes: u32,
    /// Bytes in the file, without header.
    pub stored_bytes: u32,
    /// The segment file.
    pub path: PathBuf,
    /// Where the block starts in it.
    pub offset: u64,
}

/// Reads an event log without write access, in bounded memory, also while a writer is alive.
#[derive(Debug)]
pub struct EventReader {
    frames: Option<FrameReader>,
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    from: u64,
    raw: Vec<u8>,
}

impl EventReader {
    /// Starts at the block that holds `sequence`, or waits for it.
    /// Errors: [`Refusal::OutOfRange`] if the log starts above `sequence`.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, sequence: u64) -> Result<Self> {
        let mut reader = Self { frames: None, storage, dir: dir.to_owned(), from: sequence, raw: Vec::new() };
        reader.start()?;
        Ok(reader)
    }

    fn start(&mut self) -> Result<()> {
        let Some(first) = find_segment(self.storage.as_ref(), &self.dir, self.from)? else {
            return Ok(());
        };
        let storage = Arc::clone(&self.storage);
        let family = Family::Events;
        self.frames = FrameReader::open(storage, &self.dir, family, Check::Chain, first)?;
        Ok(())
    }

    fn next_span(&mut self) -> Result<Option<(Span, BlockHead)>> {
        if self.frames.is_none() {
            self.start()?;
        }
        let Some(frames) = &mut self.frames else {
            return Ok(None);
        };
        while let Some(span) = frames.next()? {
            let head = check_block(&span, frames.payload(&span), frames.path())?;
            if span.header.order >= self.from {
                return Ok(Some((span, head)));
            }
        }
        Ok(None)
    }

    /// The next block, or `None` at the present end; a later call continues there.
    pub fn next_block(&mut self) -> Result<Option<EventBlock<'_>>> {
        let Some((span, head)) = self.next_span()? else {
            return Ok(None);
        };
        let frames = self.frames.as_ref().expect("a span came from it");
        expand(&head, frames.payload(&span), &mut self.raw)
            .map_err(|damage| damaged(frames.path(), span.offset, damage))?;
        Ok(Some(EventBlock { span: span_of(&span, &head), raw: &self.raw }))
    }

    /// The next block without expanding it, or `None` at the present end.
    pub fn next_info(&mut self) -> Result<Option<BlockInfo>> {
        let Some((span, head)) = self.next_span()? else {
            return Ok(None);
        };
        let frames = self.frames.as_ref().expect("a span came from it");
        let payload = frames.payload(&span);
        Ok(Some(BlockInfo {
            span: span_of(&span, &head),
            index: span.header.index,
            raw_bytes: head.raw_bytes,
            stored_bytes: payload.len() as u32,
            path: frames.path().to_owned(),
            offset: span.offset,
        }))
    }
}

impl Iterator for EventReader {
    type Item = Result<(BlockSpan, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.next_block().transpose()?;
        Some(block.map(|block| (block.span, block.raw.to_vec())))
    }
}

fn span_of(span: &Span, head: &BlockHead) -> BlockSpan {
    BlockSpan {
        first_sequence: head.first_sequence,
        last_sequence: span.header.order,
        event_count: head.event_count,
        level: span.header.level,
    }
}

/// The first index of the segment that holds a sequence. Each header carries the last sequence
/// before it, so a search by halves opens few of many files.
fn find_segment(storage: &dyn Storage, dir: &Path, sequence: u64) -> Result<Option<u64>> {
    let segments = list_segments(storage, dir)?;
    let mode = OpenMode::Read;
    let before = |first| -> Result<u64> {
        let segment = open_segment(storage, dir, first, mode, Family::Events, None)?;
        Ok(segment.header.previous_order)
    };
    let (mut low, mut high) = (0, segments.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if before(segments[middle])? < sequence {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    match (segments.is_empty(), low) {
        (true, _) => Ok(None),
        (false, 0) => {
            let (index, first) = (sequence, before(segments[0])?.saturating_add(1));
            let last = first;
            Err(Refusal::OutOfRange { index, first, last }.into())
        }
        (false, low) => Ok(Some(segments[low - 1])),
    }
}

/// An event log that holds together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventVerification {
    /// First sequence held.
    pub first_sequence: u64,
    /// Last sequence held; below `first_sequence` if there is no block.
    pub last_sequence: u64,
    /// Blocks.
    pub blocks: u64,
    /// Events, by the blocks' own counts.
    pub events: u64,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the segments in use.
    pub stored_bytes: u64,
    /// Hash of the last block.
    pub chain_head: Hash,
    /// A tail that opening would drop.
    pub torn: Option<TornTail>,
}

/// Reads and expands every block and checks checksums, hash chain and sequence.
/// `None` if the folder holds no event log.
pub fn verify_events(storage: &dyn Storage, dir: &Path) -> Result<Option<EventVerification>> {
    let scan = Scan { storage, dir, family: Family::Events, last_segment_only: false, partition: None };
    let (mut first, mut events, mut raw_bytes, mut raw) = (None, 0, 0, Vec::new());
    let found = scan.run(&mut |span, payload, path| {
        let head = check_block(span, payload, path)?;
        expand(&head, payload, &mut raw).map_err(|damage| damaged(path, span.offset, damage))?;
        first = first.or(Some(head.first_sequence));
        events += u64::from(head.event_count);
        raw_bytes += u64::from(head.raw_bytes);
        Ok(())
    })?;
    Ok(found.map(|found| EventVerification {
        first_sequence: first.unwrap_or(found.last_order + 1),
        last_sequence: found.last_order,
        blocks: found.records,
        events,
        raw_bytes,
        stored_bytes: found.bytes,
        chain_head: found.chain_head,
        torn: found.torn,
    }))
}

impl EventLog {
    /// Bytes left on the disk of this log.
    pub fn free_space(&self) -> Result<u64> {
        let dir = &self.log.dir;
        at(self.log.storage.free_space(dir), "measure", dir)
    }

    /// Whether an earlier failure was fatal; then the process must end.
    pub fn check_alive(&self) -> std::result::Result<(), JournalError> {
        self.log.check_alive()
    }
}
