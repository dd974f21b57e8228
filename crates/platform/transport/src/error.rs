//! What can go wrong around a door.

use std::net::SocketAddr;

/// An error of the server itself; what is wrong with a request is a [`crate::Problem`].
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address cannot be bound.
    #[error("bind {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The listener failed.
    #[error("serve: {0}")]
    Serve(#[from] std::io::Error),
    /// Requests were still running when the time to drain was over.
    #[error("{running} requests were still running after {seconds} s of draining")]
    NotDrained {
        /// How many.
        running: u64,
        /// How long they had.
        seconds: u64,
    },
    /// Another server gave no answer that can be used.
    #[error("ask {url}: {reason}")]
    Asked {
        /// Where.
        url: String,
        /// Why not.
        reason: String,
    },
}
