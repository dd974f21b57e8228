//! raft-rs over the journal. raft-rs counts entries from 1, as the journal does.

use heng_journal::{Hash, Journal, JournalError, LogStart, RecordKind, SimStorage, SnapshotStore};
use raft::prelude::*;
use raft::{GetEntriesContext, RaftState, StorageError};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

type Disk<T> = heng_journal::Result<T>;

#[derive(Clone)]
pub(crate) struct Log(pub(crate) Rc<RefCell<Inner>>);

pub(crate) struct Inner {
    pub(crate) journal: Journal,
    snapshots: SnapshotStore,
    /// Term and hash of each record from the one before the first on: raft-rs asks for terms all
    /// the time, and the journal only reads from front to back.
    known: Vec<(u64, Hash)>,
    hard: HardState,
    pub(crate) snapshot: Snapshot,
}

fn kind_of(entry: &Entry) -> RecordKind {
    match entry.get_entry_type() {
        EntryType::EntryNormal if entry.data.is_empty() => RecordKind::Blank,
        EntryType::EntryNormal => RecordKind::Commands,
        _ => RecordKind::Membership,
    }
}

fn numbers(bytes: &[u8]) -> Vec<u64> {
    let words = bytes.chunks_exact(8);
    words.map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes"))).collect()
}

