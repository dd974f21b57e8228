//! The view on real SQLite files, and the doors over real sockets.

mod doors;
mod record;
mod view;
