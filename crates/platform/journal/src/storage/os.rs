//! The real disk.
//!
//! Every durable act goes through a symbol of the C library (`pwrite64`, `fdatasync`, `fsync`,
//! `ftruncate64`, `posix_fallocate64`, `rename`, `unlink`), never through a raw system call, so
//! that a preload shim can delay, drop or refuse it.
#![allow(unsafe_code)]

use super::{OpenMode, Storage, StorageFile, StorageLock};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// With steps of 256 KiB: at most 50 MB/s of zeros, enough to keep ahead of a million small
/// commands per second.
const PAUSE: Duration = Duration::from_millis(5);

/// What is written back at once: a group commit waits behind it for a fraction of a millisecond.
const WRITE_BACK_BYTES: u64 = 256 << 10;
/// With such steps: at most 256 MB/s.
const WRITE_BACK_PAUSE: Duration = Duration::from_millis(1);

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsStorage;

impl OsStorage {
    /// A handle that can be shared among logs.
    #[must_use]
    pub fn shared() -> Arc<dyn Storage> {
        Arc::new(Self)
    }
}

#[derive(Debug)]
struct OsFile(File);

#[derive(Debug)]
struct OsLock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

impl StorageLock for OsLock {}

impl Storage for OsStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create(true).truncate(true);
            }
        }
        Ok(Arc::new(OsFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let path = CString::new(dir.as_os_str().as_bytes())?;
        let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: `path` is a NUL-terminated string that outlives the call, and `stat` is a
        // writable buffer of exactly the type that the call fills.
        let code = unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) };
        if code != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call returned 0, so it has filled the whole structure.
        let stat = unsafe { stat.assume_init() };
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn StorageLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::from(io::ErrorKind::WouldBlock),
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Box::new(OsLock(file)))
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        // If the system refuses a thread, the work is dropped with its channel, and whoever waits
        // for the result does the work itself.
        let _ = std::thread::Builder::new().name("journal-prepare".to_owned()).spawn(work);
    }

    fn make_way(&self) {
        std::thread::sleep(PAUSE);
    }
}

impl StorageFile for OsFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let place = offset + filled as u64;
            match self.0.read_at(&mut buffer[filled..], place) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let len = libc::off64_t::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: the descriptor belongs to `self.0`, which lives through the call; the call
        // touches no memory of this process.
        let code = unsafe { libc::posix_fallocate64(self.0.as_raw_fd(), 0, len) };
        if code == 0 {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(code))
    }

    fn write_back(&self, from: u64, to: u64) {
        let mut from = from;
        while from < to {
            let step = WRITE_BACK_BYTES.min(to - from);
            let (Ok(offset), Ok(length)) = (libc::off64_t::try_from(from), libc::off64_t::try_from(step)) else {
                return;
            };
            // Without a flag that waits, the call takes no error away from the fdatasync that follows.
            // SAFETY: the descriptor belongs to `self.0`, which lives through the call; the call
            // touches no memory of this process.
            unsafe { libc::sync_file_range(self.0.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
            from += step;
            std::thread::sleep(WRITE_BACK_PAUSE);
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}
