//! The commands of a simulated market day, from one seed.

use heng::market::{Flow, FlowOptions, World, WorldOptions};
use heng_engine::Capacity;
use heng_model::command::Memo;
use heng_model::{Command, TradeDate, UnixNanos};
use heng_rulebook::Rulebook;

/// How large the day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptOptions {
    /// Seed of clients, instruments and flow.
    pub seed: u64,
    /// Client accounts, at least 10.
    pub clients: u32,
    /// Instruments, at least 6.
    pub instruments: u32,
    /// New orders.
    pub orders: u64,
}

/// A whole day as commands; command n of the list has sequence n + 1.
#[derive(Clone, Debug)]
pub struct Script {
    /// The commands and their times.
    pub commands: Vec<(UnixNanos, Command)>,
    /// Rows that the day needs.
    pub capacity: Capacity,
}

impl Script {
    /// Makes the day.
    ///
    /// # Errors
    /// If the options are out of range.
    pub fn new(options: ScriptOptions) -> anyhow::Result<Self> {
        let ScriptOptions { seed, clients, instruments, orders } = options;
        let date = TradeDate::new(2026, 7, 6).expect("a real date");
        let world = World::new(WorldOptions { clients, instruments, seed, date }, &Rulebook::embedded_files())?;
        let memo = Memo { topic: "simulation".into(), content: seed.to_le_bytes().to_vec() };
        let first = UnixNanos::at(date, 3_600 * heng_model::SECOND);
        let flow = Flow::new(&world, FlowOptions { orders, first_order: 1 });
        let commands = std::iter::once((first, Command::from(memo))).chain(world.setup()).chain(flow).collect();
        let rows = clients as usize;
        let orders = usize::try_from(orders).unwrap_or(0);
        Ok(Self { commands, capacity: Capacity { accounts: rows, positions: rows * 4, orders } })
    }
}
