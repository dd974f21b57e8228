//! Walks the frames of one segment in bounded memory.

use crate::error::{Damage, Result, at, damaged};
use crate::format::{
    FRAME_HEADER_BYTES, Family, FrameHeader, FrameHeaderBytes, Hash, KIND_MARK, SEGMENT_HEADER_BYTES, frame_bytes,
    frame_hash,
};
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::segment::Segment;
use std::ops::Range;

/// Bytes read at once. A longer frame enlarges the window for its own sake.
const WINDOW_BYTES: usize = 1 << 20;

/// Bytes read at once where only headers are looked at.
const HEADERS_BYTES: usize = 4 << 10;

/// Most of a preallocated segment is empty; blocks of this size are passed over at once.
const ZERO_BLOCK_BYTES: usize = 4096;

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |seen, &byte| seen | byte) == 0
}

#[derive(Debug)]
pub(crate) struct FrameCursor {
    pub(crate) segment: Segment,
    family: Family,
    check_chain: bool,
    /// Where the next frame starts.
    pub(crate) position: u64,
    pub(crate) next_index: u64,
    /// Hash of the frame before; stays at the segment's start value if the chain is not checked.
    pub(crate) chain_head: Hash,
    pub(crate) last_order: u64,
    len: u64,
    window_bytes: usize,
    window: Vec<u8>,
    window_at: u64,
    window_len: usize,
}

/// A frame inside the window of a cursor.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) header: FrameHeader,
    pub(crate) offset: u64,
    /// Order of the frame before.
    pub(crate) previous_order: u64,
    payload: Range<usize>,
}

#[derive(Debug)]
pub(crate) enum Step {
    Frame(Span),
    /// No whole frame starts here; the reason unless the place is empty.
    End(Option<Damage>),
}

/// What stands behind the last whole frame of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Bytes up to the last one that is not zero.
    pub(crate) used_bytes: u64,
    /// Highest index that a later frame or mark proves to have been durable.
    pub(crate) durable: Option<u64>,
}

impl FrameCursor {
    pub(crate) fn new(segment: Segment, family: Family, check_chain: bool) -> Result<Self> {
        let len = at(segment.file.len(), "measure", &segment.path)?;
        Ok(Self {
            position: SEGMENT_HEADER_BYTES as u64,
            next_index: segment.header.first_index,
            chain_head: segment.header.previous,
            last_order: segment.header.previous_order,
            segment,
            family,
            check_chain,
            len,
            window_bytes: WINDOW_BYTES,
            window: Vec::new(),
            window_at: 0,
            window_len: 0,
        })
    }

    /// Continues in the next segment with the same window.
    pub(crate) fn move_to(&mut self, segment: Segment) -> Result<()> {
        let (window, window_bytes) = (std::mem::take(&mut self.window), self.window_bytes);
        *self = Self::new(segment, self.family, self.check_chain)?;
        (self.window, self.window_bytes) = (window, window_bytes);
        Ok(())
    }

