//! Open loop: commands arrive by the clock, whether the core is ready or not, and latency counts from the moment at
//! which each was due. An empty core in the same ring shows what the machine itself does to the tails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use heng_engine::{EventWriter, State, apply, warm_first};
use heng_model::wire::{Reader, Wire as _, Writer};
use heng_model::{Command, Seq, Sequenced, UnixNanos};
use serde::Serialize;

use crate::c1::{C1, decode};
use crate::clock::{median, quantile};

/// Slots of the ring.
const SLOTS: usize = 4_096;
/// Words of a slot: the length, then the command's bytes.
const WORDS: usize = 8;
/// Commands that the core takes out of the ring at once, at most.
const TAKE_MAX: usize = 16;
/// Event bytes are handed on in pieces of this size.
const FRAMES_MAX: usize = 1 << 16;

type Slot = [u64; WORDS];

/// A number on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Lonely(AtomicU64);

/// A ring with one producer and one consumer.
struct Ring {
    slots: Vec<[AtomicU64; WORDS]>,
    filled: Lonely,
    taken: Lonely,
}

impl Ring {
    fn new() -> Self {
        let slots = (0..SLOTS).map(|_| core::array::from_fn(|_| AtomicU64::new(0))).collect();
        Self { slots, filled: Lonely::default(), taken: Lonely::default() }
    }

    fn put(&self, at: u64, slot: &Slot) {
        while at - self.taken.0.load(Ordering::Acquire) >= SLOTS as u64 {
            core::hint::spin_loop();
        }
        for (to, word) in self.slots[at as usize % SLOTS].iter().zip(slot) {
            to.store(*word, Ordering::Relaxed);
        }
        self.filled.0.store(at + 1, Ordering::Release);
    }

    fn wait(&self, at: u64) -> u64 {
        loop {
            let filled = self.filled.0.load(Ordering::Acquire);
            if filled > at {
                return filled;
            }
            core::hint::spin_loop();
        }
    }

    fn get(&self, at: u64) -> Slot {
        let slot = &self.slots[at as usize % SLOTS];
        core::array::from_fn(|word| slot[word].load(Ordering::Relaxed))
    }
}

/// What consumes the ring.
trait Core {
    /// Takes the commands in `slots`, calling `done` behind each.
    fn take(&mut self, slots: &[Slot], done: &mut impl FnMut());
}

/// Does nothing with a command.
struct Empty(u64);

impl Core for Empty {
    fn take(&mut self, slots: &[Slot], done: &mut impl FnMut()) {
        for slot in slots {
            self.0 = core::hint::black_box(self.0 ^ slot[1]);
            done();
        }
    }
}

/// Decodes, decides, posts, encodes events.
struct Full {
    state: State,
    writer: EventWriter,
    commands: Vec<Sequenced<Command>>,
    step: i64,
}

impl Core for Full {
    fn take(&mut self, slots: &[Slot], done: &mut impl FnMut()) {
        self.commands.clear();
        for slot in slots {
            let mut bytes = [0u8; (WORDS - 1) * 8];
            for (to, word) in bytes.chunks_exact_mut(8).zip(&slot[1..]) {
                to.copy_from_slice(&word.to_le_bytes());
            }
            let command = Command::get(&mut Reader::new(&bytes)).expect("the producer sends encoded commands");
            let behind = self.commands.len() as u64;
            let time = UnixNanos(self.state.time().0 + self.step * (behind as i64 + 1));
            self.commands.push(Sequenced { seq: Seq(self.state.seq().0 + behind + 1), time, command });
        }
        warm_first(&self.state, &self.commands);
        for command in &self.commands {
            apply(&mut self.state, command, &mut self.writer);
            self.writer.finish();
            if self.writer.frames().len() >= FRAMES_MAX {
                core::hint::black_box(self.writer.frames());
                self.writer.clear_frames();
            }
            done();
        }
    }
}

/// Latencies of one run.
#[derive(Clone, Copy, Debug)]
struct Run {
    achieved: f64,
    p99: f64,
    p999: f64,
}

fn offer(ring: &Ring, slots: &[Slot], began: Instant, step_ns: f64) {
    for (at, slot) in slots.iter().enumerate() {
        let due = (at as f64 * step_ns) as u128;
        while began.elapsed().as_nanos() < due {
            core::hint::spin_loop();
        }
        ring.put(at as u64, slot);
    }
}

