//! Snapshots: written by a worker that replays files, never by the core itself; only a verified one allows purging.

use heng_engine::{CURRENT_LEVEL, Capacity, SNAPSHOT_FORMAT, State};
use heng_journal::SnapshotStore;
use heng_model::hash::EventDigest;
use heng_model::wire::{Reader, Wire, WireError, Writer, hex};

use crate::error::CoreError;
use crate::recovery::Replayed;

/// What stands beside the sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// Format of the sections.
    pub format: u32,
    /// Engine level.
    pub level: u16,
    /// Last journal record whose commands are in it.
    pub index: u64,
    /// Digest of all events up to it.
    pub digest: EventDigest,
    /// Hash of the state.
    pub state_hash: [u8; 32],
}

impl SnapshotMeta {
    fn put(&self, out: &mut Writer) {
        self.format.put(out);
        self.level.put(out);
        self.index.put(out);
        out.put_raw(&self.digest.0.to_le_bytes());
        self.state_hash.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            format: Wire::get(from)?,
            level: Wire::get(from)?,
            index: Wire::get(from)?,
            digest: EventDigest(u128::from_le_bytes(from.get_raw(16)?.try_into().expect("16 bytes were asked for"))),
            state_hash: Wire::get(from)?,
        })
    }
}

/// Writes a replayed state as a snapshot, reads it back and compares hashes.
///
/// # Errors
/// If the disk fails, or what was read back is not what was written.
pub fn write_snapshot(store: &SnapshotStore, replayed: &Replayed) -> Result<u64, CoreError> {
    let sequence = replayed.state.seq().0;
    let state_hash = replayed.state.hash();
    let meta = SnapshotMeta {
        format: SNAPSHOT_FORMAT,
        level: CURRENT_LEVEL,
        index: replayed.last_index,
        digest: replayed.digest,
        state_hash,
    };
    let mut out = Writer::default();
    meta.put(&mut out);
    let mut pieces: Vec<(u32, Vec<u8>)> = Vec::new();
    replayed.state.write_state(&mut |section, bytes| {
        pieces.push((section, bytes.bytes().to_vec()));
        bytes.clear();
    });
    store.write(sequence, out.bytes(), pieces.into_iter())?;
    load_snapshot(store, sequence, Capacity::default())?;
    Ok(sequence)
}

/// Loads a snapshot; its state must have the hash that it was written with.
///
/// # Errors
/// If it is damaged, of another format, or its hash differs.
pub fn load_snapshot(store: &SnapshotStore, sequence: u64, capacity: Capacity) -> Result<(State, SnapshotMeta), CoreError> {
    let wrong = |reason: String| CoreError::Snapshot { sequence, reason };
    let mut reader = store.load(sequence)?;
    let meta = SnapshotMeta::get(&mut Reader::new(reader.meta())).map_err(|error| wrong(error.to_string()))?;
    if meta.format != SNAPSHOT_FORMAT {
        return Err(wrong(format!("format {} is not {SNAPSHOT_FORMAT}", meta.format)));
    }
    let mut sections: Vec<(u32, Vec<u8>)> = Vec::new();
    while let Some((section, bytes)) = reader.next_section()? {
        match sections.last_mut() {
            Some((last, whole)) if *last == section => whole.extend_from_slice(&bytes),
            _ => sections.push((section, bytes)),
        }
    }
    let state = State::read_state(&sections, capacity).map_err(|error| wrong(error.to_string()))?;
    if state.hash() != meta.state_hash {
        return Err(wrong(format!("the state hash is {}, not {}", hex(&state.hash()), hex(&meta.state_hash))));
    }
    Ok((state, meta))
}
