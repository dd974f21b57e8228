//! A disk that is full, and a disk that fails.

use crate::driver::{DIR, open, small_options};
use heng_journal::{
    BlockSpan, Crash, EventLog, EventLogOptions, Journal, JournalError, Preallocation, RecordKind, SimStorage,
    SnapshotStore,
};
use std::path::Path;

fn append(journal: &mut Journal, size: usize) -> Result<u64, JournalError> {
    journal.append(1, 1, RecordKind::Commands, &vec![0xAB; size])
}

/// Appends until the disk refuses; returns the last index that was taken.
fn fill_disk(journal: &mut Journal) -> u64 {
    for _ in 0..10_000 {
        match append(journal, 300) {
            Ok(_) => {}
            Err(JournalError::DiskFull { .. }) => return journal.last_index(),
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the disk never filled");
}

fn check_full_disk(preallocation: Preallocation) {
    let sim = SimStorage::new();
    sim.set_byte_budget(Some(20_000));
    let mut options = small_options();
    options.preallocation = preallocation;
    let (mut journal, _) = Journal::open(sim.shared(), Path::new(DIR), options).unwrap();
    let last = fill_disk(&mut journal);
    assert!(last > 20, "{preallocation:?}: {last}");
    let head = journal.chain_head();
    for _ in 0..5 {
        assert!(matches!(append(&mut journal, 300), Err(JournalError::DiskFull { .. })));
    }
    assert_eq!((journal.last_index(), journal.chain_head()), (last, head));
    let seen = journal.read_from(1).unwrap().map(Result::unwrap).count() as u64;
    assert_eq!(seen, last, "a refused record is not visible");
    assert_eq!(journal.sync().unwrap().index, last);
    sim.set_byte_budget(Some(60_000));
    assert_eq!(append(&mut journal, 300).unwrap(), last + 1);
    journal.sync().unwrap();
    drop(journal);
    sim.crash(Crash::DropUnsynced);
    let (_, recovery) = Journal::open(sim.shared(), Path::new(DIR), options).unwrap();
    assert_eq!((recovery.last_index, recovery.torn), (last + 1, None));
}

#[test]
fn a_full_disk_refuses_by_name_and_recovers() {
    for preallocation in [Preallocation::ZeroFill, Preallocation::Reserve, Preallocation::Grow] {
        check_full_disk(preallocation);
    }
}

#[test]
fn a_crash_on_a_full_disk_loses_nothing() {
    let sim = SimStorage::new();
    sim.set_byte_budget(Some(20_000));
    let (mut journal, _) = open(&sim);
    let last = fill_disk(&mut journal);
    journal.sync().unwrap();
    drop(journal);
    sim.crash(Crash::KeepSome(3));
    let (mut journal, recovery) = open(&sim);
    assert_eq!(recovery.last_index, last);
    assert!(matches!(append(&mut journal, 3000), Err(JournalError::DiskFull { .. })));
    assert!(journal.free_space().unwrap() < 4096);
    sim.set_byte_budget(None);
    assert_eq!(append(&mut journal, 3000).unwrap(), last + 1);
}

#[test]
fn room_is_what_surely_fits_on_a_full_disk() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    append(&mut journal, 100).unwrap();
    sim.set_byte_budget(Some(sim.used_bytes()));
    let room = journal.room_bytes() as usize;
    assert!((3_000..4_000).contains(&room), "{room}");
    assert_eq!(append(&mut journal, room).unwrap(), 2);
    assert!(journal.room_bytes() < 100);
}

#[test]
fn a_failed_fdatasync_is_fatal_and_never_retried() {
    for apart in [false, true] {
        let sim = SimStorage::new();
        let (mut journal, _) = open(&sim);
        append(&mut journal, 10).unwrap();
        journal.sync().unwrap();
        append(&mut journal, 10).unwrap();
        sim.fail_sync_data_at(1);
        let failed = if apart {
            let ticket = journal.begin_sync().unwrap();
            journal.complete_sync(ticket.run())
        } else {
            journal.sync()
        };
        assert!(matches!(failed, Err(JournalError::Fatal { .. })), "{failed:?}");
        let calls = sim.sync_data_calls();
        let fatal = [
            journal.sync().map(|_| ()),
            append(&mut journal, 10).map(|_| ()),
            journal.truncate_after(1),
            journal.purge_before(1).map(|_| ()),
            journal.save_vote(b"v"),
            journal.begin_sync().map(|_| ()),
        ];
        for result in fatal {
            assert!(matches!(result, Err(JournalError::Fatal { .. })), "{result:?}");
        }
        assert_eq!(sim.sync_data_calls(), calls);
        assert_eq!(journal.durable_mark().index, 1);
        drop(journal);
        sim.crash(Crash::DropUnsynced);
        assert_eq!(open(&sim).1.last_index, 1);
    }
}

/// The kernel takes pages whose write-back failed for clean: the next process reads them, and a sync of its own would
/// not write them. Whoever opens the log must not rely on them before they are on the disk.
#[test]
fn a_restart_after_a_failed_fdatasync_does_not_trust_the_page_cache() {
    for unsynced in [1, 2, 9] {
        let sim = SimStorage::new();
        let (mut journal, _) = open(&sim);
        append(&mut journal, 10).unwrap();
        journal.sync().unwrap();
        for _ in 0..unsynced {
            append(&mut journal, 300).unwrap();
        }
        sim.fail_sync_data_at(1);
        assert!(matches!(journal.sync(), Err(JournalError::Fatal { .. })));
        drop(journal);
        sim.crash(Crash::ProcessOnly);
        let (journal, found) = open(&sim);
        assert_eq!(found.last_index, 1 + unsynced, "the page cache holds them");
        assert_eq!(journal.durable_mark().index, found.last_index);
        drop(journal);
        sim.crash(Crash::DropUnsynced);
        let (_, kept) = open(&sim);
        assert_eq!((kept.last_index, kept.chain_head, kept.torn), (found.last_index, found.chain_head, None));
    }
}

#[test]
fn nor_does_the_event_log() {
    let sim = SimStorage::new();
    let open = || EventLog::open(sim.shared(), Path::new("/events"), EventLogOptions::default()).unwrap();
    let span = |sequence| BlockSpan { first_sequence: sequence, last_sequence: sequence, event_count: 1, level: 1 };
    let (mut log, _) = open();
    log.append_block(&span(1), b"one").unwrap();
    log.sync().unwrap();
    log.append_block(&span(2), b"two").unwrap();
    log.append_block(&span(3), b"three").unwrap();
    sim.fail_sync_data_at(1);
    assert!(matches!(log.sync(), Err(JournalError::Fatal { .. })));
    drop(log);
    sim.crash(Crash::ProcessOnly);
    let (log, _) = open();
    assert_eq!(log.durable_sequence(), 3);
    drop(log);
    sim.crash(Crash::DropUnsynced);
    assert_eq!(open().1.last_sequence, 3);
}

#[test]
fn a_failed_fdatasync_inside_a_roll_is_fatal_too() {
    for nth in 1..=3 {
        let sim = SimStorage::new();
        let (mut journal, _) = open(&sim);
        append(&mut journal, 3000).unwrap();
        sim.fail_sync_data_at(nth);
        let failed = append(&mut journal, 3000);
        assert!(matches!(failed, Err(JournalError::Fatal { .. })), "{nth}: {failed:?}");
        assert!(matches!(journal.sync(), Err(JournalError::Fatal { .. })));
    }
}

#[test]
fn the_event_log_and_the_snapshots_refuse_a_full_disk_by_name() {
    let sim = SimStorage::new();
    let options = EventLogOptions { segment_bytes: 4096, ..EventLogOptions::default() };
    let (mut log, _) = EventLog::open(sim.shared(), Path::new("/events"), options).unwrap();
    let snapshots = SnapshotStore::open(sim.shared(), Path::new("/snapshots")).unwrap();
    let used = sim.used_bytes();
    sim.set_byte_budget(Some(used + 50));
    let span = |sequence| BlockSpan { first_sequence: sequence, last_sequence: sequence, event_count: 1, level: 1 };
    let noise: Vec<u8> = (0u32..400).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let refused = log.append_block(&span(1), &noise);
    assert!(matches!(refused, Err(JournalError::DiskFull { .. })), "{refused:?}");
    let refused = snapshots.write(1, b"m", [(1, noise.clone())].into_iter());
    assert!(matches!(refused, Err(JournalError::DiskFull { .. })), "{refused:?}");
    assert_eq!(snapshots.list().unwrap(), [] as [u64; 0]);
    sim.set_byte_budget(None);
    log.append_block(&span(1), &noise).unwrap();
    log.append_block(&span(2), &noise).unwrap();
    assert_eq!(log.sync().unwrap(), 2);
    assert_eq!(log.read_from(1).unwrap().count(), 2);
    snapshots.write(1, b"m", [(1, noise)].into_iter()).unwrap();
    assert_eq!(snapshots.latest_valid().unwrap().sequence, Some(1));
}

/// The process is killed at every operation of the disk around a new segment; the one after it trusts the page cache,
/// appends and syncs; then the power fails.
#[test]
fn a_segment_whose_making_was_cut_short_does_not_vanish_later() {
    for operations in 0..60 {
        let sim = SimStorage::new();
        let (mut journal, _) = open(&sim);
        let mut before = 0;
        sim.set_power_off_after(Some(operations));
        while before < 40 && append(&mut journal, 300).is_ok() {
            before += 1;
        }
        drop(journal);
        sim.set_power_off_after(None);
        sim.crash(Crash::ProcessOnly);
        let (mut journal, _) = open(&sim);
        let last = append(&mut journal, 20).unwrap();
        journal.sync().unwrap();
        drop(journal);
        sim.crash(Crash::DropUnsynced);
        let (_, found) = open(&sim);
        assert_eq!((found.last_index, found.torn), (last, None), "killed after {operations} operations");
    }
}
