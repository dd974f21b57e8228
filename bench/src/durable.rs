//! C1 through the whole `core` role: sequencer, journal with fdatasync, engine, gate, event log, on a real disk.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use heng_core::{Completion, Core, CoreError, CoreOptions, CorePort, Layout, Request, replay};
use heng_journal::OsStorage;
use heng_model::PartitionId;
use heng_runtime::{LatencyHistogram, SystemClock};
use serde::Serialize;

use crate::c1::{BATCH, C1, decode};
use crate::device::{Device, DeviceReport, Group, Recording};

/// Commands that wait for an answer in the closed loop.
const IN_FLIGHT: u64 = 65_536;
/// Offered rate of the durable open loop.
pub(crate) const OFFERED: u64 = 500_000;
/// How often the open loop submits.
const SUBMIT_EVERY: Duration = Duration::from_micros(512);
/// Share of the wall time from which on a disk that is busy with syncs counts as the limit.
const SATURATED_FROM: f64 = 0.8;
/// Bytes of a journal segment.
const SEGMENT: u64 = 64 << 20;

/// Figures of the durable run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Durable {
    /// Closed loop with this many commands in flight.
    pub(crate) in_flight: u64,
    pub(crate) orders_per_s: f64,
    pub(crate) seconds: f64,
    pub(crate) journal_bytes_per_s: f64,
    /// Part of the closed loop's wall time that the disk was busy with the journal's syncs.
    pub(crate) disk_busy: f64,
    /// Whether that part is at least 0.8, so that the disk was the limit.
    pub(crate) saturated: bool,
    /// Journal bytes per second of the closed loop ÷ the device's own for the same groups. Says something of us only
    /// where `saturated`.
    pub(crate) share_of_device: f64,
    pub(crate) closed_p50_ms: f64,
    pub(crate) closed_p99_ms: f64,
    /// Open loop by this rate.
    pub(crate) offered_per_s: u64,
    pub(crate) achieved_per_s: f64,
    pub(crate) open_p50_ms: f64,
    pub(crate) open_p99_ms: f64,
    pub(crate) open_p999_ms: f64,
    pub(crate) open_seconds: f64,
    /// Open-loop p99 ÷ the device's fdatasync p99 with the write sizes of the same loop.
    pub(crate) p99_over_fdatasync: f64,
    /// The same ÷ the p99 of the journal's own fdatasync calls while the loop ran.
    pub(crate) p99_over_fdatasync_in_run: f64,
    /// The device with the groups of the closed loop and of the open loop.
    pub(crate) device_saturated: DeviceReport,
    pub(crate) device_open: DeviceReport,
    pub(crate) replayed_commands: u64,
    pub(crate) replay_commands_per_s: f64,
    pub(crate) replay_hash_equal: bool,
}

/// What was submitted and not answered yet.
struct Feed {
    port: CorePort,
    answers: Sender<Vec<Completion>>,
    completed: Receiver<Vec<Completion>>,
    waiting: VecDeque<(u64, Instant)>,
    sent: u64,
    answered: u64,
    latency: LatencyHistogram,
}

impl Feed {
    fn new(port: CorePort) -> Self {
        let (answers, completed) = channel();
        let (waiting, latency) = (VecDeque::new(), LatencyHistogram::default());
        Self { port, answers, completed, waiting, sent: 0, answered: 0, latency }
    }

    fn send(&mut self, requests: Vec<Request>, due: Instant) -> Result<(), CoreError> {
        self.sent += requests.len() as u64;
        self.waiting.push_back((self.sent, due));
        self.port.send(requests, &self.answers)
    }

    fn note(&mut self, answers: &[Completion]) {
        let now = Instant::now();
        for _ in answers {
            self.answered += 1;
            while self.waiting.front().is_some_and(|(last, _)| *last < self.answered) {
                self.waiting.pop_front();
            }
            let due = self.waiting.front().map_or(now, |(_, due)| *due);
            self.latency.record(now.saturating_duration_since(due).as_nanos() as u64);
        }
    }

    /// Waits until at most `left` commands have no answer.
    fn settle(&mut self, left: u64) -> Result<(), CoreError> {
        while self.sent - self.answered > left {
            let answers = self.completed.recv().map_err(|_| CoreError::Stopped)?;
            self.note(&answers);
        }
        Ok(())
    }

    fn take_answers(&mut self) {
        while let Ok(answers) = self.completed.try_recv() {
            self.note(&answers);
        }
    }
}

/// How many of the timed batches the closed loop may use: what the open loop needs at its rate is kept back. The open
/// loop goes on where the closed one stopped, because cancels name orders of the batches before them.
fn closed_batches(batches: usize, open: Duration) -> usize {
    let kept = (OFFERED as f64 * open.as_secs_f64() / BATCH as f64).ceil() as usize;
    batches.saturating_sub(kept)
}

fn requests_of(payload: &[u8]) -> Vec<Request> {
    let mut commands = Vec::new();
    decode(payload, &mut commands);
    commands.into_iter().map(|c| Request { command: c.command, ticket: 0, time: Some(c.time) }).collect()
}

/// Sends until the time is over or the batches end; returns the batches used, the commands and the time.
fn closed_loop(feed: &mut Feed, batches: &[Vec<u8>], length: Duration) -> Result<(usize, u64, f64), CoreError> {
    let (began, before) = (Instant::now(), feed.sent);
    let mut used = 0;
    while used < batches.len() && began.elapsed() < length {
        feed.settle(IN_FLIGHT)?;
        feed.send(requests_of(&batches[used]), Instant::now())?;
        feed.take_answers();
        used += 1;
    }
    feed.settle(0)?;
    Ok((used, feed.sent - before, began.elapsed().as_secs_f64()))
}

