use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use heng_journal::{
    Crash, EventLog, EventLogOptions, Journal, JournalOptions, OsStorage, RecordKind, SimStorage, SnapshotStore,
};
use proptest::prelude::*;

use super::*;

/// Keys by number; files are made with the last one, whose number stands for the sealed key.
#[derive(Debug)]
struct TestKeys(BTreeMap<u8, Arc<Xts>>);

impl TestKeys {
    fn new(numbers: &[u8], cipher: FileCipher) -> Arc<Self> {
        let key = |number: &u8| (*number, Arc::new(Xts::new(cipher, &[*number; 32])));
        Arc::new(Self(numbers.iter().map(key).collect()))
    }
}

impl FileKeys for TestKeys {
    fn make(&self) -> Result<(Vec<u8>, Arc<Xts>)> {
        let (number, xts) = self.0.last_key_value().ok_or(ErrorKind::NotFound)?;
        Ok((vec![*number], Arc::clone(xts)))
    }

    fn open(&self, sealed: &[u8], _: FileCipher) -> Result<Arc<Xts>> {
        let missing = || Error::new(ErrorKind::NotFound, format!("the key ring has no key {sealed:?}"));
        sealed.first().and_then(|number| self.0.get(number)).cloned().ok_or_else(missing)
    }
}

fn sealed(inner: Arc<dyn Storage>) -> Arc<dyn Storage> {
    SealedStorage::shared(inner, TestKeys::new(&[1], FileCipher::Sm4Xts))
}

#[derive(Clone, Debug)]
enum Op {
    Write(u16, Vec<u8>),
    SetLen(u16),
    Preallocate(u16),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(0)], 0..100);
    prop_oneof![
        6 => (0..600_u16, bytes).prop_map(|(at, bytes)| Op::Write(at, bytes)),
        1 => (0..700_u16).prop_map(Op::SetLen),
        1 => (0..700_u16).prop_map(Op::Preallocate),
        1 => Just(Op::Reopen),
    ]
}

proptest! {
    /// A sealed file behaves as a plain one, whatever is done to it.
    #[test]
    fn a_sealed_file_is_a_file(ops in proptest::collection::vec(op(), 1..40)) {
        let storage = sealed(SimStorage::new().shared());
        storage.create_dir(Path::new("/d")).unwrap();
        let path = Path::new("/d/file");
        let mut file = storage.open(path, OpenMode::Create).unwrap();
        let mut model: Vec<u8> = Vec::new();
        for op in ops {
            match op {
                Op::Write(at, bytes) => {
                    file.write_at(u64::from(at), &bytes).unwrap();
                    let end = usize::from(at) + bytes.len();
                    if !bytes.is_empty() {
                        model.resize(model.len().max(end), 0);
                        model[usize::from(at)..end].copy_from_slice(&bytes);
                    }
                }
                Op::SetLen(length) => {
                    file.set_len(u64::from(length)).unwrap();
                    model.resize(usize::from(length), 0);
                }
                Op::Preallocate(length) => {
                    file.preallocate(u64::from(length)).unwrap();
                    model.resize(model.len().max(usize::from(length)), 0);
                }
                Op::Reopen => file = storage.open(path, OpenMode::Write).unwrap(),
            }
            prop_assert_eq!(file.len().unwrap(), model.len() as u64);
            for (from, length) in [(0, 700), (3, 41), (16, 16), (31, 2), (600, 100)] {
                let mut read = vec![1; length];
                let count = file.read_at(from, &mut read).unwrap();
                let from = usize::try_from(from).unwrap().min(model.len());
                prop_assert_eq!(&read[..count], &model[from..model.len().min(from + length)]);
            }
        }
    }
}

const WORD: &[u8] = b"a payload that must not be found on the disk";

fn write_all(storage: &Arc<dyn Storage>, root: &Path) {
    let (mut journal, _) =
        Journal::open(Arc::clone(storage), &root.join("journal"), JournalOptions::default()).unwrap();
    for _ in 0..20 {
        journal.append(1, 1, RecordKind::Commands, WORD).unwrap();
    }
    journal.save_vote(WORD).unwrap();
    journal.sync().unwrap();
    let (mut log, _) = EventLog::open(Arc::clone(storage), &root.join("events"), EventLogOptions::default()).unwrap();
    let span = |at| heng_journal::BlockSpan { first_sequence: at, last_sequence: at, event_count: 1, level: 1 };
    for at in log.last_sequence() + 1..log.last_sequence() + 20 {
        log.append_block(&span(at), WORD).unwrap();
    }
    log.sync().unwrap();
    let snapshots = SnapshotStore::open(Arc::clone(storage), &root.join("snapshots")).unwrap();
    snapshots.write(7, WORD, [(1, WORD.to_vec()), (2, vec![0; 5])].into_iter()).unwrap();
}

