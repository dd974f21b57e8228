//! A broker whose journal, event log and snapshots are encrypted: what it wrote is not found on the disk, and it goes on
//! after a restart, from the same keys and from no others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::first_staff::code;
use crate::house::{Folder, House, Plan, Running, Shape, keyed, post_as, until};
use crate::support::{arg, heng, text};

const PASSPHRASE: (&str, &str) = ("HENG_KEYS_PASSPHRASE", "a passphrase of this test");

fn keys(folder: &Path, words: &[&str]) {
    for name in ["li", "wang"] {
        let path = folder.join(name);
        fs::write(&path, format!("the password of {name}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut command = heng();
    command.arg("keys").args(words).args(["--officer", "li=file:li", "--officer", "wang=file:wang", "--data"]);
    let done = command.arg(folder.join("data")).env(PASSPHRASE.0, PASSPHRASE.1).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", text(&done.stderr));
}

fn broker(folder: &Path) -> Running {
    let mut command = heng();
    command.args(["serve", "--role", "core", "--core-port", "0", "--data"]).arg(folder.join("data"));
    command.arg("--config").arg(folder.join("heng.toml")).env(PASSPHRASE.0, PASSPHRASE.1);
    let broker = Running::start(command);
    broker.line_with("core: ", &mut String::new());
    broker
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// How many files of the folder hold these bytes.
fn with_bytes(folder: &Path, bytes: &[u8]) -> usize {
    let holds = |path: &PathBuf| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
    files(folder).iter().filter(|path| holds(path)).count()
}

fn journal(folder: &Path, word: &str, passphrase: &str) -> std::process::Output {
    let data = folder.join("data");
    let mut command = heng();
    command.args(["journal", word, "--data", arg(&data)]).env(PASSPHRASE.0, passphrase).output().unwrap()
}

#[test]
fn what_a_sealed_core_writes_is_not_found_and_is_read_again() {
    let folder = Folder::new("sealed");
    fs::write(folder.0.join("heng.toml"), "[market]\nclients = 200\ninstruments = 40\nflow = 20\n").unwrap();
    fs::create_dir(folder.0.join("data")).unwrap();
    keys(&folder.0, &["init", "--algorithm", "SM4-GCM"]);
    let mut first = broker(&folder.0);
    first.kill();
    let mut second = broker(&folder.0);
    assert_eq!(second.terminate(), Some(0));
    let layout = heng_core::Layout::new(&folder.0.join("data"));
    for part in [&layout.journal, &layout.events] {
        assert!(!files(part).is_empty(), "{} is empty", part.display());
        // The symbols of instruments stand in the commands and events of every plain folder.
        assert_eq!(with_bytes(part, b".SH"), 0, "{}", part.display());
        assert!(with_bytes(part, b"HENGSEAL") > 0, "{}", part.display());
    }
    let verified = journal(&folder.0, "verify", PASSPHRASE.1);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    let refused = journal(&folder.0, "verify", "another passphrase");
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("open the master key"),
        "{}",
        text(&refused.stderr)
    );
    // The drill of an operator: another algorithm, and everything from before is read.
    keys(&folder.0, &["set-algorithm", "AES-256-GCM"]);
    keys(&folder.0, &["rotate-master", "--retire"]);
    assert_eq!(broker(&folder.0).terminate(), Some(0));
    assert!(journal(&folder.0, "state", PASSPHRASE.1).status.success());
}

/// Names of the files that hold these bytes.
fn told_in(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let holds = |path: &PathBuf| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
    files(folder).iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

fn sign_in(house: &House) -> (u16, Value) {
    let staff = &house.ready["staff"];
    let code = code(staff["totp_secret"].as_str().unwrap());
    let body = json!({ "user": staff["user"], "password": staff["password"], "totp": code });
    post_as(&house.address, "/v1/sign-in", "", &body)
}

fn found(house: &House, key: &str) -> (u16, Value) {
    house.get(&format!("/v1/orders/by-key?account={}&client_order_id={key}", house.account()))
}

/// Places an order and waits until the view shows it.
fn place(house: &House, key: &str) {
    let (status, told) = house.place(&keyed(&house.first_order, key, None));
    assert_eq!(status, 201, "{told}");
    let shown = || json!(house.get(&format!("/v1/orders?account={}", house.account())).1.to_string().contains(key));
    until("the view shows it", shown, |shown| *shown == json!(true));
}

#[test]
fn a_broker_that_gets_keys_writes_nothing_that_can_be_read() {
    let folder = Folder::new("sealed-up");
    let data = folder.0.join("data");
    let house = House::of(Plan::new(Shape::One, &folder.0, 5, 20));
    place(&house, "probe-before");
    assert_eq!(house.terminate(), Some(0));
    assert!(!told_in(&data.join("derived"), b"probe-before").is_empty(), "or the search finds nothing");
    assert!(!told_in(&data.join("owned"), b"staff").is_empty(), "or the search finds nothing");

    keys(&folder.0, &["init"]);
    let mut plan = Plan::new(Shape::One, &folder.0, 5, 20);
    plan.env = vec![PASSPHRASE];
    let house = House::of(plan);
    let (status, told) = sign_in(&house);
    assert_eq!(status, 200, "{told}");
    place(&house, "probe-after");
    assert_eq!(found(&house, "probe-before").0, 200);
    house.kill();
    for part in ["owned", "derived"] {
        for bytes in [b"probe-before".as_slice(), b"probe-after", b"staff", b"SQLite format"] {
            assert_eq!(told_in(&data.join(part), bytes), <[String; 0]>::default());
        }
    }
    let layout = heng_core::Layout::new(&data);
    for part in [layout.journal, layout.events, data.join("fix"), data.join("evidence")] {
        assert!(!files(&part).is_empty(), "{} is empty", part.display());
        assert_eq!(told_in(&part, b"probe-after"), <[String; 0]>::default());
    }
    let mut plan = Plan::new(Shape::One, &folder.0, 5, 20);
    plan.env = vec![PASSPHRASE];
    let house = House::of(plan);
    assert_eq!(found(&house, "probe-after").0, 200);
    assert_eq!(house.terminate(), Some(0));
}
