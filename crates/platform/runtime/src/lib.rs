//! What every role needs of the machine: time, telemetry, facts about the process.
//!
//! Entry points: [`Clock`] is the only source of time outside tests; [`LatencyHistogram`] measures;
//! [`peak_rss_mb`] tells memory, [`begin_with_huge_pages`] asks for it in large pieces and
//! [`take_memory_in_small_pages`] in small ones; [`raise_descriptors`] asks for files and sockets.
//!
//! *Invariant:* nobody else reads a clock, so that the simulator can replace it.
//!
//! Deliberately absent: knowledge of orders, shares or clients; configuration files (later roles bring them).

mod clock;
mod huge_pages;
mod process;
mod telemetry;

pub use clock::{Clock, PacedClock, SystemClock};
pub use huge_pages::begin_with_huge_pages;
pub use process::{peak_rss_mb, raise_descriptors, take_memory_in_small_pages};
pub use telemetry::{LatencyHistogram, LatencySummary};
