//! The next segment, made ready before it is needed.
//!
//! Measured on ext4 over a virtual disk, each write followed by fdatasync. The two columns on
//! the right give the journal's rate at 1 MiB over that of plain writes to a file of zeros, in
//! the same run, with the disk at its bandwidth limit of about 300 MB/s.
//!
//! | room made by | p50 at 4 KiB | p50 at 1 MiB | sync in turn | sync on its own thread |
//! |---|---|---|---|---|
//! | growing the file | 116–161 µs | 365–471 µs | 0.72–0.95 | not measured |
//! | `fallocate` | 121–131 µs | 375–380 µs | 0.68–0.94 | 0.93–1.36 |
//! | `fallocate`, then zeros at full speed | 85–87 µs | 232–238 µs | 0.61–0.69 | 0.55–0.61 |
//! | `fallocate`, then zeros at a bounded pace | as above | as above | 0.80–0.94 | 0.85–1.14 |
//!
//! An extent that was only reserved is marked as written by a metadata commit on first use;
//! writing zeros does that ahead and makes each fdatasync a third cheaper, but at the bandwidth
//! limit it takes half of the disk. Hence [`Preallocation::ZeroFill`] reserves at once and writes
//! zeros on another thread at a bounded pace, and the zeros that are still missing when the
//! segment is needed are left out: a quiet disk gets cheap syncs, a saturated one its bandwidth.

use crate::error::{Result, at};
use crate::segment::PREPARED;
use crate::storage::{OpenMode, Storage, StorageFile};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the room of a segment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preallocation {
    /// Reserve the extents and write zeros as far as time allows: the cheapest fdatasync later.
    ZeroFill,
    /// Reserve the extents only.
    Reserve,
    /// Let the file grow.
    Grow,
}

/// Zeros written at once while nobody waits for the segment: the longest that a group commit or a new segment waits for
/// them, and that they keep a processor from those who are in a hurry.
const STEP_BYTES: u64 = 256 << 10;
/// Zeros written at once where the log waits for all of them.
const FILL_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FillState {
    Running,
    Stopped,
    Failed,
}

/// Keeps the filling thread and the writer of the log apart: a step is written and synced under
/// the lock, and none begins after the writer took the file. So the thread can neither overwrite
/// a record nor swallow the error of a sync that covers one.
#[derive(Debug)]
pub(crate) struct Fill(Mutex<FillState>);

#[derive(Debug)]
pub(crate) struct Prepared {
    file: Arc<dyn StorageFile>,
    len: u64,
    fill: Arc<Fill>,
}

/// The segment that comes next.
#[derive(Debug)]
pub(crate) enum Spare {
    None,
    Pending(Receiver<io::Result<Prepared>>),
    Ready(Arc<dyn StorageFile>, u64),
}

impl Fill {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(FillState::Running)))
    }

    fn state(&self) -> MutexGuard<'_, FillState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the filling; false if it failed and the file must not be used.
    fn stop(&self) -> bool {
        let mut state = self.state();
        let sound = *state != FillState::Failed;
        *state = FillState::Stopped;
        sound
    }

    fn step(&self, file: &dyn StorageFile, offset: u64, zeros: &[u8]) -> bool {
        let mut state = self.state();
        if *state != FillState::Running {
            return false;
        }
        let done = file.write_at(offset, zeros).and_then(|()| file.sync_all());
        if done.is_err() {
            *state = FillState::Failed;
        }
        done.is_ok()
    }
}

