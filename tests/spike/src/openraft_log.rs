//! openraft over the journal. openraft counts entries from 0, the journal from 1.

use crate::Draw;
use heng_journal::{Crash, Journal, JournalError, LogStart, RecordKind, SimStorage};
use openraft::storage::{LogFlushed, LogState, RaftLogStorage, RaftLogStorageExt, RaftStateMachine, Snapshot};
use openraft::testing::{StoreBuilder, Suite, blank_ent, log_id, membership_ent};
use openraft::{
    AnyError, BasicNode, Entry, EntryPayload, ErrorSubject, ErrorVerb, LogId, OptionalSend, RaftLogReader,
    RaftSnapshotBuilder, SnapshotMeta, StorageError, StorageIOError, StoredMembership, Vote,
};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Cursor;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex};

openraft::declare_raft_types!(
    /// Commands are bytes, answers empty.
    pub Types: D = Vec<u8>, R = (), NodeId = u64, Node = BasicNode, Entry = Entry<Types>,
);

type Stored<T> = Result<T, StorageError<u64>>;

fn failed(error: JournalError) -> StorageError<u64> {
    StorageIOError::new(ErrorSubject::Logs, ErrorVerb::Write, AnyError::new(&error)).into()
}

#[derive(Clone, Debug)]
struct Log {
    journal: Arc<Mutex<Journal>>,
    /// openraft purges to any entry, the journal whole segments; what lies between is hidden
    /// here and comes back after a restart, which openraft accepts.
    purged: Arc<Mutex<Option<LogId<u64>>>>,
}

fn encode(entry: &Entry<Types>) -> (RecordKind, Vec<u8>) {
    match &entry.payload {
        EntryPayload::Blank => (RecordKind::Blank, Vec::new()),
        EntryPayload::Normal(commands) => (RecordKind::Commands, commands.clone()),
        EntryPayload::Membership(members) => {
            let text = serde_json::to_vec(members).expect("plain data");
            (RecordKind::Membership, text)
        }
    }
}

fn decode(kind: RecordKind, term: u64, index: u64, payload: &[u8]) -> Entry<Types> {
    let mut entry = blank_ent::<Types>(term, 0, index - 1);
    entry.payload = match kind {
        RecordKind::Commands => EntryPayload::Normal(payload.to_vec()),
        RecordKind::Membership => EntryPayload::Membership(serde_json::from_slice(payload).expect("written by encode")),
        _ => EntryPayload::Blank,
    };
    entry
}

