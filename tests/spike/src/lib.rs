//! Spike: the command journal as the log store of openraft and of raft-rs, on a simulated disk.
//! What was learnt stands in `docs/decisions/0003-journal-as-raft-log.md`.

#[cfg(test)]
mod openraft_log;
#[cfg(test)]
mod raft_rs_cluster;
#[cfg(test)]
mod raft_rs_log;

use heng_journal::{Journal, JournalOptions, Preallocation, Result, SimStorage};
use std::path::Path;

/// Opens the journal of one replica with small segments, so that purging has something to do.
pub fn open(disk: &SimStorage) -> Result<Journal> {
    let options =
        JournalOptions { partition: 1, key_id: 0, segment_bytes: 2048, preallocation: Preallocation::Reserve };
    Journal::open(disk.shared(), Path::new("/journal"), options).map(|(journal, _)| journal)
}

/// splitmix64: the one source of chance.
#[derive(Debug, Clone)]
pub struct Draw(pub u64);

impl Draw {
    /// A number below `below`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}
