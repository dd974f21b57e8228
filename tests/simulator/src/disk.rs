//! A disk whose fdatasync takes its time.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heng_journal::{OpenMode, Storage, StorageFile, StorageLock};

/// Another disk, with every fdatasync delayed.
#[derive(Clone, Debug)]
pub struct SlowStorage {
    inner: Arc<dyn Storage>,
    delay: Duration,
}

impl SlowStorage {
    /// Delays each `sync_data` of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Storage>, delay: Duration) -> Self {
        Self { inner, delay }
    }
}

#[derive(Debug)]
struct SlowFile {
    inner: Arc<dyn StorageFile>,
    delay: Duration,
}

impl Storage for SlowStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(SlowFile { inner: self.inner.open(path, mode)?, delay: self.delay }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        self.inner.free_space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn StorageLock>> {
        self.inner.lock(path)
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        self.inner.spawn(work);
    }

    fn make_way(&self) {
        self.inner.make_way();
    }
}

impl StorageFile for SlowFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.inner.preallocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        std::thread::sleep(self.delay);
        self.inner.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }
}
