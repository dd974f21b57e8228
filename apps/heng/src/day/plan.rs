//! What the day is to be, from the command line or from the journal of a crashed day.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use heng_model::TradeDate;

use crate::market::WorldOptions;

/// Runs one whole trading day and proves that the books balance.
#[derive(Args, Debug)]
pub struct DayArgs {
    /// Client accounts [default: 20000]
    #[arg(long)]
    pub clients: Option<u32>,
    /// New orders to submit, refusals included, cancels apart [default: 1000000]
    #[arg(long)]
    pub orders: Option<u64>,
    /// Instruments, on five boards and in Hong Kong [default: 300]
    #[arg(long)]
    pub instruments: Option<u32>,
    /// Seed of clients, instruments and flow [default: 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Trade date [default: 2026-07-06]
    #[arg(long)]
    pub date: Option<TradeDate>,
    /// Keep journal, event log and snapshots in this folder [default: a temporary one]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Print exactly one JSON object
    #[arg(long)]
    pub json: bool,
    /// Kill the process without warning after this percentage of the day
    #[arg(long, value_name = "PCT", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub crash_at: Option<u8>,
    /// Finish a crashed day from snapshot and journal alone
    #[arg(long)]
    pub resume: bool,
    /// Write the key of each acknowledged order to this file, after it is durable
    #[arg(long, value_name = "F")]
    pub ack_log: Option<PathBuf>,
    /// Rule files to use instead of those built in
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
}

/// The plan of a day; it is the first command of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) world: WorldOptions,
    pub(crate) orders: u64,
}

/// Topic of the memo that holds the plan.
pub(crate) const TOPIC: &str = "day-plan";

impl Plan {
    /// From the command line.
    pub(crate) fn from_args(args: &DayArgs) -> anyhow::Result<Self> {
        let date = match args.date {
            Some(date) => date,
            None => TradeDate::new(2026, 7, 6).expect("a real date"),
        };
        let orders = args.orders.unwrap_or(1_000_000);
        if !(1..=100_000_000).contains(&orders) {
            bail!("--orders must be 1 to 100000000");
        }
        let world = WorldOptions {
            clients: args.clients.unwrap_or(20_000),
            instruments: args.instruments.unwrap_or(300),
            seed: args.seed.unwrap_or(1),
            date,
        };
        Ok(Self { world, orders })
    }

    /// Refuses what a resumed day takes from its journal.
    pub(crate) fn refuse_flags(args: &DayArgs) -> anyhow::Result<()> {
        let given = [
            ("--seed", args.seed.is_some()),
            ("--clients", args.clients.is_some()),
            ("--orders", args.orders.is_some()),
            ("--instruments", args.instruments.is_some()),
            ("--date", args.date.is_some()),
        ];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
            bail!("{flag} cannot be given with --resume: the day's plan is in its journal");
        }
        Ok(())
    }

    pub(crate) fn to_memo(self) -> Vec<u8> {
        let WorldOptions { clients, instruments, seed, date } = self.world;
        format!("{clients} {instruments} {seed} {date} {}", self.orders).into_bytes()
    }

    pub(crate) fn from_memo(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(bytes).context("the plan in the journal is not text")?;
        let parts: Vec<&str> = text.split(' ').collect();
        let [clients, instruments, seed, date, orders] = parts[..] else {
            bail!("the plan in the journal is not whole")
        };
        let world = WorldOptions {
            clients: clients.parse()?,
            instruments: instruments.parse()?,
            seed: seed.parse()?,
            date: date.parse()?,
        };
        Ok(Self { world, orders: orders.parse()? })
    }
}
