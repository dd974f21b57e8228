//! What the day is to be, from the command line or from the journal of a crashed day.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use heng_model::{Exchange, TradeDate};
use heng_rulebook::{Calendar, Rulebook};

use crate::market::WorldOptions;

/// Runs one whole trading day and proves that the books balance.
#[derive(Args, Debug)]
pub struct DayArgs {
    /// Client accounts, 1 to 5000000 [default: 20000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub clients: Option<u32>,
    /// New orders to submit, refusals included, cancels apart, 1 to 100000000 [default: 1000000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub orders: Option<u64>,
    /// Instruments, 1 to 20000; from 20 on they stand on five boards and in Hong Kong [default: 300]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
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
    #[arg(long, requires = "data")]
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

/// How far the calendar of an exchange reaches.
fn reach(rulebook: &Rulebook, exchange: Exchange) -> String {
    match rulebook.calendar(exchange).and_then(Calendar::range) {
        Some((first, last)) => format!("the trading calendar of {exchange} reaches from {first} to {last}"),
        None => format!("the rule files hold no trading calendar of {exchange}"),
    }
}

impl Plan {
    /// From the command line.
    pub(crate) fn from_args(args: &DayArgs) -> Self {
        let date = match args.date {
            Some(date) => date,
            None => TradeDate::new(2026, 7, 6).expect("a real date"),
        };
        let orders = args.orders.unwrap_or(1_000_000);
        let world = WorldOptions {
            clients: args.clients.unwrap_or(20_000),
            instruments: args.instruments.unwrap_or(300),
            seed: args.seed.unwrap_or(1),
            date,
        };
        Self { world, orders }
    }

    /// What a person should know who expects trades: the markets that do not trade on the date.
    ///
    /// # Errors
    /// If the calendar does not reach the date.
    pub(crate) fn closed_markets(&self, rulebook: &Rulebook) -> anyhow::Result<Vec<String>> {
        let date = self.world.date;
        let markets = [("the mainland exchanges do", Exchange::Sse), ("Hong Kong does", Exchange::Hk)];
        let mut closed = Vec::new();
        for (name, exchange) in markets {
            match rulebook.is_trading_day(exchange, date) {
                Ok(true) => {}
                Ok(false) => closed.push(format!("{name} not trade on {date}: their orders are refused")),
                Err(_) => bail!("--date {date}: {}", reach(rulebook, exchange)),
            }
        }
        Ok(closed)
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
