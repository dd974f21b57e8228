//! The server over real loopback sockets.

mod client;
mod limits;
mod requests;
mod secure;