/// How many records, blocks and snapshots are read, each with the right content.
fn read_all(storage: &Arc<dyn Storage>, root: &Path) -> (usize, u64, usize) {
    let (journal, _) = Journal::open(Arc::clone(storage), &root.join("journal"), JournalOptions::default()).unwrap();
    let records: Vec<_> = journal.read_from(1).unwrap().map(|record| record.unwrap().payload).collect();
    assert!(records.iter().all(|payload| payload == WORD));
    assert_eq!(journal.read_vote().unwrap().as_deref(), Some(WORD));
    let (log, _) = EventLog::open(Arc::clone(storage), &root.join("events"), EventLogOptions::default()).unwrap();
    let mut reader = log.read_from(1).unwrap();
    while let Some(block) = reader.next_block().unwrap() {
        assert_eq!(block.raw, WORD);
    }
    let snapshots = SnapshotStore::open(Arc::clone(storage), &root.join("snapshots")).unwrap();
    let found = snapshots.list().unwrap();
    found.iter().for_each(|sequence| snapshots.verify(*sequence).unwrap());
    (records.len(), log.last_sequence(), found.len())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn finds(folder: &Path, word: &[u8]) -> bool {
    files(folder).iter().any(|path| std::fs::read(path).unwrap().windows(word.len()).any(|window| window == word))
}

#[test]
fn nothing_that_was_written_is_found_on_the_disk() {
    for cipher in [FileCipher::Sm4Xts, FileCipher::Aes256Xts] {
        let folder = tempfile::tempdir().unwrap();
        let storage = SealedStorage::shared(OsStorage::shared(), TestKeys::new(&[1], cipher));
        write_all(&storage, folder.path());
        assert_eq!(read_all(&storage, folder.path()), (20, 19, 1));
        assert!(!finds(folder.path(), &WORD[..12]), "{cipher:?}");
        // The same without a seal is found: the search can fail.
        let plain = tempfile::tempdir().unwrap();
        write_all(&OsStorage::shared(), plain.path());
        assert!(finds(plain.path(), &WORD[..12]));
    }
}

#[test]
fn a_folder_from_before_goes_on_and_a_new_key_serves_new_files() {
    let folder = tempfile::tempdir().unwrap();
    write_all(&OsStorage::shared(), folder.path());
    let first = SealedStorage::shared(OsStorage::shared(), TestKeys::new(&[1], FileCipher::Aes256Xts));
    assert_eq!(read_all(&first, folder.path()), (20, 19, 1));
    // Plain files go on as they are; what is new is sealed.
    let snapshots = SnapshotStore::open(Arc::clone(&first), &folder.path().join("snapshots")).unwrap();
    snapshots.write(8, WORD, std::iter::empty()).unwrap();
    let both = SealedStorage::shared(OsStorage::shared(), TestKeys::new(&[1, 2], FileCipher::Aes256Xts));
    let snapshots = SnapshotStore::open(Arc::clone(&both), &folder.path().join("snapshots")).unwrap();
    snapshots.write(9, WORD, std::iter::empty()).unwrap();
    assert_eq!(read_all(&both, folder.path()), (20, 19, 3));
    let path = folder.path().join("snapshots/00000000000000000008.snap");
    assert!(std::fs::read(path).unwrap().starts_with(MAGIC));
    // The key of the second file is missing: an error with its number, not damage.
    let snapshots = SnapshotStore::open(first, &folder.path().join("snapshots")).unwrap();
    let error = format!("{:?}", snapshots.load(9).unwrap_err());
    assert!(error.contains("no key [2]"), "{error}");
}

/// Lives of a sealed journal, each ended by a power loss: what a sync promised is there.
#[test]
fn a_power_loss_takes_nothing_that_was_synced() {
    let dir = Path::new("/journal");
    let (mut at_stake, options) = (0, JournalOptions { segment_bytes: 4 << 10, ..JournalOptions::default() });
    for seed in 1..=200_u64 {
        let sim = SimStorage::new();
        let storage = sealed(sim.shared());
        let (mut written, mut durable) = (Vec::new(), 0);
        for life in 0..3 {
            let Ok((mut journal, _)) = Journal::open(Arc::clone(&storage), dir, options) else {
                panic!("seed {seed}, life {life}: the journal does not open");
            };
            let read: Vec<Vec<u8>> = journal.read_from(1).unwrap().map(|record| record.unwrap().payload).collect();
            assert!(read.len() >= durable && written.starts_with(&read), "seed {seed}, life {life}: {durable}");
            written = read;
            sim.set_power_off_after(Some(1 + (seed * 7 + life * 13) % 90));
            for number in 0..200_usize {
                let payload = vec![u8::try_from(number % 250).unwrap() + 1; (number * 37 + seed as usize) % 300];
                if journal.append(1, 1, RecordKind::Commands, &payload).is_err() {
                    break;
                }
                written.push(payload);
                if number % 3 == 2 {
                    let Ok(mark) = journal.sync() else { break };
                    durable = usize::try_from(mark.index).unwrap();
                }
            }
            at_stake += durable;
            drop(journal);
            sim.set_power_off_after(None);
            sim.crash(if seed % 4 == 0 { Crash::DropUnsynced } else { Crash::KeepSome(seed + life) });
        }
    }
    assert!(at_stake > 2_000, "only {at_stake} durable records were at stake");
}
