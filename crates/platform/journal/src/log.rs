//! The one writer of a chained log of frames. The command journal and the event log are both
//! built on it.

use crate::cursor::Span;
use crate::error::{JournalError, Refusal, Result, at};
use crate::format::{
    FRAME_HEADER_BYTES, Family, FrameHeader, Hash, KIND_MARK, SEGMENT_HEADER_BYTES, SegmentHeader, frame_bytes,
    frame_hash,
};
use crate::limits::{PAYLOAD_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::scan::{LogScan, Scan, Visit};
use crate::segment::{PREPARED, Segment, open_segment, segment_path};
use crate::spare::{Preallocation, Spare, extend, fill_now};
use crate::storage::{OpenMode, Storage, StorageFile, StorageLock};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Up to this payload, header and payload go to the disk in one write; above it a second system
/// call is cheaper than the copy.
const JOIN_BYTES_MAX: usize = 32 << 10;
/// Bytes that are written again at once when a log is opened.
const REWRITE_BYTES: u64 = 1 << 20;
const MARK_BYTES: u64 = FRAME_HEADER_BYTES as u64;
const LOCK: &str = "writer.lock";

#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    pub(crate) family: Family,
    pub(crate) partition: u16,
    pub(crate) key_id: u32,
    pub(crate) segment_bytes: u64,
    pub(crate) preallocation: Preallocation,
    /// Order of the frame that would stand before the first one of a new log.
    pub(crate) initial_order: u64,
    /// Whether opening reads the last segment only.
    pub(crate) last_segment_only: bool,
}

/// The last record that survives a power loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurableMark {
    /// Its index; 0 before the first record.
    pub index: u64,
}

/// What one frame carries besides its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameMeta {
    pub(crate) kind: u8,
    pub(crate) level: u16,
    pub(crate) order: u64,
}

#[derive(Debug)]
pub(crate) struct FrameLog {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: PathBuf,
    pub(crate) config: LogConfig,
    /// First indexes of all live segments; the last one is `active`.
    pub(crate) segments: Vec<u64>,
    pub(crate) active: Segment,
    /// Where the next frame goes, and how far the active segment may be filled.
    pub(crate) position: u64,
    pub(crate) capacity: u64,
    pub(crate) next_index: u64,
    pub(crate) chain_head: Hash,
    pub(crate) last_order: u64,
    pub(crate) durable: u64,
    /// Where the last durable frame ends in the active segment, or below.
    pub(crate) durable_position: u64,
    /// Order of the last durable frame.
    pub(crate) durable_order: u64,
    /// Counts truncations, so that a sync begun before one cannot vouch for records after it.
    pub(crate) epoch: u64,
    pub(crate) fatal: Option<String>,
    pub(crate) spare: Spare,
    buffer: Vec<u8>,
    _lock: Box<dyn StorageLock>,
}

impl LogConfig {
    fn check(&self) -> Result<()> {
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return Err(Refusal::Options("segment size out of bounds").into());
        }
        Ok(())
    }
}

