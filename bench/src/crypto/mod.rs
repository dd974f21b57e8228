//! `bench crypto`: our SM2, SM3 and SM4 beside OpenSSL and the RustCrypto crates, on one core, in one run.
//!
//! Every figure is the median of slices; the slices of all parties alternate, so that a machine that is busy for a while
//! is busy for all. Time is processor time of the thread or process that computes.
//!
//! *Invariant:* no figure is printed that this run did not measure; what was not measured is null, and `not_measured`
//! says why.
//!
//! Deliberately absent: verdicts, several cores, TLS.

mod openssl;
mod parts;
mod policy;
mod report;

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::clock::{median, thread_cpu_ns};
use crate::machine::{self, Machine};
use openssl::Python;
use report::Report;

/// `crypto`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CryptoOptions {
    /// At most 45 s: fewer and shorter slices.
    #[arg(long)]
    quick: bool,
    /// One object on stdout.
    #[arg(long)]
    json: bool,
    /// The Python that carries OpenSSL (`./heng setup` makes it); `cargo xtask bench crypto` names it.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
}

/// How long and how often.
#[derive(Clone, Copy, Debug)]
struct Plan {
    slices: usize,
    slice: Duration,
}

/// What a slice measures: something by the second.
struct Measure<'a> {
    name: &'static str,
    /// Units of one call: messages, or bytes.
    units: f64,
    call: Box<dyn FnMut() + 'a>,
    found: Vec<f64>,
}

impl<'a> Measure<'a> {
    fn new(name: &'static str, units: f64, call: impl FnMut() + 'a) -> Self {
        Self { name, units, call: Box::new(call), found: Vec::new() }
    }

    /// Calls for a slice of processor time.
    fn run(&mut self, slice: Duration) {
        let (mut batch, mut calls, began) = (1_u64, 0_u64, thread_cpu_ns());
        loop {
            for _ in 0..batch {
                (self.call)();
            }
            calls += batch;
            let spent = thread_cpu_ns() - began;
            if u128::from(spent) >= slice.as_nanos() {
                self.found.push(calls as f64 * self.units * 1e9 / spent as f64);
                return;
            }
            batch = (batch * 2).min(1024);
        }
    }
}

/// Runs everything and prints it.
///
/// # Errors
/// If the peer's process fails.
pub(crate) fn crypto(options: &CryptoOptions) -> Result<(), Box<dyn Error>> {
    let (began, mut machine) = (Instant::now(), Machine::new());
    let plan = if options.quick {
        Plan { slices: 5, slice: Duration::from_millis(60) }
    } else {
        Plan { slices: 9, slice: Duration::from_millis(250) }
    };
    let mut report = Report::new(options.quick);
    let mut python = match options.python.as_deref().map(Python::start) {
        Some(Ok(python)) => Some(python),
        Some(Err(error)) => {
            report.not_measured("peers.openssl", &format!("the Python with cryptography does not start: {error}"));
            None
        }
        None => {
            report
                .not_measured("peers.openssl", "no --python was given; run ./heng setup and cargo xtask bench crypto");
            None
        }
    };
    measure(plan, &mut report, python.as_mut(), !options.json)?;
    report.put_policy(policy::measure(options.quick)?);
    report.put_evidence(crate::evidence::measure(options.quick));
    machine.load_at_end = machine::load();
    report.finish(machine, began.elapsed().as_secs_f64());
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

fn measure(plan: Plan, report: &mut Report, mut python: Option<&mut Python>, tell: bool) -> Result<(), Box<dyn Error>> {
    let keys = parts::Keys::new()?;
    let mut measures = parts::measures(&keys);
    let mut theirs: Vec<(&'static str, Vec<f64>)> = openssl::NAMES.iter().map(|name| (*name, Vec::new())).collect();
    let (mut signs, mut verifies) = (Vec::new(), Vec::new());
    for slice in 1..=plan.slices {
        if tell {
            eprintln!("slice {slice} of {}", plan.slices);
        }
        for measure in &mut measures {
            measure.run(plan.slice);
        }
        if let Some(python) = python.as_mut() {
            for (name, found) in &mut theirs {
                found.push(python.measure(name, plan.slice)?);
            }
        }
        match openssl::sm2_per_second() {
            Ok((sign, verify)) => {
                signs.push(sign);
                verifies.push(verify);
            }
            Err(error) => report.not_measured("peers.openssl.sm2_sign_per_s", &error.to_string()),
        }
    }
    for measure in measures {
        report.put(measure.name, median(measure.found));
    }
    theirs.extend([("sm2_sign_per_s", signs), ("sm2_verify_per_s", verifies)]);
    for (name, found) in theirs.into_iter().filter(|(_, found)| !found.is_empty()) {
        report.put_openssl(name, median(found));
    }
    report.openssl_versions(python.map(|python| python.version.clone()), openssl::command_version());
    Ok(())
}
