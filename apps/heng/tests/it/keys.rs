//! `heng keys` from outside: dual control, rotation, destruction, the log, the device simulator and the drill.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Folder, heng};

const PASSPHRASE: &str = "a passphrase for this test";

/// `heng keys WORDS --data FOLDER`, with the passwords of two officers and of the key file where it finds them.
fn keys(folder: &Path, words: &[&str]) -> Command {
    for name in ["li", "wang"] {
        let path = folder.join(name);
        fs::write(&path, format!("the password of {name}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    let mut command = heng();
    command.arg("keys").args(words).arg("--data").arg(folder).arg("--json");
    command.env("HENG_KEYS_PASSPHRASE", PASSPHRASE).env("WANG", "the password of wang").current_dir(folder);
    command
}

const BOTH: [&str; 4] = ["--officer", "li=file:li", "--officer", "wang=env:WANG"];

fn run(folder: &Path, words: &[&str]) -> Output {
    keys(folder, words).output().unwrap()
}

fn good(folder: &Path, words: &[&str]) -> Value {
    let done = run(folder, words);
    assert!(done.status.success() && done.stderr.is_empty(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn bad(folder: &Path, words: &[&str]) -> String {
    let done = run(folder, words);
    assert!(!done.status.success(), "{words:?}");
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(!error.contains("password of") && !error.contains(PASSPHRASE), "{error}");
    error
}

fn with<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [words, more].concat()
}

#[test]
fn a_ring_lives_from_init_to_destruction() {
    let folder = Folder::new();
    let at = folder.path();
    assert!(bad(at, &["status"]).contains("heng keys init"));
    assert!(bad(at, &["init", "--officer", "li=file:li"]).contains("two officers"));
    assert!(
        bad(at, &["init", "--officer", "li=file:li", "--officer", "li=file:li"]).contains("two different officers")
    );
    let made = good(at, &with(&["init", "--algorithm", "AES-256-GCM"], &BOTH));
    assert_eq!(made["officers"], serde_json::json!(["li", "wang"]));
    assert!(bad(at, &with(&["init"], &BOTH)).contains("already"));
    let wrong = keys(at, &["status"]).env("HENG_KEYS_PASSPHRASE", "another passphrase").output().unwrap();
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("passphrase"));
    assert_eq!(good(at, &with(&["rotate-master", "--retire"], &BOTH))["version"], 2);
    good(at, &with(&["set-algorithm", "SM4-GCM"], &BOTH));
    assert_eq!(good(at, &["rotate-data", "--tenant", "house"])["closed"], 0);
    assert!(bad(at, &with(&["destroy", "--key", "1"], &BOTH)).contains("no key 1"));
    assert!(
        bad(at, &["set-algorithm", "AES-256-GCM", "--officer", "li=file:li", "--officer", "wang=file:li"])
            .contains("dual control")
    );
    let status = good(at, &["status"]);
    assert_eq!((&status["algorithm"], &status["master_version"]), (&"SM4-GCM".into(), &2.into()));
    good(at, &with(&["officers", "--add", "zhang=file:li"], &BOTH));
    good(at, &with(&["officers", "--remove", "li"], &BOTH));
    assert!(bad(at, &with(&["rotate-master"], &BOTH)).contains("dual control"));
    let log = good(at, &["log", "--token", "file:keys/master.key"]);
    assert_eq!((&log["verified"], &log["compared_with_ring"]), (&true.into(), &true.into()));
    let events: Vec<String> = log["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| format!("{} {}", told["action"], told["event"]).replace('"', ""))
        .collect();
    for told in [
        "init done",
        "rotate-master done",
        "set-algorithm done",
        "destroy failed",
        "set-algorithm refused",
        "remove-officer done",
    ] {
        assert!(events.iter().any(|event| event == told), "{told} in {events:?}");
    }
    let path = at.join("keys/keys.operations");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("SM4-GCM", "SM3-GCM")).unwrap();
    assert!(bad(at, &["log"]).contains("chain"));
}

#[test]
fn secrets_are_refused_on_the_command_line() {
    let folder = Folder::new();
    let secret = "hunter2-hunter2";
    for words in [
        &["status", "--token", "file:keys/master.key?passphrase=hunter2-hunter2"][..],
        &["status", "--token", "pkcs11:token=t?module-path=/m&pin-value=hunter2-hunter2"],
        &["init", "--officer", "li=hunter2-hunter2", "--officer", "wang=env:WANG"],
    ] {
        assert!(!bad(folder.path(), words).contains(secret), "{words:?}");
    }
}

struct Device(Child);

impl Drop for Device {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn device(folder: &Path) -> Device {
    let mut command = heng();
    command.args(["sim-sdf", "--socket", "sdf.sock", "--state", "sdf.state", "--keks", "2", "--json"]);
    let mut child = command.current_dir(folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["simulator"], "heng-sim-sdf");
    Device(child)
}

#[test]
fn a_device_wraps_the_ring_and_takes_over_from_a_file() {
    let folder = Folder::new();
    let at = folder.path();
    good(at, &with(&["init"], &BOTH));
    let running = device(at);
    let sdf = ["--token", "sdf:sdf.sock"];
    let moved = good(at, &with(&["rotate-master", "--to", "sdf:sdf.sock"], &BOTH));
    assert!(moved["master"].as_str().unwrap().starts_with("sdf:heng-sim-sdf-"));
    assert!(bad(at, &["status"]).contains("is wrapped by master key sdf:"));
    assert_eq!(good(at, &with(&with(&["rotate-master"], &BOTH), &sdf))["version"], 2);
    assert!(bad(at, &with(&with(&["rotate-master"], &BOTH), &sdf)).contains("no version 3"));
    drop(running);
    assert!(bad(at, &with(&["status"], &sdf)).contains("connect to the device adapter"));
    let _again = device(at);
    assert_eq!(good(at, &with(&["status"], &sdf))["master_version"], 2);
}

#[test]
fn the_drill_leaves_no_record_unreadable() {
    let folder = Folder::new();
    let report = good(folder.path(), &["drill", "--seconds", "1"]);
    assert_eq!((&report["unreadable"], &report["unwritten"]), (&0.into(), &0.into()));
    assert!(report["written"].as_u64().unwrap() > 0 && report["algorithm_changes"].as_u64().unwrap() >= 2, "{report}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
}
