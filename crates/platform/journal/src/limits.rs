//! Bounds of the formats.

/// Bytes of the payload of one record or block.
pub const PAYLOAD_BYTES_MAX: u32 = 300 << 20;
/// Bytes of raw events in one block before compression. The events of one command stand in one
/// block, and a closing day may cancel millions of orders. Even events that do not compress fit a
/// payload. A reader gives a block only as much memory as its stored bytes can expand to.
pub const BLOCK_RAW_BYTES_MAX: u32 = 256 << 20;
/// How many bytes one stored byte of an LZ4 block can become at most: a length byte of 255.
pub const BLOCK_EXPANSION_MAX: u64 = 255;
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

// LZ4 makes at most 1/255 and 16 bytes more of what does not compress.
const _: () = assert!(PAYLOAD_BYTES_MAX as u64 > BLOCK_RAW_BYTES_MAX as u64 * 256 / 255 + 64);
