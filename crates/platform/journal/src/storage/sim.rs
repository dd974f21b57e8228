//! A disk in memory that can lose what was not synced.
//!
//! Content and folder entries are kept twice: as a running process sees them and as they would be
//! found after a power loss. Between the two stand the unsynced operations, in order.
//! The model is stricter than common file systems: syncing a file does not make its folder entry
//! durable, and unsynced writes reach the disk in any order and in parts of one sector.
//! Renames, creations and removals of one crash are kept as a prefix, as journaling file systems
//! do.

use super::{OpenMode, Storage, StorageFile, StorageLock};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Unsynced data reach a disk in units of this size.
const SECTOR_BYTES: u64 = 512;

/// What a power loss leaves of the unsynced operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Nothing.
    DropUnsynced,
    /// A subset drawn from the seed; writes may be torn at sectors of 512 bytes.
    KeepSome(u64),
    /// Everything: the process died, the machine did not.
    ProcessOnly,
}

/// A simulated disk. Clones share one disk. Equal calls give equal results.
#[derive(Debug, Clone, Default)]
pub struct SimStorage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    generation: u64,
    byte_budget: Option<u64>,
    ignore_sync: bool,
    sync_failure_in: Option<u64>,
    sync_data_calls: u64,
    changes_left: Option<u64>,
}

#[derive(Debug, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
    charged: u64,
}

#[derive(Debug)]
enum Pending {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
    Grow(u64),
}

#[derive(Debug)]
enum NameChange {
    Put { path: PathBuf, file: usize },
    Move { from: PathBuf, to: PathBuf },
    Drop { path: PathBuf },
}

#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    file: usize,
    generation: u64,
    writable: bool,
}

#[derive(Debug)]
struct SimLock {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    generation: u64,
}

impl StorageLock for SimLock {}

impl SimStorage {
    /// An empty disk of unlimited size.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This disk behind the seam.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    /// Ends every open handle and lock and keeps of the unsynced operations what `crash` says.
    pub fn crash(&self, crash: Crash) {
        self.locked().crash(crash);
    }

    /// Limits the sum of all files in bytes; `None` lifts the limit. Writes beyond it write what
    /// fits and fail with [`io::ErrorKind::StorageFull`].
    pub fn set_byte_budget(&self, bytes: Option<u64>) {
        self.locked().byte_budget = bytes;
    }

    /// Bytes that all files take.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.locked().used()
    }

    /// With `true`, `sync_data` does nothing and reports success, as if the call were removed.
    pub fn set_ignore_sync(&self, ignore: bool) {
        self.locked().ignore_sync = ignore;
    }

    /// Lets the `nth` `sync_data` from now on fail (1 is the next). What it should have made
    /// durable is lost, although later calls report success, as on real kernels.
    pub fn fail_sync_data_at(&self, nth: u64) {
        assert!(nth > 0, "the next call is number 1");
        self.locked().sync_failure_in = Some(nth);
    }

    /// Lets `count` more changes and syncs through and refuses every access after them, as if the
    /// power had gone at that point; [`SimStorage::crash`] then says what is left. `None` lifts it.
    pub fn set_power_off_after(&self, count: Option<u64>) {
        self.locked().changes_left = count;
    }

    /// How often `sync_data` was called.
    #[must_use]
    pub fn sync_data_calls(&self) -> u64 {
        self.locked().sync_data_calls
    }

    /// Flips the bits of `mask` in one byte, on the medium and in the cache. Returns false if
    /// there is no such byte.
    pub fn corrupt(&self, path: &Path, offset: u64, mask: u8) -> bool {
        let mut state = self.locked();
        let Some(&file) = state.names.get(path) else {
            return false;
        };
        let content = &mut state.files[file];
        let mut found = false;
        for bytes in [&mut content.seen, &mut content.durable] {
            if let Some(byte) = bytes.get_mut(offset as usize) {
                *byte ^= mask;
                found = true;
            }
        }
        found
    }

    /// The content of a file as a running process sees it.
    #[must_use]
    pub fn bytes_of(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.locked();
        let file = *state.names.get(path)?;
        Some(state.files[file].seen.clone())
    }

    /// Puts a file there as if it had always been durable.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.locked();
        state.files.push(Content {
            seen: bytes.to_vec(),
            durable: bytes.to_vec(),
            pending: Vec::new(),
            charged: bytes.len() as u64,
        });
        let file = state.files.len() - 1;
        if let Some(dir) = path.parent() {
            state.dirs.insert(dir.to_owned());
        }
        state.names.insert(path.to_owned(), file);
        state.durable_names.insert(path.to_owned(), file);
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A test that panicked while holding the lock must not hide its own message.
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The generator of the crash choices: splitmix64, small and the same everywhere.
fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn put_bytes(target: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = offset as usize;
    let end = start + bytes.len();
    if target.len() < end {
        target.resize(end, 0);
    }
    target[start..end].copy_from_slice(bytes);
}

