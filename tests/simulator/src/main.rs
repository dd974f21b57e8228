//! `cargo run -p heng-simulator --release -- --kill-points 1000 --seed 1`: the slow lane's kill points.

use std::process::ExitCode;

use clap::Parser;
use heng_simulator::KillPoints;

/// Kills a core at drawn moments and compares every recovery with a run that was never killed.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Number of kills.
    #[arg(long, default_value_t = 200)]
    kill_points: u64,
    /// Seed of commands, batches, disk and kills.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let fdatasync do nothing: the run must then fail.
    #[arg(long)]
    without_sync: bool,
}

fn main() -> ExitCode {
    let Arguments { kill_points, seed, without_sync } = Arguments::parse();
    match (KillPoints { seed, kill_points, without_sync }).run() {
        Ok(summary) => {
            println!("kill points: {} survived, seed {seed}: {summary:?}", summary.kills);
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("kill points: FAILED, seed {seed}: {broken}");
            ExitCode::FAILURE
        }
    }
}