/// Sends by the clock: each batch is due when its last command arrived at the offered rate.
fn open_loop(feed: &mut Feed, batches: &[Vec<u8>], length: Duration) -> Result<(u64, f64), CoreError> {
    let (began, before) = (Instant::now(), feed.sent);
    let mut due = began;
    for payload in batches {
        if began.elapsed() > length {
            break;
        }
        let requests = requests_of(payload);
        due += SUBMIT_EVERY.mul_f64(requests.len() as f64 / (OFFERED as f64 * SUBMIT_EVERY.as_secs_f64()));
        while Instant::now() < due {
            feed.take_answers();
            std::thread::sleep(Duration::from_micros(50).min(due.saturating_duration_since(Instant::now())));
        }
        feed.send(requests, due)?;
    }
    feed.settle(0)?;
    Ok((feed.sent - before, began.elapsed().as_secs_f64()))
}

fn on_fatal(error: &CoreError) {
    eprintln!("the durable run failed: {error}");
    std::process::exit(4);
}

/// A folder beside the binary, which stands in the target folder on a real disk; removed when dropped.
pub(crate) struct DataFolder(pub(crate) PathBuf);

impl DataFolder {
    pub(crate) fn new() -> std::io::Result<Self> {
        let binary = std::env::current_exe()?;
        let beside = binary.parent().unwrap_or(Path::new("."));
        let folder = beside.join(format!("bench-data-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // A folder that stays harms nobody; it lies in the target folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options_of(c1: &C1, folder: &Path, recording: &Arc<Recording>) -> CoreOptions {
    CoreOptions {
        data: folder.to_owned(),
        partition: PartitionId(0),
        capacity: c1.population.capacity(),
        clock: Arc::new(SystemClock),
        follows_clock: false,
        storage: Arc::new(Device::new(Arc::clone(recording))),
        segment_bytes: SEGMENT,
        snapshots: None,
        on_fatal,
    }
}

/// The durable run, the device, and the replay of the files.
///
/// # Errors
/// If the core or the disk fails.
pub(crate) fn run(
    c1: &C1,
    folder: &Path,
    closed: Duration,
    open: Duration,
) -> Result<Durable, Box<dyn std::error::Error>> {
    let recording = Arc::new(Recording::default());
    let core = Core::start(&options_of(c1, folder, &recording))?;
    let mut feed = Feed::new(core.port());
    let stream = &c1.streams[0];
    for payload in &stream.before {
        feed.settle(IN_FLIGHT)?;
        feed.send(requests_of(payload), Instant::now())?;
    }
    feed.settle(0)?;
    recording.take();
    feed.latency = LatencyHistogram::default();
    let for_closed = closed_batches(stream.timed.len(), open);
    let (used, commands, seconds) = closed_loop(&mut feed, &stream.timed[..for_closed], closed)?;
    let closed_latency = std::mem::take(&mut feed.latency).summary();
    let closed_groups = recording.take();
    let (open_commands, open_seconds) = open_loop(&mut feed, &stream.timed[used..], open)?;
    let open_latency = feed.latency.summary();
    let open_groups = recording.take();
    drop(feed);
    let report = core.stop()?;
    let hash = report.state.hash();
    drop(report);
    let began = Instant::now();
    let replayed = replay(&OsStorage::shared(), &Layout::new(folder), c1.population.capacity(), true)?;
    let replay_seconds = began.elapsed().as_secs_f64();
    let device_saturated = crate::device::measure(folder, &closed_groups, closed)?;
    let device_open = crate::device::measure(folder, &open_groups, open)?;
    assert!(!closed_groups.is_empty() && !open_groups.is_empty(), "the journal's writes were seen");
    let journal_bytes_per_s = bytes_of(&closed_groups) as f64 / seconds;
    let disk_busy = closed_groups.iter().map(|group| group.sync_ns as f64 / 1e9).sum::<f64>() / seconds;
    Ok(Durable {
        in_flight: IN_FLIGHT,
        orders_per_s: commands as f64 / seconds,
        seconds,
        journal_bytes_per_s,
        disk_busy,
        saturated: disk_busy >= SATURATED_FROM,
        share_of_device: journal_bytes_per_s / device_saturated.bytes_per_s,
        closed_p50_ms: closed_latency.p50 / 1e3,
        closed_p99_ms: closed_latency.p99 / 1e3,
        offered_per_s: OFFERED,
        achieved_per_s: open_commands as f64 / open_seconds,
        open_p50_ms: open_latency.p50 / 1e3,
        open_p99_ms: open_latency.p99 / 1e3,
        open_p999_ms: open_latency.p999 / 1e3,
        open_seconds,
        p99_over_fdatasync: open_latency.p99 / 1e3 / device_open.fdatasync_p99_ms,
        p99_over_fdatasync_in_run: open_latency.p99 / 1e3 / device_open.fdatasync_p99_ms_in_run,
        device_saturated,
        device_open,
        replayed_commands: replayed.commands,
        replay_commands_per_s: replayed.commands as f64 / replay_seconds,
        replay_hash_equal: replayed.state.hash() == hash,
    })
}

fn bytes_of(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.bytes).sum()
}
