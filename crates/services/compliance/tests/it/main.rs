//! The evidence log over a record in memory, on real files and tables, through restarts, and through its doors.
#![allow(clippy::unwrap_used, reason = "test helpers outside test functions")]

mod doors;
mod log;
mod protection;
#[path = "../../../../platform/store/tests/it/server.rs"]
mod server;
mod support;