impl FrameLog {
    /// Opens or creates the log, drops a torn tail, and makes what it found durable.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        config: LogConfig,
        visit: &mut Visit<'_>,
    ) -> Result<(Self, LogScan)> {
        config.check()?;
        at(storage.create_dir(dir), "create", dir)?;
        let lock = take_lock(storage.as_ref(), dir)?;
        let scan = Scan {
            storage: storage.as_ref(),
            dir,
            family: config.family,
            last_segment_only: config.last_segment_only,
            partition: Some(config.partition),
        };
        let mut unproven = Unproven::default();
        let mut visit = |span: &Span, payload: &[u8], path: &Path| {
            unproven.pass(span, path);
            visit(span, payload, path)
        };
        let found = match scan.run(&mut visit)? {
            Some(found) => found,
            None => {
                create_first(&storage, dir, &config)?;
                scan.run(&mut visit)?.expect("the first segment has just been created and synced")
            }
        };
        for &first in &found.void {
            remove_segment(storage.as_ref(), dir, first)?;
        }
        let mut log = Self::over(storage, dir, config, lock, &found)?;
        log.settle(&found, unproven.from(&log.active.path))?;
        Ok((log, found))
    }

    fn over(
        storage: Arc<dyn Storage>,
        dir: &Path,
        config: LogConfig,
        lock: Box<dyn StorageLock>,
        found: &LogScan,
    ) -> Result<Self> {
        let first = found.last_segment.header.first_index;
        let (mode, partition) = (OpenMode::Write, Some(config.partition));
        let active = open_segment(storage.as_ref(), dir, first, mode, config.family, partition)?;
        Ok(Self {
            storage,
            dir: dir.to_owned(),
            config,
            segments: found.segments.clone(),
            active,
            position: found.position,
            capacity: found.position,
            next_index: found.next_index,
            chain_head: found.chain_head,
            last_order: found.last_order,
            durable: found.next_index - 1,
            durable_order: found.last_order,
            durable_position: found.position,
            epoch: 0,
            fatal: None,
            spare: Spare::None,
            buffer: Vec::new(),
            _lock: lock,
        })
    }

    /// After a crash the records found may stand in the page cache only; one sync makes them
    /// durable before anyone relies on them. If the process before us ended because a sync
    /// failed, the kernel takes their pages for clean and would sync nothing: so what no record
    /// proves to be durable is written once more. A torn tail is cut off, not overwritten, so
    /// that none of its frames can ever be read again.
    fn settle(&mut self, found: &LogScan, unproven: Option<u64>) -> Result<()> {
        let (file, path) = (&self.active.file, &self.active.path);
        if found.torn.is_some() {
            at(file.set_len(self.position), "cut the torn tail of", path)?;
        }
        if let Some(from) = unproven {
            at(write_again(file.as_ref(), from, self.position), "write again the tail of", path)?;
        }
        at(file.sync_all(), "sync", path)?;
        // The process before us may have ended between making this segment and making its name durable.
        at(self.storage.sync_dir(&self.dir), "sync", &self.dir)?;
        self.restore_capacity()?;
        self.write_mark();
        Ok(())
    }

    /// Brings the active segment back to its full size; a full disk leaves it shorter.
    pub(crate) fn restore_capacity(&mut self) -> Result<()> {
        let (file, path) = (&self.active.file, &self.active.path);
        let wanted = self.config.segment_bytes;
        let len = at(file.len(), "measure", path)?;
        if self.config.preallocation == Preallocation::Grow {
            self.capacity = wanted.max(self.position);
            return Ok(());
        }
        if len < wanted {
            match at(extend(file.as_ref(), wanted, self.config.preallocation), "extend", path) {
                Err(JournalError::DiskFull { .. }) => {}
                other => other?,
            }
        }
        self.capacity = at(file.len(), "measure", path)?;
        Ok(())
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.next_index - 1
    }

    /// The last index before the first one that this log holds.
    pub(crate) fn purged_to(&self) -> u64 {
        self.segments[0] - 1
    }

    pub(crate) fn check_alive(&self) -> Result<()> {
        match &self.fatal {
            Some(reason) => Err(JournalError::Fatal { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Marks the log as beyond repair by this process.
    pub(crate) fn fail(&mut self, action: &str, path: &Path, error: &dyn std::fmt::Display) -> JournalError {
        let reason = format!("{action} {}: {error}", path.display());
        self.fatal = Some(reason.clone());
        JournalError::Fatal { reason }
    }

    /// Writes one frame behind the last one; it is not durable yet.
    pub(crate) fn append(&mut self, meta: FrameMeta, payload: &[u8]) -> Result<u64> {
        self.check_alive()?;
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        if length > PAYLOAD_BYTES_MAX {
            let (found, limit) = (payload.len() as u64, u64::from(PAYLOAD_BYTES_MAX));
            return Err(Refusal::TooLarge { found, limit }.into());
        }
        if meta.order < self.last_order {
            let (last, found) = (self.last_order, meta.order);
            return Err(Refusal::TermDecreased { last, found }.into());
        }
        let need = frame_bytes(u64::from(length));
        if self.position + need + MARK_BYTES > self.capacity {
            self.make_room(need)?;
        }
        let header = self.header(meta, length);
        let bytes = header.encode(self.config.family, self.active.salt, payload);
        self.write_frame(&bytes, payload, need)?;
        let index = self.next_index;
        self.chain_head = frame_hash(&bytes, payload);
        self.position += need;
        self.next_index += 1;
        self.last_order = meta.order;
        self.prepare_ahead();
        Ok(index)
    }

    fn header(&self, meta: FrameMeta, length: u32) -> FrameHeader {
        FrameHeader {
            kind: meta.kind,
            partition: self.config.partition,
            level: meta.level,
            key_id: self.config.key_id,
            length,
            order: meta.order,
            index: self.next_index,
            previous: self.chain_head,
            synced: self.durable,
        }
    }

    fn write_frame(&mut self, header: &[u8], payload: &[u8], need: u64) -> Result<()> {
        let file = Arc::clone(&self.active.file);
        let written = if payload.len() <= JOIN_BYTES_MAX {
            self.buffer.clear();
            self.buffer.extend_from_slice(header);
            self.buffer.extend_from_slice(payload);
            self.buffer.resize(need as usize, 0);
            file.write_at(self.position, &self.buffer)
        } else {
            write_apart(file.as_ref(), self.position, header, payload, need)
        };
        match at(written, "append to", &self.active.path) {
            Ok(()) => Ok(()),
            Err(error @ JournalError::DiskFull { .. }) => {
                self.wipe(need);
                Err(error)
            }
            Err(error) => Err(self.fail("append", &self.active.path.clone(), &error)),
        }
    }

    /// Removes what a refused append left behind. It carries no valid header, so this is only
    /// tidiness: a later recovery need not report it.
    fn wipe(&mut self, need: u64) {
        let file = &self.active.file;
        let end = file.len().unwrap_or(self.position).min(self.position + need);
        self.buffer.clear();
        self.buffer.resize(end.saturating_sub(self.position) as usize, 0);
        let _ = file.write_at(self.position, &self.buffer);
    }

    /// Makes everything appended so far durable with one fdatasync.
    pub(crate) fn sync(&mut self) -> Result<DurableMark> {
        self.check_alive()?;
        if self.durable < self.last_index() {
            if let Err(error) = self.active.file.sync_data() {
                return Err(self.fail("fdatasync", &self.active.path.clone(), &error));
            }
            self.durable = self.last_index();
            self.durable_order = self.last_order;
            self.durable_position = self.position;
            self.write_mark();
        }
        Ok(DurableMark { index: self.durable })
    }

    /// Leaves behind the last record what is known to be durable, so that damage to the last
    /// group can be told from a torn tail. The mark is advice: it is not synced, the next record
    /// overwrites it, and a failure to write it costs nothing but that advice.
    pub(crate) fn write_mark(&mut self) {
        if self.durable < self.last_index() || self.position + MARK_BYTES > self.capacity {
            return;
        }
        let meta = FrameMeta { kind: KIND_MARK, level: 0, order: self.last_order };
        let bytes = self.header(meta, 0).encode(self.config.family, self.active.salt, &[]);
        let _ = self.active.file.write_at(self.position, &bytes);
    }

    fn prepare_ahead(&mut self) {
        let quarter = self.position * 4 >= self.capacity;
        if quarter && self.spare.is_none() {
            self.spare.start(&self.storage, &self.dir, self.config.segment_bytes, self.config.preallocation);
        }
    }

    fn make_room(&mut self, need: u64) -> Result<()> {
        let oversize = SEGMENT_HEADER_BYTES as u64 + need + MARK_BYTES;
        let bytes = self.config.segment_bytes.max(oversize);
        if self.next_index == self.active.header.first_index {
            return self.enlarge(bytes);
        }
        let header = SegmentHeader {
            partition: self.config.partition,
            starts_anew: false,
            first_index: self.next_index,
            previous_order: self.last_order,
            previous: self.chain_head,
        };
        self.start_segment(header, bytes)
    }

    /// An empty segment that is too small for its first frame grows instead of being replaced.
    fn enlarge(&mut self, bytes: u64) -> Result<()> {
        let file = &self.active.file;
        let grown = extend(file.as_ref(), bytes, self.config.preallocation);
        at(grown, "extend", &self.active.path)?;
        self.capacity = bytes;
        Ok(())
    }

    /// Takes the prepared segment into use. The old one is durable before the new one gets its
    /// name, so only the last segment of a log can have a torn tail.
    pub(crate) fn start_segment(&mut self, header: SegmentHeader, bytes: u64) -> Result<()> {
        let prepared = self.spare.take(self.storage.as_ref(), &self.dir, bytes, self.config.preallocation)?;
        self.seal()?;
        let encoded = header.encode(self.config.family);
        let temporary = self.dir.join(PREPARED);
        let (file, capacity) = prepared;
        let written = file.write_at(0, &encoded);
        if let Err(error) = at(written, "write", &temporary) {
            self.spare.give_back(file, capacity);
            return Err(error);
        }
        let path = segment_path(&self.dir, header.first_index);
        if let Err(error) = self.publish(file.as_ref(), &temporary, &path) {
            return Err(self.fail("start segment", &path, &error));
        }
        self.adopt(header, SegmentHeader::salt(&encoded), file, path, capacity);
        Ok(())
    }

    /// Makes the active segment final: its records durable, then its mark. An unsynced mark
    /// could be torn, and bytes that are no record may stand in the last segment only.
    fn seal(&mut self) -> Result<()> {
        self.sync()?;
        if let Err(error) = self.active.file.sync_data() {
            return Err(self.fail("fdatasync", &self.active.path.clone(), &error));
        }
        Ok(())
    }

    fn publish(&self, file: &dyn StorageFile, temporary: &Path, path: &Path) -> std::io::Result<()> {
        file.sync_data()?;
        self.storage.rename(temporary, path)?;
        self.storage.sync_dir(&self.dir)
    }

    fn adopt(&mut self, header: SegmentHeader, salt: u32, file: Arc<dyn StorageFile>, path: PathBuf, capacity: u64) {
        self.segments.push(header.first_index);
        self.position = SEGMENT_HEADER_BYTES as u64;
        self.durable_position = self.position;
        self.capacity = capacity;
        self.active = Segment { path, file, header, salt };
    }

    /// Bytes that the active segment still takes, and whether its successor is on its way.
    pub(crate) fn room(&self) -> u64 {
        let overhead = (FRAME_HEADER_BYTES as u64) + MARK_BYTES + 7;
        self.capacity.saturating_sub(self.position + overhead)
    }
}

impl Drop for FrameLog {
    fn drop(&mut self) {
        // The lock is released after this, so a following writer meets no thread of ours.
        self.spare.wait();
    }
}

/// The frames of the last segment of which no later frame says that they were durable.
#[derive(Debug, Default)]
struct Unproven {
    path: PathBuf,
    /// Index and offset of each.
    frames: VecDeque<(u64, u64)>,
}

impl Unproven {
    fn pass(&mut self, span: &Span, path: &Path) {
        if self.path != path {
            // A segment that has a successor was synced whole.
            self.path = path.to_owned();
            self.frames.clear();
        }
        while self.frames.front().is_some_and(|(index, _)| *index <= span.header.synced) {
            self.frames.pop_front();
        }
        self.frames.push_back((span.header.index, span.offset));
    }

    /// Where they start in the last segment.
    fn from(&self, last: &Path) -> Option<u64> {
        let first = self.frames.front().filter(|_| self.path == last);
        first.map(|(_, offset)| *offset)
    }
}

/// Makes the pages of `from..to` dirty with what they hold.
fn write_again(file: &dyn StorageFile, from: u64, to: u64) -> std::io::Result<()> {
    let mut chunk = vec![0; REWRITE_BYTES.min(to.saturating_sub(from)) as usize];
    let mut offset = from;
    while offset < to {
        let want = REWRITE_BYTES.min(to - offset) as usize;
        let read = file.read_at(offset, &mut chunk[..want])?;
        if read == 0 {
            return Ok(());
        }
        file.write_at(offset, &chunk[..read])?;
        offset += read as u64;
    }
    Ok(())
}

/// Payload and padding first: a reader that sees the header finds the rest in place.
fn write_apart(file: &dyn StorageFile, position: u64, header: &[u8], payload: &[u8], need: u64) -> std::io::Result<()> {
    let start = position + header.len() as u64;
    file.write_at(start, payload)?;
    let end = start + payload.len() as u64;
    let padding = (position + need - end) as usize;
    if padding > 0 {
        file.write_at(end, &[0; 8][..padding])?;
    }
    file.write_at(position, header)
}

fn take_lock(storage: &dyn Storage, dir: &Path) -> Result<Box<dyn StorageLock>> {
    let path = dir.join(LOCK);
    match storage.lock(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(JournalError::InUse { path }),
        other => at(other, "lock", &path),
    }
}

pub(crate) fn remove_segment(storage: &dyn Storage, dir: &Path, first: u64) -> Result<()> {
    let path = segment_path(dir, first);
    at(storage.remove(&path), "remove", &path)?;
    // One by one: after a power loss the segments that are left must follow one another.
    at(storage.sync_dir(dir), "sync", dir)
}

fn create_first(storage: &Arc<dyn Storage>, dir: &Path, config: &LogConfig) -> Result<()> {
    let bytes = config.segment_bytes;
    let mut spare = Spare::None;
    let (file, _) = spare.take(storage.as_ref(), dir, bytes, config.preallocation)?;
    let header = SegmentHeader {
        partition: config.partition,
        starts_anew: false,
        first_index: 1,
        previous_order: config.initial_order,
        previous: [0; 32],
    };
    let temporary = dir.join(PREPARED);
    let encoded = header.encode(config.family);
    if config.preallocation == Preallocation::ZeroFill {
        at(fill_now(file.as_ref(), bytes), "fill", &temporary)?;
    }
    at(file.write_at(0, &encoded), "write", &temporary)?;
    at(file.sync_all(), "sync", &temporary)?;
    let path = segment_path(dir, 1);
    at(storage.rename(&temporary, &path), "rename", &path)?;
    at(storage.sync_dir(dir), "sync", dir)
}
