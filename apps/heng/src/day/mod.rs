//! `heng day`: one whole trading day, as fast as the machine allows.

mod plan;
mod report;
mod run;
mod tally;

pub use plan::DayArgs;
pub use run::run;
