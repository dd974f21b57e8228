//! `heng replay`: real order flow through the engine's own book, compared with what the exchange published.
//!
//! The forms are those of the order-flow data: Shanghai as CSV (`sse-csv`) or as one log (`sse-log`), and LOBSTER. Files
//! may be plain or compressed with Zstandard. Exit code 0: everything that can be checked is equal; 1: differences;
//! 2: wrong usage or input that cannot be replayed.

mod input;
mod lobster;
mod number;
mod pictures;
mod report;
mod session;
mod sse;
mod sse_csv;
mod sse_log;
mod tape;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use input::InputError;
pub use report::{Mismatch, Report};

use input::Lines;
use tape::Tapes;

/// The forms of order flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Shanghai: CSV files of orders, trades and snapshots.
    SseCsv,
    /// Shanghai: one file of key=value lines.
    SseLog,
    /// LOBSTER: a message file and an order book file.
    Lobster,
}

/// Replays published order flow through the book and compares every fill, auction and snapshot.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The form of the files.
    #[arg(long, value_enum)]
    pub format: Format,
    /// The file (sse-log).
    pub file: Option<PathBuf>,
    /// The orders (sse-csv).
    #[arg(long)]
    pub orders: Option<PathBuf>,
    /// The trades (sse-csv).
    #[arg(long)]
    pub trades: Option<PathBuf>,
    /// The snapshots (sse-csv).
    #[arg(long)]
    pub snapshots: Option<PathBuf>,
    /// The messages (lobster).
    #[arg(long)]
    pub messages: Option<PathBuf>,
    /// The levels after each message (lobster).
    #[arg(long)]
    pub book: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// If the report cannot be written. Wrong input is told on stderr and by exit code 2.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = match replay(args) {
        Ok(report) => report,
        Err(Refused(reason)) => {
            eprintln!("heng replay: {reason}");
            return Ok(ExitCode::from(2));
        }
    };
    let answer = if args.json { serde_json::to_string(&report)? + "\n" } else { report.summary() };
    crate::show::say(&answer)?;
    Ok(if report.all_matched() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Why nothing was replayed.
struct Refused(String);

impl From<InputError> for Refused {
    fn from(error: InputError) -> Self {
        Self(error.to_string())
    }
}

fn replay(args: &Args) -> Result<Report, Refused> {
    let given = [
        ("FILE", &args.file, Format::SseLog, true),
        ("--orders", &args.orders, Format::SseCsv, true),
        ("--trades", &args.trades, Format::SseCsv, true),
        ("--snapshots", &args.snapshots, Format::SseCsv, false),
        ("--messages", &args.messages, Format::Lobster, true),
        ("--book", &args.book, Format::Lobster, true),
    ];
    for (name, path, format, needed) in given {
        match (path, format == args.format) {
            (Some(_), false) => return Err(Refused(format!("{name} does not belong to this --format"))),
            (None, true) if needed => return Err(Refused(format!("{name} is needed for this --format"))),
            _ => {}
        }
    }
    let open = |path: &Option<PathBuf>| Lines::open(path.as_deref().unwrap_or(Path::new("")));
    let mut tapes = Tapes::default();
    match args.format {
        Format::SseCsv => {
            sse_csv::read_orders(open(&args.orders)?, &mut tapes)?;
            sse_csv::read_trades(open(&args.trades)?, &mut tapes)?;
            if args.snapshots.is_some() {
                sse_csv::read_snapshots(open(&args.snapshots)?, &mut tapes)?;
            }
            Ok(sse::replay(&mut tapes)?)
        }
        Format::SseLog => {
            sse_log::read(open(&args.file)?, &mut tapes)?;
            Ok(sse::replay(&mut tapes)?)
        }
        Format::Lobster => Ok(lobster::replay(open(&args.messages)?, open(&args.book)?)?),
    }
}

/// Replays the CSV form from memory; snapshots may be empty bytes. For tests and fuzzing: never panics.
///
/// # Errors
/// File, line and reason of the first thing that is not in the form.
pub fn parse_sse_csv(orders: &[u8], trades: &[u8], snapshots: &[u8]) -> Result<Report, InputError> {
    let mut tapes = Tapes::default();
    sse_csv::read_orders(Lines::over("orders", orders), &mut tapes)?;
    sse_csv::read_trades(Lines::over("trades", trades), &mut tapes)?;
    if !snapshots.is_empty() {
        sse_csv::read_snapshots(Lines::over("snapshots", snapshots), &mut tapes)?;
    }
    sse::replay(&mut tapes)
}

/// Replays the log form from memory. For tests and fuzzing: never panics.
///
/// # Errors
/// File, line and reason of the first thing that is not in the form.
pub fn parse_sse_log(bytes: &[u8]) -> Result<Report, InputError> {
    let mut tapes = Tapes::default();
    sse_log::read(Lines::over("log", bytes), &mut tapes)?;
    sse::replay(&mut tapes)
}

/// Replays the LOBSTER form from memory. For tests and fuzzing: never panics.
///
/// # Errors
/// File, line and reason of the first thing that is not in the form.
pub fn parse_lobster(messages: &[u8], book: &[u8]) -> Result<Report, InputError> {
    lobster::replay(Lines::over("messages", messages), Lines::over("book", book))
}