fn bytes_of(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

impl Log {
    pub(crate) fn open(disk: &SimStorage) -> Disk<Self> {
        let journal = crate::open(disk)?;
        let snapshots = SnapshotStore::open(disk.shared(), Path::new("/snapshots"))?;
        let mut hard = HardState::default();
        if let Some(vote) = journal.read_vote()? {
            let vote = numbers(&vote);
            (hard.term, hard.vote) = (vote[0], vote[1]);
        }
        let snapshot = load_snapshot(&snapshots)?;
        let mut inner = Inner { journal, snapshots, known: Vec::new(), hard, snapshot };
        // A power loss may fall between saving a received snapshot and restarting the log at it.
        let index = inner.snapshot.get_metadata().index;
        if inner.journal.last_index() < index {
            inner.journal.start_anew(start_behind(&inner.snapshot))?;
        }
        inner.learn()?;
        inner.hard.term = inner.hard.term.max(inner.journal.last_term());
        inner.hard.commit = index;
        Ok(Self(Rc::new(RefCell::new(inner))))
    }
}

impl Inner {
    fn learn(&mut self) -> Disk<()> {
        let start = self.journal.start()?;
        self.known = vec![(start.previous_term, start.previous_hash)];
        let mut reader = self.journal.read_from(start.first_index)?;
        while let Some(record) = reader.next_record()? {
            // The hash of a record is what the next one carries.
            self.known.last_mut().expect("never empty").1 = record.previous_hash;
            self.known.push((record.term, [0; 32]));
        }
        self.known.last_mut().expect("never empty").1 = self.journal.chain_head();
        Ok(())
    }

    pub(crate) fn append(&mut self, entries: &[Entry]) -> Disk<()> {
        for entry in entries {
            if entry.index <= self.journal.last_index() {
                self.journal.truncate_after(entry.index - 1)?;
                let keep = entry.index - self.journal.purged_to();
                self.known.truncate(keep as usize);
            }
            let mut payload = entry.data.to_vec();
            if kind_of(entry) == RecordKind::Membership {
                payload.push(entry.get_entry_type() as u8);
            }
            let index = self.journal.append(entry.term, 1, kind_of(entry), &payload)?;
            assert_eq!(index, entry.index);
            self.known.push((entry.term, self.journal.chain_head()));
        }
        Ok(())
    }

    /// The commit index is no vote: it is found again from the leader, so it costs no sync.
    pub(crate) fn save_vote(&mut self, hard: &HardState) -> Disk<()> {
        if (hard.term, hard.vote) != (self.hard.term, self.hard.vote) {
            self.journal.save_vote(&bytes_of(&[hard.term, hard.vote]))?;
        }
        self.hard = hard.clone();
        Ok(())
    }

    pub(crate) fn hash_at(&self, index: u64) -> Hash {
        self.known[(index - self.journal.purged_to()) as usize].1
    }

    /// Writes a snapshot (state, then chain hash) and purges what stands well below it.
    pub(crate) fn save_snapshot(&mut self, snapshot: &Snapshot) -> Disk<()> {
        let about = snapshot.get_metadata();
        let conf = about.get_conf_state();
        let meta = bytes_of(&[about.term, conf.voters.len() as u64]);
        let sections = [(1, snapshot.data.to_vec()), (2, bytes_of(&conf.voters))];
        self.snapshots.write(about.index, &meta, sections.into_iter())?;
        self.snapshots.retain_last(2)?;
        self.snapshot = snapshot.clone();
        Ok(())
    }

    pub(crate) fn purge(&mut self, index: u64) -> Disk<()> {
        let before = self.journal.purged_to();
        let first = self.journal.purge_before(index)?;
        self.known.drain(..(first - 1 - before) as usize);
        Ok(())
    }

    pub(crate) fn install(&mut self, snapshot: &Snapshot) -> Disk<()> {
        self.save_snapshot(snapshot)?;
        self.journal.start_anew(start_behind(snapshot))?;
        self.learn()
    }
}

fn start_behind(snapshot: &Snapshot) -> LogStart {
    LogStart {
        first_index: snapshot.get_metadata().index + 1,
        previous_term: snapshot.get_metadata().term,
        previous_hash: snapshot.data[8..40].try_into().expect("the hash ends the snapshot"),
    }
}

fn load_snapshot(store: &SnapshotStore) -> Disk<Snapshot> {
    let mut snapshot = Snapshot::default();
    let Some(sequence) = store.latest_valid()?.sequence else {
        return Ok(snapshot);
    };
    let mut reader = store.load(sequence)?;
    let about = snapshot.mut_metadata();
    (about.index, about.term) = (sequence, numbers(reader.meta())[0]);
    while let Some((tag, bytes)) = reader.next_section()? {
        match tag {
            1 => snapshot.data = bytes.into(),
            _ => snapshot.mut_metadata().mut_conf_state().voters = numbers(&bytes),
        }
    }
    Ok(snapshot)
}

fn other(error: JournalError) -> raft::Error {
    raft::Error::Store(StorageError::Other(Box::new(error)))
}

impl Storage for Log {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let inner = self.0.borrow();
        let conf_state = inner.snapshot.get_metadata().get_conf_state().clone();
        Ok(RaftState::new(inner.hard.clone(), conf_state))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        _: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first_index()? {
            return Err(raft::Error::Store(StorageError::Compacted));
        }
        let mut reader = self.0.borrow().journal.read_from(low).map_err(other)?;
        let mut entries = Vec::new();
        while let Some(record) = reader.next_record().map_err(other)? {
            if record.index >= high {
                break;
            }
            let mut entry = Entry::default();
            (entry.term, entry.index) = (record.term, record.index);
            let mut data = record.payload.to_vec();
            if record.kind == RecordKind::Membership {
                let kind = data.pop().expect("the entry type ends the payload");
                let change = kind == EntryType::EntryConfChange as u8;
                entry.set_entry_type(match change {
                    true => EntryType::EntryConfChange,
                    false => EntryType::EntryConfChangeV2,
                });
            }
            entry.data = data.into();
            entries.push(entry);
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let inner = self.0.borrow();
        if index == inner.snapshot.get_metadata().index && index > 0 {
            return Ok(inner.snapshot.get_metadata().term);
        }
        let place = index.checked_sub(inner.journal.purged_to());
        let place = place.ok_or(raft::Error::Store(StorageError::Compacted))?;
        let known = inner.known.get(place as usize);
        known.map(|known| known.0).ok_or(raft::Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.0.borrow().journal.purged_to() + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.0.borrow().journal.last_index())
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let snapshot = self.0.borrow().snapshot.clone();
        let about = snapshot.get_metadata();
        if about.index < request_index || !about.get_conf_state().voters.contains(&to) {
            return Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(snapshot)
    }
}
