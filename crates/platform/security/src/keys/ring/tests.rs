//! Tests of the ring: keys, changes, crashes, other people's bytes.

use std::path::Path;

use super::*;
use crate::keys::crash;
use crate::keys::drill::drill_on;
use crate::keys::{Credential, DrillOptions, FileMaster, OperationEvent, Unlock};

fn unlock() -> Unlock {
    Unlock::Bytes(Zeroizing::new([7; 32]))
}

fn credential(name: &str) -> Credential {
    Credential::new(name, format!("the password of {name}").as_bytes()).expect("good")
}

fn officers(first: &str, second: &str) -> Approval {
    Approval([credential(first), credential(second)])
}

fn both() -> Approval {
    officers("li.wei", "wang.fang")
}

fn scope(tenant: &str) -> Scope {
    Scope::new("clients/accounts", tenant, "2026-11").expect("good")
}

fn master(folder: &Path) -> Arc<dyn MasterKey> {
    Arc::new(FileMaster::open(&folder.join("master.key"), &unlock()).expect("the master key"))
}

fn create(folder: &Path) -> KeyRing {
    let master = FileMaster::create(&folder.join("master.key"), Algorithm::Sm4Gcm, &unlock()).expect("a master key");
    KeyRing::create_at(folder, Arc::new(master), Algorithm::Aes256Gcm, &both(), Cost::LEAST).expect("a ring")
}

