//! One C1 load over two partitions in memory, a thread each, against the same load on one.

use std::sync::Barrier;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use heng_engine::{EventWriter, State, apply, warm, warm_first};
use heng_model::{Command, Sequenced, UnixNanos};
use serde::Serialize;

use crate::c1::{C1, Population, Shape, Stream, decode, generate};
use crate::clock::median;
use crate::full_core::timed;

/// Two partitions against one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Partitions {
    /// Share of taken orders that went to the other partition, 0 to 1.
    pub(crate) crossing_share: f64,
    /// Time of one partition ÷ time of two, for the same number of commands.
    pub(crate) ratio: f64,
    pub(crate) one_orders_per_s: f64,
    pub(crate) two_orders_per_s: f64,
}

/// What a thread needs of the other.
struct Link {
    out: Sender<Vec<Command>>,
    inbox: Receiver<Vec<Command>>,
}

/// What one partition did; its state is given back after the clock has stopped.
struct Ran {
    done: u64,
    began: Instant,
    ended: Instant,
    _state: State,
}

/// One partition on its thread: client commands from bytes, messages of the other between batches.
fn run_one(stream: &Stream, link: &Link, start: &Barrier) -> Ran {
    let mut state = stream.ready();
    let mut writer = EventWriter::from_digest(stream.digest);
    let (mut commands, mut done) = (Vec::new(), 0u64);
    start.wait();
    let began = Instant::now();
    for payload in &stream.timed {
        decode(payload, &mut commands);
        warm_first(&state, &commands);
        for at in 0..commands.len() {
            warm(&state, &commands, at);
            let (seq, time) = (state.seq().next(), UnixNanos(commands[at].time.0.max(state.time().0 + 1)));
            (commands[at].seq, commands[at].time) = (seq, time);
            apply(&mut state, &commands[at], &mut writer);
            writer.finish();
        }
        done += commands.len() as u64;
        if !writer.outbox().is_empty() {
            let messages = std::mem::take(writer.outbox()).into_iter().map(|(_, message)| message).collect();
            // The other thread may have finished; what it misses is not part of the measured load.
            let _ = link.out.send(messages);
        }
        while let Ok(messages) = link.inbox.try_recv() {
            for command in messages {
                let sequenced = Sequenced { seq: state.seq().next(), time: UnixNanos(state.time().0 + 1), command };
                apply(&mut state, &sequenced, &mut writer);
                writer.finish();
            }
        }
        core::hint::black_box(writer.frames());
        writer.clear_frames();
    }
    Ran { done, began, ended: Instant::now(), _state: state }
}

/// Commands per second of both threads together.
fn run_two(c1: &C1) -> f64 {
    let ((to_b, from_a), (to_a, from_b)) = (channel(), channel());
    let links = [Link { out: to_b, inbox: from_b }, Link { out: to_a, inbox: from_a }];
    let start = Barrier::new(2);
    let ran: Vec<Ran> = std::thread::scope(|scope| {
        let threads: Vec<_> = links
            .into_iter()
            .zip(&c1.streams)
            .map(|(link, stream)| {
                let start = &start;
                scope.spawn(move || run_one(stream, &link, start))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a partition does not panic")).collect()
    });
    let done: u64 = ran.iter().map(|one| one.done).sum();
    let began = ran.iter().map(|one| one.began).min().expect("there are two");
    let ended = ran.iter().map(|one| one.ended).max().expect("there are two");
    done as f64 / (ended - began).as_secs_f64()
}

/// Two partitions with this share of crossing orders, against `one`, alternated `repeats` times.
pub(crate) fn run(one: &C1, crossing: u64, repeats: usize) -> Partitions {
    let shape = Shape { partitions: 2, crossing, ..one.population.shape };
    let two = generate(Population::new(shape), false);
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        ones.push(timed(&one.streams[0]).0);
        twos.push(run_two(&two));
    }
    let ratio = median(ones.iter().zip(&twos).map(|(one, two)| two / one).collect());
    Partitions {
        crossing_share: two.made.crossed as f64 / (two.made.passive + two.made.marketable) as f64,
        ratio,
        one_orders_per_s: median(ones),
        two_orders_per_s: median(twos),
    }
}
