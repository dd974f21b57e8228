//! Files of keys from a hostile disk: any bytes, and good files with bytes exchanged. A file is opened as it was written
//! or refused; no other key ever comes out of it. Settings that name keys are read or refused.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use heng_security::keys::{
    Approval, Credential, FileMaster, KeyRing, KeysUrl, MasterKey as _, OperationLog, Scope, Unlock,
};
use heng_security::provider::Algorithm;
use libfuzzer_sys::fuzz_target;

struct Place {
    folder: PathBuf,
    master: Vec<u8>,
    ring: Vec<u8>,
    /// A key of the master file's first version, wrapped.
    wrapped: Vec<u8>,
}

fn unlock() -> Unlock {
    Unlock::Bytes([3; 32].into())
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let base = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let folder = base.join(format!("heng-fuzz-keys-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("master.key");
        let master = FileMaster::create(&path, Algorithm::Sm4Gcm, &unlock()).expect("a key file");
        let version = master.newest().expect("a version");
        let wrapped = master.wrap(version, &[5; 32], b"fuzz").expect("a wrapped key");
        let officer = |name: &str| Credential::new(name, b"a passphrase of an officer").expect("an officer");
        let officers = Approval([officer("ann"), officer("bob")]);
        let ring = KeyRing::create(&folder, Arc::new(master), Algorithm::Sm4Gcm, &officers).expect("a ring");
        let scope = Scope::new("journal", "", "").expect("a scope");
        ring.current(&scope).expect("a data key");
        let read = |name: &str| std::fs::read(folder.join(name)).expect("a file");
        Place { master: read("master.key"), ring: read("keys.ring"), wrapped, folder: folder.clone() }
    })
}

/// The good bytes with some of them exchanged: each change takes three bytes of the input.
fn exchanged(good: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] ^= change[2];
    }
    bytes
}

fn check_master(place: &Place, bytes: &[u8]) {
    let path = place.folder.join("other.key");
    std::fs::write(&path, bytes).expect("written");
    if let Ok(master) = FileMaster::open(&path, &unlock()) {
        let key = master.unwrap(1, &place.wrapped, b"fuzz").expect("it is the same master key");
        assert_eq!(*key, [5; 32]);
    }
}

fn check_ring(place: &Place, bytes: &[u8]) {
    let folder = place.folder.join("ring");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("keys.ring"), bytes).expect("written");
    let master = FileMaster::open(&place.folder.join("master.key"), &unlock()).expect("the good master key");
    if let Ok(ring) = KeyRing::open(&folder, Arc::new(master)) {
        assert!(ring.keys().len() <= 1, "there was one key");
    }
    let _ = OperationLog::read(&folder);
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let place = place();
    match kind % 6 {
        0 => check_master(place, rest),
        1 => check_master(place, &exchanged(&place.master, rest)),
        2 => check_ring(place, rest),
        3 => check_ring(place, &exchanged(&place.ring, rest)),
        4 => {
            std::fs::create_dir_all(place.folder.join("log")).expect("a folder");
            std::fs::write(place.folder.join("log/keys.operations"), rest).expect("written");
            let _ = OperationLog::read(&place.folder.join("log"));
        }
        _ => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            let _ = text.parse::<KeysUrl>();
            if let Ok(scope) = text.parse::<Scope>() {
                assert_eq!(scope.to_string().parse::<Scope>().expect("what is written is read"), scope);
            }
        }
    }
});
