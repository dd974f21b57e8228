//! The way of a poison command into quarantine. The poison exists in this build only (`poison.rs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use heng_engine::{CURRENT_LEVEL, Capacity};
use heng_journal::{Journal, JournalOptions, Quarantine, SimStorage, Storage};
use heng_model::command::Memo;
use heng_model::{Command, Event, PartitionId, RejectCode};
use heng_runtime::SystemClock;

use crate::{Core, CoreError, CoreOptions, CoreSteps, EventTail, Layout, Request, poison, recover, replay};

fn memo(topic: &str) -> Command {
    Memo { topic: topic.into(), content: vec![7; 20] }.into()
}

fn options(data: &Path, storage: Arc<dyn Storage>) -> CoreOptions {
    CoreOptions {
        data: data.to_owned(),
        partition: PartitionId(0),
        capacity: Capacity::default(),
        clock: Arc::new(SystemClock),
        follows_clock: false,
        storage,
        segment_bytes: 1 << 16,
        snapshots: None,
        on_fatal: |error| panic!("{error}"),
    }
}

/// A journal whose second command strikes the core: everything is durable before anything is executed, as it is when
/// the engine aborts behind the journal.
fn struck(disk: &SimStorage) -> CoreOptions {
    let options = options(Path::new("/core"), disk.shared());
    let layout = Layout::new(&options.data);
    let journal_options = JournalOptions { segment_bytes: options.segment_bytes, ..JournalOptions::default() };
    let (mut journal, _) = Journal::open(disk.shared(), &layout.journal, journal_options).unwrap();
    let mut batch = crate::CommandBatch::default();
    let start = heng_model::UnixNanos(1_000);
    batch.begin(heng_model::Seq(1), heng_model::hash::EventDigest::default(), heng_model::UnixNanos(0));
    for (step, topic) in (0..).zip(["good", poison::TOPIC, "also good"]) {
        batch.add(heng_model::UnixNanos(start.0 + step), &memo(topic));
    }
    journal.append(1, CURRENT_LEVEL, heng_journal::RecordKind::Commands, batch.bytes()).unwrap();
    journal.sync().unwrap();
    options
}

fn recovered(options: &CoreOptions) -> Result<crate::Recovered, CoreError> {
    let layout = Layout::new(&options.data);
    recover(&options.storage, &layout, options.partition, options.capacity, options.segment_bytes)
}

#[test]
fn a_poison_command_stops_the_start_by_name_until_two_people_quarantine_it() {
    let disk = SimStorage::new();
    let options = struck(&disk);
    for _ in 0..2 {
        let stopped = recovered(&options).map(|_| ()).unwrap_err();
        assert!(matches!(&stopped, CoreError::Poison { sequence: 2, reason } if reason == "struck by a unit test"));
        let told = stopped.to_string();
        assert!(told.contains("heng journal quarantine --sequence 2"), "{told}");
    }
    let layout = Layout::new(&options.data);
    let (mut journal, found) = Journal::open(disk.shared(), &layout.journal, JournalOptions::default()).unwrap();
    let quarantine = Quarantine { sequence: 2, reason: "aborts the core".into(), approvers: ["A".into(), "B".into()] };
    journal.append_quarantine(found.last_term + 1, CURRENT_LEVEL, &quarantine).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let first = recovered(&options).unwrap();
    assert_eq!(first.state.seq().0, 3);
    assert!(first.state.memo("good").is_some() && first.state.memo("also good").is_some());
    assert!(first.state.memo(poison::TOPIC).is_none());
    let hash = first.state.hash();
    drop(first);
    // It is a refusal on every replica and at every start from now on.
    let again = CoreSteps::recover(&options).unwrap();
    assert_eq!(again.state().hash(), hash);
    assert_eq!(replay(&disk.shared(), &layout, Capacity::default(), true).unwrap().state.hash(), hash);
    let mut refusals = Vec::new();
    let mut tail = EventTail::open(&disk.shared(), &layout.events, 1).unwrap();
    while tail
        .next_block(|frame| {
            let refused = |event: &Event| match event {
                Event::CommandRefused(refused) => Some(refused.code),
                _ => None,
            };
            refusals.extend(frame.events.iter().filter_map(refused).map(|code| (frame.seq.0, code)));
            Ok::<(), CoreError>(())
        })
        .unwrap()
    {}
    assert_eq!(refusals, [(2, RejectCode::Quarantined)]);
}

