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
fn auctions_of_the_mainland_trade_at_their_own_time() {
    let folder = Folder::new();
    let data = folder.join("data");
    one_object(&small_day(&["--seed", "5", "--data", arg(&data)]));
    let exported = run(&["events", "export", "--json", "--data", arg(&data)]);
    let (mut boards, mut times) = (std::collections::BTreeMap::new(), std::collections::BTreeSet::new());
    for line in text(&exported.stdout).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        match event["event"].as_str().unwrap() {
            "InstrumentDefined" => drop(boards.insert(event["instrument"].as_u64(), event["board"].clone())),
            "AuctionPrinted" if boards[&event["instrument"].as_u64()] != "hk" => {
                // Seconds after midnight in China.
                times.insert((number(&event, "time") / 1_000_000_000 + 8 * 3_600) % 86_400);
            }
            _ => {}
        }
    }
    // 09:25 and 15:00; halts that end in between open with an auction at a time of their own.
    assert!(times.contains(&33_900) && times.contains(&54_000), "{times:?}");
    assert!(!times.contains(&34_200) && !times.contains(&54_300), "{times:?}");
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
        (["--clients", "0"], "clients"),
        (["--resume", "--json"], "--data"),
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

#[test]
fn one_client_and_one_instrument_make_a_day() {
    for size in [["1", "1", "1"], ["1", "1", "700"], ["3", "19", "12"]] {
        let [clients, instruments, orders] = size;
        let report = one_object(&run(&[
            "day",
            "--json",
            "--clients",
            clients,
            "--instruments",
            instruments,
            "--orders",
            orders,
        ]));
        assert_eq!(report["orders"].to_string(), orders, "{size:?}");
        assert_eq!((number(&report, "cash_imbalance"), number(&report, "securities_imbalance")), (0, 0));
        assert_eq!(report["state_hash"], report["replay_state_hash"]);
    }
}

#[test]
fn a_day_that_was_refused_leaves_its_folder_free() {
    let folder = Folder::new();
    let (data, nowhere) = (folder.join("data"), folder.join("no/such/folder/acks"));
    let refused: [&[&str]; 5] = [
        &["--rules", "/nowhere"],
        &["--rules", arg(folder.path())],
        &["--ack-log", arg(&nowhere)],
        &["--date", "1990-12-19"],
        &["--date", "2199-01-04"],
    ];
    for more in refused {
        let output = small_day(&[&["--data", arg(&data)], more].concat());
        assert!(!output.status.success(), "{more:?}");
        assert!(!data.exists(), "{more:?} made the folder: {}", text(&output.stderr));
    }
    one_object(&small_day(&["--data", arg(&data)]));
}

/// A folder of rules of which one file was cut to nothing, and one that lacks a file.
#[test]
fn rule_files_that_are_cut_off_are_refused() {
    let folder = Folder::new();
    for name in ["fees", "cage", "calendar-hong-kong"] {
        let rules = folder.join(name);
        std::fs::create_dir_all(&rules).unwrap();
        for file in std::fs::read_dir(root().join("rules")).unwrap() {
            let file = file.unwrap().path();
            std::fs::copy(&file, rules.join(file.file_name().unwrap())).unwrap();
        }
        let cut = rules.join(format!("{name}.toml"));
        std::fs::write(&cut, "").unwrap();
        let output = small_day(&["--rules", arg(&rules)]);
        assert!(text(&output.stderr).contains(&format!("{name}.toml:0: the file holds no rule")), "{name}");
        std::fs::remove_file(&cut).unwrap();
        let output = small_day(&["--rules", arg(&rules)]);
        // Without the cage, prices are free, as they were before 2023.
        assert_eq!(output.status.success(), name == "cage", "{name}: {}", text(&output.stderr));
    }
}

#[test]
fn a_day_without_trading_says_so() {
    let warnings = |date: &str| one_object(&small_day(&["--date", date]))["warnings"].to_string();
    let saturday = warnings("2026-07-04");
    assert!(saturday.contains("mainland") && saturday.contains("Hong Kong"), "{saturday}");
    let golden_week = warnings("2026-10-02");
    assert!(golden_week.contains("mainland") && !golden_week.contains("Hong Kong"), "{golden_week}");
    assert_eq!(warnings("2026-07-07"), "[]");
    let beyond = small_day(&["--date", "2100-01-04"]);
    assert!(text(&beyond.stderr).contains("the trading calendar of sse reaches from"), "{}", text(&beyond.stderr));
}

#[test]
fn an_output_that_takes_nothing_is_an_error_and_no_panic() {
    let folder = Folder::new();
    let data = folder.join("data");
    one_object(&small_day(&["--data", arg(&data)]));
    let commands: [&[&str]; 5] = [
        &["day", "--resume", "--json", "--data", arg(&data)],
        &["day", "--resume", "--data", arg(&data)],
        &["journal", "verify", "--data", arg(&data)],
        &["journal", "dump", "--data", arg(&data)],
        &["events", "export", "--json", "--data", arg(&data)],
    ];
    for words in commands {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = heng().args(words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("No space left"), "{words:?}: {}", text(&output.stderr));
        // A reader that has enough, as `head` has, is nobody's error.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = heng().args(words).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{words:?}");
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
