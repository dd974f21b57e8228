//! The one binary as a library, so that tests and fuzz targets can reach its parsers.
//!
//! Entry point: [`cli::run`], called by `main.rs` with the command line.
//!
//! *Invariant:* no business rules here: this crate parses arguments, wires roles and prints.
//!
//! Deliberately absent: everything that a role does.

mod at_rest;
pub mod cli;
pub mod crypto;
pub mod day;
mod ends;
pub mod events;
pub mod evidence;
pub mod identity;
pub mod journal;
pub mod keys;
pub mod market;
pub mod ops;
pub mod replay;
pub mod rules;
pub mod serve;
pub mod show;
pub mod sim_sdf;
pub mod up;
pub mod venue;
pub mod witness;
