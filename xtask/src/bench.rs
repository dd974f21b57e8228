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

/// Builds, and runs unless told otherwise. False if the benchmarks failed.
///
/// # Errors
/// If the build fails or the binary cannot be started.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let What::Core(flags) = &options.what;
    let binary = build(root, flags.json)?;
    if flags.build_only {
        return Ok(true);
    }
    let mut command = Command::new(&binary);
    command.arg("core");
    if flags.quick {
        command.arg("--quick");
    }
    if flags.json {
        command.arg("--json");
    }
    if let Some(seconds) = flags.durable_seconds {
        command.args(["--durable-seconds", &seconds.to_string()]);
    }
    let status = command.status().with_context(|| format!("start {}", binary.display()))?;
    Ok(status.success())
}

/// Builds the binary; returns where it stands. With `quiet` the compiler speaks only if it fails.
fn build(root: &Path, quiet: bool) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--profile", "maxperf", "-p", "heng-bench"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    if quiet {
        command.arg("--quiet");
    }
    let built = command.stderr(Stdio::inherit()).output().context("start cargo")?;
    if !built.status.success() {
        bail!("the benchmarks do not build");
    }
    let told = String::from_utf8_lossy(&built.stdout).into_owned();
    let binary = told.lines().filter_map(executable_of).next_back();
    binary.context("cargo told no executable for heng-bench")
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
