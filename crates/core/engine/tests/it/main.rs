//! Tests of the whole core: case files, properties, partitions, snapshots, hostile values.
#![allow(clippy::unwrap_used, missing_docs)]

mod cases;
mod hostile;
mod market;
mod parse;
mod partitions;
mod show;
mod streams;
mod world;
