//! The device by itself: what the journal thread asked of it, asked again without us.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use heng_journal::{OpenMode, OsStorage, Storage, StorageFile, StorageLock};
use serde::Serialize;

/// What one fdatasync of the journal covered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) bytes: u64,
    pub(crate) sync_ns: u64,
}

/// The groups that the journal wrote.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pending: AtomicU64,
    groups: Mutex<Vec<Group>>,
}

impl Recording {
    /// The groups since the last call.
    pub(crate) fn take(&self) -> Vec<Group> {
        std::mem::take(&mut self.groups.lock().expect("no holder of this lock panics"))
    }
}

/// The real disk, noting what becomes of the journal's files.
#[derive(Debug)]
pub(crate) struct Device {
    disk: OsStorage,
    recording: Arc<Recording>,
}

impl Device {
    pub(crate) fn new(recording: Arc<Recording>) -> Self {
        Self { disk: OsStorage, recording }
    }
}

#[derive(Debug)]
struct Watched {
    file: Arc<dyn StorageFile>,
    recording: Arc<Recording>,
}

/// Whether records are written or made durable, and not a spare segment prepared that nobody waits for.
fn is_for_records() -> bool {
    std::thread::current().name() != Some("journal-prepare")
}

impl Storage for Device {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.disk.open(path, mode)?;
        let in_journal = path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "journal");
        if in_journal { Ok(Arc::new(Watched { file, recording: Arc::clone(&self.recording) })) } else { Ok(file) }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        self.disk.free_space(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn StorageLock>> {
        self.disk.lock(path)
    }
    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        self.disk.spawn(work);
    }
    fn make_way(&self) {
        self.disk.make_way();
    }
}

impl StorageFile for Watched {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if is_for_records() {
            self.recording.pending.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        self.file.write_at(offset, bytes)
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.file.preallocate(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        if !is_for_records() {
            return self.file.sync_data();
        }
        // What is written while this sync runs belongs to the next one.
        let bytes = self.recording.pending.swap(0, Ordering::Relaxed);
        let began = Instant::now();
        let result = self.file.sync_data();
        if bytes > 0 {
            let sync_ns = began.elapsed().as_nanos() as u64;
            self.recording.groups.lock().expect("no holder of this lock panics").push(Group { bytes, sync_ns });
        }
        result
    }
    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// The device's own figures.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct DeviceReport {
    pub(crate) groups: usize,
    pub(crate) bytes_per_group: f64,
    pub(crate) fdatasync_p50_ms: f64,
    pub(crate) fdatasync_p99_ms: f64,
    pub(crate) bytes_per_s: f64,
    /// The same percentile inside the durable run, where the event log writes beside it.
    pub(crate) fdatasync_p99_ms_in_run: f64,
}

/// Size of the preallocated file.
const FILE_BYTES: u64 = 64 << 20;

/// Times of fdatasync in milliseconds, the bytes they covered, and the seconds of all.
pub(crate) struct Syncs {
    pub(crate) millis: Vec<f64>,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

/// Writes groups of the same sizes, in the same order, to a preallocated file, one fdatasync each, for `length` at
/// most or until the groups end.
///
/// # Errors
/// If the disk fails.
pub(crate) fn sync_again(folder: &Path, groups: &[Group], length: Duration) -> io::Result<Syncs> {
    let path = folder.join("device");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    let zeros = vec![0u8; 1 << 20];
    for at in 0..FILE_BYTES >> 20 {
        file.write_all_at(&zeros, at << 20)?;
    }
    file.sync_all()?;
    let largest = groups.iter().map(|group| group.bytes).max().unwrap_or(0) as usize;
    let bytes: Vec<u8> = (0..largest).map(|at| (at.wrapping_mul(167) >> 3) as u8).collect();
    let (mut millis, mut written, mut at) = (Vec::new(), 0u64, 0u64);
    let began = Instant::now();
    for group in groups {
        if began.elapsed() > length {
            break;
        }
        at = if at + group.bytes > FILE_BYTES { 0 } else { at };
        file.write_all_at(&bytes[..group.bytes as usize], at)?;
        let before = Instant::now();
        file.sync_data()?;
        millis.push(before.elapsed().as_nanos() as f64 / 1e6);
        at += group.bytes;
        written += group.bytes;
    }
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(Syncs { millis, bytes: written, seconds })
}

/// The device's own figures for these groups.
///
/// # Errors
/// As [`sync_again`].
pub(crate) fn measure(folder: &Path, groups: &[Group], length: Duration) -> io::Result<DeviceReport> {
    let Syncs { millis: mut syncs, bytes: written, seconds } = sync_again(folder, groups, length)?;
    let mut in_run: Vec<f64> = groups.iter().map(|group| group.sync_ns as f64 / 1e6).collect();
    Ok(DeviceReport {
        groups: syncs.len(),
        bytes_per_group: written as f64 / syncs.len().max(1) as f64,
        fdatasync_p50_ms: at_quantile(&mut syncs, 0.5),
        fdatasync_p99_ms: at_quantile(&mut syncs, 0.99),
        bytes_per_s: written as f64 / seconds,
        fdatasync_p99_ms_in_run: at_quantile(&mut in_run, 0.99),
    })
}

/// The value at this quantile, 0 to 1; sorts `values`.
pub(crate) fn at_quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = ((values.len().saturating_sub(1)) as f64 * at).round() as usize;
    values.get(place).copied().unwrap_or(0.0)
}
