//! The journal in ordinary use.

use crate::driver::{DIR, open, small_options};
use heng_journal::{
    Check, Crash, Journal, JournalError, JournalOptions, JournalReader, LogStart, PAYLOAD_BYTES_MAX, Preallocation,
    Quarantine, RecordKind, Refusal, SimStorage, Storage, VOTE_BYTES_MAX, quarantines, repair_plan, verify,
};
use std::path::Path;

fn fill(journal: &mut Journal, count: u64) {
    for n in 0..count {
        journal.append(1, 1, RecordKind::Commands, &n.to_le_bytes()).unwrap();
    }
    journal.sync().unwrap();
}

fn reader(sim: &SimStorage, from: u64) -> JournalReader {
    JournalReader::open(sim.shared(), Path::new(DIR), from, Check::Chain).unwrap()
}

fn quarantine(first: &str, second: &str) -> Quarantine {
    Quarantine {
        sequence: 77,
        reason: "aborts the core 交易核心".to_owned(),
        approvers: [first.to_owned(), second.to_owned()],
    }
}

#[test]
fn records_come_back_as_they_were() {
    let sim = SimStorage::new();
    let (mut journal, recovery) = open(&sim);
    assert_eq!((recovery.last_index, recovery.purged_to), (0, 0));
    let kinds = [RecordKind::Blank, RecordKind::Commands, RecordKind::Membership, RecordKind::Level];
    for (n, kind) in kinds.into_iter().enumerate() {
        let payload = vec![n as u8; n * 200];
        let index = journal.append(4 + n as u64, 2, kind, &payload).unwrap();
        assert_eq!(index, n as u64 + 1);
    }
    assert_eq!(journal.durable_mark().index, 0);
    assert_eq!(journal.sync().unwrap().index, 4);
    let read: Vec<_> = reader(&sim, 1).map(Result::unwrap).collect();
    assert_eq!(read.len(), 4);
    for (n, record) in read.iter().enumerate() {
        assert_eq!(record.index, n as u64 + 1);
        assert_eq!(record.term, 4 + n as u64);
        assert_eq!((record.level, record.kind), (2, kinds[n]));
        assert_eq!(record.payload, vec![n as u8; n * 200]);
    }
}

#[test]
fn one_fdatasync_per_group_commit_and_none_without_records() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    let before = sim.sync_data_calls();
    for _ in 0..10 {
        for _ in 0..3 {
            journal.append(1, 1, RecordKind::Commands, &[1; 20]).unwrap();
        }
        journal.sync().unwrap();
        journal.sync().unwrap();
    }
    assert_eq!(sim.sync_data_calls() - before, 10);
}

#[test]
fn reopening_continues_the_chain() {
    let sim = SimStorage::new();
    let mut heads = Vec::new();
    for life in 0..5 {
        let (mut journal, recovery) = open(&sim);
        assert_eq!(recovery.last_index, life * 40);
        assert_eq!(recovery.torn, None);
        heads.push(recovery.chain_head);
        fill(&mut journal, 40);
    }
    heads.dedup();
    assert_eq!(heads.len(), 5, "each life ended at another chain head");
    let found = verify(&sim, Path::new(DIR)).unwrap().unwrap();
    assert_eq!((found.records, found.last_index, found.partition), (200, 200, 3));
    assert!(found.segments > 3);
    assert!(repair_plan(&sim, Path::new(DIR)).unwrap().is_clean());
}

#[test]
fn a_record_larger_than_a_segment_gets_its_own() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    let large = vec![9; 1 << 20];
    for payload in [&large[..], &[1], &large, &[2]] {
        journal.append(1, 1, RecordKind::Commands, payload).unwrap();
    }
    journal.sync().unwrap();
    let sizes: Vec<_> = reader(&sim, 1).map(|record| record.unwrap().payload.len()).collect();
    assert_eq!(sizes, [1 << 20, 1, 1 << 20, 1]);
}

#[test]
fn what_the_journal_cannot_do_is_refused_and_changes_nothing() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    fill(&mut journal, 3);
    let head = journal.chain_head();
    let too_large = vec![0; PAYLOAD_BYTES_MAX as usize + 1];
    let results = [
        journal.append(1, 1, RecordKind::Commands, &too_large).map(|_| ()),
        journal.append(0, 1, RecordKind::Commands, &[]).map(|_| ()),
        journal.truncate_after(4),
        journal.save_vote(&[0; VOTE_BYTES_MAX + 1]),
        journal.start_anew(LogStart { first_index: 0, previous_term: 0, previous_hash: [0; 32] }),
    ];
    for result in results {
        assert!(matches!(result, Err(JournalError::Refused(_))), "{result:?}");
    }
    assert_eq!((journal.last_index(), journal.chain_head()), (3, head));
    fill(&mut journal, 1);
    assert_eq!(journal.last_index(), 4);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let sim = SimStorage::new();
    let (journal, _) = open(&sim);
    let second = Journal::open(sim.shared(), Path::new(DIR), small_options());
    assert!(matches!(second, Err(JournalError::InUse { .. })));
    drop(journal);
    open(&sim);
}

