//! All flows through the router, on real SQLite files and on a real PostgreSQL.

mod away;
mod credentials;
mod house;
mod partners;
mod people;
mod postgres;
#[path = "../../../../platform/store/tests/it/server.rs"]
mod server;
mod sign_in;
mod speed;
mod streams;
