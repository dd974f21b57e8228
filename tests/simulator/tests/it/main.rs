//! The simulator's own runs in CI.

mod core_role;
mod full_disk;
mod kill_points;
mod slow_disk;
