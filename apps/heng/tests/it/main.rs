//! End to end: the real binary, in folders of its own.
#![allow(clippy::unwrap_used, reason = "test helpers outside test functions")]

mod bounds;
mod clients;
mod crash;
mod crypto;
mod day;
mod drop_copy;
mod due;
mod evidence;
mod first_staff;
mod fix_client;
mod fix_proof;
mod house;
mod journal_files;
mod keys;
mod kills;
mod mended;
mod oidc;
mod outside;
mod power_loss;
mod replica;
mod sealed;
mod support;
mod tls_doors;
mod twap_kills;
mod up;
mod up_parents;
mod up_trading;
mod venue;