fn reopen(folder: &Path) -> Result<KeyRing, KeysError> {
    KeyRing::open_at(folder, master(folder), Cost::LEAST)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn seal(ring: &KeyRing, tenant: &str) -> Vec<u8> {
    ring.current(&scope(tenant)).expect("a key").seal(b"aad", tenant.as_bytes()).expect("it seals")
}

fn opens(ring: &KeyRing, tenant: &str, sealed: &[u8]) -> bool {
    ring.unseal(b"aad", sealed).is_ok_and(|text| text == tenant.as_bytes())
}

#[test]
fn keys_are_made_on_demand_kept_and_found_again() {
    let folder = folder();
    let ring = create(folder.path());
    let (first, second) = (seal(&ring, "a"), seal(&ring, "b"));
    let id = ring.current(&scope("a")).expect("a key").id();
    assert_eq!(ring.current(&scope("a")).expect("a key").id(), id);
    assert_ne!(ring.current(&scope("b")).expect("a key").id(), id);
    let anew = reopen(folder.path()).expect("the ring");
    assert!(opens(&anew, "a", &first) && opens(&anew, "b", &second));
    assert_eq!(anew.current(&scope("a")).expect("a key").id(), id);
    // Nothing of a secret or a plaintext stands in the file, and a key is bound to its own envelope.
    assert!(anew.by_id(id).expect("a key").open(b"aad", &second).is_err());
    let status = anew.status();
    assert_eq!((status.current, status.closed, status.destroyed, status.torn), (2, 0, 0, 0));
    assert_eq!(status.officers, ["li.wei", "wang.fang"]);
}

#[test]
fn a_key_that_the_ring_lacks_is_an_error_by_name() {
    let folder = folder();
    let ring = create(folder.path());
    for id in [1, 77, u64::from(u32::MAX) + 1] {
        let found = ring.by_id(KeyId::new(id).expect("not zero"));
        assert!(matches!(found, Err(KeysError::Missing(missing)) if missing == id), "{id}");
    }
}

#[test]
fn files_are_private_and_hold_no_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let ring = create(folder.path());
    seal(&ring, "a");
    for name in ["keys.ring", "keys.operations", "keys.lock", "master.key"] {
        let mode = std::fs::metadata(folder.path().join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn the_master_is_rotated_and_old_versions_are_retired() {
    let folder = folder();
    let ring = create(folder.path());
    let sealed = seal(&ring, "a");
    let old = std::fs::read(folder.path().join("keys.ring")).expect("the file");
    assert_eq!(ring.rotate_master(&both(), false).expect("it rotates"), 2);
    assert!(opens(&ring, "a", &sealed) && opens(&reopen(folder.path()).expect("the ring"), "a", &sealed));
    assert_eq!(ring.rotate_master(&both(), true).expect("it rotates"), 3);
    assert_eq!(reopen(folder.path()).expect("the ring").status().master_version, 3);
    assert!(opens(&reopen(folder.path()).expect("the ring"), "a", &sealed));
    // A copy of the ring from before cannot be opened any more.
    std::fs::write(folder.path().join("keys.ring"), old).expect("it is written");
    assert!(matches!(reopen(folder.path()), Err(KeysError::NoVersion { version: 1, .. })));
}

#[test]
fn another_master_takes_over_and_the_old_one_is_refused() {
    let folder = folder();
    let ring = create(folder.path());
    let sealed = seal(&ring, "a");
    let passphrase = Unlock::Passphrase(Zeroizing::new(b"correct horse battery".to_vec()));
    let path = folder.path().join("second.key");
    let second = FileMaster::create_at(&path, Algorithm::Aes256Gcm, &passphrase, Cost::LEAST).expect("a master key");
    let second: Arc<dyn MasterKey> = Arc::new(second);
    ring.replace_master(&both(), &second).expect("it takes over");
    assert!(opens(&ring, "a", &sealed));
    seal(&ring, "new");
    assert!(matches!(reopen(folder.path()), Err(KeysError::OtherMaster { .. })));
    let second = Arc::new(FileMaster::open(&path, &passphrase).expect("the master key"));
    assert!(opens(&KeyRing::open_at(folder.path(), second, Cost::LEAST).expect("the ring"), "a", &sealed));
}

#[test]
fn the_algorithm_changes_for_new_records_and_back() {
    let folder = folder();
    let ring = create(folder.path());
    let aes = seal(&ring, "a");
    ring.set_algorithm(&both(), Algorithm::Sm4Gcm).expect("it changes");
    let sm4 = seal(&ring, "a");
    let algorithm = |sealed: &[u8]| Header::decode(sealed).expect("an envelope").0.algorithm;
    assert_eq!((algorithm(&aes), algorithm(&sm4)), (Algorithm::Aes256Gcm, Algorithm::Sm4Gcm));
    ring.set_algorithm(&both(), Algorithm::Aes256Gcm).expect("it changes");
    let anew = reopen(folder.path()).expect("the ring");
    assert!(opens(&anew, "a", &aes) && opens(&anew, "a", &sm4));
    assert_eq!(algorithm(&seal(&anew, "a")), Algorithm::Aes256Gcm);
    assert!(matches!(ring.set_algorithm(&both(), Algorithm::Sm3), Err(KeysError::Invalid { .. })));
}

#[test]
fn data_keys_are_rotated_by_selection() {
    let folder = folder();
    let ring = create(folder.path());
    let (a, b) = (seal(&ring, "a"), seal(&ring, "b"));
    let only_a = Selection { tenant: Some("a".into()), ..Selection::default() };
    assert_eq!(ring.rotate_data(&only_a).expect("it rotates"), 1);
    let id = |sealed: &[u8]| Header::decode(sealed).expect("an envelope").0.key;
    assert_ne!(id(&seal(&ring, "a")), id(&a));
    assert_eq!(id(&seal(&ring, "b")), id(&b));
    let anew = reopen(folder.path()).expect("the ring");
    assert!(opens(&anew, "a", &a));
    assert_eq!(anew.status().closed, 1);
}

#[test]
fn a_destroyed_key_is_gone_for_all_who_hold_it() {
    let folder = folder();
    let (ring, other) = (create(folder.path()), reopen(folder.path()).expect("the ring"));
    let (a, b) = (seal(&ring, "a"), seal(&ring, "b"));
    let held = ring.current(&scope("a")).expect("a key");
    assert!(opens(&other, "a", &a));
    let held_by_other = other.by_id(held.id()).expect("a key");
    let operation = ring.destroy(&both(), &[held.id()]).expect("it is destroyed");
    for key in [&held, &held_by_other] {
        other.refresh().expect("it reads");
        assert!(key.open(b"aad", &a).is_err() && key.seal(b"aad", b"x").is_err());
    }
    for ring in [&ring, &other, &reopen(folder.path()).expect("the ring")] {
        let gone = ring.unseal(b"aad", &a);
        assert!(matches!(gone, Err(KeysError::Destroyed { operation: of, .. }) if of == operation), "{gone:?}");
        assert!(opens(ring, "b", &b));
        assert_eq!(ring.keys()[0].state, KeyState::Destroyed(operation));
    }
    // Its number serves nobody else, its scope gets a new key, and it is not destroyed twice.
    assert!(ring.current(&scope("a")).expect("a key").id() > held.id());
    assert!(matches!(ring.destroy(&both(), &[held.id()]), Err(KeysError::Destroyed { .. })));
    assert!(matches!(ring.destroy(&both(), &[KeyId::new(99).expect("not zero")]), Err(KeysError::Missing(99))));
    assert!(ring.destroy(&both(), &[]).is_err());
}

#[test]
fn two_officers_are_needed_and_all_is_told() {
    let folder = folder();
    let ring = create(folder.path());
    let wrong = Approval([credential("li.wei"), Credential::new("wang.fang", b"some other password").expect("good")]);
    for refused in [officers("li.wei", "li.wei"), officers("li.wei", "zhang.min"), wrong] {
        assert!(matches!(ring.set_algorithm(&refused, Algorithm::Sm4Gcm), Err(KeysError::Approval(_))));
        assert!(ring.rotate_master(&refused, true).is_err());
        assert!(ring.destroy(&refused, &[KeyId::new(1).expect("not zero")]).is_err());
        assert!(ring.add_officer(&refused, &credential("mallory")).is_err());
    }
    assert_eq!((ring.algorithm(), ring.status().master_version), (Algorithm::Aes256Gcm, 1));
    ring.add_officer(&both(), &credential("zhang.min")).expect("two officers want it");
    assert!(ring.remove_officer(&both(), "nobody").is_err());
    ring.remove_officer(&both(), "li.wei").expect("two are left");
    assert!(ring.set_algorithm(&both(), Algorithm::Sm4Gcm).is_err());
    let new = officers("zhang.min", "wang.fang");
    assert!(ring.remove_officer(&new, "zhang.min").is_err());
    reopen(folder.path()).expect("the ring").set_algorithm(&new, Algorithm::Sm4Gcm).expect("they are officers");
    let log = ring.operations().expect("the log");
    let told: Vec<(&str, &str)> = log.operations.iter().map(|told| (told.action.as_str(), told.event.name())).collect();
    assert_eq!(told[..2], [("init", "begun"), ("init", "done")]);
    assert_eq!(told.iter().filter(|(_, event)| *event == "refused").count(), 13);
    assert_eq!(told[told.len() - 2..], [("set-algorithm", "begun"), ("set-algorithm", "done")]);
    assert_eq!(log.operations.last().expect("a line").officers, ["zhang.min", "wang.fang"]);
}

#[test]
fn one_person_cannot_make_a_ring() {
    let folder = folder();
    let master =
        FileMaster::create(&folder.path().join("master.key"), Algorithm::Sm4Gcm, &unlock()).expect("a master key");
    let one = officers("li.wei", "li.wei");
    let made = KeyRing::create_at(folder.path(), Arc::new(master), Algorithm::Sm4Gcm, &one, Cost::LEAST);
    assert!(matches!(made, Err(KeysError::Approval(_))));
}

#[test]
fn a_log_that_was_cut_or_changed_is_found() {
    let folder = folder();
    let ring = create(folder.path());
    ring.set_algorithm(&both(), Algorithm::Sm4Gcm).expect("it changes");
    let path = folder.path().join("keys.operations");
    let good = std::fs::read(&path).expect("the file");
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).expect("it is written");
        // Without its newline, the last line is one that a crash cut short.
        let found = ring.operations().map_or(true, |log| log.torn > 0 && at == good.len() - 1);
        assert!(found, "byte {at}: {:?}", good[at] as char);
    }
    let lines: Vec<usize> = good.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    std::fs::write(&path, &good[..lines[2]]).expect("it is written");
    assert!(ring.operations().is_err(), "the operation that changed the ring is not told");
    assert!(ring.set_algorithm(&both(), Algorithm::Aes256Gcm).is_err());
    // What a crash cut short at the end is no damage.
    std::fs::write(&path, &good[..good.len() - 3]).expect("it is written");
    let log = ring.operations().expect("the log");
    assert!(log.torn > 0);
    ring.set_algorithm(&both(), Algorithm::Aes256Gcm).expect("it goes on");
    let log = ring.operations().expect("the log");
    assert!(
        log.operations
            .iter()
            .any(|told| told.detail.contains("found after a crash") && told.event == OperationEvent::Done)
    );
}

/// Every call of the file system is where the process may end; afterwards the ring has the state before or after.
fn crash_everywhere(act: impl Fn(&KeyRing) -> Result<(), KeysError>, check: impl Fn(&KeyRing, bool)) {
    for torn in [0, 1, 30, 100_000] {
        for steps in 0.. {
            let folder = folder();
            let ring = create(folder.path());
            let (a, b) = (seal(&ring, "a"), seal(&ring, "b"));
            crash::after(steps, torn);
            let done = act(&ring);
            let crashed = crash::over();
            drop(ring);
            let anew =
                reopen(folder.path()).unwrap_or_else(|error| panic!("after {steps} steps, {torn} torn: {error}"));
            assert!(opens(&anew, "b", &b), "after {steps} steps, {torn} torn");
            if !anew.keys().iter().any(|key| matches!(key.state, KeyState::Destroyed(_))) {
                assert!(opens(&anew, "a", &a), "after {steps} steps, {torn} torn");
            }
            check(&anew, done.is_ok());
            // The ring goes on, and no number is given twice.
            let ids: Vec<KeyId> = anew.keys().iter().map(|key| key.id).collect();
            let new = seal(&anew, "after-the-crash");
            assert!(!ids.contains(&Header::decode(&new).expect("an envelope").0.key));
            anew.rotate_master(&both(), true).expect("it goes on");
            let last = reopen(folder.path()).expect("the ring");
            assert!(opens(&last, "after-the-crash", &new) && opens(&last, "b", &b));
            last.operations().expect("the log is whole");
            if !crashed {
                assert!(done.is_ok() && steps > 3, "{steps}");
                break;
            }
        }
    }
}

#[test]
fn a_crash_while_a_key_is_made_leaves_it_or_not() {
    let check = |ring: &KeyRing, done: bool| {
        let there = ring.keys().iter().any(|key| key.scope == scope("c"));
        assert!(there || !done, "a key that was handed out is lost");
    };
    crash_everywhere(|ring| ring.current(&scope("c")).map(drop), check);
}

#[test]
fn a_crash_while_the_master_is_rotated_leaves_old_or_new() {
    let check = |ring: &KeyRing, done: bool| {
        let version = ring.status().master_version;
        assert!(version == 2 || (version == 1 && !done), "{version}");
    };
    crash_everywhere(|ring| ring.rotate_master(&both(), true).map(drop), check);
}

#[test]
fn a_crash_while_a_key_is_destroyed_leaves_old_or_new() {
    let destroy = |ring: &KeyRing| ring.destroy(&both(), &[KeyId::new(1).expect("not zero")]).map(drop);
    crash_everywhere(destroy, |ring, done| assert!(ring.status().destroyed == 1 || !done));
}

#[test]
fn a_crash_while_the_algorithm_changes_leaves_old_or_new() {
    let check = |ring: &KeyRing, done: bool| assert!(ring.algorithm() == Algorithm::Sm4Gcm || !done);
    crash_everywhere(|ring| ring.set_algorithm(&both(), Algorithm::Sm4Gcm), check);
}

#[test]
fn after_a_failed_write_a_ring_gives_no_new_keys() {
    let folder = folder();
    let ring = create(folder.path());
    let sealed = seal(&ring, "a");
    crash::after(2, 10);
    assert!(ring.current(&scope("c")).is_err());
    crash::over();
    assert!(matches!(ring.current(&scope("c")), Err(KeysError::Broken)));
    assert!(matches!(ring.rotate_master(&both(), false), Err(KeysError::Broken)));
    assert!(opens(&ring, "a", &sealed), "what it has it still opens");
    assert!(reopen(folder.path()).expect("the ring").status().torn > 0);
}

#[test]
fn a_torn_end_is_kept_aside_and_its_numbers_are_passed_over() {
    let folder = folder();
    let ring = create(folder.path());
    let _sealed = (seal(&ring, "a"), seal(&ring, "b"));
    let path = folder.path().join("keys.ring");
    let mut file = std::fs::read(&path).expect("the file");
    file.truncate(file.len() - 5);
    std::fs::write(&path, &file).expect("it is written");
    let anew = reopen(folder.path()).expect("the ring");
    assert!(anew.status().torn > 0 && anew.keys().len() == 1);
    // Should the torn record have been a key that served, its number goes to nobody else.
    assert_eq!(anew.current(&scope("c")).expect("a key").id().get(), 3);
    assert!(folder.path().join("keys.ring.torn-1").exists());
    assert!(matches!(anew.by_id(KeyId::new(2).expect("not zero")), Err(KeysError::Missing(2))));
    assert_eq!(reopen(folder.path()).expect("the ring").status().torn, 0);
}

#[test]
fn every_changed_byte_of_a_ring_is_found_and_no_cut_makes_it_panic() {
    let folder = folder();
    let ring = create(folder.path());
    let _sealed = (seal(&ring, "a"), seal(&ring, "b"));
    let path = folder.path().join("keys.ring");
    let (good, keys) = (std::fs::read(&path).expect("the file"), ring.keys());
    let master = master(folder.path());
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("it is written");
        KeyRing::open_at(folder.path(), Arc::clone(&master), Cost::LEAST)
    };
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x10;
        // The last record alone may look like the unfinished end of an append; then its key is missing by name.
        match open(&changed) {
            Err(_) => {}
            Ok(ring) => assert!(ring.keys() == keys[..1] && ring.status().torn > 0, "byte {at}"),
        }
    }
    for length in 0..good.len() {
        if let Ok(ring) = open(&good[..length]) {
            assert!(keys.starts_with(&ring.keys()), "{length}");
        }
    }
}

