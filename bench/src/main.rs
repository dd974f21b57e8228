//! `cargo xtask bench`. `core`: our books and the peers on one workload, the full core in memory and durable, the empty
//! core and the device beside them, in one go. `doors`: the real binary with its load generators (see `doors`).
//! `crypto`: ciphers, signatures and hashes beside other people's (see `crypto`).
//!
//! *Invariant:* no figure is printed that this run did not measure; peers stand in the same run.
//! *Invariant:* `--quick` keeps rates and counts of W1 and W2, shortens time, and says that its C1 is small.
//!
//! Deliberately absent: targets and verdicts (the reader's), charts, comparison with earlier runs.

mod books;
mod c1;
mod clock;
mod crypto;
mod device;
mod doors;
mod durable;
mod evidence;
mod full_core;
mod instructions;
mod machine;
mod open_loop;
mod partitions;
mod peers;
mod reference;
mod report;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use heng_matching::workload::{W1, W2};

use crate::books::{Ours, Workload};
use crate::c1::{C1, Population, RISK_RULES, Shape, generate};
use crate::durable::{DataFolder, Durable};
use crate::machine::Machine;
use crate::report::{C1Facts, Peer, Report};

/// Benchmarks of Heng.
#[derive(Parser)]
#[command(name = "heng-bench", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The order book, the full core, the durable core.
    Core(Options),
    /// Clients at the doors of the real binary.
    Doors(doors::DoorsOptions),
    /// SM2, SM3 and SM4 beside other people's.
    Crypto(crypto::CryptoOptions),
    /// A load generator of `doors`.
    #[command(flatten)]
    Load(doors::Load),
    /// The durable part of `core` alone, as one object on stdout.
    Durable(Options),
    /// Leaves and proofs of the evidence log, as one object on stdout.
    Evidence {
        /// A second or two.
        #[arg(long)]
        quick: bool,
    },
    /// C1 again and again, for a profiler.
    Loop {
        /// A million accounts and 5,000 instruments.
        #[arg(long)]
        full: bool,
        /// How often.
        #[arg(long, default_value_t = 5)]
        times: u32,
    },
    /// A fixed amount of work whose instructions are counted.
    #[command(hide = true)]
    Counted {
        /// Commands to execute.
        commands: u32,
    },
}

#[derive(Args, Clone, Debug)]
struct Options {
    /// At most 45 s: fewer repeats, less time, a small C1.
    #[arg(long)]
    quick: bool,
    /// One object on stdout.
    #[arg(long)]
    json: bool,
    /// Seconds of the durable open loop at 500,000 commands a second.
    #[arg(long)]
    durable_seconds: Option<u64>,
}

/// Commands made for each second of the durable closed loop.
const CLOSED_PER_S: u64 = 2_200_000;

/// How long and how often, by mode.
struct Plan {
    repeats: usize,
    book_repeats: usize,
    open_runs: usize,
    open_seconds: f64,
    memory: Shape,
    durable: Shape,
    durable_closed: Duration,
    durable_open: Duration,
}

impl Plan {
    fn new(options: &Options) -> Self {
        let closed = if options.quick { 2 } else { 10 };
        let open = options.durable_seconds.unwrap_or(if options.quick { 2 } else { 60 });
        // A closed loop that is faster uses its commands up and ends early; the open loop has its own.
        let commands = u32::try_from(closed * CLOSED_PER_S + open * durable::OFFERED).unwrap_or(u32::MAX);
        if options.quick {
            Self {
                repeats: 3,
                book_repeats: 3,
                open_runs: 5,
                open_seconds: 0.4,
                memory: Shape::small(500_000),
                durable: Shape::small(commands),
                durable_closed: Duration::from_secs(closed),
                durable_open: Duration::from_secs(open),
            }
        } else {
            Self {
                repeats: 5,
                book_repeats: 5,
                open_runs: 5,
                open_seconds: 2.0,
                memory: Shape::full(3_000_000),
                durable: Shape::full(commands),
                durable_closed: Duration::from_secs(closed),
                durable_open: Duration::from_secs(open),
            }
        }
    }
}

