//! Developer tasks: `cargo xtask tidy | docs | bench | slow | sbom`. Each takes `--json` where a program may want to read it.

mod asvs;
mod bench;
mod docs;
#[cfg(test)]
mod outside;
mod packages;
mod sbom;
mod slow;
mod supply;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer tasks of Heng.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Checks the floors, sizes, names, documents, secrets and packages of the tree.
    Tidy {
        /// One object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Prints docs/reference from the code.
    Docs {
        /// Change nothing; fail if a reference is stale.
        #[arg(long)]
        check: bool,
    },
    /// Builds the benchmarks with the `maxperf` profile and runs them.
    Bench(bench::Options),
    /// Runs what is too long for CI, sharing the given time.
    Slow(slow::Options),
    /// Prints the bill of materials (CycloneDX), from the lock files and without network.
    Sbom(sbom::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Tidy { json } => tidy::run(&root(), json),
        Task::Docs { check } => docs::run(&root(), check),
        Task::Bench(options) => bench::run(&root(), &options),
        Task::Slow(options) => slow::run(&root(), &options),
        Task::Sbom(options) => sbom::run(&root(), &options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// The folder of the workspace: xtask is built where it stands.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands inside the workspace").to_path_buf()
}