#[test]
fn truncation_cuts_across_segments() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    let mut heads = vec![journal.chain_head()];
    for n in 0u64..100 {
        journal.append(1, 1, RecordKind::Commands, &[n as u8; 100]).unwrap();
        heads.push(journal.chain_head());
    }
    for index in [99, 60, 60, 21, 20, 0] {
        journal.truncate_after(index).unwrap();
        assert_eq!((journal.last_index(), journal.durable_mark().index), (index, index));
        assert_eq!(journal.chain_head(), heads[index as usize]);
        assert_eq!(reader(&sim, 1).count() as u64, index);
        drop(journal);
        sim.crash(Crash::DropUnsynced);
        journal = open(&sim).0;
        assert_eq!(journal.chain_head(), heads[index as usize]);
    }
    assert_eq!(journal.append(7, 1, RecordKind::Blank, &[]).unwrap(), 1);
}

#[test]
fn a_sync_begun_before_a_truncation_does_not_vouch_for_later_records() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    fill(&mut journal, 2);
    fill_unsynced(&mut journal, 3);
    let ticket = journal.begin_sync().unwrap();
    journal.truncate_after(2).unwrap();
    fill_unsynced(&mut journal, 3);
    assert_eq!(journal.complete_sync(ticket.run()).unwrap().index, 2);
}

fn fill_unsynced(journal: &mut Journal, count: u64) {
    for _ in 0..count {
        journal.append(1, 1, RecordKind::Commands, &[1]).unwrap();
    }
}

#[test]
fn a_sync_apart_covers_what_was_there_when_it_began() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    fill_unsynced(&mut journal, 3);
    let ticket = journal.begin_sync().unwrap();
    fill_unsynced(&mut journal, 2);
    assert_eq!(journal.complete_sync(ticket.run()).unwrap().index, 3);
    assert_eq!(journal.sync().unwrap().index, 5);
}

#[test]
fn purging_removes_whole_segments_only() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    fill(&mut journal, 200);
    let first = journal.purge_before(100).unwrap();
    assert!((60..=100).contains(&first), "{first}");
    assert_eq!(journal.purged_to(), first - 1);
    let refused = JournalReader::open(sim.shared(), Path::new(DIR), first - 1, Check::Chain);
    assert!(matches!(refused, Err(JournalError::Refused(Refusal::OutOfRange { .. }))));
    assert_eq!(reader(&sim, first).count() as u64, 201 - first);
    drop(journal);
    let (mut journal, recovery) = open(&sim);
    assert_eq!((recovery.purged_to, recovery.last_index), (first - 1, 200));
    // The active segment stays, whatever is asked.
    assert!(journal.purge_before(1_000).unwrap() <= 200);
    assert!(journal.truncate_after(1).is_err());
}

#[test]
fn starting_anew_leaves_a_log_that_continues_elsewhere() {
    let sim = SimStorage::new();
    for next_index in [51, 30, 5_000] {
        let (mut journal, _) = open(&sim);
        let missing = 50u64.saturating_sub(journal.last_index());
        fill(&mut journal, missing);
        if next_index <= journal.purged_to() {
            continue;
        }
        let start = LogStart { first_index: next_index, previous_term: 3, previous_hash: [next_index as u8; 32] };
        journal.start_anew(start).unwrap();
        assert_eq!(journal.append(3, 1, RecordKind::Blank, &[]).unwrap(), next_index);
        journal.sync().unwrap();
        drop(journal);
        let (journal, recovery) = open(&sim);
        assert_eq!((recovery.purged_to, recovery.last_index), (next_index - 1, next_index));
        assert_eq!((recovery.last_term, recovery.records), (3, 1));
        assert_eq!(journal.start().unwrap(), start);
        sim.crash(Crash::ProcessOnly);
        for name in sim.list(Path::new(DIR)).unwrap() {
            sim.remove(&Path::new(DIR).join(name)).unwrap();
        }
    }
}