    /// Forgets what was read, so that the next step sees what a writer added.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        self.window_len = 0;
        self.len = at(self.segment.file.len(), "measure", &self.segment.path)?;
        Ok(())
    }

    pub(crate) fn payload(&self, span: &Span) -> &[u8] {
        &self.window[span.payload.clone()]
    }

    /// Makes `len` bytes at `offset` stand in the window; `None` past the end of the file.
    fn fetch(&mut self, offset: u64, len: usize) -> Result<Option<usize>> {
        let inside = offset >= self.window_at && offset + len as u64 <= self.window_at + self.window_len as u64;
        if !inside {
            if offset + len as u64 > self.len {
                return Ok(None);
            }
            let want = (len.max(self.window_bytes) as u64).min(self.len - offset) as usize;
            if self.window.len() < want {
                self.window.resize(want, 0);
            }
            let read = self.segment.file.read_at(offset, &mut self.window[..want]);
            self.window_len = at(read, "read", &self.segment.path)?;
            self.window_at = offset;
            if self.window_len < len {
                return Ok(None);
            }
        }
        Ok(Some((offset - self.window_at) as usize))
    }

    fn header_here(&mut self) -> Result<Option<FrameHeaderBytes>> {
        let Some(start) = self.fetch(self.position, FRAME_HEADER_BYTES)? else {
            return Ok(None);
        };
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes.copy_from_slice(&self.window[start..start + FRAME_HEADER_BYTES]);
        Ok(Some(bytes))
    }

    /// Reads no more at once than a few headers: for [`FrameCursor::step_over`].
    pub(crate) fn for_headers(mut self) -> Self {
        self.window_bytes = HEADERS_BYTES;
        self
    }

    /// Advances over the next frame. An error is damage that no interrupted write explains.
    pub(crate) fn step(&mut self) -> Result<Step> {
        self.step_where(|_| true)
    }

    /// As [`FrameCursor::step`], but looks at payloads of this kind only; the others may be damaged, and their spans
    /// have no payload. Not for a cursor that checks the chain.
    pub(crate) fn step_over(&mut self, kind: u8) -> Result<Step> {
        assert!(!self.check_chain, "the chain goes through the payloads");
        self.step_where(|header| header.kind == kind)
    }

    fn step_where(&mut self, is_wanted: impl Fn(&FrameHeader) -> bool) -> Result<Step> {
        let Some(bytes) = self.header_here()? else {
            let left = self.len.saturating_sub(self.position);
            return Ok(Step::End((left > 0).then_some(Damage::ShortHeader)));
        };
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(Step::End(None));
        }
        let header = match FrameHeader::decode(self.family, self.segment.salt, &bytes) {
            Ok(header) => header,
            Err(damage @ Damage::UnknownFormat(_)) => return Err(self.damage(2, damage)),
            Err(damage) => return Ok(Step::End(Some(damage))),
        };
        self.check_kind(&header)?;
        if !is_wanted(&header) {
            return self.jump(header, &bytes);
        }
        let length = header.length as usize;
        let whole = frame_bytes(u64::from(header.length)) as usize;
        let Some(start) = self.fetch(self.position, whole)? else {
            return Ok(Step::End(Some(Damage::PastEnd)));
        };
        let payload = start + FRAME_HEADER_BYTES..start + FRAME_HEADER_BYTES + length;
        if !FrameHeader::payload_holds(&bytes, &self.window[payload.clone()]) {
            return Ok(Step::End(Some(Damage::PayloadChecksum)));
        }
        let padding = &self.window[payload.end..start + whole];
        if padding.iter().any(|&byte| byte != 0) {
            return Ok(Step::End(Some(Damage::Padding)));
        }
        self.check_place(&header)?;
        if header.kind == KIND_MARK {
            return Ok(Step::End(None));
        }
        Ok(Step::Frame(self.pass(header, &bytes, payload)))
    }

    /// Passes a frame whose payload nobody looks at.
    fn jump(&mut self, header: FrameHeader, bytes: &FrameHeaderBytes) -> Result<Step> {
        if self.position + frame_bytes(u64::from(header.length)) > self.len {
            return Ok(Step::End(Some(Damage::PastEnd)));
        }
        self.check_place(&header)?;
        if header.kind == KIND_MARK {
            return Ok(Step::End(None));
        }
        Ok(Step::Frame(self.pass(header, bytes, 0..0)))
    }

    fn pass(&mut self, header: FrameHeader, bytes: &FrameHeaderBytes, payload: Range<usize>) -> Span {
        let (offset, previous_order) = (self.position, self.last_order);
        if self.check_chain {
            self.chain_head = frame_hash(bytes, &self.window[payload.clone()]);
        }
        self.position += frame_bytes(u64::from(header.length));
        self.next_index += 1;
        self.last_order = header.order;
        Span { header, offset, previous_order, payload }
    }

    fn damage(&self, field: u64, damage: Damage) -> crate::JournalError {
        damaged(&self.segment.path, self.position + field, damage)
    }

    /// The header's own checksum holds, so what is checked here was written on purpose.
    fn check_kind(&self, header: &FrameHeader) -> Result<()> {
        let expected = self.segment.header.partition;
        if header.partition != expected {
            let found = header.partition;
            return Err(self.damage(4, Damage::ForeignPartition { expected, found }));
        }
        let known = header.kind == KIND_MARK || self.family.knows_kind(header.kind);
        if !known {
            return Err(self.damage(3, Damage::UnknownKind(header.kind)));
        }
        if header.length > PAYLOAD_BYTES_MAX {
            let (found, limit) = (u64::from(header.length), u64::from(PAYLOAD_BYTES_MAX));
            return Err(self.damage(12, Damage::TooLong { found, limit }));
        }
        Ok(())
    }

    fn check_place(&self, header: &FrameHeader) -> Result<()> {
        if header.index != self.next_index {
            let (expected, found) = (self.next_index, header.index);
            return Err(self.damage(24, Damage::WrongIndex { expected, found }));
        }
        if self.check_chain && header.previous != self.chain_head {
            return Err(self.damage(32, Damage::ChainBreak));
        }
        if header.order < self.last_order {
            let (last, found) = (self.last_order, header.order);
            return Err(self.damage(16, Damage::OrderDecreased { last, found }));
        }
        Ok(())
    }

    /// Examines everything from the position to the end of the file.
    ///
    /// A header whose checksum holds is proof enough: what it says of earlier records was true
    /// when it was written, whether or not its payload reached the disk.
    pub(crate) fn tail(&self) -> Result<Tail> {
        let mut tail = Tail { used_bytes: 0, durable: None };
        let mut chunk = vec![0; WINDOW_BYTES + FRAME_HEADER_BYTES];
        let mut offset = self.position;
        loop {
            let read = self.segment.file.read_at(offset, &mut chunk);
            let read = at(read, "read", &self.segment.path)?;
            let starts = read.min(WINDOW_BYTES);
            self.examine(&chunk[..read], starts, offset, &mut tail);
            if starts < WINDOW_BYTES {
                return Ok(tail);
            }
            offset += WINDOW_BYTES as u64;
        }
    }

    /// Looks at each multiple of 8 bytes below `starts` for a header, and for bytes in use.
    fn examine(&self, chunk: &[u8], starts: usize, offset: u64, tail: &mut Tail) {
        for block in (0..starts).step_by(ZERO_BLOCK_BYTES) {
            let end = starts.min(block + ZERO_BLOCK_BYTES);
            if !is_zero(&chunk[block..end]) {
                self.examine_block(chunk, block..end, offset, tail);
            }
        }
    }

    fn examine_block(&self, chunk: &[u8], block: Range<usize>, offset: u64, tail: &mut Tail) {
        for start in block.clone().step_by(8) {
            let word = &chunk[start..block.end.min(start + 8)];
            if word.iter().all(|&byte| byte == 0) {
                continue;
            }
            tail.used_bytes = offset - self.position + (start + word.len()) as u64;
            let Some(bytes) = chunk[start..].first_chunk::<FRAME_HEADER_BYTES>() else {
                continue;
            };
            let Ok(header) = FrameHeader::decode(self.family, self.segment.salt, bytes) else {
                continue;
            };
            if header.synced >= self.next_index {
                tail.durable = tail.durable.max(Some(header.synced));
            }
        }
    }
}
