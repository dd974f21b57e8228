//! The seam between the logs of this crate and the disk.
//!
//! Everything that this crate does to a disk goes through [`Storage`] and [`StorageFile`], so a
//! simulated disk ([`SimStorage`]) can lose, tear and refuse writes, and a preload shim can watch
//! the real one ([`OsStorage`]).

mod os;
mod sim;

pub use os::OsStorage;
pub use sim::{Crash, SimStorage};

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading only; the file must exist.
    Read,
    /// For reading and writing; the file must exist.
    Write,
    /// For reading and writing; created, or emptied if it exists.
    Create,
}

/// A folder tree on some disk. All calls may be made from any thread.
///
/// A lack of space is always reported as [`io::ErrorKind::StorageFull`].
pub trait Storage: Debug + Send + Sync + 'static {
    /// Opens or creates a file. The folder must exist.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>>;
    /// Moves `from` over `to` atomically; durable after [`Storage::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; durable after [`Storage::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names of the files directly in a folder, sorted. Folders are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates a folder and its parents; no error if it exists.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in this folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that an unprivileged writer may still use on the disk that holds `dir`.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// Takes an exclusive lock, held until the guard is dropped or the process ends.
    /// [`io::ErrorKind::WouldBlock`] if another holder exists.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn StorageLock>>;
    /// Runs disk work that nobody waits for yet. A deterministic storage runs it at once.
    fn spawn(&self, work: Box<dyn FnOnce() + Send>);
    /// Lets others use the disk for a while, between the steps of work that nobody waits for.
    fn make_way(&self);
}

/// A file of a [`Storage`].
pub trait StorageFile: Debug + Send + Sync {
    /// Writes all of `bytes` at `offset`, growing the file if needed. On an error any part of the
    /// bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the length is zero.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file, or grows it with a hole that reads as zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves space so that writes below `len` cannot run out of it; grows the file to at least
    /// `len`.
    fn preallocate(&self, len: u64) -> io::Result<()>;
    /// Brings what stands in `from..to` to the disk, slowly enough that others hardly notice, and
    /// promises nothing: a later sync has less to do at once. A disk that cannot does nothing.
    fn write_back(&self, from: u64, to: u64) {
        let _ = (from, to);
    }
    /// Makes the content durable: one `fdatasync`.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes content and metadata durable: one `fsync`.
    fn sync_all(&self) -> io::Result<()>;
}

/// A held lock; dropping it releases it.
pub trait StorageLock: Debug + Send + Sync {}
