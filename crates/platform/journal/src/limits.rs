//! Bounds of the formats.

/// Bytes of the payload of one record or block.
pub const PAYLOAD_BYTES_MAX: u32 = 16 << 20;
/// Bytes of raw events in one block before compression. Small enough that even events that do
/// not compress fit a payload, and that a reader can give each block this much memory.
pub const BLOCK_RAW_BYTES_MAX: u32 = 8 << 20;
/// Highest first index of a segment: counting on from it cannot overflow.
pub const INDEX_MAX: u64 = 1 << 62;
/// Smallest segment, small enough for tests.
pub const SEGMENT_BYTES_MIN: u64 = 1 << 10;
/// Largest segment.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 30;
/// Bytes of a vote.
pub const VOTE_BYTES_MAX: usize = 4 << 10;
/// Bytes of the reason of a quarantine.
pub const REASON_BYTES_MAX: usize = 1 << 10;
/// Bytes of the name of an approver.
pub const APPROVER_BYTES_MAX: usize = 128;
/// Bytes of one section of a snapshot.
pub const SECTION_BYTES_MAX: u64 = 4 << 30;
/// Sections of one snapshot.
pub const SECTIONS_MAX: u32 = 1 << 20;
/// Bytes of the description of a snapshot.
pub const SNAPSHOT_META_BYTES_MAX: usize = 1 << 20;

const _: () = assert!(SEGMENT_BYTES_MAX > PAYLOAD_BYTES_MAX as u64 * 2);
