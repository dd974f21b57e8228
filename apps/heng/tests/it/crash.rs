//! Crash and resume: the hash of an uncrashed day, every acknowledged order found, the rules of the journal.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use crate::support::{Folder, arg, dumped_keys, lines_of, one_object, resume, root, run, small_day, text};

/// Runs a day that is killed at `percent`; its acknowledgements stand in `acks`.
fn crash(data: &Path, acks: &Path, seed: &str, percent: &str, more: &[&str]) {
    let mut args = vec!["--seed", seed, "--data", arg(data), "--ack-log", arg(acks), "--crash-at", percent];
    args.extend(more);
    let crashed = small_day(&args);
    assert!(crashed.status.signal().is_some(), "{:?}: {}", crashed.status, text(&crashed.stderr));
    assert_eq!(text(&crashed.stdout), "");
}

#[test]
fn a_resumed_day_ends_with_the_hash_of_an_uncrashed_one() {
    for (seed, percent) in [("21", "1"), ("22", "35"), ("23", "50"), ("24", "99")] {
        let folder = Folder::new();
        let (data, acks) = (folder.join("data"), folder.join("acks"));
        let whole = one_object(&small_day(&["--seed", seed]));
        crash(&data, &acks, seed, percent, &[]);
        let acknowledged = lines_of(&acks).len();
        assert!(acknowledged > 0 || percent == "1", "a crash in the middle leaves acknowledgements: {percent}");
        let resumed = one_object(&resume(&data, &["--ack-log", arg(&acks)]));
        assert_eq!(resumed["state_hash"], whole["state_hash"], "{seed} {percent}");
        assert_eq!(resumed["replay_state_hash"], whole["state_hash"]);
        for field in ["orders", "accepted", "rejected", "cancels", "trades", "auction_trades", "postings"] {
            assert_eq!(resumed[field], whole[field], "{field}");
        }
        let reached = resumed["recovered_to_sequence"].as_u64().unwrap();
        assert!(resumed["recovered_commands"].as_u64().unwrap() == reached && reached > 0);
        assert_eq!(resumed["chain_head"].as_str().unwrap().len(), 64);
        let keys = dumped_keys(&data);
        assert_eq!(keys.len(), 20_000);
        let all = lines_of(&acks);
        // A crash is noticed by another thread: of the last hundredth everything may be acknowledged by then.
        let rest = all.len() > acknowledged || (percent == "99" && all.len() == acknowledged);
        assert!(rest, "the resumed day acknowledges the rest: {percent}, {acknowledged}, {}", all.len());
        assert!(all.iter().all(|key| keys.contains(key)));
    }
}

#[test]
fn a_day_that_crashes_again_and_again_still_ends_well() {
    let folder = Folder::new();
    let (data, acks) = (folder.join("data"), folder.join("acks"));
    let whole = one_object(&small_day(&["--seed", "31"]));
    crash(&data, &acks, "31", "20", &[]);
    // A resumed day counts the orders that it still has to send.
    for percent in ["10", "30"] {
        let again = resume(&data, &["--ack-log", arg(&acks), "--crash-at", percent]);
        assert!(again.status.signal().is_some(), "{:?}", again.status);
    }
    let resumed = one_object(&resume(&data, &[]));
    assert_eq!(resumed["state_hash"], whole["state_hash"]);
    let keys = dumped_keys(&data);
    assert!(lines_of(&acks).iter().all(|key| keys.contains(key)));
}

#[test]
fn recovery_goes_on_from_a_snapshot() {
    let folder = Folder::new();
    let (data, acks) = (folder.join("data"), folder.join("acks"));
    let whole = one_object(&small_day(&["--seed", "33"]));
    crash(&data, &acks, "33", "60", &[]);
    // The first start completes the event log that the crash cut off; then a snapshot can stand on it.
    let again = resume(&data, &["--crash-at", "10"]);
    assert!(again.status.signal().is_some(), "{:?}", again.status);
    let taken = one_object(&run(&["journal", "snapshot", "--json", "--data", arg(&data)]));
    let resumed = one_object(&resume(&data, &[]));
    assert_eq!(resumed["state_hash"], whole["state_hash"]);
    let (commands, reached) =
        (resumed["recovered_commands"].as_u64().unwrap(), resumed["recovered_to_sequence"].as_u64().unwrap());
    assert_eq!(reached, taken["sequence"].as_u64().unwrap());
    assert!(commands < reached, "{commands} of {reached}");
}

#[test]
fn resume_refuses_a_plan_of_its_own_and_a_missing_journal() {
    let folder = Folder::new();
    let (data, acks) = (folder.join("data"), folder.join("acks"));
    let missing = resume(&data, &[]);
    assert!(!missing.status.success());
    assert!(text(&missing.stderr).contains("no journal"), "{}", text(&missing.stderr));
    crash(&data, &acks, "41", "10", &[]);
    for flag in ["--seed", "--clients", "--orders", "--instruments"] {
        let refused = resume(&data, &[flag, "20"]);
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains(flag), "{}", text(&refused.stderr));
    }
    one_object(&resume(&data, &[]));
}

#[test]
fn other_rule_files_change_nothing_for_a_resumed_day() {
    let folder = Folder::new();
    let (data, acks, rules) = (folder.join("data"), folder.join("acks"), folder.join("rules"));
    std::fs::create_dir(&rules).unwrap();
    for file in std::fs::read_dir(root().join("rules")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            std::fs::copy(&path, rules.join(path.file_name().unwrap())).unwrap();
        }
    }
    let with_rules = ["--rules", arg(&rules)];
    let whole = one_object(&small_day(&["--seed", "51", "--rules", arg(&rules)]));
    crash(&data, &acks, "51", "40", &with_rules);
    // Every fee doubles, every file gets another hash.
    for file in std::fs::read_dir(&rules).unwrap() {
        let path = file.unwrap().path();
        let changed = std::fs::read_to_string(&path).unwrap().replace("0.0005", "0.0010") + "\n# changed\n";
        std::fs::write(&path, changed).unwrap();
    }
    let resumed = one_object(&resume(&data, &with_rules));
    assert_eq!(resumed["state_hash"], whole["state_hash"]);
    // The changed rules are other rules: a new day under them ends elsewhere.
    let other = one_object(&small_day(&["--seed", "51", "--rules", arg(&rules)]));
    assert_ne!(other["state_hash"], whole["state_hash"]);
}
