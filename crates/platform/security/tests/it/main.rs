//! Other people's programs against this crate.
#![allow(clippy::unwrap_used, reason = "test helpers outside test functions")]

mod peers;
