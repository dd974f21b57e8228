//! The slow lane: what is too long for CI, in one go, sharing the given time.
//!
//! A part that cannot run here is named with its reason. Only fuzzing may be skipped (it needs a nightly toolchain).

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use heng_matching::oracle::compare_streams;

/// What to run, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Minutes for the whole lane.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Only this part.
    #[arg(long)]
    only: Option<String>,
}

/// How a part ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed(String),
    Failed(String),
    /// Not run, for a reason that lies outside the project.
    Skipped(String),
}

/// One part of the lane.
struct Part {
    name: &'static str,
    /// Share of the time, in percent.
    share: u32,
    run: fn(&Path, Duration) -> Result<Outcome>,
}

/// The parts, in order. A new one is a line here.
const PARTS: &[Part] = &[
    Part { name: "streams", share: 55, run: streams },
    Part { name: "kill-points", share: 10, run: kill_points },
    Part { name: "fuzz", share: 35, run: fuzz },
];

/// Runs the parts. True if none failed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let chosen: Vec<&Part> =
        PARTS.iter().filter(|part| options.only.as_deref().is_none_or(|only| only == part.name)).collect();
    anyhow::ensure!(
        !chosen.is_empty(),
        "no such part; there are: {}",
        PARTS.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")
    );
    let shares: u32 = chosen.iter().map(|part| part.share).sum();
    let mut good = true;
    for part in chosen {
        let time = Duration::from_secs(options.minutes * 60) * part.share / shares;
        println!("slow: {} for up to {} s", part.name, time.as_secs());
        let start = Instant::now();
        let outcome = (part.run)(root, time).with_context(|| format!("run {}", part.name))?;
        let took = start.elapsed().as_secs();
        match outcome {
            Outcome::Passed(what) => println!("slow: {} passed in {took} s: {what}", part.name),
            Outcome::Skipped(why) => println!("slow: {} skipped: {why}", part.name),
            Outcome::Failed(what) => {
                good = false;
                println!("slow: {} FAILED after {took} s: {what}", part.name);
            }
        }
    }
    Ok(good)
}

/// Random events that the slow lane wants to have compared with the naive book.
const STREAM_EVENTS: u64 = 1_000_000_000;
/// Events of one stream; each stream has its own seed and nature.
const STREAM_LENGTH: u64 = 100_000;
/// Seeds from here on are not those of the tests.
const STREAM_SEEDS: u64 = 1_000_000;

/// Generated streams on the naive, the ladder and the sparse book, on every processor, until enough or out of time.
fn streams(_root: &Path, time: Duration) -> Result<Outcome> {
    let (start, next) = (Instant::now(), AtomicU64::new(0));
    let workers = std::thread::available_parallelism()?.get();
    let (sum, differences) = std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(|| compare_until(&next, start, time))).collect();
        let mut sum = (0u64, 0u64, 0u64);
        let mut differences = Vec::new();
        for worker in running {
            match worker.join() {
                Ok(Ok((events, executions, auctions))) => {
                    sum = (sum.0 + events, sum.1 + executions, sum.2 + auctions);
                }
                Ok(Err(difference)) => differences.push(difference),
                Err(_) => differences.push("a book panicked; see above".to_owned()),
            }
        }
        (sum, differences)
    });
    if let Some(first) = differences.first() {
        return Ok(Outcome::Failed(first.clone()));
    }
    let (events, executions, auctions) = sum;
    let ended = if events >= STREAM_EVENTS { "" } else { " (out of time before 1000000000)" };
    Ok(Outcome::Passed(format!(
        "0 differences in {events} events{ended}, {executions} executions, {auctions} auctions"
    )))
}

/// Takes one seed after the other. Events, executions, auctions; or the first difference.
fn compare_until(next: &AtomicU64, start: Instant, time: Duration) -> Result<(u64, u64, u64), String> {
    let mut sum = (0, 0, 0);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number * STREAM_LENGTH >= STREAM_EVENTS || start.elapsed() >= time {
            return Ok(sum);
        }
        if number > 0 && number.is_multiple_of(500) {
            println!(
                "slow: streams: {} million events in {} s",
                number * STREAM_LENGTH / 1_000_000,
                start.elapsed().as_secs()
            );
        }
        let compared = compare_streams(STREAM_SEEDS + number, STREAM_LENGTH)?;
        sum.0 += compared.events;
        sum.1 += compared.executions;
        sum.2 += compared.auctions;
    }
}

/// Kills that the slow lane wants to have survived, by one seed after the other.
const KILL_POINTS: u64 = 1_000;

