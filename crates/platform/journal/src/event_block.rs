//! One block of the event log: the payload of one frame.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | first sequence |
//! | 8 | 4 | count of events |
//! | 12 | 4 | raw length |
//! | 16 | … | the events, LZ4 block format |
//!
//! The frame carries the last sequence as its order, the stored length, the engine level, the
//! checksum and the hash of the block before. Integers are little-endian.

use crate::cursor::Span;
use crate::error::{Damage, Refusal, Result};
use crate::format::{u32_at, u64_at};
use crate::limits::{BLOCK_EXPANSION_MAX, BLOCK_RAW_BYTES_MAX};

pub(crate) const BLOCK_HEAD_BYTES: usize = 16;
pub(crate) const KIND_BLOCK: u8 = 16;

/// Which events a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSpan {
    /// Sequence of the first command whose events are in the block.
    pub first_sequence: u64,
    /// Sequence of the last one, inclusive.
    pub last_sequence: u64,
    /// Number of events; at least the caller's affair, it is stored and handed back.
    pub event_count: u32,
    /// Engine level that made the events.
    pub level: u16,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockHead {
    pub(crate) first_sequence: u64,
    pub(crate) event_count: u32,
    pub(crate) raw_bytes: u32,
}

/// Puts head and compressed events into `target`, whose memory is reused.
pub(crate) fn encode(target: &mut Vec<u8>, span: &BlockSpan, raw: &[u8]) -> Result<()> {
    if raw.len() > BLOCK_RAW_BYTES_MAX as usize {
        let (found, limit) = (raw.len() as u64, u64::from(BLOCK_RAW_BYTES_MAX));
        return Err(Refusal::TooLarge { found, limit }.into());
    }
    let bound = lz4_flex::block::get_maximum_output_size(raw.len());
    if target.len() < BLOCK_HEAD_BYTES + bound {
        target.resize(BLOCK_HEAD_BYTES + bound, 0);
    }
    target[0..8].copy_from_slice(&span.first_sequence.to_le_bytes());
    target[8..12].copy_from_slice(&span.event_count.to_le_bytes());
    target[12..16].copy_from_slice(&(raw.len() as u32).to_le_bytes());
    let stored = lz4_flex::block::compress_into(raw, &mut target[BLOCK_HEAD_BYTES..])
        .expect("the target has the size that the compressor asks for");
    target.truncate(BLOCK_HEAD_BYTES + stored);
    Ok(())
}

/// Reads the head of a block and checks its place; the events stay compressed.
pub(crate) fn decode_head(span: &Span, payload: &[u8]) -> std::result::Result<BlockHead, Damage> {
    if payload.len() < BLOCK_HEAD_BYTES {
        return Err(Damage::ShortHeader);
    }
    let head = BlockHead {
        first_sequence: u64_at(payload, 0),
        event_count: u32_at(payload, 8),
        raw_bytes: u32_at(payload, 12),
    };
    let expected = span.previous_order.saturating_add(1);
    if head.first_sequence != expected || span.header.order < head.first_sequence {
        let found = head.first_sequence;
        return Err(Damage::WrongSequence { expected, found });
    }
    if head.raw_bytes > BLOCK_RAW_BYTES_MAX {
        let (found, limit) = (u64::from(head.raw_bytes), u64::from(BLOCK_RAW_BYTES_MAX));
        return Err(Damage::TooLong { found, limit });
    }
    Ok(head)
}

/// Expands the events into `target`, which never grows beyond the stated length, itself bounded by what the stored
/// bytes can become: a short hostile block cannot ask for much memory.
pub(crate) fn expand(head: &BlockHead, payload: &[u8], target: &mut Vec<u8>) -> std::result::Result<(), Damage> {
    let stored = &payload[BLOCK_HEAD_BYTES..];
    if u64::from(head.raw_bytes) > stored.len() as u64 * BLOCK_EXPANSION_MAX {
        return Err(Damage::Compression);
    }
    target.resize(head.raw_bytes as usize, 0);
    match lz4_flex::block::decompress_into(stored, target) {
        Ok(length) if length == head.raw_bytes as usize => Ok(()),
        _ => Err(Damage::Compression),
    }
}