#[test]
fn a_record_that_was_forged_without_the_ring_key_is_refused() {
    let folder = folder();
    drop(create(folder.path()));
    let path = folder.path().join("keys.ring");
    let mut file = std::fs::read(&path).expect("the file");
    let officer = super::super::officers::Officer::new(&credential("mallory"), Cost::LEAST, 0).expect("an officer");
    format::Chain::new(Zeroizing::new([0; 32])).write(&Record::Officer(officer), &mut file);
    std::fs::write(&path, file).expect("it is written");
    assert!(matches!(reopen(folder.path()), Err(KeysError::Damaged { .. })));
}

#[test]
fn two_processes_share_a_ring() {
    let folder = folder();
    let (one, two) = (create(folder.path()), reopen(folder.path()).expect("the ring"));
    let sealed = seal(&one, "a");
    assert!(opens(&two, "a", &sealed), "it looks again for what it does not know");
    assert_eq!(two.current(&scope("a")).expect("a key").id(), one.current(&scope("a")).expect("a key").id());
    two.rotate_master(&both(), true).expect("it rotates");
    let next = seal(&one, "b");
    assert!(opens(&two, "b", &next) && opens(&reopen(folder.path()).expect("the ring"), "b", &next));
    two.set_algorithm(&both(), Algorithm::Sm4Gcm).expect("it changes");
    assert!(one.refresh().expect("it reads") && !one.refresh().expect("it reads"));
    assert_eq!(one.algorithm(), Algorithm::Sm4Gcm);
}

