//! Files that are flipped, cut, swapped, foreign or made up.

use crate::driver::{DIR, open, small_options};
use heng_journal::{
    Check, Crash, Damage, Journal, JournalError, JournalReader, RecordKind, SimStorage, Storage, repair_plan, verify,
};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn segments(sim: &SimStorage) -> Vec<PathBuf> {
    let names = sim.list(Path::new(DIR)).unwrap();
    let segments = names.into_iter().filter(|name| name.ends_with(".seg"));
    segments.map(|name| Path::new(DIR).join(name)).collect()
}

/// A journal of `count` records of 200 bytes, `group` records to a sync, closed.
fn journal_of(count: u64, group: u64) -> (SimStorage, [u8; 32]) {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    for n in 1..=count {
        journal.append(1, 1, RecordKind::Commands, &[n as u8; 200]).unwrap();
        if n % group == 0 {
            journal.sync().unwrap();
        }
    }
    let head = journal.chain_head();
    drop(journal);
    (sim, head)
}

fn copy(sim: &SimStorage) -> SimStorage {
    let other = SimStorage::new();
    for path in segments(sim) {
        other.put(&path, &sim.bytes_of(&path).unwrap());
    }
    other
}

fn reopen(sim: &SimStorage) -> Result<(u64, [u8; 32], bool), JournalError> {
    let opened = Journal::open(sim.shared(), Path::new(DIR), small_options());
    opened.map(|(_, found)| (found.last_index, found.chain_head, found.torn.is_some()))
}

