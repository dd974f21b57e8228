//! Integration tests of the journal crate.
#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside test functions")]

mod driver;
mod event_log;
mod faults;
mod golden;
mod hostile;
mod journal;
mod os_disk;
mod power_loss;
mod snapshots;
