//! The real disk, in a temporary folder.

use heng_journal::{
    Check, Journal, JournalError, JournalOptions, JournalReader, OpenMode, OsStorage, Preallocation, RecordKind,
    Storage, verify,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn options(preallocation: Preallocation) -> JournalOptions {
    JournalOptions { partition: 1, key_id: 0, segment_bytes: 256 << 10, preallocation }
}

#[test]
fn a_journal_lives_on_the_real_disk() {
    for preallocation in [Preallocation::ZeroFill, Preallocation::Reserve, Preallocation::Grow] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a/journal");
        let mut head = [0; 32];
        for life in 0u64..3 {
            let storage = OsStorage::shared();
            let (mut journal, recovery) = Journal::open(storage, &dir, options(preallocation)).unwrap();
            assert_eq!((recovery.last_index, recovery.chain_head), (life * 40, head));
            assert_eq!(recovery.torn, None);
            for n in 0u8..40 {
                let size = usize::from(n) * 1000;
                journal.append(life, 1, RecordKind::Commands, &vec![n; size]).unwrap();
                journal.sync().unwrap();
            }
            journal.truncate_after(life * 40 + 38).unwrap();
            for n in 38u8..40 {
                journal.append(life, 1, RecordKind::Commands, &[n; 5]).unwrap();
            }
            head = journal.chain_head();
        }
        let found = verify(&OsStorage, &dir).unwrap().unwrap();
        assert_eq!((found.records, found.chain_head), (120, head));
        assert!(found.segments > 3);
    }
}

#[test]
fn a_second_process_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let first = Journal::open(OsStorage::shared(), folder.path(), options(Preallocation::Grow));
    let second = Journal::open(OsStorage::shared(), folder.path(), options(Preallocation::Grow));
    assert!(matches!(second, Err(JournalError::InUse { .. })));
    drop(first);
    Journal::open(OsStorage::shared(), folder.path(), options(Preallocation::Grow)).unwrap();
}

#[test]
fn a_reader_in_another_thread_sees_whole_records_only() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (mut journal, _) = Journal::open(OsStorage::shared(), dir, options(Preallocation::ZeroFill)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut reader = JournalReader::open(OsStorage::shared(), dir, 1, Check::Chain).unwrap();
            reader = reader.follow();
            let mut seen = 0u64;
            loop {
                let last_look = done.load(Ordering::Acquire);
                while let Some(record) = reader.next_record().unwrap() {
                    seen += 1;
                    assert_eq!(record.index, seen);
                    let size = (seen * 7919 % 40_000) as usize;
                    assert_eq!(record.payload.len(), size);
                    assert!(record.payload.iter().all(|&byte| byte == seen as u8));
                }
                if last_look {
                    return seen;
                }
            }
        });
        for index in 1u64..=1000 {
            let payload = vec![index as u8; (index * 7919 % 40_000) as usize];
            journal.append(1, 1, RecordKind::Commands, &payload).unwrap();
            if index % 50 == 0 {
                journal.sync().unwrap();
            }
        }
        done.store(true, Ordering::Release);
        assert_eq!(watcher.join().unwrap(), 1000);
    });
}

#[test]
fn a_sync_runs_beside_the_next_appends() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(OsStorage::shared(), folder.path(), options(Preallocation::ZeroFill)).unwrap();
    let mut durable = 0;
    for _ in 0..100 {
        journal.append(1, 1, RecordKind::Commands, &[3; 9_000]).unwrap();
        let ticket = journal.begin_sync().unwrap();
        let begun = journal.last_index();
        let outcome = std::thread::scope(|scope| {
            let sync = scope.spawn(|| ticket.run());
            journal.append(1, 1, RecordKind::Commands, &[4; 9_000]).unwrap();
            sync.join().unwrap()
        });
        let mark = journal.complete_sync(outcome).unwrap().index;
        assert!(mark >= begun && mark >= durable);
        durable = mark;
    }
}

/// The calls that need `unsafe` against their safe counterparts.
#[test]
fn reserving_and_measuring_agree_with_the_standard_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = OsStorage.open(&path, OpenMode::Create).unwrap();
    file.write_at(3, b"abc").unwrap();
    file.preallocate(1 << 20).unwrap();
    let mut expected = vec![0; 1 << 20];
    expected[3..6].copy_from_slice(b"abc");
    assert_eq!(std::fs::read(&path).unwrap(), expected);
    file.preallocate(10).unwrap();
    assert_eq!(file.len().unwrap(), 1 << 20, "reserving never shortens");
    file.set_len(0).unwrap();
    assert!(file.is_empty().unwrap());
    let free = OsStorage.free_space(folder.path()).unwrap();
    assert!(free > 0);
    assert!(OsStorage.free_space(Path::new("/no/such/folder")).is_err());
    let huge = file.preallocate(u64::MAX);
    assert!(huge.is_err());
}
