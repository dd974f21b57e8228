//! A process that ends while its stores are still closing.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heng_store::{OwnedStore, StoreOptions};

use crate::sealed::{NOTES, TestKeys, note};

/// Of processes without the wait most died by a signal.
const PROCESSES: usize = 40;
const STORES: usize = 8;

/// What is registered first runs last: a thread that was not waited for works on memory that was given back before.
extern "C" fn linger() {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(50) {
        std::thread::yield_now();
    }
}

/// Work that stops in the middle: the runtime is dropped with it, and then the process ends.
#[test]
fn stores_are_at_work() {
    assert!(shutdown_hooks::add_shutdown_hook(linger));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for store in 0..STORES {
            let keys = Arc::new(TestKeys(1));
            let options = StoreOptions::at(folder.path().join(format!("{store}.db"))).sealed_by(Some(keys));
            let store = OwnedStore::open(&options, &NOTES).await.expect("a store");
            note(&store, 1).await;
            tokio::spawn(async move {
                for id in 2.. {
                    note(&store, id).await;
                }
            });
        }
    });
}

#[test]
fn a_process_ends_by_itself_while_its_stores_close() {
    let this = std::env::current_exe().expect("this program");
    for _ in 0..PROCESSES {
        let ran = Command::new(&this).args(["--exact", "exits::stores_are_at_work"]).output().expect("a process");
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{}: {errors}", ran.status);
    }
}