fn main() -> ExitCode {
    let what = Arguments::parse().what;
    if !matches!(what, What::Counted { .. } | What::Doors(_) | What::Load(_) | What::Crypto(_)) {
        heng_runtime::begin_with_huge_pages();
    }
    let result = match what {
        What::Core(options) => core(&options),
        What::Doors(options) => doors::doors(&options),
        What::Crypto(options) => crypto::crypto(&options),
        What::Load(load) => doors::obey(load),
        What::Durable(options) => durable_alone(&options),
        What::Evidence { quick } => {
            let told = serde_json::to_string(&evidence::measure(quick)).map_err(Into::into);
            told.map(|told| println!("{told}"))
        }
        What::Loop { full, times } => {
            repeat(full, times);
            Ok(())
        }
        What::Counted { commands } => {
            instructions::counted(commands);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heng-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn repeat(full: bool, times: u32) {
    let shape = if full { Shape::full(1_000_000) } else { Shape::small(1_000_000) };
    let c1 = generate(Population::new(shape), false);
    for _ in 0..times {
        let (rate, cpu, ..) = full_core::timed(&c1.streams[0]);
        println!("{:.3} M/s, {cpu:.0} ns", rate / 1e6);
    }
}

/// The part about books: ours, then the peers.
fn books(plan: &Plan, quick: bool) -> (Ours, Ours, BTreeMap<&'static str, Peer>) {
    // Trades and quantities as the text of the workloads tells them.
    let (w1, w2) = (Workload::new(W1, 426_028, 129_336_100), Workload::new(W2, 847_978, 256_911_800));
    let ours = (books::run(&w1, plan.book_repeats), books::run(&w2, plan.book_repeats));
    let peers = peers::NAMES
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let first = peers::run(at, &w1);
            let second = (!quick && at != 1).then(|| peers::run(at, &w2));
            let agrees = first.fills == ours.0.naive.fills && second.is_none_or(|run| run.fills == ours.1.naive.fills);
            let peer = Peer {
                w1_events_per_s: first.events_per_s,
                w2_events_per_s: second.map(|run| run.events_per_s),
                agrees,
                trades: first.fills.trades,
                quantity: first.fills.quantity,
            };
            (*name, peer)
        })
        .collect();
    (ours.0, ours.1, peers)
}

fn facts(c1: &C1) -> C1Facts {
    let (shape, made) = (c1.population.shape, c1.made);
    C1Facts {
        accounts: shape.accounts,
        instruments: shape.instruments,
        commands: shape.commands,
        passive: made.passive,
        cancels: made.cancels,
        marketable: made.marketable,
        must_be_refused: made.refused,
        unintended_refusals: made.unintended_refusals,
        trades: made.trades,
        risk_rules: RISK_RULES,
    }
}

fn durable(plan: &Plan, machine: &mut Machine) -> Result<Durable, Box<dyn Error>> {
    let folder = DataFolder::new()?;
    machine.file_system = machine::file_system(&folder.0);
    let c1 = generate(Population::new(plan.durable), true);
    durable::run(&c1, &folder.0, plan.durable_closed, plan.durable_open)
}

fn durable_alone(options: &Options) -> Result<(), Box<dyn Error>> {
    let durable = durable(&Plan::new(options), &mut Machine::new())?;
    println!("{}", serde_json::to_string(&durable)?);
    Ok(())
}

/// What the parts of a run found, before it is laid out.
struct Parts {
    books: (Ours, Ours, BTreeMap<&'static str, Peer>),
    c1: C1Facts,
    made: c1::Made,
    full_core: full_core::FullCore,
    hot_account_ratio: f64,
    two_partitions: Vec<partitions::Partitions>,
    open_loop: Vec<open_loop::OpenLoop>,
    durable: Durable,
    instructions: Option<f64>,
    machine: Machine,
}

fn measure(plan: &Plan, quick: bool, step: &dyn Fn(&str)) -> Result<Parts, Box<dyn Error>> {
    let mut machine = Machine::new();
    step("books and peers");
    let books = books(plan, quick);
    step("C1 in memory");
    let c1 = generate(Population::new(plan.memory), true);
    let full_core = full_core::run(&c1, plan.repeats);
    step("hot account");
    let hot_account_ratio = full_core::hot_account_ratio(&c1, plan.repeats);
    step("two partitions");
    let two_partitions = [0, 10].map(|crossing| partitions::run(&c1, crossing, plan.repeats)).to_vec();
    step("open loop");
    let open_loop = open_loop::run(&c1, &[250_000, 500_000, 1_000_000], plan.open_runs, plan.open_seconds);
    let (c1, made) = (facts(&c1), c1.made);
    step("durable");
    let durable = durable(plan, &mut machine)?;
    step("instructions");
    let instructions = instructions::per_order();
    machine.load_at_end = machine::load();
    Ok(Parts {
        books,
        c1,
        made,
        full_core,
        hot_account_ratio,
        two_partitions,
        open_loop,
        durable,
        instructions,
        machine,
    })
}

fn core(options: &Options) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let step = |name: &str| {
        if !options.json {
            eprintln!("[{:>5.1} s] {name}", began.elapsed().as_secs_f64());
        }
    };
    let parts = measure(&Plan::new(options), options.quick, &step)?;
    let report = lay_out(parts, options.quick, began.elapsed().as_secs_f64());
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

fn lay_out(parts: Parts, quick: bool, seconds: f64) -> Report {
    let Parts { books: (w1, w2, peers), c1, made, full_core, durable, open_loop, two_partitions, machine, .. } = parts;
    let fastest = peers.values().filter(|peer| peer.agrees).map(|peer| peer.w1_events_per_s).fold(0.0, f64::max);
    let agree = |ours: &Ours| ours.ladder.fills == ours.naive.fills && ours.sparse.fills == ours.naive.fills;
    Report {
        quick,
        c1_small: quick,
        w1_events_per_s: w1.ladder.events_per_s,
        w2_events_per_s: w2.ladder.events_per_s,
        sparse_w1_events_per_s: w1.sparse.events_per_s,
        sparse_w2_events_per_s: w2.sparse.events_per_s,
        naive_w1_events_per_s: w1.naive.events_per_s,
        naive_w2_events_per_s: w2.naive.events_per_s,
        books_agree: agree(&w1) && agree(&w2),
        times_fastest_correct_peer: w1.ladder.events_per_s / fastest,
        peers,
        full_core_orders_per_s: full_core.orders_per_s,
        full_core_cpu_ns: full_core.cpu_ns,
        events_per_order: made.events as f64 / f64::from(c1.commands),
        postings_per_order: made.postings as f64 / f64::from(c1.commands),
        end_hash_equals_replay: full_core.end_hash_equals_replay,
        c1,
        hot_account_ratio: parts.hot_account_ratio,
        instructions_per_order: parts.instructions,
        open_loop: open_loop.last().expect("there is a rate").clone(),
        open_loop_by_rate: open_loop,
        durable_orders_per_s: durable.orders_per_s,
        durable_p99_ms: durable.open_p99_ms,
        fdatasync_p99_ms: durable.device_open.fdatasync_p99_ms,
        device_group_commit_bytes_per_s: durable.device_saturated.bytes_per_s,
        replay_commands_per_s: durable.replay_commands_per_s,
        durable,
        two_partition_ratio: two_partitions[0].ratio,
        two_partitions,
        bytes_per_resting_order: w2.bytes_per_order.0,
        sparse_bytes_per_resting_order: w2.bytes_per_order.1,
        bytes_per_order_record: full_core.bytes_per_order_record,
        bytes_per_position: full_core.bytes_per_position,
        full_core,
        peak_rss_mb: heng_runtime::peak_rss_mb(),
        seconds,
        machine,
    }
}
