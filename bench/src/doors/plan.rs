//! How much is offered for how long.

use super::broker::Start;

/// FIX sessions on the one port.
pub(crate) const FIX_SESSIONS: usize = 8;
/// HTTP connections of an open loop.
pub(crate) const REST_CONNECTIONS: usize = 128;
/// Offered rates of the latency runs, in orders a second.
pub(crate) const FIX_PER_S: f64 = 20_000.0;
pub(crate) const REST_PER_S: f64 = 5_000.0;
/// Orders a second in the runs with and without heavy reads, and while fills are looked for.
pub(crate) const PAIR_PER_S: f64 = 1_000.0;
/// Orders that wait at any time in the closed loops.
pub(crate) const FIX_IN_FLIGHT: usize = 4_096;
pub(crate) const REST_IN_FLIGHT: usize = 256;
/// Offered beside orders.
pub(crate) const QUERIES_PER_S: f64 = 100.0;
pub(crate) const SIGN_INS_PER_S: f64 = 200.0;
/// Instruments of the market, and how many a subscriber follows.
pub(crate) const INSTRUMENTS: u32 = 50;
pub(crate) const FOLLOWS: usize = 5;
/// Alternated pairs.
pub(crate) const PAIRS: usize = 5;

/// Lengths in seconds, and sizes, by mode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) warm_s: f64,
    pub(crate) latency_s: f64,
    pub(crate) pair_s: f64,
    pub(crate) visible_s: f64,
    pub(crate) most_s: f64,
    pub(crate) disk_s: f64,
    pub(crate) subscribers: usize,
    pub(crate) push_s: f64,
    pub(crate) binary_subscribers: usize,
    pub(crate) binary_s: f64,
    /// Messages that each decoder reads in one pass.
    pub(crate) decode_messages: usize,
    pub(crate) decode_passes: usize,
}

impl Plan {
    pub(crate) const fn new(quick: bool) -> Self {
        if quick {
            Self {
                warm_s: 0.5,
                latency_s: 4.0,
                pair_s: 1.5,
                visible_s: 4.0,
                most_s: 2.0,
                disk_s: 1.0,
                subscribers: 2_000,
                push_s: 5.0,
                binary_subscribers: 500,
                binary_s: 2.0,
                decode_messages: 200_000,
                decode_passes: 3,
            }
        } else {
            Self {
                warm_s: 1.0,
                latency_s: 15.0,
                pair_s: 4.0,
                visible_s: 15.0,
                most_s: 4.0,
                disk_s: 4.0,
                subscribers: 10_000,
                push_s: 20.0,
                binary_subscribers: 10_000,
                binary_s: 10.0,
                decode_messages: 1_000_000,
                decode_passes: 5,
            }
        }
    }

    /// The broker that takes orders. No account may place more than 300 orders a second, so that there are many.
    pub(crate) const fn orders(&self) -> Start {
        Start { demo_clients: 400, instruments: INSTRUMENTS, flow: 200, fix_sessions: FIX_SESSIONS }
    }

    /// The broker that is watched: enough background flow that nearly every instrument changes in each 100 ms.
    pub(crate) const fn push(&self) -> Start {
        Start { demo_clients: 100, instruments: INSTRUMENTS, flow: 1_000, fix_sessions: 0 }
    }
}