/// Bytes of a segment that mean something: up to the last one that is not zero.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// A flipped bit is an error, or, in the unproved mark or padding at the very end, changes
/// nothing that was recorded.
#[test]
fn every_flipped_bit_is_noticed() {
    let (sim, head) = journal_of(30, 5);
    for path in segments(&sim) {
        for offset in 0..used(&sim.bytes_of(&path).unwrap()) as u64 {
            let flipped = copy(&sim);
            assert!(flipped.corrupt(&path, offset, 1 << (offset % 8)));
            let read_back = JournalReader::open(flipped.shared(), Path::new(DIR), 1, Check::Chain)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map(|records| records.len());
            let verified = verify(&flipped, Path::new(DIR));
            match reopen(&flipped) {
                Err(JournalError::Damaged { .. }) => {
                    assert!(verified.is_err(), "{offset}");
                    assert!(read_back.is_err(), "{offset}");
                    let plan = repair_plan(&flipped, Path::new(DIR)).unwrap();
                    assert!(plan.loses_durable && !plan.is_clean());
                }
                Ok((last, found, torn)) => {
                    assert!(torn, "{} at {offset}", path.display());
                    assert_eq!((last, found), (30, head), "only the mark was hit");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn damage_to_the_last_group_is_told_from_a_torn_tail_by_the_mark() {
    let (sim, _) = journal_of(3, 3);
    assert!(sim.corrupt(&segments(&sim)[0], 80 + 280 + 100, 1));
    match reopen(&sim) {
        Err(JournalError::Damaged { offset, damage, .. }) => {
            assert_eq!(offset, 80 + 280);
            let reason = Box::new(Damage::PayloadChecksum);
            assert_eq!(damage, Damage::DurableLost { reason, durable: 3 });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unsynced_hole_is_a_torn_tail_even_with_whole_records_behind_it() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    journal.append(1, 1, RecordKind::Commands, &[1; 200]).unwrap();
    journal.sync().unwrap();
    for n in 2..6 {
        journal.append(1, 1, RecordKind::Commands, &[n; 200]).unwrap();
    }
    drop(journal);
    assert!(sim.corrupt(&segments(&sim)[0], 80 + 280 + 79, 0xFF));
    let plan = repair_plan(&sim, Path::new(DIR)).unwrap();
    assert!(!plan.loses_durable && plan.cut.is_some_and(|cut| cut.offset == 360));
    assert_eq!(plan.last_index_kept, 1);
    let opened = Journal::open(sim.shared(), Path::new(DIR), small_options()).unwrap();
    let torn = opened.1.torn.unwrap();
    assert_eq!((opened.1.last_index, torn.offset, torn.bytes), (1, 360, 4 * 280));
    assert_eq!(torn.damage, Damage::HeaderChecksum);
    drop(opened.0);
    assert!(!reopen(&sim).unwrap().2, "reported once, then gone");
}

#[test]
fn a_client_cannot_plant_a_record_in_its_payload() {
    // The image of a whole record that claims everything was durable, as payload of a record
    // that a power loss then tears.
    let (other, _) = journal_of(9, 1);
    let image = other.bytes_of(&segments(&other)[0]).unwrap()[80 + 8 * 280..80 + 9 * 280].to_vec();
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    journal.append(1, 1, RecordKind::Level, b"differs").unwrap();
    journal.sync().unwrap();
    for _ in 0..8 {
        journal.append(1, 1, RecordKind::Commands, &[1; 500]).unwrap();
    }
    journal.sync().unwrap();
    let last = journal.append(1, 1, RecordKind::Commands, &image).unwrap();
    drop(journal);
    let path = segments(&sim).pop().unwrap();
    let bytes = sim.bytes_of(&path).unwrap();
    let end = used(&bytes) as u64;
    assert!(sim.corrupt(&path, end - 1, 1));
    let (index, _, torn) = reopen(&sim).unwrap();
    assert_eq!((index, torn), (last - 1, true));
}

#[test]
fn missing_swapped_and_foreign_segments_are_named() {
    let (sim, _) = journal_of(60, 5);
    let paths = segments(&sim);
    assert!(paths.len() >= 4);
    let check = |change: &dyn Fn(&SimStorage), expected: &dyn Fn(&Damage) -> bool| {
        let changed = copy(&sim);
        change(&changed);
        match reopen(&changed) {
            Err(JournalError::Damaged { damage, .. }) => assert!(expected(&damage), "{damage:?}"),
            other => panic!("{other:?}"),
        }
        assert!(verify(&changed, Path::new(DIR)).is_err());
        assert!(repair_plan(&changed, Path::new(DIR)).unwrap().loses_durable);
    };
    check(&|s| s.remove(&paths[1]).unwrap(), &|d| matches!(d, Damage::MissingSegment(_)));
    let second = sim.bytes_of(&paths[1]).unwrap();
    check(&|s| s.put(&paths[2], &second), &|d| matches!(d, Damage::WrongName(_)));
    check(&|s| s.put(&paths[1], &second[..2_000]), &|d| matches!(d, Damage::Inside(_)));
    check(&|s| s.put(&paths[1], &second[..40]), &|d| *d == Damage::ShortHeader);
    check(&|s| s.put(&paths[1], &[]), &|d| *d == Damage::ShortHeader);
    let mut zeroed = second.clone();
    zeroed[1000..].fill(0);
    check(&|s| s.put(&paths[1], &zeroed), &|d| matches!(d, Damage::Inside(_)));
    let mut newer = second.clone();
    newer[8] = 2;
    check(&|s| s.put(&paths[1], &newer), &|d| *d == Damage::UnknownFormat(2));
    let mut newer = second;
    newer[80 + 2] = 9;
    check(&|s| s.put(&paths[1], &newer), &|d| *d == Damage::UnknownFormat(9));
}

#[test]
fn a_journal_of_another_partition_is_refused() {
    let (sim, _) = journal_of(3, 1);
    let mut options = small_options();
    options.partition = 4;
    let opened = Journal::open(sim.shared(), Path::new(DIR), options);
    let Err(JournalError::Damaged { damage, offset, .. }) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!((damage, offset), (Damage::ForeignPartition { expected: 4, found: 3 }, 10));
}

#[test]
fn a_spliced_tail_of_another_journal_breaks_the_chain() {
    let (sim, _) = journal_of(10, 1);
    let other = SimStorage::new();
    let (mut journal, _) = open(&other);
    for n in 1..=10 {
        journal.append(1, 1, RecordKind::Commands, &[n + 100; 200]).unwrap();
        journal.sync().unwrap();
    }
    drop(journal);
    let path = segments(&sim)[0].clone();
    let mut bytes = sim.bytes_of(&path).unwrap();
    let foreign = other.bytes_of(&path).unwrap();
    let from = 80 + 5 * 280;
    bytes[from..].copy_from_slice(&foreign[from..]);
    sim.put(&path, &bytes);
    let Err(JournalError::Damaged { damage, offset, .. }) = reopen(&sim) else {
        panic!("the splice went unnoticed");
    };
    assert_eq!((damage, offset), (Damage::ChainBreak, from as u64 + 32));
}

#[test]
fn a_damaged_vote_is_an_error_not_a_missing_vote() {
    let sim = SimStorage::new();
    let (mut journal, _) = open(&sim);
    journal.save_vote(b"term 4, node 2").unwrap();
    let path = Path::new(DIR).join("vote");
    let good = sim.bytes_of(&path).unwrap();
    for offset in 0..good.len() as u64 {
        assert!(sim.corrupt(&path, offset, 4));
        assert!(matches!(journal.read_vote(), Err(JournalError::Damaged { .. })));
        assert!(sim.corrupt(&path, offset, 4));
    }
    for len in 0..good.len() {
        sim.put(&path, &good[..len]);
        assert!(journal.read_vote().is_err());
    }
    sim.put(&path, &[0x55; 10_000]);
    assert!(journal.read_vote().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes under a segment name: a clear answer, never a panic, from writer and reader.
    #[test]
    fn made_up_segments_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..2000),
        borrow in 0usize..400,
        cut in 0usize..9000,
    ) {
        let (sim, _) = journal_of(40, 3);
        let paths = segments(&sim);
        let real = sim.bytes_of(&paths[0]).unwrap();
        let borrow = borrow.min(real.len());
        bytes.splice(0..0, real[..borrow].iter().copied());
        for (path, content) in [(&paths[0], &bytes[..]), (&paths[0], &real[..cut.min(real.len())])] {
            let made_up = copy(&sim);
            made_up.put(path, content);
            let _ = reopen(&made_up);
            let _ = verify(&made_up, Path::new(DIR));
            let _ = repair_plan(&made_up, Path::new(DIR)).unwrap();
            if let Ok(reader) = JournalReader::open(made_up.shared(), Path::new(DIR), 1, Check::Checksums) {
                for record in reader.take(100) {
                    if record.is_err() { break; }
                }
            }
        }
    }
}

#[test]
fn files_of_other_names_are_left_alone() {
    let (sim, head) = journal_of(5, 1);
    for name in ["1.seg", "x.seg", "notes.txt", "00000000000000000001.seg.bak"] {
        sim.put(&Path::new(DIR).join(name), b"whatever");
    }
    assert_eq!(reopen(&sim).unwrap(), (5, head, false));
    sim.put(&Path::new(DIR).join(format!("{:020}.seg", 0)), &[0; 100]);
    assert!(reopen(&sim).is_err());
    sim.crash(Crash::ProcessOnly);
}
