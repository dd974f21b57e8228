//! The core from another process: the same ports, over a link with certificates on both sides.
//!
//! ```text
//!  doors ── RemoteCore ══ link: commands, questions, status ══ CoreServer ── CommandPort, CoreQueries, CoreWatch
//!                      ══ a link for each feed of events   ══            ── EventSource
//! ```
//!
//! *Invariant:* a command that was sent and not answered is *unknown*; it is never sent again by this code.
//! *Invariant:* commands on the way and blocks of events ahead of their reader are bounded on both sides.

mod client;
mod server;
#[cfg(test)]
mod tests;
mod words;

pub use client::{RemoteCore, RemoteOptions};
pub use server::{CoreServer, Served};
