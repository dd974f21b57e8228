//! The view on real SQLite files and on a real PostgreSQL, and the doors over real sockets.

mod doors;
mod events;
mod house;
mod postgres;
mod record;
#[path = "../../../../platform/store/tests/it/server.rs"]
mod server;
mod view;