#[test]
fn many_threads_get_one_key() {
    let folder = folder();
    let ring = create(folder.path());
    let ids: Vec<KeyId> = std::thread::scope(|threads| {
        let running: Vec<_> =
            (0..8).map(|_| threads.spawn(|| ring.current(&scope("a")).expect("a key").id())).collect();
        running.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]) && ring.keys().len() == 1);
}

#[test]
fn everything_changes_under_load_and_no_record_is_unreadable() {
    let folder = folder();
    let ring = create(folder.path());
    let options = DrillOptions { duration: std::time::Duration::from_millis(600), threads: 2, record: 256 };
    let report = drill_on(&ring, folder.path(), master(folder.path()), &both(), options).expect("it runs");
    assert_eq!((report.unreadable, report.unwritten), (0, 0), "{report:?}");
    assert!(report.algorithm_changes >= 2 && report.master_rotations >= 2 && report.data_rotations >= 2, "{report:?}");
    assert!(report.written > 1_000 && report.read > 1_000 && report.kept > 10 && report.keys > 8, "{report:?}");
}

#[test]
fn a_crash_while_a_ring_is_made_leaves_one_or_none() {
    for steps in 0..30 {
        let folder = folder();
        let made =
            FileMaster::create(&folder.path().join("master.key"), Algorithm::Sm4Gcm, &unlock()).expect("a master key");
        let made: Arc<dyn MasterKey> = Arc::new(made);
        let make = || KeyRing::create_at(folder.path(), Arc::clone(&made), Algorithm::Sm4Gcm, &both(), Cost::LEAST);
        crash::after(steps, 20);
        let first = make().map(drop);
        crash::over();
        match reopen(folder.path()) {
            Ok(ring) => drop(seal(&ring, "a")),
            Err(_) => {
                assert!(first.is_err());
                make().expect("it is made at the second try");
            }
        }
        reopen(folder.path()).expect("a ring").operations().expect("a whole log");
    }
}

