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

pub use client::{LinkTrouble, RemoteCore, RemoteOptions};
pub use server::{CoreServer, Served};

/// What a person must do where one side does not trust the certificate of the other.
const DISTRUST: &str = "both sides must use papers of the same authority: the same folder of certificates";