#[test]
fn a_reader_follows_a_living_writer_across_segments() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    let mut reader = reader(&sim, 5).follow();
    let mut expected = 5;
    for round in 0u64..60 {
        assert!(reader.next_record().unwrap().is_none() || round == 0);
        for n in 0..=round % 7 {
            journal.append(1, 1, RecordKind::Commands, &[n as u8; 90]).unwrap();
        }
        if round % 3 == 0 {
            journal.sync().unwrap();
        }
        while let Some(record) = reader.next_record().unwrap() {
            assert_eq!(record.index, expected);
            assert!(record.synced < record.index);
            expected += 1;
        }
        assert_eq!(expected, (journal.last_index() + 1).max(5));
    }
    assert_eq!(reader.chain_head(), Some(journal.chain_head()));
}

#[test]
fn readers_start_anywhere() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    fill(&mut journal, 150);
    for from in [1, 2, 77, 150, 151, 400] {
        let first = journal.read_from(from).unwrap().next();
        let index = first.map(|record| record.unwrap().index);
        assert_eq!(index, (from <= 150).then_some(from));
    }
}

#[test]
fn votes_are_replaced_whole() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    assert_eq!(journal.read_vote().unwrap(), None);
    for vote in [&b"term 1 node 2"[..], b"", &[7; VOTE_BYTES_MAX]] {
        journal.save_vote(vote).unwrap();
        sim.crash(Crash::DropUnsynced);
        drop(journal);
        journal = open(&sim).0;
        assert_eq!(journal.read_vote().unwrap().as_deref(), Some(vote));
    }
}

#[test]
fn quarantines_are_found_by_the_headers_alone() {
    let sim = SimStorage::new();
    assert!(sim.create_dir(Path::new(DIR)).is_ok());
    assert_eq!(quarantines(&sim, Path::new(DIR)).unwrap(), []);
    let (mut journal, _) = open(&sim);
    let mut expected = Vec::new();
    for n in 0..40 {
        journal.append(1, 1, RecordKind::Commands, &vec![3; n * 37]).unwrap();
        if n % 13 == 5 {
            let found = Quarantine { sequence: n as u64, ..quarantine("li", "wang") };
            journal.append_quarantine(1, 1, &found).unwrap();
            expected.push(found);
        }
    }
    journal.append(1, 1, RecordKind::Commands, &[9; 6_000]).unwrap();
    journal.sync().unwrap();
    assert!(sim.list(Path::new(DIR)).unwrap().len() > 4, "there are several segments");
    assert_eq!((expected.len(), quarantines(&sim, Path::new(DIR)).unwrap()), (3, expected.clone()));
    // The last byte of the payload of the first record with one: whoever reads that record will say so.
    let path = Path::new(DIR).join(format!("{:020}.seg", 1));
    assert!(sim.corrupt(&path, 80 + 80 + 80 + 36, 1));
    assert_eq!(quarantines(&sim, Path::new(DIR)).unwrap(), expected);
    assert!(reader(&sim, 1).any(|record| record.is_err()));
    // Its header: what stands behind it cannot be found any more.
    assert!(sim.corrupt(&path, 80 + 80 + 12, 1));
    assert!(matches!(quarantines(&sim, Path::new(DIR)), Err(JournalError::Damaged { .. })));
}

#[test]
fn a_quarantine_needs_two_people_and_is_found_again() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    let long = "x".repeat(2_000);
    for (first, second) in [("li", "li"), ("Li", " li "), ("", "wang"), ("li", &long)] {
        let refused = journal.append_quarantine(1, 1, &quarantine(first, second));
        assert!(matches!(refused, Err(JournalError::Refused(Refusal::Quarantine(_)))));
    }
    assert_eq!(journal.last_index(), 0);
    let good = quarantine("li", "wang");
    journal.append_quarantine(1, 1, &good).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let expected = std::slice::from_ref(&good);
    assert_eq!(open(&sim).1.quarantined, expected);
    let found = verify(&sim, Path::new(DIR)).unwrap().unwrap();
    assert_eq!(found.quarantined, expected);
}

#[test]
fn the_engine_level_and_key_travel_with_the_record() {
    let sim = SimStorage::new();
    let options = JournalOptions { partition: 9, key_id: 42, segment_bytes: 4096, preallocation: Preallocation::Grow };
    let (mut journal, _) = Journal::open(sim.shared(), Path::new(DIR), options).unwrap();
    journal.append(1, 513, RecordKind::Commands, b"secret").unwrap();
    let mut reader = reader(&sim, 1);
    let record = reader.next_record().unwrap().unwrap();
    assert_eq!((record.key_id, record.level, record.partition), (42, 513, 9));
}
