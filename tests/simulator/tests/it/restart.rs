//! What a start does: parents are paused, rules are asked for, snapshots make it short.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use heng_core::{Core, CoreOptions, CorePort, Layout, Request, SnapshotPolicy, replay};
use heng_engine::{Capacity, State};
use heng_journal::{Crash, SimStorage};
use heng_model::command::{Memo, NewParent, ParentKind};
use heng_model::event::ParentStatus;
use heng_model::{
    AccountId, ClientOrderId, Command, InstrumentId, Money, OrderType, ParentId, PartitionId, Price, Qty, Side,
    TradeDate, UnixNanos,
};

use crate::core_role::{no_failure, options, script};

const DEADLINE: Duration = Duration::from_secs(20);

/// Sends commands with their times and waits for all answers; the refusals.
fn play(port: &CorePort, commands: &[(UnixNanos, Command)]) -> usize {
    let (answers, completed) = channel();
    let mut refused = 0;
    for piece in commands.chunks(64) {
        let requests = (0..).zip(piece).map(|(ticket, (time, command))| Request {
            command: command.clone(),
            ticket,
            time: Some(*time),
        });
        port.send(requests.collect(), &answers).unwrap();
        let mut answered = 0;
        while answered < piece.len() {
            let batch = completed.recv_timeout(DEADLINE).unwrap();
            answered += batch.len();
            refused += batch.iter().filter(|done| done.code.is_some()).count();
        }
    }
    refused
}

fn parent() -> Command {
    NewParent {
        account: AccountId::of(PartitionId(0), 3),
        client_order: ClientOrderId::from_text("algo-1"),
        trade_date: TradeDate::new(2026, 7, 6).unwrap(),
        kind: ParentKind::Twap,
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        price: Price(0),
        quantity: Qty(1_000),
        value_max: Money(0),
        watch: InstrumentId(0),
        at_or_above: false,
        trigger: Price(0),
        expires: UnixNanos(0),
    }
    .into()
}

#[test]
fn a_restart_pauses_live_parents_once() {
    let disk = SimStorage::new();
    let options = options(disk.shared(), None, no_failure);
    let script = script(8, 200);
    let half = &script.commands[..script.commands.len() / 2];
    let core = Core::start(&options).unwrap();
    assert_eq!(core.active_rules_hash(), None);
    play(&core.port(), half);
    let last = half.last().unwrap().0;
    assert_eq!(play(&core.port(), &[(UnixNanos(last.0 + 1), parent())]), 0);
    let status = |port: &CorePort| {
        port.inspect(|state: &State| {
            let id = ParentId::of(PartitionId(0), 1);
            (state.parent(id).map(|parent| parent.status), state.has_live_parents(), state.seq().0)
        })
        .unwrap()
    };
    let (before, live, seq) = status(&core.port());
    assert!(live && before != Some(ParentStatus::Paused), "{before:?}");
    core.stop().unwrap();
    for start in 1..=2 {
        let core = Core::start(&options).unwrap();
        assert_eq!(status(&core.port()), (Some(ParentStatus::Paused), false, seq + 1), "start {start}");
        // The rules of the journal are told, so that whoever starts with other files can ask for their activation.
        assert_eq!(core.active_rules_hash(), core.port().inspect(State::newest_rulebook).unwrap());
        assert!(core.active_rules_hash().is_some());
        core.stop().unwrap();
    }
}

fn memo() -> Command {
    Memo { topic: "more".into(), content: Vec::new() }.into()
}

/// Sends enough commands for one more snapshot, and waits for it.
fn play_to_a_snapshot(port: &CorePort, commands: &[(UnixNanos, Command)]) {
    let (began, before) = (Instant::now(), port.published().snapshot());
    play(port, commands);
    while port.published().snapshot() == before {
        assert_eq!(port.published().snapshot_trouble(), None);
        assert!(began.elapsed() < DEADLINE, "no snapshot after {before}");
        std::thread::yield_now();
    }
    assert!(port.published().snapshot() <= port.published().durable());
}

fn with_snapshots(disk: &SimStorage, purge_journal: bool) -> CoreOptions {
    let policy = SnapshotPolicy { every: 150, purge_journal };
    CoreOptions { segment_bytes: 4 << 10, ..options(disk.shared(), Some(policy), no_failure) }
}

#[test]
fn the_worker_makes_snapshots_beside_the_running_core_and_lets_the_journal_go() {
    for purge in [false, true] {
        let disk = SimStorage::new();
        let options = with_snapshots(&disk, purge);
        let layout = Layout::new(&options.data);
        let script = script(9, 1_500);
        let core = Core::start(&options).unwrap();
        let port = core.port();
        let parts = script.commands.len() / 6 + 1;
        for piece in script.commands.chunks(parts) {
            play_to_a_snapshot(&port, piece);
        }
        // The journal goes later than the snapshot comes, and only once the record is durable as far.
        let first_segment = || disk.shared().list(&layout.journal).unwrap().into_iter().min();
        let (began, segment, last) = (Instant::now(), first_segment(), script.commands.last().unwrap().0);
        for more in 0.. {
            if !purge || segment != first_segment() {
                break;
            }
            assert!(began.elapsed() < DEADLINE, "{segment:?} stays");
            let memo = |n: i64| (UnixNanos(last.0 + 1 + more * 150 + n), memo());
            play_to_a_snapshot(&port, &(0..150).map(memo).collect::<Vec<_>>());
        }
        let report = core.stop().unwrap();
        let whole = replay(&disk.shared(), &layout, Capacity::default(), true);
        match whole {
            Ok(whole) if !purge => assert_eq!(whole.state.hash(), report.state.hash()),
            Err(_) if purge => {}
            other => panic!("purge {purge}: {:?}", other.map(|replayed| replayed.commands)),
        }
        disk.crash(Crash::DropUnsynced);
        let again = Core::start(&options).unwrap();
        assert!(again.recovered_commands() < script.commands.len() as u64 / 2, "{}", again.recovered_commands());
        assert_eq!(again.port().inspect(State::hash).unwrap(), report.state.hash());
        again.stop().unwrap();
    }
}
