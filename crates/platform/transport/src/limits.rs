//! A limit on everything (design rule 10).

use std::net::SocketAddr;
use std::time::Duration;

/// Deepest nesting of a JSON body.
pub const DEPTH_MAX: usize = 16;
/// Most fields of one JSON object, and most parameters of a query.
pub const FIELDS_MAX: usize = 256;
/// Longest text of one field, in bytes.
pub(crate) const TEXT_MAX: usize = 4_096;
/// Longest request id that a client may bring, in bytes.
pub(crate) const REQUEST_ID_MAX: usize = 64;
/// Most problems that one answer lists.
pub(crate) const PROBLEMS_MAX: usize = 32;

/// How a server behaves. Every value is given; [`ServerOptions::at`] has the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// Where to listen; port 0 = any free one.
    pub address: SocketAddr,
    /// Largest body, in bytes.
    pub body_max: usize,
    /// Longest time from the head of a request to its answer.
    pub request_max: Duration,
    /// Most requests at once; beyond it the answer is 429 at once.
    pub requests_max: usize,
    /// Most connections at once; beyond it new ones wait to be accepted.
    pub connections_max: usize,
    /// Longest time in which the head of a request arrives; then its connection is closed. A new connection has this
    /// time too, an idle one that was answered before has `silence_max`.
    pub head_max: Duration,
    /// How long a connection may be silent before it is closed.
    pub silence_max: Duration,
    /// Bytes that the kernel takes for one connection ahead of its client; 0 = as many as it likes. With less, a client
    /// that does not read is noticed earlier; it must hold what travels between two looks of the client.
    pub send_buffer: u32,
    /// How long requests may run on after the server was told to stop.
    pub drain_max: Duration,
}

impl ServerOptions {
    /// The usual limits: bodies of 64 KiB, 10 s a request, 512 requests and 1,024 connections at once, 128 KiB on the
    /// way to a client.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Self {
            address,
            body_max: 64 * 1_024,
            request_max: Duration::from_secs(10),
            requests_max: 512,
            connections_max: 1_024,
            head_max: Duration::from_secs(10),
            silence_max: Duration::from_secs(60),
            send_buffer: 128 * 1_024,
            drain_max: Duration::from_secs(10),
        }
    }
}

// A client must be able to open a connection for each request that may run, and more to be refused by name.
const _: () = {
    let usual = ServerOptions::at(SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)));
    assert!(usual.requests_max < usual.connections_max);
    assert!(TEXT_MAX < usual.body_max);
};
