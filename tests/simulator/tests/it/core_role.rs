//! What the other tests share: a running core over a simulated disk.

use std::path::PathBuf;
use std::sync::Arc;

use heng_core::{CoreError, CoreOptions, SnapshotPolicy};
use heng_engine::Capacity;
use heng_journal::Storage;
use heng_model::PartitionId;
use heng_runtime::SystemClock;
use heng_simulator::{Script, ScriptOptions};

/// Options of a core over this disk.
pub(crate) fn options(
    storage: Arc<dyn Storage>,
    snapshots: Option<SnapshotPolicy>,
    on_fatal: fn(&CoreError),
) -> CoreOptions {
    CoreOptions {
        data: PathBuf::from("/sim"),
        partition: PartitionId(0),
        capacity: Capacity::default(),
        clock: Arc::new(SystemClock),
        follows_clock: false,
        storage,
        segment_bytes: 1 << 20,
        snapshots,
        on_fatal,
    }
}

/// A small day.
pub(crate) fn script(seed: u64, orders: u64) -> Script {
    Script::new(ScriptOptions { seed, clients: 20, instruments: 20, orders }).unwrap()
}

/// For cores whose disk must not fail.
pub(crate) fn no_failure(error: &CoreError) {
    eprintln!("the core failed: {error}");
    std::process::abort();
}
