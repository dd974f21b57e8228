//! Order entry and queries: the doors through which clients trade, and the view that they read.
//!
//! Entry points: [`routes`] are the HTTP doors; [`TradingView`] derives orders, fills, cash and holdings from the
//! event log.
//!
//! *Invariant:* core state changes only by a command through `CommandPort`; no answer is invented (design rule 9).
//! *Invariant:* each event counts exactly once: rows and position move in one transaction, in bounded batches.
//! *Invariant:* the view checks every balance and quantity that events tell; it parks on what it cannot explain, tries
//! again, and never skips (design rule 12).
//! *Invariant:* the core waits for no view: past ten seconds of lag the doors refuse new orders by name, never cancels
//! (design rule 10).
//!
//! Deliberately absent: who may do what (it comes with `security`), venue adapters and smart execution (a later
//! issue), what a parent is driven by (its event does not tell), hot reads from the in-memory replica.

mod answer;
mod api;
mod directory;
mod fix_desk;
mod fold;
mod fold_error;
mod follow;
mod forms;
mod lag;
mod parents;
mod shapes;
mod status;
mod store;
mod tables;
mod telemetry;
mod view;

pub use api::{DoorOptions, Doors, routes};
pub use fix_desk::FixDesk;
pub use fold_error::{FoldError, Noun};
pub use status::{Parked, RecentTrade, ViewStatus};
pub use view::{TradingView, ViewError, ViewOptions, ViewReader};
