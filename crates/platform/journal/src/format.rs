//! Byte layout of segments and frames, shared by the command journal and the event log.
//!
//! All integers are little-endian. A segment starts with [`SegmentHeader`]; frames follow, each
//! at a multiple of 8 bytes, padded with zeros. An all-zero header ends the used part.
//!
//! | frame offset | bytes | field |
//! |---|---|---|
//! | 0 | 2 | magic: `HJ` journal, `HE` event log |
//! | 2 | 1 | format (1) |
//! | 3 | 1 | kind; 0 is a mark, not a record |
//! | 4 | 2 | partition |
//! | 6 | 2 | engine level |
//! | 8 | 4 | key id, 0 = plain |
//! | 12 | 4 | payload length |
//! | 16 | 8 | order: the term in the journal, the last sequence in the event log |
//! | 24 | 8 | index |
//! | 32 | 32 | hash of the frame before |
//! | 64 | 8 | synced: highest index known durable when this frame was written |
//! | 72 | 4 | CRC32C over bytes 0..72 and the payload |
//! | 76 | 4 | CRC32C over the segment's own CRC32C (4 bytes) and bytes 0..76 |
//!
//! The hash of a frame is SHA-256 over bytes 0..64 and the payload. It leaves out what differs
//! between replicas of one log (synced, checksums), so replicas can compare chain heads.
//! The last checksum makes the length trustworthy before the payload is read; the segment's
//! checksum in it keeps a client from planting record images in its payload and tells leftovers
//! of another segment from records.
//!
//! `synced` is what tells an unsynced tail from damage. Unsynced writes reach the disk in any
//! order, so a hole followed by whole frames is legitimate after a power loss, unless one of
//! those frames says that the hole was durable when it was written. A *mark* is a frame without
//! payload and without index of its own: it carries the next index, the chain head and `synced`,
//! stands behind the last record after each sync, and the next record overwrites it.

use crate::error::Damage;
use sha2::{Digest, Sha256};

pub(crate) const FRAME_HEADER_BYTES: usize = 80;
pub(crate) const SEGMENT_HEADER_BYTES: usize = 80;
pub(crate) const FORMAT: u8 = 1;
pub(crate) const KIND_MARK: u8 = 0;
const ALIGN: u64 = 8;

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// The two logs that share the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Journal,
    Events,
}

impl Family {
    pub(crate) fn frame_magic(self) -> [u8; 2] {
        match self {
            Self::Journal => *b"HJ",
            Self::Events => *b"HE",
        }
    }

    pub(crate) fn segment_magic(self) -> [u8; 8] {
        match self {
            Self::Journal => *b"HENGJRNL",
            Self::Events => *b"HENGEVNT",
        }
    }

    pub(crate) fn knows_kind(self, kind: u8) -> bool {
        match self {
            Self::Journal => (1..=5).contains(&kind),
            Self::Events => kind == 16,
        }
    }
}

/// Frame length in the file, padding included.
pub(crate) fn frame_bytes(payload: u64) -> u64 {
    (FRAME_HEADER_BYTES as u64 + payload).next_multiple_of(ALIGN)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: u8,
    pub(crate) partition: u16,
    pub(crate) level: u16,
    pub(crate) key_id: u32,
    pub(crate) length: u32,
    pub(crate) order: u64,
    pub(crate) index: u64,
    pub(crate) previous: Hash,
    pub(crate) synced: u64,
}

pub(crate) type FrameHeaderBytes = [u8; FRAME_HEADER_BYTES];

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

pub(crate) fn hash_at(bytes: &[u8], at: usize) -> Hash {
    let mut value = [0; 32];
    value.copy_from_slice(&bytes[at..at + 32]);
    value
}

/// What the payload checksum of an encoded header must be.
fn payload_checksum(header: &FrameHeaderBytes, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..72]), payload)
}

fn header_checksum(header: &FrameHeaderBytes, salt: u32) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), &header[..76])
}

/// The chain hash of a frame.
pub(crate) fn frame_hash(header: &FrameHeaderBytes, payload: &[u8]) -> Hash {
    Sha256::new().chain_update(&header[..64]).chain_update(payload).finalize().into()
}

