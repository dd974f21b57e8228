//! `bench doors`: the real binary as one process, load generators as others, what clients wait for and what the device
//! takes for itself.
//!
//! *Invariant:* latencies run from the time at which an order should have been sent to its durable answer.
//! *Invariant:* no figure is printed that this run did not measure; what was not measured is null.
//!
//! Deliberately absent: verdicts, other machines; TLS but in the comparison with SM everywhere.

mod broker;
mod child;
mod decode;
mod desk;
mod disk;
mod fix;
mod http;
mod load_fix;
mod load_queries;
mod load_rest;
mod load_visible;
mod load_ws;
mod pacer;
mod plan;
mod report;
mod sm;
mod spec;
mod stages;
mod tally;
#[cfg(test)]
mod tests;
mod websocket;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use child::{Load, obey};

use crate::durable::DataFolder;
use crate::machine::{self, Machine};
use broker::Broker;
use plan::Plan;
use report::Report;

/// `doors`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DoorsOptions {
    /// At most 90 s: less time, 2,000 subscribers.
    #[arg(long)]
    quick: bool,
    /// One object on stdout.
    #[arg(long)]
    json: bool,
    /// The binary to measure; `cargo xtask bench doors` builds and names it.
    #[arg(long, value_name = "FILE")]
    heng: PathBuf,
    /// Only these parts: orders, push, decode, sm.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl DoorsOptions {
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

/// As many open files as the system lets us have: sockets need them, and processes that we start inherit it.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised, the run tells by its errors.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Runs everything and prints it.
///
/// # Errors
/// If the broker or a generator fails.
pub(crate) fn doors(options: &DoorsOptions) -> Result<(), Box<dyn Error>> {
    raise_open_files();
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report { quick: options.quick, machine: Machine::new(), ..Report::new() };
    let step = |name: &str| {
        if !options.json {
            eprintln!("[{:>5.1} s] {name}", began.elapsed().as_secs_f64());
        }
    };
    runtime.block_on(measure(options, &mut report, &step))?;
    report.seconds = began.elapsed().as_secs_f64();
    report.machine.load_at_end = machine::load();
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

async fn measure(options: &DoorsOptions, report: &mut Report, step: &dyn Fn(&str)) -> Result<(), Box<dyn Error>> {
    let plan = Plan::new(options.quick);
    let folder = DataFolder::new()?;
    report.machine.file_system = machine::file_system(&folder.0.canonicalize()?);
    if options.wants("decode") {
        step("decoders");
        report.decode = Some(decode::run(plan.decode_messages, plan.decode_passes)?);
    }
    if options.wants("orders") {
        step("a broker that takes orders");
        let broker = Broker::start(&options.heng, &folder.0.join("orders"), &plan.orders()).await?;
        stages::orders(&plan, &broker, &folder.0, report, step).await?;
        broker.stop().await?;
    }
    if options.wants("push") {
        step("a broker that is watched");
        let broker = Broker::start(&options.heng, &folder.0.join("push"), &plan.push()).await?;
        stages::push(&plan, &broker, report, step).await?;
        broker.stop().await?;
    }
    if options.wants("sm") {
        step("a plain broker and one with SM everywhere");
        let plain = Broker::start(&options.heng, &folder.0.join("plain"), &plan.orders()).await?;
        let papers = sm::papers(&options.heng, &folder.0.join("sm"))?;
        let sealed = Broker::start_with(&options.heng, &folder.0.join("sm"), &plan.orders(), Some(papers)).await?;
        report.sm = Some(sm::measure(&plan, &plain, &sealed).await?);
        plain.stop().await?;
        sealed.stop().await?;
    }
    Ok(())
}