/// A journal with one record of `count` memos, whose payload is then changed by `change`.
fn one_long_record(disk: &SimStorage, count: u64, change: impl FnOnce(&mut Vec<u8>)) -> CoreOptions {
    let options = options(Path::new("/core"), disk.shared());
    let (mut journal, _) =
        Journal::open(disk.shared(), &Layout::new(&options.data).journal, JournalOptions::default()).unwrap();
    let mut batch = crate::CommandBatch::default();
    batch.begin(heng_model::Seq(1), heng_model::hash::EventDigest::default(), heng_model::UnixNanos(0));
    for n in 0..count {
        batch.add(heng_model::UnixNanos(1_000 + n as i64), &memo(&format!("topic {}", n % 100)));
    }
    let mut payload = batch.bytes().to_vec();
    change(&mut payload);
    journal.append(1, CURRENT_LEVEL, heng_journal::RecordKind::Commands, &payload).unwrap();
    journal.sync().unwrap();
    options
}

#[test]
fn a_record_longer_than_a_portion_is_executed_whole_and_makes_one_block() {
    let disk = SimStorage::new();
    let options = one_long_record(&disk, 5_000, |_| {});
    let layout = Layout::new(&options.data);
    let replayed = replay(&disk.shared(), &layout, Capacity::default(), true).unwrap();
    assert_eq!((replayed.commands, replayed.last_index, replayed.state.seq().0), (5_000, 1, 5_000));
    let recovered = recovered(&options).unwrap();
    assert_eq!((recovered.commands, recovered.events.last_sequence()), (5_000, 5_000));
    assert_eq!(recovered.state.hash(), replayed.state.hash());
    assert_eq!(recovered.writer.digest(), replayed.digest);
    assert_eq!(recovered.events.read_from(1).unwrap().count(), 1);
}

#[test]
fn a_record_that_ends_inside_a_command_stops_by_name() {
    for count in [1, 1_024, 1_025, 3_000] {
        let disk = SimStorage::new();
        let options = one_long_record(&disk, count, |payload| payload.truncate(payload.len() - 1));
        let stopped = replay(&disk.shared(), &Layout::new(&options.data), Capacity::default(), true).map(|_| ());
        assert!(matches!(stopped, Err(CoreError::Record { index: 1, .. })), "{count}: {stopped:?}");
    }
    let disk = SimStorage::new();
    let options = one_long_record(&disk, 1, |payload| payload.truncate(3));
    let stopped = replay(&disk.shared(), &Layout::new(&options.data), Capacity::default(), true).map(|_| ());
    assert!(matches!(stopped, Err(CoreError::Record { index: 1, .. })), "{stopped:?}");
}

/// The folder that tells a child process of the next test to be the core that aborts.
const ABORT_IN: &str = "HENG_TEST_ABORT_IN";

/// The abort itself, in a process of its own: the sequence is recorded, the process dies, the next start stops there.
#[test]
fn the_core_aborts_at_a_poison_command_and_records_its_sequence() {
    let storage = heng_journal::OsStorage::shared();
    if let Some(data) = std::env::var_os(ABORT_IN) {
        let core = Core::start(&options(Path::new(&data), storage)).unwrap();
        let (answers, completed) = channel();
        for (ticket, topic) in (0..).zip(["good", poison::TOPIC]) {
            core.port().send(vec![Request { command: memo(topic), ticket, time: None }], &answers).unwrap();
            completed.recv().unwrap();
        }
        unreachable!("the core aborts before it answers the second command");
    }
    let data: PathBuf = std::env::temp_dir().join(format!("heng-core-abort-{}", std::process::id()));
    std::fs::create_dir_all(&data).unwrap();
    let name = "tests::the_core_aborts_at_a_poison_command_and_records_its_sequence";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env(ABORT_IN, &data)
        .output()
        .unwrap();
    assert!(std::os::unix::process::ExitStatusExt::signal(&child.status).is_some(), "{:?}", child.status);
    let layout = Layout::new(&data);
    assert_eq!(std::fs::read_to_string(&layout.abort_mark).unwrap(), "2");
    let again = recovered(&options(&data, storage)).map(|_| ());
    std::fs::remove_dir_all(&data).unwrap();
    // Whether the poison became durable before the engine struck is a race; both ends are sound.
    assert!(matches!(again, Ok(()) | Err(CoreError::Poison { sequence: 2, .. })), "{again:?}");
}