impl FrameHeader {
    pub(crate) fn encode(&self, family: Family, salt: u32, payload: &[u8]) -> FrameHeaderBytes {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[0..2].copy_from_slice(&family.frame_magic());
        bytes[2] = FORMAT;
        bytes[3] = self.kind;
        bytes[4..6].copy_from_slice(&self.partition.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.level.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.key_id.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.length.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.order.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.index.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.previous);
        bytes[64..72].copy_from_slice(&self.synced.to_le_bytes());
        let crc = payload_checksum(&bytes, payload);
        bytes[72..76].copy_from_slice(&crc.to_le_bytes());
        let crc = header_checksum(&bytes, salt);
        bytes[76..80].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header whose own checksum holds. The payload is not looked at.
    pub(crate) fn decode(family: Family, salt: u32, bytes: &FrameHeaderBytes) -> std::result::Result<Self, Damage> {
        if bytes[0..2] != family.frame_magic() {
            return Err(Damage::BadMagic);
        }
        if bytes[2] != FORMAT {
            return Err(Damage::UnknownFormat(u16::from(bytes[2])));
        }
        if u32_at(bytes, 76) != header_checksum(bytes, salt) {
            return Err(Damage::HeaderChecksum);
        }
        Ok(Self {
            kind: bytes[3],
            partition: u16_at(bytes, 4),
            level: u16_at(bytes, 6),
            key_id: u32_at(bytes, 8),
            length: u32_at(bytes, 12),
            order: u64_at(bytes, 16),
            index: u64_at(bytes, 24),
            previous: hash_at(bytes, 32),
            synced: u64_at(bytes, 64),
        })
    }

    pub(crate) fn payload_holds(bytes: &FrameHeaderBytes, payload: &[u8]) -> bool {
        u32_at(bytes, 72) == payload_checksum(bytes, payload)
    }
}

/// The start of a segment file.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | magic: `HENGJRNL` or `HENGEVNT` |
/// | 8 | 2 | format (1) |
/// | 10 | 2 | partition |
/// | 12 | 4 | flags: bit 0 = the log starts anew here, earlier segments are void |
/// | 16 | 8 | first index |
/// | 24 | 8 | order (term or last sequence) of the frame before |
/// | 32 | 32 | hash of the frame before |
/// | 64 | 4 | zero |
/// | 68 | 4 | zero |
/// | 72 | 4 | zero |
/// | 76 | 4 | CRC32C over bytes 0..76 |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) partition: u16,
    pub(crate) starts_anew: bool,
    pub(crate) first_index: u64,
    pub(crate) previous_order: u64,
    pub(crate) previous: Hash,
}

pub(crate) type SegmentHeaderBytes = [u8; SEGMENT_HEADER_BYTES];

impl SegmentHeader {
    pub(crate) fn encode(&self, family: Family) -> SegmentHeaderBytes {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&family.segment_magic());
        bytes[8..10].copy_from_slice(&u16::from(FORMAT).to_le_bytes());
        bytes[10..12].copy_from_slice(&self.partition.to_le_bytes());
        bytes[12..16].copy_from_slice(&u32::from(self.starts_anew).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_index.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.previous_order.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.previous);
        let crc = crc32c::crc32c(&bytes[..76]);
        bytes[76..80].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(family: Family, bytes: &SegmentHeaderBytes) -> std::result::Result<Self, Damage> {
        if bytes[0..8] != family.segment_magic() {
            return Err(Damage::BadMagic);
        }
        if u16_at(bytes, 8) != u16::from(FORMAT) {
            return Err(Damage::UnknownFormat(u16_at(bytes, 8)));
        }
        if u32_at(bytes, 76) != crc32c::crc32c(&bytes[..76]) {
            return Err(Damage::HeaderChecksum);
        }
        Ok(Self {
            partition: u16_at(bytes, 10),
            starts_anew: u32_at(bytes, 12) & 1 == 1,
            first_index: u64_at(bytes, 16),
            previous_order: u64_at(bytes, 24),
            previous: hash_at(bytes, 32),
        })
    }

    /// What makes header checksums of this segment its own.
    pub(crate) fn salt(bytes: &SegmentHeaderBytes) -> u32 {
        u32_at(bytes, 76)
    }
}