/// The bytes of each kind of record, under a ring key of 01 … 01.
#[test]
fn golden_bytes_of_records() {
    let (mut chain, mut bytes) = (format::Chain::new(Zeroizing::new([1; 32])), format::header().to_vec());
    let ring = format::RingRecord {
        ring: [0xaa; 16],
        generation: 2,
        made_unix_s: 1_795_000_000,
        next: 4,
        version: 3,
        master: "file:00".into(),
        wrapped: Box::new([0xbb; 4]),
    };
    let (algorithm, made_unix_s, scope) = (Algorithm::Sm4Gcm, 1_795_000_001, scope("a"));
    let key =
        KeyRecord { id: 1, algorithm, made_unix_s, closed: true, scope: scope.clone(), wrapped: Box::new([0xcc; 4]) };
    let gone = format::Tombstone { id: 2, algorithm, made_unix_s, operation: 9, scope };
    let records = [
        Record::Ring(ring),
        Record::Algorithm(algorithm),
        Record::Key(key),
        Record::Destroyed(gone),
        Record::OfficerRemoved("li.wei".into()),
        Record::Operation(9, [0xdd; 32]),
        Record::Closed(1),
        Record::Next(8),
    ];
    records.iter().for_each(|record| chain.write(record, &mut bytes));
    let golden = crate::hexadecimal::hex(include_str!("golden_ring.hex"));
    assert_eq!(super::super::bytes::hex(&bytes), super::super::bytes::hex(&golden));
    let split = format::split(Path::new("golden"), &golden).expect("records");
    assert_eq!(split.verify(Zeroizing::new([1; 32])).expect("authentic").0, records);
}
