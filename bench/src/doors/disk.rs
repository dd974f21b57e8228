//! The groups that the journal of another process wrote, and the device's own time for the same.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heng_core::Layout;
use heng_journal::{Check, Index, JournalReader, OsStorage, Storage};

use crate::device::{Group, Syncs, sync_again};

/// Bytes of a record beside its payload, and what its length is a multiple of.
const HEADER: u64 = 80;
const ALIGN: u64 = 8;
/// Most groups that are written again.
const GROUPS_MAX: usize = 20_000;

/// Reads how the journal grows, without a hand on it.
pub(crate) struct JournalWatch {
    reader: JournalReader,
    unsynced: VecDeque<(Index, u64)>,
}

impl JournalWatch {
    /// From the beginning of the journal in `data`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn new(data: &Path) -> io::Result<Self> {
        Self::of(OsStorage::shared(), &Layout::new(data).journal)
    }

    fn of(storage: Arc<dyn Storage>, folder: &Path) -> io::Result<Self> {
        let reader = JournalReader::open(storage, folder, 1, Check::Checksums).map_err(io::Error::other)?;
        Ok(Self { reader: reader.follow(), unsynced: VecDeque::new() })
    }

    /// The groups since the last call: each record names the last one that was durable when it was written, so what
    /// stands between two such marks went to the disk with one sync.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub(crate) fn take(&mut self) -> io::Result<Vec<Group>> {
        let mut groups = Vec::new();
        while let Some(record) = self.reader.next_record().map_err(io::Error::other)? {
            let synced = record.synced;
            let whole = (HEADER + record.payload.len() as u64).next_multiple_of(ALIGN);
            let mut bytes = 0;
            while let Some((_, of)) = self.unsynced.pop_front_if(|(index, _)| *index <= synced) {
                bytes += of;
            }
            if bytes > 0 {
                groups.push(Group { bytes, sync_ns: 0 });
            }
            self.unsynced.push_back((record.index, whole));
        }
        Ok(groups)
    }
}

/// The device alone with groups of these sizes: before or behind the load that made them, in the same folder.
///
/// # Errors
/// If the disk fails.
pub(crate) fn alone(folder: &Path, groups: &[Group], length: Duration) -> io::Result<Syncs> {
    sync_again(folder, &groups[groups.len().saturating_sub(GROUPS_MAX)..], length)
}

#[cfg(test)]
mod tests {
    use heng_journal::{Journal, JournalOptions, RecordKind, SimStorage};

    use super::*;

    #[test]
    fn what_one_sync_covered_is_one_group() {
        let storage: Arc<dyn Storage> = Arc::new(SimStorage::new());
        let folder = Path::new("/journal");
        let options = JournalOptions { segment_bytes: 1 << 16, ..JournalOptions::default() };
        let (mut journal, _) = Journal::open(Arc::clone(&storage), folder, options).expect("an empty folder");
        let mut watch = JournalWatch::of(storage, folder).expect("it can be read");
        let append = |journal: &mut Journal, bytes: usize| {
            journal.append(1, 1, RecordKind::Commands, &vec![7; bytes]).expect("there is room");
        };
        append(&mut journal, 16);
        append(&mut journal, 17);
        journal.sync().expect("the disk is well");
        append(&mut journal, 8);
        journal.sync().expect("the disk is well");
        append(&mut journal, 8);
        let groups: Vec<u64> = watch.take().expect("it can be read").iter().map(|group| group.bytes).collect();
        // Headers of 80 bytes, and lengths in eights.
        assert_eq!(groups, [96 + 104, 88]);
        append(&mut journal, 8);
        assert!(watch.take().expect("it can be read").is_empty(), "nothing was synced since");
    }
}