impl Log {
    fn open(disk: &SimStorage) -> Self {
        let journal = crate::open(disk).unwrap();
        let start = journal.start().unwrap();
        let before = start.first_index.checked_sub(2);
        let purged = before.map(|index| log_id(start.previous_term, 0, index));
        Self { journal: Arc::new(Mutex::new(journal)), purged: Arc::new(Mutex::new(purged)) }
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Stored<Vec<Entry<Types>>> {
        let purged = *self.purged.lock().unwrap();
        let held = self.journal.lock().unwrap().purged_to();
        let lowest = purged.map_or(0, |id| id.index + 1).max(held);
        let low = match range.start_bound() {
            Bound::Included(&low) => low.max(lowest),
            Bound::Excluded(&low) => (low + 1).max(lowest),
            Bound::Unbounded => lowest,
        };
        let mut reader = self.journal.lock().unwrap().read_from(low + 1).map_err(failed)?;
        let mut entries = Vec::new();
        while let Some(record) = reader.next_record().map_err(failed)? {
            if !range.contains(&(record.index - 1)) {
                break;
            }
            entries.push(decode(record.kind, record.term, record.index, record.payload));
        }
        Ok(entries)
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Stored<LogState<Types>> {
        let purged = *self.purged.lock().unwrap();
        let journal = self.journal.lock().unwrap();
        let last = journal.last_index().checked_sub(1);
        let last = last.map(|index| log_id(journal.last_term(), 0, index));
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.max(purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Stored<()> {
        let text = serde_json::to_vec(vote).expect("plain data");
        self.journal.lock().unwrap().save_vote(&text).map_err(failed)
    }

    async fn read_vote(&mut self) -> Stored<Option<Vote<u64>>> {
        let vote = self.journal.lock().unwrap().read_vote().map_err(failed)?;
        Ok(vote.map(|text| serde_json::from_slice(&text).expect("written by save_vote")))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Stored<()>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut journal = self.journal.lock().unwrap();
        for entry in entries {
            let (kind, payload) = encode(&entry);
            let term = entry.log_id.leader_id.term;
            let (empty, place) = (journal.last_index() == journal.purged_to(), entry.log_id.index + 1);
            if empty && place > journal.last_index() + 1 {
                // openraft's own suite begins logs in the middle.
                let start = journal.start().map_err(failed)?;
                let first_index = place;
                journal.start_anew(LogStart { first_index, ..start }).map_err(failed)?;
            }
            let index = journal.append(term, 1, kind, &payload).map_err(failed)?;
            assert_eq!(index, place);
        }
        // The ticket is what a real adapter would hand to its sync thread.
        let outcome = journal.begin_sync().map_err(failed)?.run();
        let done = journal.complete_sync(outcome).map(|_| ());
        callback.log_io_completed(done.map_err(std::io::Error::other));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Stored<()> {
        self.journal.lock().unwrap().truncate_after(from.index).map_err(failed)
    }

    async fn purge(&mut self, to: LogId<u64>) -> Stored<()> {
        let mut journal = self.journal.lock().unwrap();
        let index = to.index + 1;
        if index > journal.last_index() {
            let start = LogStart {
                first_index: index + 1,
                previous_term: to.leader_id.term,
                // Belongs into the snapshot's own description; openraft does not hand it over.
                previous_hash: [0; 32],
            };
            journal.start_anew(start).map_err(failed)?;
        } else {
            journal.purge_before(index + 1).map_err(failed)?;
        }
        *self.purged.lock().unwrap() = Some(to);
        Ok(())
    }
}

/// The smallest state machine that openraft's own suite accepts.
#[derive(Clone, Default)]
struct Machine {
    applied: Option<LogId<u64>>,
    members: StoredMembership<u64, BasicNode>,
    snapshot: Option<(SnapshotMeta<u64, BasicNode>, Vec<u8>)>,
}

impl RaftSnapshotBuilder<Types> for Arc<Mutex<Machine>> {
    async fn build_snapshot(&mut self) -> Stored<Snapshot<Types>> {
        let mut machine = self.lock().unwrap();
        let meta = SnapshotMeta {
            last_log_id: machine.applied,
            last_membership: machine.members.clone(),
            snapshot_id: format!("{:?}", machine.applied),
        };
        machine.snapshot = Some((meta.clone(), Vec::new()));
        let snapshot = Box::new(Cursor::new(Vec::new()));
        Ok(Snapshot { meta, snapshot })
    }
}

impl RaftStateMachine<Types> for Arc<Mutex<Machine>> {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Stored<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>)> {
        let machine = self.lock().unwrap();
        Ok((machine.applied, machine.members.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Stored<Vec<()>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut machine = self.lock().unwrap();
        let apply = |entry: Entry<Types>| {
            machine.applied = Some(entry.log_id);
            if let EntryPayload::Membership(members) = entry.payload {
                machine.members = StoredMembership::new(Some(entry.log_id), members);
            }
        };
        Ok(entries.into_iter().map(apply).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Stored<Box<Cursor<Vec<u8>>>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Stored<()> {
        let mut machine = self.lock().unwrap();
        machine.applied = meta.last_log_id;
        machine.members = meta.last_membership.clone();
        machine.snapshot = Some((meta.clone(), snapshot.into_inner()));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Stored<Option<Snapshot<Types>>> {
        let kept = self.lock().unwrap().snapshot.clone();
        Ok(kept.map(|(meta, bytes)| Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) }))
    }
}

struct Builder;

impl StoreBuilder<Types, Log, Arc<Mutex<Machine>>> for Builder {
    async fn build(&self) -> Stored<((), Log, Arc<Mutex<Machine>>)> {
        Ok(((), Log::open(&SimStorage::new()), Arc::default()))
    }
}

type Checks = Suite<Types, Log, Arc<Mutex<Machine>>, Builder, ()>;

/// openraft's own suite, but for the checks that write holes or write over entries without a
/// truncation, which openraft forbids itself.
#[tokio::test]
async fn openraft_accepts_the_journal_as_its_log_store() {
    macro_rules! run {
        ($($check:ident)*) => {$(
            let ((), log, machine) = Builder.build().await.unwrap();
            Checks::$check(log, machine).await.unwrap();
        )*};
    }
    run!(last_membership_in_log_initial last_membership_in_log last_membership_in_log_multi_step
        get_membership_initial get_membership_from_log_and_empty_sm
        get_membership_from_empty_log_and_sm get_membership_from_log_le_sm_last_applied
        get_membership_from_log_gt_sm_last_applied_1 get_membership_from_log_gt_sm_last_applied_2
        get_initial_state_without_init get_initial_state_with_state
        get_initial_state_last_log_gt_sm get_initial_state_last_log_lt_sm
        get_initial_state_log_ids get_initial_state_re_apply_committed save_vote get_log_entries
        limited_get_log_entries try_get_log_entry initial_logs get_log_state get_log_id
        last_id_in_log last_applied_state purge_logs_upto_0 purge_logs_upto_5 purge_logs_upto_20
        delete_logs_since_11 delete_logs_since_0 append_to_log snapshot_meta apply_single
        apply_multiple);
    Checks::transfer_snapshot(&Builder).await.unwrap();
}

/// What a raft node does to its log, with power losses, beside a naive list.
async fn life(seed: u64) -> (u64, u64) {
    let mut draw = Draw(seed);
    let disk = SimStorage::new();
    let mut log = Log::open(&disk);
    let mut entries: Vec<Entry<Types>> = Vec::new();
    let (mut term, mut vote, mut purged, mut losses) = (1, None, 0, 0);
    for _ in 0..300 {
        let last = entries.len() as u64;
        match draw.below(20) {
            0..10 => {
                let batch: Vec<_> = (0..1 + draw.below(5)).map(|n| entry(&mut draw, term, last + n)).collect();
                log.blocking_append(batch.clone()).await.unwrap();
                entries.extend(batch);
            }
            10..13 => {
                (term, vote) = (term + 1, Some(Vote::new_committed(term + 1, draw.below(3))));
                log.save_vote(&vote.unwrap()).await.unwrap();
            }
            13..15 if last > purged => {
                // A new leader overwrites what an old one could not commit.
                let from = purged + draw.below(last - purged);
                log.truncate(entries[from as usize].log_id).await.unwrap();
                entries.truncate(from as usize);
            }
            15..17 if last > purged => {
                let to = purged + draw.below(last - purged);
                log.purge(entries[to as usize].log_id).await.unwrap();
                purged = to + 1;
            }
            17..20 => {
                drop(log);
                disk.crash(Crash::KeepSome(draw.below(u64::MAX)));
                log = Log::open(&disk);
                losses += 1;
            }
            _ => {}
        }
        let state = log.get_log_state().await.unwrap();
        let first = state.last_purged_log_id.map_or(0, |id| id.index + 1);
        assert!(first <= purged, "seed {seed}");
        assert_eq!(state.last_log_id, entries.last().map(|entry| entry.log_id), "seed {seed}");
        assert_eq!(log.read_vote().await.unwrap(), vote);
        let read = log.try_get_log_entries(..).await.unwrap();
        assert_eq!(read, entries[first as usize..], "seed {seed}");
    }
    (losses, entries.len() as u64)
}

fn entry(draw: &mut Draw, term: u64, index: u64) -> Entry<Types> {
    match draw.below(6) {
        0 => blank_ent(term, 0, index),
        1 => membership_ent(term, 0, index, vec![BTreeSet::from([1, 2 + draw.below(3)])]),
        _ => {
            let mut entry = blank_ent(term, 0, index);
            entry.payload = EntryPayload::Normal(vec![draw.below(256) as u8; draw.below(300) as usize]);
            entry
        }
    }
}

#[test]
fn openraft_finds_its_log_again_after_power_losses() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut losses, mut entries) = (0, 0);
    for seed in 1..=60 {
        let found = runtime.block_on(life(seed));
        (losses, entries) = (losses + found.0, entries + found.1);
    }
    println!("60 seeds: {losses} power losses, {entries} entries at the end");
    assert!(losses > 1_000 && entries > 1_000);
}

/// openraft purges beyond the log's end after it installed a snapshot.
#[tokio::test]
async fn a_purge_beyond_the_end_starts_anew() {
    let disk = SimStorage::new();
    let mut log = Log::open(&disk);
    log.blocking_append([blank_ent(1, 0, 0), blank_ent(1, 0, 1)]).await.unwrap();
    log.purge(log_id(4, 0, 70)).await.unwrap();
    drop(log);
    disk.crash(Crash::DropUnsynced);
    let mut log = Log::open(&disk);
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(4, 0, 70)));
    assert_eq!(state.last_log_id, Some(log_id(4, 0, 70)));
    log.blocking_append([blank_ent(4, 0, 71)]).await.unwrap();
}
