//! Smart execution: parents are driven by slices that this service proposes and the core enforces.
//!
//! [`Driver`] decides what to propose and holds nothing that a restart could not find again: parents and what their
//! children filled are the core's, schedules are owned rows ([`TermsStore`]), the market is read from the record
//! ([`MarketBook`]). [`Execution`] runs it.

mod condition;
mod driver;
mod follow_liquidity;
mod iceberg;
mod market;
mod pov;
mod runner;
mod terms;
mod twap;
mod vwap;

pub use driver::{Driven, Driver};
pub use market::{Market, MarketBook, Quote};
pub use runner::{Execution, ExecutionOptions};
pub(crate) use terms::HOLD_MAX;
pub use terms::{Kept, Terms, TermsStore, Which};
