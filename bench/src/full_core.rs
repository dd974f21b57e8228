//! C1 through the full core in memory, one thread: rate, processor time, the hot account, the end hash.

use std::time::Instant;

use heng_engine::{EventWriter, State, apply, warm, warm_first};
use heng_model::{Command, PartitionId, Sequenced};
use serde::Serialize;

use crate::c1::{C1, Population, Shape, Stream, decode, execute, execute_checked, generate};
use crate::clock::{median, quantile, thread_cpu_ns};

/// Nanoseconds of processor time of one command.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct CpuNs {
    /// Thread processor time of the timed section ÷ commands.
    pub(crate) mean: f64,
    /// 99th percentile over single commands, by the monotonic clock around each (interruptions included), with the
    /// mean time of decoding added.
    pub(crate) p99: f64,
    /// 99.9th percentile, likewise.
    pub(crate) p999: f64,
    /// 99th percentile of the mean of a batch of 256 commands, by thread processor time.
    pub(crate) batch_p99: f64,
}

/// C1 in memory.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FullCore {
    /// Every C1 command counts: new orders, cancels, and orders that must be refused.
    pub(crate) orders_per_s: f64,
    pub(crate) runs: Vec<f64>,
    pub(crate) cpu_ns: CpuNs,
    pub(crate) event_bytes_per_order: f64,
    pub(crate) command_bytes_per_order: f64,
    pub(crate) end_hash_equals_replay: bool,
    pub(crate) bytes_per_position: usize,
    pub(crate) bytes_per_order_record: usize,
    pub(crate) book_bytes_per_resting_order: f64,
    pub(crate) resting_orders: usize,
}

fn writer_of(stream: &Stream) -> EventWriter {
    EventWriter::from_digest(stream.digest)
}

/// One timed run: commands per second, processor nanoseconds per command, event bytes per command.
pub(crate) fn timed(stream: &Stream) -> (f64, f64, f64, State) {
    let (mut state, mut writer, mut commands) = (stream.ready(), writer_of(stream), Vec::new());
    let (began, cpu) = (Instant::now(), thread_cpu_ns());
    let written = execute(&mut state, &mut writer, &stream.timed, &mut commands);
    let (cpu, wall) = (thread_cpu_ns() - cpu, began.elapsed().as_secs_f64());
    let count = written.commands as f64;
    (count / wall, cpu as f64 / count, written.event_bytes as f64 / count, state)
}

/// A pass with a clock reading around every command and a processor clock around every batch.
fn distribution(stream: &Stream) -> (f64, f64, f64) {
    let (mut state, mut writer) = (stream.ready(), writer_of(stream));
    let mut commands: Vec<Sequenced<Command>> = Vec::new();
    let count = stream.timed.len() * crate::c1::BATCH;
    let (mut single, mut batches) = (Vec::with_capacity(count), Vec::with_capacity(stream.timed.len()));
    for payload in &stream.timed {
        let (cpu, began) = (thread_cpu_ns(), Instant::now());
        decode(payload, &mut commands);
        let mut before = Instant::now();
        let decoding = ((before - began).as_nanos() / commands.len() as u128) as u32;
        warm_first(&state, &commands);
        for (at, command) in commands.iter().enumerate() {
            warm(&state, &commands, at);
            apply(&mut state, command, &mut writer);
            writer.finish();
            let now = Instant::now();
            single.push((now - before).as_nanos() as u32 + decoding);
            before = now;
        }
        writer.clear_frames();
        batches.push(((thread_cpu_ns() - cpu) / commands.len() as u64) as u32);
    }
    (quantile(&mut single, 0.99), quantile(&mut single, 0.999), quantile(&mut batches, 0.99))
}

/// Executes everything from the first set-up command on a new state and compares hashes.
fn replays_equal(c1: &C1) -> bool {
    let stream = &c1.streams[0];
    let mut state = State::new(PartitionId(0), c1.population.capacity());
    let mut writer = EventWriter::default();
    execute_checked(&mut state, &mut writer, &stream.before);
    execute_checked(&mut state, &mut writer, &stream.timed);
    state.hash() == stream.end_hash
}

/// Runs C1 `repeats` times; the median run counts.
pub(crate) fn run(c1: &C1, repeats: usize) -> FullCore {
    let stream = &c1.streams[0];
    let (mut rates, mut cpus, mut equal, mut event_bytes) = (Vec::new(), Vec::new(), true, 0.0);
    let (mut positions, mut books, mut resting) = (0, 0.0, 0);
    for _ in 0..repeats {
        let (rate, cpu, bytes, state) = timed(stream);
        rates.push(rate);
        cpus.push(cpu);
        event_bytes = bytes;
        equal &= state.hash() == stream.end_hash;
        positions = state.ledger().bytes_per_position();
        resting = state.venue().resting_orders();
        books = state.venue().book_bytes() as f64 / resting as f64;
    }
    let (p99, p999, batch_p99) = distribution(stream);
    let command_bytes: usize = stream.timed.iter().map(Vec::len).sum();
    FullCore {
        orders_per_s: median(rates.clone()),
        runs: rates,
        cpu_ns: CpuNs { mean: median(cpus), p99, p999, batch_p99 },
        event_bytes_per_order: event_bytes,
        command_bytes_per_order: command_bytes as f64 / f64::from(c1.population.shape.commands),
        end_hash_equals_replay: equal && replays_equal(c1),
        bytes_per_position: positions,
        bytes_per_order_record: size_of::<heng_engine::OrderRecord>(),
        book_bytes_per_resting_order: books,
        resting_orders: resting,
    }
}

/// Rate with every command from one account ÷ rate with uniform accounts, runs alternated.
pub(crate) fn hot_account_ratio(uniform: &C1, repeats: usize) -> f64 {
    let shape = Shape { hot: true, ..uniform.population.shape };
    let hot = generate(Population::new(shape), false);
    let ratios = (0..repeats).map(|_| timed(&hot.streams[0]).0 / timed(&uniform.streams[0]).0);
    median(ratios.collect())
}