fn apply(target: &mut Vec<u8>, pending: &Pending) {
    match pending {
        Pending::Write { offset, bytes } => put_bytes(target, *offset, bytes),
        Pending::SetLen(len) => target.resize(*len as usize, 0),
        Pending::Grow(len) => {
            if (target.len() as u64) < *len {
                target.resize(*len as usize, 0);
            }
        }
    }
}

/// Writes those sectors of one write that the seed keeps.
fn apply_torn(target: &mut Vec<u8>, offset: u64, bytes: &[u8], seed: &mut u64) {
    let mut at = offset;
    let end = offset + bytes.len() as u64;
    while at < end {
        let next = ((at / SECTOR_BYTES) + 1) * SECTOR_BYTES;
        let stop = next.min(end);
        if draw(seed) & 1 == 0 {
            let part = &bytes[(at - offset) as usize..(stop - offset) as usize];
            put_bytes(target, at, part);
        }
        at = stop;
    }
}

impl Content {
    fn sync(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &pending);
        }
    }

    fn crash(&mut self, crash: Crash, seed: &mut u64) {
        match crash {
            Crash::ProcessOnly => return,
            Crash::DropUnsynced => {}
            Crash::KeepSome(_) => {
                for pending in &self.pending {
                    match (draw(seed) % 3, pending) {
                        (0, _) => {}
                        (1, Pending::Write { offset, bytes }) => {
                            apply_torn(&mut self.durable, *offset, bytes, seed);
                        }
                        (_, pending) => apply(&mut self.durable, pending),
                    }
                }
            }
        }
        self.pending.clear();
        self.seen.clone_from(&self.durable);
        self.charged = self.seen.len() as u64;
    }
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Put { path, .. } | Self::Drop { path } => path.parent(),
            Self::Move { to, .. } => to.parent(),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Put { path, file } => {
                names.insert(path.clone(), *file);
            }
            Self::Move { from, to } => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Drop { path } => {
                names.remove(path);
            }
        }
    }
}

impl State {
    fn used(&self) -> u64 {
        let mut live: BTreeSet<usize> = self.names.values().copied().collect();
        live.extend(self.durable_names.values().copied());
        live.iter().map(|&file| self.files[file].charged).sum()
    }

