//! The head of a sealed file from a hostile disk: it is opened under a key that is known, read as a plain file, or
//! refused; reading and writing through what was opened never panics.
#![no_main]

use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;

use heng_core::{FileKeys, SealedStorage};
use heng_journal::{OpenMode, SimStorage};
use heng_security::xts::{FileCipher, Xts};
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct OneKey;

impl FileKeys for OneKey {
    fn make(&self) -> Result<(Vec<u8>, Arc<Xts>)> {
        Ok((vec![1], Arc::new(Xts::new(FileCipher::Sm4Xts, &[1; 32]))))
    }

    fn open(&self, sealed: &[u8], cipher: FileCipher) -> Result<Arc<Xts>> {
        match sealed {
            [1] => Ok(Arc::new(Xts::new(cipher, &[1; 32]))),
            _ => Err(Error::new(ErrorKind::NotFound, "there is no such key")),
        }
    }
}

/// A file of the storage, made by itself, with bytes of the head exchanged.
fn exchanged(changes: &[u8]) -> Vec<u8> {
    let path = Path::new("/d/f");
    let disk = SimStorage::new();
    let storage = SealedStorage::shared(disk.shared(), Arc::new(OneKey));
    storage.create_dir(Path::new("/d")).expect("a folder");
    storage.open(path, OpenMode::Create).and_then(|file| file.write_at(0, b"what was written")).expect("a file");
    let mut bytes = disk.bytes_of(path).expect("its bytes");
    for change in changes.chunks_exact(2) {
        bytes[usize::from(change[0])] ^= change[1];
    }
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let content = if kind % 2 == 0 { rest.to_vec() } else { exchanged(rest) };
    let (disk, path) = (SimStorage::new(), Path::new("/d/f"));
    disk.shared().create_dir(Path::new("/d")).expect("a folder");
    disk.put(path, &content);
    let storage = SealedStorage::shared(disk.shared(), Arc::new(OneKey));
    let Ok(file) = storage.open(path, OpenMode::Write) else { return };
    let length = file.len().unwrap_or(0);
    assert!(length <= content.len() as u64, "no byte comes from nowhere");
    let mut read = vec![0; 64];
    let _ = file.read_at(0, &mut read);
    let _ = file.read_at(length, &mut read);
    if file.write_at(length, b"more").is_ok() {
        assert_eq!(file.len().expect("a length"), length + 4);
    }
});
