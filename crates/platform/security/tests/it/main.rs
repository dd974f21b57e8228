//! The crate from outside, and against other people's programs.
#![allow(clippy::unwrap_used, reason = "test helpers outside test functions")]

mod evidence;
mod keys_golden;
mod keys_softhsm;
mod papers;
mod peers;
mod tls;
mod tls_openssl;
