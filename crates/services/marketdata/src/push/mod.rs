//! The push: every 100 ms one update for each instrument that changed, encoded once in each form that somebody wants,
//! and shared by all subscribers.
//!
//! The pieces of the last ticks stand on a tape; a subscriber is a place on it. There is no queue for each subscriber:
//! whoever falls further behind than the tape is long gets fresh snapshots instead of what it missed, and whoever stays
//! behind is told so and dropped. A slow subscriber waits for its own socket only.

mod binary;
mod control;
mod json;
mod piece;
mod publisher;
mod socket;
mod sse;
mod subscription;

pub use binary::{BinaryError, BinaryMessage, BinaryTrade, decode_messages};
pub(crate) use control::{Control, Granted, What};
pub(crate) use json::{instant, price_or_null};
pub(crate) use piece::{DEPTH, SNAPSHOT};
pub use piece::{Entitlement, Format};
pub(crate) use publisher::{Frame, Publisher, Tape, View};
pub(crate) use socket::{Opening, serve_socket};
pub(crate) use sse::stream_events;
pub(crate) use subscription::Entry;

use std::num::NonZeroU32;
use std::time::Duration;

/// How often a tick is made.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// Ticks that the tape holds.
pub(crate) const TAPE_TICKS: usize = 8;
/// A subscriber that is further behind than this gets snapshots.
pub(crate) const BEHIND_MAX: u64 = 4;
/// Times in a row that a subscriber may need snapshots until it is dropped.
pub(crate) const CONFLATED_MAX: u32 = 20;

/// What one subscriber, and all together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushLimits {
    /// Most streams at once, WebSocket and SSE together; beyond it the answer is 429.
    pub streams_max: usize,
    /// Most streams of one principal at once.
    pub principal_streams_max: usize,
    /// Most instruments that one stream follows.
    pub symbols_max: usize,
    /// Largest message of a client, in bytes.
    pub message_max: usize,
    /// Messages of a client in a second; twice as many in a burst. Beyond it the stream is dropped.
    pub messages_per_s: NonZeroU32,
    /// A client that has been silent this long is pinged.
    pub ping_after: Duration,
    /// A client that has been silent this long, pings included, is gone.
    pub silence_max: Duration,
    /// How long one frame may take to leave; then the subscriber is dropped.
    pub send_max: Duration,
}

impl Default for PushLimits {
    /// 16,384 streams, 1,024 of one principal, 200 instruments each; 16 KiB and 20 messages a second from a client;
    /// pinged after 20 s, gone after 60 s; 5 s for a frame.
    fn default() -> Self {
        Self {
            streams_max: 16_384,
            principal_streams_max: 1_024,
            symbols_max: 200,
            message_max: 16 * 1_024,
            messages_per_s: NonZeroU32::new(20).expect("twenty is not zero"),
            ping_after: Duration::from_secs(20),
            silence_max: Duration::from_secs(60),
            send_max: Duration::from_secs(5),
        }
    }
}

// A subscriber that is not conflated finds everything that it missed on the tape.
const _: () = assert!(BEHIND_MAX < TAPE_TICKS as u64);

#[cfg(test)]
mod tests;