/// Offers the commands at a rate; the consumer runs on a thread of its own.
fn run_once<C: Core + Send>(slots: &[Slot], rate: u64, mut core: C) -> Run {
    let ring = Arc::new(Ring::new());
    let step_ns = 1e9 / rate as f64;
    let mut latencies: Vec<u32> = Vec::with_capacity(slots.len());
    let began = Instant::now() + std::time::Duration::from_millis(20);
    let consumer_ring = Arc::clone(&ring);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut at, mut batch) = (0u64, Vec::with_capacity(TAKE_MAX));
            while at < slots.len() as u64 {
                let until = consumer_ring.wait(at).min(at + TAKE_MAX as u64);
                batch.clear();
                batch.extend((at..until).map(|at| consumer_ring.get(at)));
                consumer_ring.taken.0.store(until, Ordering::Release);
                core.take(&batch, &mut || {
                    let due = (latencies.len() as f64 * step_ns) as u64;
                    let now = began.elapsed().as_nanos() as u64;
                    latencies.push(u32::try_from(now.saturating_sub(due)).unwrap_or(u32::MAX));
                });
                at = until;
            }
        });
        while Instant::now() < began {
            core::hint::spin_loop();
        }
        offer(&ring, slots, began, step_ns);
    });
    let achieved = slots.len() as f64 / began.elapsed().as_secs_f64();
    // The first tenth warms the caches.
    let measured = &mut latencies[slots.len() / 10..];
    let (p99, p999) = (quantile(measured, 0.99) / 1e3, quantile(measured, 0.999) / 1e3);
    Run { achieved, p99, p999 }
}

/// One row of the table of latency by rate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OpenLoop {
    pub(crate) offered_per_s: u64,
    pub(crate) achieved_per_s: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) empty_p99_us: f64,
    pub(crate) empty_p999_us: f64,
    /// Median over the alternated runs of our percentile ÷ the empty core's.
    pub(crate) p99_ratio: f64,
    pub(crate) p999_ratio: f64,
    pub(crate) runs: usize,
    pub(crate) seconds: f64,
}

/// Each command of C1 in a slot.
fn slots_of(c1: &C1) -> Vec<Slot> {
    let (mut commands, mut slots, mut bytes) = (Vec::new(), Vec::new(), Writer::default());
    for payload in &c1.streams[0].timed {
        decode(payload, &mut commands);
        for sequenced in &commands {
            bytes.clear();
            sequenced.command.put(&mut bytes);
            let mut slot = [0u64; WORDS];
            slot[0] = bytes.len() as u64;
            assert!(bytes.len() <= (WORDS - 1) * 8, "C1 commands fit a slot");
            for (word, part) in slot[1..].iter_mut().zip(bytes.bytes().chunks(8)) {
                let mut eight = [0u8; 8];
                eight[..part.len()].copy_from_slice(part);
                *word = u64::from_le_bytes(eight);
            }
            slots.push(slot);
        }
    }
    slots
}

/// Runs each rate `runs` times for `seconds`, the empty core alternated with the full one.
pub(crate) fn run(c1: &C1, rates: &[u64], runs: usize, seconds: f64) -> Vec<OpenLoop> {
    let slots = slots_of(c1);
    let stream = &c1.streams[0];
    rates
        .iter()
        .map(|&rate| {
            let slots = &slots[..slots.len().min((rate as f64 * seconds) as usize)];
            let pairs: Vec<(Run, Run)> = (0..runs)
                .map(|_| {
                    let empty = run_once(slots, rate, Empty(0));
                    let writer = EventWriter::from_digest(stream.digest);
                    let commands = Vec::with_capacity(TAKE_MAX);
                    let full = Full { state: stream.ready(), writer, commands, step: 1_000 };
                    (run_once(slots, rate, full), empty)
                })
                .collect();
            row(rate, slots.len(), &pairs)
        })
        .collect()
}

fn row(rate: u64, commands: usize, pairs: &[(Run, Run)]) -> OpenLoop {
    let of = |pick: fn(&(Run, Run)) -> f64| median(pairs.iter().map(pick).collect());
    OpenLoop {
        offered_per_s: rate,
        achieved_per_s: of(|(full, _)| full.achieved),
        p99_us: of(|(full, _)| full.p99),
        p999_us: of(|(full, _)| full.p999),
        empty_p99_us: of(|(_, empty)| empty.p99),
        empty_p999_us: of(|(_, empty)| empty.p999),
        p99_ratio: of(|(full, empty)| full.p99 / empty.p99.max(0.001)),
        p999_ratio: of(|(full, empty)| full.p999 / empty.p999.max(0.001)),
        runs: pairs.len(),
        seconds: commands as f64 / rate as f64,
    }
}
