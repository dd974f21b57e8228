//! The worker that makes snapshots while the core runs: it reads files only, and the core never waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use heng_journal::{JournalError, SnapshotStore, Storage};
use heng_model::PartitionId;

use crate::error::CoreError;
use crate::gate::Published;
use crate::layout::Layout;
use crate::recovery::replay_vouched;
use crate::snapshots::{load_meta, write_snapshot};

/// How often the worker looks whether a snapshot is due.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Snapshots that are kept: should the newest turn out damaged, the one before it and the journal behind it remain.
const KEPT: usize = 2;

/// When snapshots are made, and what they allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Commands from one snapshot to the next, at least 1.
    pub every: u64,
    /// Whether journal segments before the last snapshot but one are dropped.
    pub purge_journal: bool,
}

/// Ends the worker early.
#[derive(Debug, Default)]
pub(crate) struct Cancel {
    cancelled: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Cancel {
    pub(crate) fn cancel(&self) {
        let _guard = self.lock.lock().expect("no holder of this lock panics");
        self.cancelled.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// True if cancelled within the time.
    fn wait(&self, time: Duration) -> bool {
        let guard = self.lock.lock().expect("no holder of this lock panics");
        if self.is_cancelled() {
            return true;
        }
        drop(self.changed.wait_timeout(guard, time).expect("no holder of this lock panics"));
        self.is_cancelled()
    }
}

/// What the worker works with.
pub(crate) struct SnapshotWorker {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) layout: Layout,
    pub(crate) partition: PartitionId,
    pub(crate) policy: SnapshotPolicy,
    pub(crate) published: Arc<Published>,
    pub(crate) cancel: Arc<Cancel>,
    /// Sequence of the last snapshot.
    pub(crate) last: u64,
}

impl SnapshotWorker {
    /// Runs until cancelled. A full disk is tried again; any other failure parks the worker visibly.
    pub(crate) fn run(mut self) {
        while !self.cancel.wait(LOOK_EVERY) {
            if self.published.durable().0 < self.last.saturating_add(self.policy.every) {
                continue;
            }
            match self.work() {
                Ok(_) | Err(CoreError::Journal(JournalError::DiskFull { .. })) => {}
                Err(error) => {
                    self.published.tell_snapshot_trouble(error.to_string());
                    return;
                }
            }
        }
    }

    /// Makes one snapshot of what is durable and vouched for. Returns its sequence, `None` if there is nothing new.
    pub(crate) fn work(&mut self) -> Result<Option<u64>, CoreError> {
        let durable = self.published.durable().0;
        let cancel = Arc::clone(&self.cancel);
        let cancelled = || cancel.is_cancelled();
        let replayed = replay_vouched(&self.storage, &self.layout, self.partition, durable, &cancelled)?;
        let Some(replayed) = replayed else { return Ok(None) };
        let store = SnapshotStore::open(Arc::clone(&self.storage), &self.layout.snapshots)?;
        self.last = write_snapshot(&store, replayed)?;
        self.published.mark_snapshot(self.last);
        self.retire(&store)?;
        Ok(Some(self.last))
    }

    /// Drops what the last two snapshots make superfluous, once the event log reaches the older of them: recovery can
    /// only start from a snapshot at or below the end of the record, and a power loss may take that end back to what is
    /// durable of it.
    fn retire(&self, store: &SnapshotStore) -> Result<(), CoreError> {
        let all = store.list()?;
        let [.., before, _] = all[..] else { return Ok(()) };
        if before > self.published.events_durable().0 {
            return Ok(());
        }
        // A damaged one never takes the place of a sound one.
        store.retain_last(KEPT)?;
        if let (true, Some(oldest)) = (self.policy.purge_journal, store.list()?.first()) {
            self.published.ask_purge(load_meta(store, *oldest)?.index + 1);
        }
        Ok(())
    }
}
