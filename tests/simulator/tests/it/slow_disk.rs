//! A slow fdatasync delays every answer and every event; a failed one ends everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use heng_core::{Core, CoreError, CoreSteps, EventTail, Layout, Request};
use heng_journal::{Crash, SimStorage, Storage};
use heng_model::Command;
use heng_model::command::Memo;
use heng_ports::{Answer, CommandPort as _};
use heng_simulator::SlowStorage;

use crate::core_role::{no_failure, options, script};

const DELAY: Duration = Duration::from_millis(300);

/// Reads the record to its present end; returns the last sequence seen.
fn last_seen(tail: &mut EventTail) -> u64 {
    while tail.next_block(|_| Ok::<(), CoreError>(())).unwrap() {}
    tail.next_sequence() - 1
}

#[test]
fn fdatasync_delayed_by_300_ms_delays_every_answer_and_every_event() {
    let disk = SimStorage::new();
    let slow: Arc<dyn Storage> = Arc::new(SlowStorage::new(disk.shared(), DELAY));
    let script = script(3, 400);
    let options = options(slow, None, no_failure);
    let core = Core::start(&options).unwrap();
    let port = core.port();
    let (answers, completed) = channel();
    let mut tail = EventTail::open(&disk.shared(), &Layout::new(&options.data).events, 1).unwrap();
    let mut acknowledged = 0;
    let (mut sent, total) = (0u64, script.commands.len() as u64);
    for piece in script.commands.chunks(script.commands.len() / 6 + 1) {
        let requests = (sent..).zip(piece).map(|(ticket, (time, command))| Request {
            command: command.clone(),
            ticket,
            time: Some(*time),
        });
        port.send(requests.collect(), &answers).unwrap();
        sent += piece.len() as u64;
        let batch = completed.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        // Nobody who reads the record now is ahead of the mark.
        let seen = last_seen(&mut tail);
        assert!(seen <= port.published().durable().0);
        acknowledged = acknowledged.max(batch.last().unwrap().seq.0);
        assert!(acknowledged <= port.published().durable().0);
    }
    // What was acknowledged or seen is on the disk itself, whatever the process believes.
    let seen = last_seen(&mut tail);
    let latency = port.published().ack_latency().summary();
    assert!(latency.p50 >= 300_000.0, "{latency:?}");
    disk.crash(Crash::DropUnsynced);
    let recovered = CoreSteps::recover(&crate::core_role::options(disk.shared(), None, no_failure)).unwrap();
    let reached = recovered.state().seq().0;
    assert!(acknowledged > total / 2 && seen > total / 2, "{acknowledged} {seen} of {total}");
    assert!(reached >= acknowledged && reached >= seen, "{reached} {acknowledged} {seen}");
    // The crashed core finds its disk gone, as it should; it must not end this process before the test is done.
    std::mem::forget(core);
}

static FAILURES: AtomicU64 = AtomicU64::new(0);

fn count_failure(error: &CoreError) {
    assert!(error.to_string().contains("fdatasync"), "{error}");
    FAILURES.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn after_a_failed_fdatasync_nothing_is_acknowledged() {
    let disk = SimStorage::new();
    let options = options(disk.shared(), None, count_failure);
    let core = Core::start(&options).unwrap();
    let port = core.port();
    let memo = |number: u8| Command::from(Memo { topic: "t".into(), content: vec![number] });
    let deadline = Duration::from_secs(20);
    assert!(matches!(port.submit(memo(1), deadline), Answer::Accepted { .. }));
    disk.fail_sync_data_at(1);
    let durable = port.published().durable();
    let next = port.submit(memo(2), Duration::from_secs(2));
    assert_eq!(next, Answer::Unknown);
    // The kernel would report success now; nobody asks it again.
    let calls = disk.sync_data_calls();
    let after = port.submit(memo(3), Duration::from_secs(2));
    assert!(!matches!(after, Answer::Accepted { .. }), "{after:?}");
    assert_eq!(disk.sync_data_calls(), calls);
    assert_eq!(port.published().durable(), durable);
    assert_eq!(port.published().released(), durable);
    assert_eq!(FAILURES.load(Ordering::SeqCst), 1);
    assert!(core.stop().is_err());
}