impl Spare {
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Starts making a segment of `bytes` without waiting for it.
    pub(crate) fn start(&mut self, storage: &Arc<dyn Storage>, dir: &Path, bytes: u64, preallocation: Preallocation) {
        let (sender, receiver) = sync_channel(1);
        let disk = Arc::clone(storage);
        let dir = dir.to_owned();
        storage.spawn(Box::new(move || {
            let fill = Fill::new();
            let made = reserve(disk.as_ref(), &dir, bytes, preallocation);
            let file = made.as_ref().ok().cloned();
            let len = bytes;
            let prepared = made.map(|file| Prepared { file, len, fill: Arc::clone(&fill) });
            let wanted = sender.send(prepared).is_ok();
            if let (true, Some(file), Preallocation::ZeroFill) = (wanted, file, preallocation) {
                fill_slowly(disk.as_ref(), file.as_ref(), &fill, bytes);
            }
        }));
        *self = Self::Pending(receiver);
    }

    /// The segment that was prepared, if it came about.
    fn finish(&mut self) -> Option<(Arc<dyn StorageFile>, u64)> {
        match std::mem::replace(self, Self::None) {
            Self::Ready(file, len) => Some((file, len)),
            Self::Pending(receiver) => {
                let prepared = receiver.recv().ok()?.ok()?;
                prepared.fill.stop().then_some((prepared.file, prepared.len))
            }
            Self::None => None,
        }
    }

    /// The prepared segment, reserved here and now if need be. On an error nothing is lost and
    /// the call may be repeated.
    pub(crate) fn take(
        &mut self,
        storage: &dyn Storage,
        dir: &Path,
        bytes: u64,
        preallocation: Preallocation,
    ) -> Result<(Arc<dyn StorageFile>, u64)> {
        let path = dir.join(PREPARED);
        let Some((file, len)) = self.finish() else {
            let file = at(reserve(storage, dir, bytes, preallocation), "prepare", &path)?;
            return Ok((file, bytes));
        };
        if len >= bytes {
            return Ok((file, len));
        }
        match extend(file.as_ref(), bytes, preallocation) {
            Ok(()) => Ok((file, bytes)),
            Err(error) => {
                self.give_back(file, len);
                at(Err(error), "extend", &path)
            }
        }
    }

    /// Waits until no other thread works on the prepared file.
    pub(crate) fn wait(&mut self) {
        self.finish();
    }

    pub(crate) fn give_back(&mut self, file: Arc<dyn StorageFile>, len: u64) {
        *self = Self::Ready(file, len);
    }
}

fn reserve(
    storage: &dyn Storage,
    dir: &Path,
    bytes: u64,
    preallocation: Preallocation,
) -> io::Result<Arc<dyn StorageFile>> {
    let path = dir.join(PREPARED);
    // A fresh file, never an old one emptied: nobody else can hold it.
    match storage.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = storage.open(&path, OpenMode::Create)?;
    if let Err(error) = extend(file.as_ref(), bytes, preallocation) {
        // A half-made file would hold on to the very space that is missing.
        let _ = storage.remove(&path);
        return Err(error);
    }
    Ok(file)
}

/// Makes room up to `to`, durably, without writing to it.
pub(crate) fn extend(file: &dyn StorageFile, to: u64, preallocation: Preallocation) -> io::Result<()> {
    if preallocation == Preallocation::Grow {
        return Ok(());
    }
    file.preallocate(to)?;
    file.sync_all()
}

/// Writes zeros over a whole reserved file at once, for the first segment of a log.
pub(crate) fn fill_now(file: &dyn StorageFile, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; FILL_BYTES.min(bytes) as usize];
    for offset in (0..bytes).step_by(FILL_BYTES as usize) {
        file.write_at(offset, &zeros[..FILL_BYTES.min(bytes - offset) as usize])?;
    }
    file.sync_all()
}

fn fill_slowly(storage: &dyn Storage, file: &dyn StorageFile, fill: &Fill, bytes: u64) {
    let zeros = vec![0; STEP_BYTES.min(bytes) as usize];
    for offset in (0..bytes).step_by(STEP_BYTES as usize) {
        let step = &zeros[..STEP_BYTES.min(bytes - offset) as usize];
        if !fill.step(file, offset, step) {
            return;
        }
        storage.make_way();
    }
}
