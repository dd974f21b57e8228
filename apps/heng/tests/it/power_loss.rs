//! Power loss end to end: a preload shim keeps what was not synced in the memory of the process that dies.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::support::{Folder, SMALL, arg, dumped_keys, heng, lines_of, one_object, resume, root, small_day, text};

/// Compiles the shim once for this process.
fn shim() -> &'static Path {
    static SHIM: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let (_, library) = SHIM.get_or_init(|| {
        let folder = Folder::new();
        let (source, library) = (root().join("tests/outside/powerloss/powerloss.c"), folder.join("powerloss.so"));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("cc is a prerequisite of this project (package: gcc)");
        assert!(built.status.success(), "{}", text(&built.stderr));
        (folder, library)
    });
    library
}

/// A small day under the shim.
fn day(data: &Path, modes: &[(&str, &str)], args: &[&str]) -> Output {
    std::fs::create_dir_all(data).unwrap();
    heng()
        .arg("day")
        .args(SMALL)
        .args(["--json", "--data", arg(data)])
        .args(args)
        .env("LD_PRELOAD", shim())
        .env("POWERLOSS_DIR", data.canonicalize().unwrap())
        .envs(modes.iter().copied())
        .output()
        .unwrap()
}

const DROP: (&str, &str) = ("POWERLOSS_DROP", "1");

/// Crashes a day under the shim; the keys that it acknowledged.
fn crash(folder: &Folder, seed: &str, percent: &str, modes: &[(&str, &str)]) -> Vec<String> {
    let (data, acks) = (folder.join("data"), folder.join("acks"));
    let crashed = day(&data, modes, &["--seed", seed, "--crash-at", percent, "--ack-log", arg(&acks)]);
    assert!(crashed.status.signal().is_some(), "{:?}: {}", crashed.status, text(&crashed.stderr));
    lines_of(&acks)
}

#[test]
fn no_acknowledged_order_is_lost_with_the_power() {
    let mut acknowledged = 0;
    for (seed, percent) in [("61", "15"), ("62", "40"), ("63", "70"), ("64", "95")] {
        let folder = Folder::new();
        let data = folder.join("data");
        let whole = one_object(&small_day(&["--seed", seed]));
        let keys = crash(&folder, seed, percent, &[DROP]);
        acknowledged += keys.len();
        let found = dumped_keys(&data);
        assert!(keys.iter().all(|key| found.contains(key)), "seed {seed} at {percent}%");
        let resumed = one_object(&resume(&data, &[]));
        assert_eq!(resumed["state_hash"], whole["state_hash"], "seed {seed} at {percent}%");
    }
    assert!(acknowledged > 1_000, "only {acknowledged} orders were at stake");
}

/// The same with the call removed: acknowledged orders are gone. So the test above can fail.
#[test]
fn without_fdatasync_acknowledged_orders_are_lost() {
    let folder = Folder::new();
    let keys = crash(&folder, "62", "70", &[DROP, ("FDATASYNC_NOOP", "1")]);
    assert!(keys.len() > 1_000, "{}", keys.len());
    let dumped = heng().args(["journal", "dump", "--json", "--data", arg(&folder.join("data"))]).output().unwrap();
    let lines = text(&dumped.stdout);
    let missing = keys.iter().filter(|key| !lines.contains(&format!("\"{key}\""))).count();
    assert!(missing > 1_000, "only {missing} of {} acknowledged orders are missing", keys.len());
    // What is left says so, instead of going on with less than was promised.
    assert!(!resume(&folder.join("data"), &[]).status.success());
}

#[test]
fn a_slow_fdatasync_delays_every_answer() {
    let folder = Folder::new();
    let whole = one_object(&small_day(&["--seed", "65"]));
    let slow = one_object(&day(&folder.join("data"), &[DROP, ("FDATASYNC_DELAY_MS", "300")], &["--seed", "65"]));
    let p50 = slow["durable_ack_latency_us"]["p50"].as_f64().unwrap();
    assert!(p50 >= 300_000.0, "{p50}");
    assert_eq!(slow["state_hash"], whole["state_hash"]);
    assert_eq!(slow["replay_state_hash"], whole["state_hash"]);
}

#[test]
fn a_failed_fdatasync_ends_the_process_and_nothing_more_is_acknowledged() {
    for calls in ["0", "1", "2"] {
        let folder = Folder::new();
        let (data, acks) = (folder.join("data"), folder.join("acks"));
        let modes = [DROP, ("FDATASYNC_FAIL_AFTER", calls)];
        let failed = day(&data, &modes, &["--seed", "66", "--ack-log", arg(&acks)]);
        assert_eq!(failed.status.code(), Some(4), "{:?}: {}", failed.status, text(&failed.stderr));
        assert!(text(&failed.stderr).contains("fdatasync"), "{}", text(&failed.stderr));
        let keys = lines_of(&acks);
        assert!(calls != "0" || keys.is_empty(), "{} orders were acknowledged without a sync", keys.len());
        let found = dumped_keys(&data);
        assert!(keys.iter().all(|key| found.contains(key)), "after {calls} calls");
        let whole = one_object(&small_day(&["--seed", "66"]));
        let resumed = resume(&data, &[]);
        if text(&resumed.stderr).contains("no plan") {
            // The failure came before the plan of the day was durable, and before anything was acknowledged.
            assert!(keys.is_empty());
            continue;
        }
        assert_eq!(one_object(&resumed)["state_hash"], whole["state_hash"]);
    }
}
