//! Integration tests of the books, the order types and the auctions.
#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

mod auctions;
mod books;
mod order_types;
mod self_trade;
mod streams;
mod workloads;