    /// Counts one change against the power that is left.
    fn powered(&mut self) -> io::Result<()> {
        match &mut self.changes_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power is off")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn crash(&mut self, crash: Crash) {
        self.generation += 1;
        self.changes_left = None;
        self.locks.clear();
        if crash == Crash::ProcessOnly {
            return;
        }
        let mut seed = match crash {
            Crash::KeepSome(seed) => seed,
            _ => 0,
        };
        let kept = match crash {
            Crash::KeepSome(_) => draw(&mut seed) as usize % (self.name_changes.len() + 1),
            _ => 0,
        };
        for change in self.name_changes.drain(..).take(kept) {
            change.apply(&mut self.durable_names);
        }
        self.name_changes.clear();
        self.names.clone_from(&self.durable_names);
        for content in &mut self.files {
            content.crash(crash, &mut seed);
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    /// Charges growth against the budget and returns how far the file may grow.
    fn charge(&mut self, file: usize, end: u64) -> u64 {
        let charged = self.files[file].charged;
        if end <= charged {
            return end;
        }
        let room = match self.byte_budget {
            None => u64::MAX,
            Some(budget) => budget.saturating_sub(self.used()),
        };
        let granted = (end - charged).min(room);
        self.files[file].charged = charged + granted;
        charged + granted
    }
}

impl Storage for SimStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let mut state = self.locked();
        if mode == OpenMode::Create {
            state.powered()?;
        }
        let known = state.names.get(path).copied();
        let file = match (mode, known) {
            (OpenMode::Create, None) => {
                let dir_known = path.parent().is_some_and(|dir| state.dirs.contains(dir));
                if !dir_known {
                    return Err(io::ErrorKind::NotFound.into());
                }
                state.files.push(Content::default());
                let file = state.files.len() - 1;
                state.change_name(NameChange::Put { path: path.to_owned(), file });
                file
            }
            (OpenMode::Create, Some(file)) => {
                let content = &mut state.files[file];
                content.seen.clear();
                content.charged = 0;
                content.pending.push(Pending::SetLen(0));
                file
            }
            (_, Some(file)) => file,
            (_, None) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(SimFile {
            state: Arc::clone(&self.state),
            file,
            generation: state.generation,
            writable: mode != OpenMode::Read,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.locked();
        state.powered()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Move { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.locked();
        state.powered()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Drop { path: path.to_owned() });
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.locked();
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let here = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(here.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.locked();
        for part in dir.ancestors() {
            state.dirs.insert(part.to_owned());
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.locked();
        state.powered()?;
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.name_changes).into_iter().partition(|change| change.dir() == Some(dir));
        for change in here {
            change.apply(&mut state.durable_names);
        }
        state.name_changes = elsewhere;
        Ok(())
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        let state = self.locked();
        Ok(match state.byte_budget {
            None => u64::MAX,
            Some(budget) => budget.saturating_sub(state.used()),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn StorageLock>> {
        let mut state = self.locked();
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { state: Arc::clone(&self.state), path: path.to_owned(), generation: state.generation }))
    }

    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn make_way(&self) {}
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.generation == self.generation {
            state.locks.remove(&self.path);
        }
    }
}

impl SimFile {
    /// A handle from before a crash belongs to a process that is gone.
    fn live(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = lock(&self.state);
        if state.generation != self.generation {
            return Err(io::Error::other("the process of this handle has crashed"));
        }
        Ok(state)
    }

    fn writable(&self) -> io::Result<MutexGuard<'_, State>> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.live()?;
        state.powered()?;
        Ok(state)
    }
}

impl StorageFile for SimFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.writable()?;
        let end = offset + bytes.len() as u64;
        let granted = state.charge(self.file, end);
        let fits = granted.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let content = &mut state.files[self.file];
        put_bytes(&mut content.seen, offset, &bytes[..fits]);
        content.pending.push(Pending::Write { offset, bytes: bytes[..fits].to_vec() });
        if fits < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.live()?;
        let seen = &state.files[self.file].seen;
        let start = (offset as usize).min(seen.len());
        let count = buffer.len().min(seen.len() - start);
        buffer[..count].copy_from_slice(&seen[start..start + count]);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.live()?.files[self.file].seen.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.writable()?;
        let content = &mut state.files[self.file];
        content.seen.resize(len as usize, 0);
        content.charged = content.charged.min(len);
        content.pending.push(Pending::SetLen(len));
        Ok(())
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.writable()?;
        let before = state.files[self.file].charged;
        if state.charge(self.file, len) < len {
            state.files[self.file].charged = before;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = &mut state.files[self.file];
        apply(&mut content.seen, &Pending::Grow(len));
        content.pending.push(Pending::Grow(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.writable()?;
        state.sync_data_calls += 1;
        if let Some(left) = state.sync_failure_in {
            state.sync_failure_in = (left > 1).then_some(left - 1);
            if left == 1 {
                state.files[self.file].pending.clear();
                return Err(io::Error::other("injected fdatasync failure"));
            }
        }
        if !state.ignore_sync {
            state.files[self.file].sync();
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut state = self.writable()?;
        state.files[self.file].sync();
        Ok(())
    }
}
