//! `cargo xtask bench`: builds the benchmarks as published figures ask, then runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Order books and peers, the full core in memory and durable.
    Core(CoreFlags),
    /// The real binary under orders, subscribers, queries and sign-ins of other processes; the feed decoders.
    Doors(DoorsFlags),
    /// SM2, SM3 and SM4 beside OpenSSL and the RustCrypto crates.
    Crypto(CryptoFlags),
}

/// Flags of `bench core`.
#[derive(Args)]
struct CoreFlags {
    /// At most 45 s without building: fewer repeats, less time, a small C1.
    #[arg(long)]
    quick: bool,
    /// One object on stdout, nothing on stderr.
    #[arg(long)]
    json: bool,
    /// Build and stop.
    #[arg(long)]
    build_only: bool,
    /// Seconds of the durable open loop at 500,000 commands a second.
    #[arg(long)]
    durable_seconds: Option<u64>,
}

/// Flags of `bench doors`.
#[derive(Args)]
struct DoorsFlags {
    /// At most 90 s without building: less time, 2,000 subscribers.
    #[arg(long)]
    quick: bool,
    /// One object on stdout, nothing on stderr.
    #[arg(long)]
    json: bool,
    /// Build and stop.
    #[arg(long)]
    build_only: bool,
    /// Only these parts: orders, push, decode.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// Flags of `bench crypto`.
#[derive(Args)]
struct CryptoFlags {
    /// At most 45 s without building: fewer and shorter slices.
    #[arg(long)]
    quick: bool,
    /// One object on stdout, nothing on stderr.
    #[arg(long)]
    json: bool,
    /// Build and stop.
    #[arg(long)]
    build_only: bool,
}

/// Builds, and runs unless told otherwise. False if the benchmarks failed.
///
/// # Errors
/// If the build fails or the binary cannot be started.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let command = match &options.what {
        What::Core(flags) => core(root, flags)?,
        What::Doors(flags) => doors(root, flags)?,
        What::Crypto(flags) => crypto(root, flags)?,
    };
    let Some(mut command) = command else { return Ok(true) };
    let status = command.status().with_context(|| format!("start {}", command.get_program().display()))?;
    Ok(status.success())
}

/// What to run; none if only the build was asked for.
fn core(root: &Path, flags: &CoreFlags) -> anyhow::Result<Option<Command>> {
    let mut command = Command::new(build(root, flags.json, &["heng-bench"], "heng-bench")?);
    command.arg("core").args(flags.quick.then_some("--quick")).args(flags.json.then_some("--json"));
    if let Some(seconds) = flags.durable_seconds {
        command.args(["--durable-seconds", &seconds.to_string()]);
    }
    Ok((!flags.build_only).then_some(command))
}

/// The same for the doors. Both binaries are built in one go, so that what they share is built once.
fn doors(root: &Path, flags: &DoorsFlags) -> anyhow::Result<Option<Command>> {
    let bench = build(root, flags.json, &["heng-bench", "heng"], "heng-bench")?;
    let heng = bench.with_file_name("heng");
    anyhow::ensure!(heng.is_file(), "cargo put no heng beside {}", bench.display());
    let mut command = Command::new(bench);
    command.arg("doors").arg("--heng").arg(heng);
    command.args(flags.quick.then_some("--quick")).args(flags.json.then_some("--json"));
    if !flags.only.is_empty() {
        command.args(["--only", &flags.only.join(",")]);
    }
    Ok((!flags.build_only).then_some(command))
}

/// The same for cryptography; OpenSSL is reached through the Python that setup made.
fn crypto(root: &Path, flags: &CryptoFlags) -> anyhow::Result<Option<Command>> {
    let mut command = Command::new(build(root, flags.json, &["heng-bench"], "heng-bench")?);
    command.arg("crypto").args(flags.quick.then_some("--quick")).args(flags.json.then_some("--json"));
    let python = root.join(".heng/python/bin/python3");
    if python.is_file() {
        command.arg("--python").arg(python);
    }
    Ok((!flags.build_only).then_some(command))
}

/// Builds these packages; returns where the binary of this name stands. With `quiet` the compiler speaks only if it
/// fails.
fn build(root: &Path, quiet: bool, packages: &[&str], name: &str) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--profile", "maxperf"]);
    for package in packages {
        command.args(["-p", package]);
    }
    command.args(["--message-format", "json-render-diagnostics"]);
    if quiet {
        command.arg("--quiet");
    }
    let built = command.stderr(Stdio::inherit()).output().context("start cargo")?;
    if !built.status.success() {
        bail!("the benchmarks do not build");
    }
    let told = String::from_utf8_lossy(&built.stdout).into_owned();
    let mut binaries = told.lines().filter_map(executable_of);
    let binary = binaries.find(|path| path.file_stem().is_some_and(|stem| stem == name));
    binary.with_context(|| format!("cargo told no executable for {name}"))
}

/// The executable that a line of cargo's messages tells, if any.
fn executable_of(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::executable_of;

    #[test]
    fn the_executable_is_read_from_cargos_messages() {
        let found = |line: &str| executable_of(line).map(|path| path.display().to_string());
        assert_eq!(
            found(r#"{"reason":"compiler-artifact","executable":"/t/maxperf/heng-bench"}"#),
            Some("/t/maxperf/heng-bench".into())
        );
        assert_eq!(found(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(found("not an object"), None);
    }
}
