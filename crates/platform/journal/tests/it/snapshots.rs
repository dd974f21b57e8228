//! Snapshots: complete or absent, checked to the last byte.

use heng_journal::{Crash, JournalError, Refusal, SimStorage, SnapshotStore, Storage};
use std::path::{Path, PathBuf};

const DIR: &str = "/snapshots";

fn store(sim: &SimStorage) -> SnapshotStore {
    SnapshotStore::open(sim.shared(), Path::new(DIR)).unwrap()
}

fn sections(sequence: u64) -> Vec<(u32, Vec<u8>)> {
    (0..4).map(|n| (n * 7, vec![(sequence + u64::from(n)) as u8; n as usize * 61])).collect()
}

fn write(store: &SnapshotStore, sequence: u64) {
    let info = store.write(sequence, b"level 1", sections(sequence).into_iter()).unwrap();
    assert_eq!(info.sequence, sequence);
}

fn path(sequence: u64) -> PathBuf {
    Path::new(DIR).join(format!("{sequence:020}.snap"))
}

fn read(store: &SnapshotStore, sequence: u64) -> Result<Vec<(u32, Vec<u8>)>, JournalError> {
    let mut reader = store.load(sequence)?;
    assert_eq!((reader.sequence(), reader.meta()), (sequence, &b"level 1"[..]));
    let mut found = Vec::new();
    while let Some(section) = reader.next_section()? {
        found.push(section);
    }
    assert!(reader.next_section()?.is_none());
    Ok(found)
}

#[test]
fn sections_come_back_in_order() {
    let sim = SimStorage::new();
    let store = store(&sim);
    for sequence in [5, 1_000, 7] {
        write(&store, sequence);
        sim.crash(Crash::DropUnsynced);
    }
    assert_eq!(store.list().unwrap(), [5, 7, 1_000]);
    for sequence in [5, 7, 1_000] {
        assert_eq!(read(&store, sequence).unwrap(), sections(sequence));
    }
    let missing = store.load(6);
    assert!(matches!(missing, Err(JournalError::Refused(Refusal::NoSnapshot(6)))));
}

#[test]
fn equal_content_gives_equal_hash() {
    let sim = SimStorage::new();
    let store = store(&sim);
    let first = store.write(5, b"m", sections(5).into_iter()).unwrap();
    let again = store.write(5, b"m", sections(5).into_iter()).unwrap();
    let other = store.write(5, b"n", sections(5).into_iter()).unwrap();
    assert_eq!(first, again);
    assert!(first.content_hash != other.content_hash);
}

#[test]
fn a_power_loss_leaves_the_snapshot_whole_or_absent() {
    let mut present = 0;
    for changes in 0..24 {
        let sim = SimStorage::new();
        let snapshots = store(&sim);
        write(&snapshots, 5);
        sim.set_power_off_after(Some(changes));
        let done = snapshots.write(9, b"level 1", sections(9).into_iter()).is_ok();
        sim.crash(Crash::KeepSome(changes));
        let snapshots = store(&sim);
        let list = snapshots.list().unwrap();
        assert!(list == [5, 9] || (list == [5] && !done), "{changes}: {list:?}");
        for &sequence in &list {
            assert_eq!(read(&snapshots, sequence).unwrap(), sections(sequence));
        }
        present += list.len() - 1;
    }
    assert!((2..22).contains(&present), "{present}");
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let sim = SimStorage::new();
    let store = store(&sim);
    write(&store, 9);
    let good = sim.bytes_of(&path(9)).unwrap();
    for offset in 0..good.len() {
        let mut bytes = good.clone();
        bytes[offset] ^= 1 << (offset % 8);
        sim.put(&path(9), &bytes);
        assert!(matches!(store.verify(9), Err(JournalError::Damaged { .. })), "{offset}");
        sim.put(&path(9), &good[..offset]);
        assert!(matches!(store.verify(9), Err(JournalError::Damaged { .. })), "{offset}");
    }
    let mut longer = good.clone();
    longer.push(0);
    sim.put(&path(9), &longer);
    assert!(store.verify(9).is_err());
    sim.put(&path(8), &good);
    assert!(store.verify(8).is_err(), "a renamed snapshot is not the one of that sequence");
}

#[test]
fn a_section_that_claims_to_be_huge_costs_no_memory() {
    let sim = SimStorage::new();
    let store = store(&sim);
    write(&store, 9);
    let mut bytes = sim.bytes_of(&path(9)).unwrap();
    let length = 28 + 7 + 8;
    for claim in [u64::MAX, 5 << 30, 3 << 30] {
        bytes[length..length + 8].copy_from_slice(&claim.to_le_bytes());
        sim.put(&path(9), &bytes);
        assert!(matches!(store.verify(9), Err(JournalError::Damaged { .. })));
    }
}

#[test]
fn damaged_snapshots_are_skipped_with_a_reason_and_displace_no_sound_one() {
    let sim = SimStorage::new();
    let store = store(&sim);
    for sequence in [10, 20, 30, 40] {
        write(&store, sequence);
    }
    assert!(sim.corrupt(&path(40), 60, 1));
    let latest = store.latest_valid().unwrap();
    assert_eq!(latest.sequence, Some(30));
    assert_eq!(latest.skipped.len(), 1);
    assert_eq!(latest.skipped[0].sequence, 40);
    assert!(latest.skipped[0].reason.to_string().contains("at byte"));
    assert_eq!(store.retain_last(2).unwrap(), [10]);
    assert_eq!(store.list().unwrap(), [20, 30, 40]);
    for sequence in [20, 30] {
        assert!(sim.corrupt(&path(sequence), 60, 1));
    }
    assert_eq!(store.latest_valid().unwrap().sequence, None);
    assert_eq!(store.retain_last(1).unwrap(), [] as [u64; 0], "nothing sound, nothing removed");
}

#[test]
fn leftovers_of_an_interrupted_write_are_removed() {
    let sim = SimStorage::new();
    sim.put(&Path::new(DIR).join("snapshot.tmp"), b"half");
    let store = store(&sim);
    assert_eq!(store.list().unwrap(), [] as [u64; 0]);
    assert_eq!(sim.list(Path::new(DIR)).unwrap(), [] as [String; 0]);
    let refused = store.write(1, b"", [(u32::MAX, vec![])].into_iter());
    assert!(matches!(refused, Err(JournalError::Refused(Refusal::Options(_)))));
}
