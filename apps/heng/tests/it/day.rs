//! `heng day`: its one object, its hash, its record.

use serde_json::Value;

use crate::support::{Folder, arg, heng, one_object, root, run, small_day, text};

const COUNTS: [&str; 13] = [
    "seed",
    "clients",
    "instruments",
    "orders",
    "accepted",
    "cancels",
    "trades",
    "auction_trades",
    "postings",
    "peak_rss_mb",
    "journal_bytes",
    "cash_imbalance",
    "securities_imbalance",
];

fn number(report: &Value, field: &str) -> u64 {
    report[field].as_u64().unwrap_or_else(|| panic!("{field} is no count: {report}"))
}

#[test]
fn one_object_with_every_field_and_balanced_books() {
    let report = one_object(&small_day(&["--seed", "3"]));
    for field in COUNTS {
        number(&report, field);
    }
    for field in ["wall_s", "orders_per_s"] {
        assert!(report[field].as_f64().unwrap() > 0.0, "{field}");
    }
    for field in ["core_latency_us", "durable_ack_latency_us"] {
        for percentile in ["p50", "p99", "p999"] {
            assert!(report[field][percentile].as_f64().unwrap() > 0.0, "{field} {percentile}");
        }
    }
    assert_eq!(report["date"], "2026-07-06");
    assert_eq!((number(&report, "seed"), number(&report, "clients"), number(&report, "instruments")), (3, 600, 60));
    let rejected: u64 = report["rejected"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(number(&report, "orders"), 20_000);
    assert_eq!(number(&report, "accepted") + rejected, 20_000);
    assert_eq!((number(&report, "cash_imbalance"), number(&report, "securities_imbalance")), (0, 0));
    assert_eq!(report["state_hash"].as_str().unwrap().len(), 64);
    assert_eq!(report["state_hash"], report["replay_state_hash"]);
    assert_eq!(report["warnings"], serde_json::json!([]));
    assert!(number(&report, "trades") > number(&report, "auction_trades") && number(&report, "auction_trades") > 0);
    assert!(number(&report, "postings") > number(&report, "trades"));
    // Only a resumed day has recovered anything.
    assert!(report.get("recovered_commands").is_none());
}

#[test]
fn the_seed_alone_decides_the_hash() {
    let hash = |seed: &str| one_object(&small_day(&["--seed", seed]))["state_hash"].clone();
    let first = hash("11");
    assert_eq!(first, hash("11"));
    assert_ne!(first, hash("12"));
}

#[test]
fn without_json_a_person_reads_a_table() {
    let output = run(&["day", "--clients", "50", "--instruments", "20", "--orders", "500"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("The books balance.") && table.contains("state hash"), "{table}");
}

#[test]
fn a_finished_day_leaves_a_snapshot_and_is_not_begun_again() {
    let folder = Folder::new();
    let data = arg(folder.path());
    let report = one_object(&small_day(&["--data", data]));
    let snapshots: Vec<_> = std::fs::read_dir(folder.join("core/snapshots")).unwrap().collect();
    assert_eq!(snapshots.len(), 1);
    let again = small_day(&["--data", data]);
    assert!(!again.status.success());
    assert!(text(&again.stderr).contains("--resume"), "{}", text(&again.stderr));
    // Its last snapshot says everything: nothing is executed again.
    let resumed = one_object(&crate::support::resume(folder.path(), &[]));
    assert_eq!(resumed["recovered_commands"], 0);
    assert_eq!(resumed["state_hash"], report["state_hash"]);
    assert_eq!(resumed["orders"], report["orders"]);
}

#[test]
fn bad_options_are_refused_with_a_reason() {
    for (args, reason) in [
        (["--orders", "0"], "--orders"),
        (["--clients", "1"], "clients"),
        (["--instruments", "99999999"], "instruments"),
        (["--date", "2026-13-01"], "date"),
        (["--crash-at", "0"], "crash-at"),
        (["--rules", "/nowhere"], "/nowhere"),
    ] {
        let output = heng().arg("day").args(args).output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        assert!(text(&output.stderr).contains(reason), "{args:?}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
    }
}

/// An outside program recomputes balances, holds, fees, priority and T+1 from the exported record alone.
#[test]
fn the_outside_checker_finds_no_violation() {
    let folder = Folder::new();
    let (data, events) = (folder.join("data"), folder.join("events.jsonl"));
    one_object(&small_day(&["--seed", "5", "--data", arg(&data)]));
    let exported = run(&["events", "export", "--from", "1", "--json", "--data", arg(&data)]);
    assert!(exported.status.success(), "{}", text(&exported.stderr));
    std::fs::write(&events, &exported.stdout).unwrap();
    let checker = root().join("tests/outside/check_events.py");
    let checked = std::process::Command::new("python3").arg(checker).arg(&events).output().unwrap();
    assert!(checked.status.success(), "{}\n{}", text(&checked.stdout), text(&checked.stderr));
}
