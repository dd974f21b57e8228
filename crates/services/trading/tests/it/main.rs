//! The view on real SQLite files and on a real PostgreSQL, the doors over real sockets, and the FIX desk.

mod checks;
mod doors;
mod events;
mod exports;
mod fix_desk;
mod house;
mod postgres;
mod record;
#[path = "../../../../platform/store/tests/it/server.rs"]
mod server;
mod view;
