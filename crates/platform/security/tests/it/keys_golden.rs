//! A ring as the first release wrote it: it opens for ever. `UPDATE_EXPECT=1` writes another one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heng_security::envelope::KeyId;
use heng_security::keys::{Approval, Credential, FileMaster, KeyRing, KeysError, Scope, Unlock};
use heng_security::provider::Algorithm;
use zeroize::Zeroizing;

const TEXT: &[u8] = b"6222 0212 3456 7890";
const AAD: &[u8] = b"clients/accounts row 7";
const FILES: [&str; 5] = ["master.key", "keys.ring", "keys.operations", "aes.sealed", "sm4.sealed"];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/keys/v1")
}

fn unlock() -> Unlock {
    Unlock::Passphrase(Zeroizing::new(b"a passphrase of a fixture".to_vec()))
}

fn officers() -> Approval {
    let credential = |name| Credential::new(name, b"a password of a fixture").expect("good");
    Approval([credential("li.wei"), credential("wang.fang")])
}

fn write_fixture(folder: &Path) {
    fs::remove_dir_all(folder).ok();
    fs::create_dir_all(folder).expect("a folder");
    let master = FileMaster::create(&folder.join("master.key"), Algorithm::Sm4Gcm, &unlock()).expect("a master key");
    let ring = KeyRing::create(folder, Arc::new(master), Algorithm::Aes256Gcm, &officers()).expect("a ring");
    let scope = |tenant| Scope::new("clients/accounts", tenant, "2026-11").expect("good");
    let seal = |tenant| ring.current(&scope(tenant)).expect("a key").seal(AAD, TEXT).expect("it seals");
    fs::write(folder.join("aes.sealed"), seal("house")).expect("it is written");
    seal("gone");
    ring.destroy(&officers(), &[KeyId::new(2).expect("not zero")]).expect("it is destroyed");
    ring.rotate_master(&officers(), false).expect("it rotates");
    ring.set_algorithm(&officers(), Algorithm::Sm4Gcm).expect("it changes");
    fs::write(folder.join("sm4.sealed"), seal("house")).expect("it is written");
    fs::remove_file(folder.join("keys.lock")).expect("it was there");
}

#[test]
fn a_ring_of_the_first_release_opens() {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        write_fixture(&fixture());
    }
    let folder = tempfile::tempdir().expect("a folder");
    for name in FILES {
        fs::copy(fixture().join(name), folder.path().join(name)).expect(name);
    }
    let master = FileMaster::open(&folder.path().join("master.key"), &unlock()).expect("the master key");
    let ring = KeyRing::open(folder.path(), Arc::new(master)).expect("the ring");
    for name in ["aes.sealed", "sm4.sealed"] {
        let sealed = fs::read(folder.path().join(name)).expect("an envelope");
        assert_eq!(ring.unseal(AAD, &sealed).expect(name), TEXT, "{name}");
    }
    let gone = ring.by_id(KeyId::new(2).expect("not zero"));
    assert!(matches!(gone, Err(KeysError::Destroyed { id: 2, operation: 3 })), "{gone:?}");
    let status = ring.status();
    assert_eq!((status.master_version, status.algorithm, status.generation), (2, Algorithm::Sm4Gcm, 3));
    assert_eq!(ring.operations().expect("the operations").operations.len(), 8);
    ring.set_algorithm(&officers(), Algorithm::Aes256Gcm).expect("its officers still are");
}
