//! The simulator's own runs in CI.
#![allow(clippy::unwrap_used, reason = "test helpers outside test functions")]

mod core_role;
mod full_disk;
mod kill_points;
mod restart;
mod slow_disk;
