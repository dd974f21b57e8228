//! The doors over real loopback sockets.
#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside test functions")]

mod client;
mod fix;
mod limits;
mod requests;
mod secure;
