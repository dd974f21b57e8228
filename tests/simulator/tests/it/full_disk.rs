//! A full disk: new commands are refused by name, the core goes on answering, and recovers when space returns.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use heng_core::{Core, CoreOptions, CorePort, CoreSteps, Request, replay};
use heng_engine::{Capacity, State};
use heng_journal::{Crash, SimStorage};
use heng_model::command::Memo;
use heng_model::{Command, RejectCode};
use heng_ports::{Answer, CommandPort as _};
use heng_simulator::Script;

use crate::core_role::{no_failure, options, script};

const DEADLINE: Duration = Duration::from_secs(20);

fn memo(number: u64) -> Command {
    // Memos replace one another, so that the state stays small while the logs grow.
    Memo { topic: format!("topic {}", number % 7), content: vec![number as u8; 3_000] }.into()
}

/// Runs the beginning of a day, all answered.
fn begin(port: &CorePort, script: &Script) {
    let (answers, completed) = channel();
    let requests = (0..).zip(&script.commands).map(|(ticket, (time, command))| Request {
        command: command.clone(),
        ticket,
        time: Some(*time),
    });
    port.send(requests.collect(), &answers).unwrap();
    let mut answered = 0;
    while answered < script.commands.len() {
        answered += completed.recv_timeout(DEADLINE).unwrap().len();
    }
}

/// Submits until the doors close; the accepted sequences.
fn fill(port: &CorePort, accepted: &mut Vec<u64>) {
    for number in 0..20_000 {
        match port.submit(memo(number), DEADLINE) {
            Answer::Accepted { sequence, .. } => accepted.push(sequence.0),
            Answer::Rejected { code: RejectCode::DiskFull, sequence, .. } => {
                assert_eq!(sequence.0, 0, "the door refused it");
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("the disk never filled");
}

fn wait_until_open(port: &CorePort) {
    let began = Instant::now();
    while port.refusal().is_some() {
        assert!(began.elapsed() < DEADLINE, "the doors stay closed");
        std::thread::yield_now();
    }
}

fn check_recovery(disk: &SimStorage, options: &CoreOptions, accepted: &[u64], hash: [u8; 32]) {
    disk.crash(Crash::DropUnsynced);
    let recovered = CoreSteps::recover(options).unwrap();
    assert!(recovered.state().seq().0 >= *accepted.last().unwrap());
    assert_eq!(recovered.state().hash(), hash);
    let layout = heng_core::Layout::new(&options.data);
    let replayed = replay(&disk.shared(), &layout, Capacity::default(), true).unwrap();
    assert_eq!(replayed.state.hash(), hash);
}

#[test]
fn a_full_disk_refuses_by_name_and_recovers() {
    let disk = SimStorage::new();
    let options = options(disk.shared(), None, no_failure);
    let core = Core::start(&options).unwrap();
    let port = core.port();
    begin(&port, &script(5, 100));
    let mut accepted = Vec::new();
    for round in 1..=3u64 {
        disk.set_byte_budget(Some(disk.used_bytes() + (2 << 20)));
        fill(&port, &mut accepted);
        let last = *accepted.last().unwrap();
        // Refused again and again, by name, and yet the core answers whoever asks.
        for _ in 0..50 {
            let refused = port.submit(memo(1), DEADLINE);
            assert!(matches!(refused, Answer::Rejected { code: RejectCode::DiskFull, .. }), "{refused:?}");
        }
        let seq = port.inspect(|state: &State| state.seq().0).unwrap();
        assert_eq!(seq, last, "round {round}");
        assert_eq!(port.published().released().0, last);
        let (answers, _) = channel();
        let batch = vec![Request { command: memo(1), ticket: 0, time: None }];
        assert!(port.send(batch, &answers).unwrap_err().to_string().contains("disk is full"));
        disk.set_byte_budget(None);
        wait_until_open(&port);
        assert!(matches!(port.submit(memo(round), DEADLINE), Answer::Accepted { .. }));
        accepted.push(last + 1);
    }
    let report = core.stop().unwrap();
    check_recovery(&disk, &options, &accepted, report.state.hash());
}

/// Without any warning the disk takes nothing more: what the engine computed ahead waits, nothing is lost, and when
/// space returns everything is answered.
#[test]
fn a_disk_that_fills_at_once_holds_back_and_then_goes_on() {
    let disk = SimStorage::new();
    let options = options(disk.shared(), None, no_failure);
    let core = Core::start(&options).unwrap();
    let port = core.port();
    begin(&port, &script(6, 100));
    let (answers, completed) = channel();
    let sent = 4_000u64;
    for number in 0..sent {
        port.send(vec![Request { command: memo(number), ticket: number, time: None }], &answers).unwrap();
        if number == 50 {
            disk.set_byte_budget(Some(disk.used_bytes()));
            break;
        }
    }
    let mut more = 51u64;
    while port.send(vec![Request { command: memo(more), ticket: more, time: None }], &answers).is_ok() {
        more += 1;
        assert!(more < 200_000, "the doors never close");
    }
    disk.set_byte_budget(None);
    let mut answered = Vec::new();
    while (answered.len() as u64) < more {
        answered.extend(completed.recv_timeout(DEADLINE).unwrap().into_iter().map(|done| (done.ticket, done.seq.0)));
    }
    assert!((0..more).eq(answered.iter().map(|(ticket, _)| *ticket)));
    let accepted: Vec<u64> = answered.iter().map(|(_, seq)| *seq).collect();
    let report = core.stop().unwrap();
    check_recovery(&disk, &options, &accepted, report.state.hash());
}
