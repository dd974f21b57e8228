//! Doors to the outside: an HTTP/1.1 and HTTP/2 server with a limit on everything, and the words of a good refusal.
//!
//! Entry points: [`Server`] binds and serves an axum router; [`Api`] declares operations, which mounts, guards and
//! documents them at once; [`Body`], [`Params`] and [`Fields`] read requests strictly; [`Problem`] is every refusal
//! (RFC 9457); [`Metrics`] and [`Health`] tell operators how it goes; [`fix`] speaks the protocol of brokers and
//! exchanges; [`ask`] puts one bounded question to another HTTP server, [`Fetcher`] over TLS.
//!
//! *Invariant:* a request is answered or refused by name: body size, nesting, time, requests at once and connections
//! are bounded, and what exceeds a bound gets a problem document that names it.
//! *Invariant:* unknown, doubled or ill-typed fields are refused, never ignored; the answer points at each of them.
//! *Invariant:* a handler that panics costs its own request only.
//! *Invariant:* `/healthz` and `/metrics` answer also when everything else is refused as overloaded.
//!
//! *Invariant:* an operation that is not public runs only for a caller whom the `Gatekeeper` knows and lets.
//!
//! Deliberately absent: orders, accounts and any other business word; who may do what (the policy of `identity`).

mod api;
mod ask;
mod error;
mod fetch;
mod fields;
pub mod fix;
mod guard;
mod health;
mod instant;
mod json;
mod limits;
mod link;
mod listener;
mod metrics;
mod network;
mod problem;
mod proxy;
mod server;
mod tls;

pub use api::{
    Api, Body, Caller, FieldGrade, Grader, Lost, Operation, Params, PathText, RateLimits, SessionCookie, Share, Shares,
    Standing, SteppedUp,
};
pub use ask::{Asked, Request as AskRequest, ask};
pub use error::TransportError;
pub use fetch::{FetchLimits, Fetcher};
pub use fields::{FieldProblem, Fields};
pub use health::{Check, Health};
pub use instant::{instant_text, instants_of};
pub use limits::{DEPTH_MAX, FIELDS_MAX, ServerOptions};
pub use link::{Knock, LINK_MESSAGE_MAX, LinkListener, LinkReader, LinkWriter, distrusted, link_to};
pub use listener::Peer;
pub use metrics::{Counter, Gauge, Histogram, Metrics, SECONDS};
pub use network::Network;
pub use problem::{Problem, Reason};
pub use proxy::{Front, ProxyHeader};
pub use server::{HandshakeFailed, Server};
pub use tls::ChooseTls;