/// The simulator, with a new seed each time until the time is used up; and once without fdatasync, which must fail.
fn kill_points(root: &Path, time: Duration) -> Result<Outcome> {
    let build =
        Command::new("cargo").args(["build", "--release", "-p", "heng-simulator"]).current_dir(root).status()?;
    anyhow::ensure!(build.success(), "build the simulator");
    let simulate = |seed: u64, more: &[&str]| -> Result<(bool, String)> {
        let output = Command::new("cargo")
            .args(["run", "--release", "--quiet", "-p", "heng-simulator", "--", "--kill-points"])
            .args([KILL_POINTS.to_string(), "--seed".into(), seed.to_string()])
            .args(more)
            .current_dir(root)
            .output()?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Ok((output.status.success(), told.trim().to_owned()))
    };
    let (survived, told) = simulate(1, &["--without-sync"])?;
    if survived {
        return Ok(Outcome::Failed(format!("without fdatasync nothing was noticed: {told}")));
    }
    println!("slow: kill-points: without fdatasync: {told}");
    let start = Instant::now();
    let mut seeds = 0;
    while seeds == 0 || start.elapsed() < time {
        seeds += 1;
        let (survived, told) = simulate(seeds, &[])?;
        if !survived {
            return Ok(Outcome::Failed(told));
        }
        if seeds == 1 {
            println!("slow: {told}");
        }
    }
    Ok(Outcome::Passed(format!("{} kill points of {seeds} seeds survived", seeds * KILL_POINTS)))
}

/// What libFuzzer needs to see of the code, and the address sanitizer that only nightly has.
const FUZZ_FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions \
    -Zsanitizer=address --cfg fuzzing";

/// Every fuzz target, one after the other. cargo-fuzz is not needed: the flags are given here.
fn fuzz(root: &Path, time: Duration) -> Result<Outcome> {
    let targets = fuzz_targets(root)?;
    let Some(host) = nightly_host() else {
        return Ok(Outcome::Skipped(format!(
            "no nightly toolchain (rustup toolchain install nightly); not run: {}",
            targets.join(", ")
        )));
    };
    let build = Command::new("cargo")
        .args(["+nightly", "build", "--release", "--target", &host])
        .env("RUSTFLAGS", FUZZ_FLAGS)
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(root.join("fuzz"))
        .status()?;
    anyhow::ensure!(build.success(), "build the fuzz targets");
    let each = (time.as_secs() / targets.len().max(1) as u64).max(1);
    let (mut runs, mut crashed) = (0, Vec::new());
    for target in &targets {
        println!("slow: fuzz {target} for {each} s");
        match fuzz_one(root, &host, target, each)? {
            Some(done) => runs += done,
            None => crashed.push(target.as_str()),
        }
    }
    if !crashed.is_empty() {
        return Ok(Outcome::Failed(format!("inputs in fuzz/artifacts crash: {}", crashed.join(", "))));
    }
    Ok(Outcome::Passed(format!(
        "{} targets, {each} s each, {runs} inputs, no crash: {}",
        targets.len(),
        targets.join(", ")
    )))
}

/// Number of inputs that were tried; `None` if one of them crashed the target.
fn fuzz_one(root: &Path, host: &str, target: &str, seconds: u64) -> Result<Option<u64>> {
    let (corpus, artifacts) = (root.join("fuzz/corpus").join(target), root.join("fuzz/artifacts").join(target));
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&artifacts)?;
    let binary = root.join("fuzz/target").join(host).join("release").join(target);
    let output = Command::new(binary)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = log.lines().collect();
        println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        return Ok(None);
    }
    // The last line reads: Done 123 runs in 4 second(s).
    let runs = log.lines().rev().find_map(|line| line.strip_prefix("Done ")?.split(' ').next()?.parse().ok());
    Ok(Some(runs.unwrap_or(0)))
}

/// The machine that the nightly toolchain builds for; `None` without one.
fn nightly_host() -> Option<String> {
    // Asked through cargo, which rustup stands behind; without rustup `+nightly` is an error.
    let output = Command::new("cargo").args(["+nightly", "--version", "--verbose"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// A target is a file.
fn fuzz_targets(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root.join("fuzz/fuzz_targets")).context("list the fuzz targets")? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fuzz_target_is_listed_in_its_manifest() {
        let manifest =
            std::fs::read_to_string(crate::root().join("fuzz/Cargo.toml")).expect("the fuzz workspace is there");
        let targets = fuzz_targets(&crate::root()).expect("the targets are there");
        assert!(!targets.is_empty());
        for target in targets {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        }
    }
}
