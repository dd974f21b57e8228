//! Whole-core simulation: one seed drives commands, batches, the disk, and the moments at which the power goes.
//!
//! Entry points: [`KillPoints::run`] kills a core again and again and compares each recovery with a run that was never
//! killed; [`SlowStorage`] is a disk whose fdatasync takes its time. The parts that are driven are those of the running
//! core, through `heng_core::CoreSteps`, on one thread: the same seed gives the same run.
//!
//! *Invariant:* every acknowledged command survives every kill, with the outcome that was acknowledged.
//! *Invariant:* nobody ever holds an event beyond the durable mark.
//! *Invariant:* after each recovery state hash, event digest and event log are those of the run that was never killed.
//!
//! Deliberately absent: network and replication (a later issue brings them).

mod disk;
mod kill_points;
mod reference;
mod script;

pub use disk::SlowStorage;
pub use kill_points::{KillPoints, Summary};
pub use reference::Reference;
pub use script::{Script, ScriptOptions};
