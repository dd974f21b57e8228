//! Snapshots: written by a worker that replays files, never by the core itself; only a verified one allows purging.

use std::sync::mpsc::sync_channel;

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

/// Pieces of a snapshot that wait for the disk.
const PIECES_AHEAD_MAX: usize = 16;

/// Writes a replayed state as a snapshot, reads it back and compares hashes. Returns its sequence.
///
/// # Errors
/// If the disk fails, or what was read back is not what was written.
pub fn write_snapshot(store: &SnapshotStore, replayed: Replayed) -> Result<u64, CoreError> {
    let sequence = replayed.state.seq().0;
    let state_hash = replayed.state.hash();
    let (format, level, index, digest) = (SNAPSHOT_FORMAT, CURRENT_LEVEL, replayed.last_index, replayed.digest);
    let mut meta = Writer::default();
    SnapshotMeta { format, level, index, digest, state_hash }.put(&mut meta);
    let state = replayed.state;
    std::thread::scope(|scope| {
        let (pieces, written) = sync_channel::<(u32, Vec<u8>)>(PIECES_AHEAD_MAX);
        let state = &state;
        scope.spawn(move || {
            state.write_state(&mut |section, bytes| {
                // If the disk has failed nobody takes the pieces any more.
                let _ = pieces.send((section, bytes.bytes().to_vec()));
                bytes.clear();
            });
        });
        store.write(sequence, meta.bytes(), written.into_iter())
    })?;
    // Two states at a time are enough.
    drop(state);
    load_snapshot(store, sequence, Capacity::default())?;
    Ok(sequence)
}

/// Loads a snapshot; its state must have the hash that it was written with.
///
/// # Errors
/// If it is damaged, of another format, or its hash differs.
pub fn load_snapshot(
    store: &SnapshotStore,
    sequence: u64,
    capacity: Capacity,
) -> Result<(State, SnapshotMeta), CoreError> {
    let wrong = |reason: String| CoreError::Snapshot { sequence, reason };
    let mut reader = store.load(sequence)?;
    let meta = decode_meta(sequence, reader.meta())?;
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

/// What stands beside the sections of a snapshot.
pub(crate) fn load_meta(store: &SnapshotStore, sequence: u64) -> Result<SnapshotMeta, CoreError> {
    decode_meta(sequence, store.load(sequence)?.meta())
}

fn decode_meta(sequence: u64, bytes: &[u8]) -> Result<SnapshotMeta, CoreError> {
    let wrong = |reason: String| CoreError::Snapshot { sequence, reason };
    let meta = SnapshotMeta::get(&mut Reader::new(bytes)).map_err(|error| wrong(error.to_string()))?;
    if meta.format != SNAPSHOT_FORMAT {
        return Err(wrong(format!("format {} is not {SNAPSHOT_FORMAT}", meta.format)));
    }
    Ok(meta)
}
