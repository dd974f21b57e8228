//! SQL tables of the services: derived ones, rebuilt from events, and owned ones, the system of record.
//!
//! Entry points: [`DerivedStore`] keeps rows and the event position that they were made from in one transaction;
//! [`OwnedStore`] keeps what nobody can rebuild, with migrations; [`insert_rows`] writes many rows in bounded
//! statements.
//!
//! *Invariant:* derived and owned tables never share a file (design rule 5).
//! *Invariant:* the event position moves forward only, in the transaction of the rows: each event counts exactly once.
//! *Invariant:* one writer per store; readers have their own connections and never wait for it.
//! *Invariant:* derived files are synced in normal mode (a power loss may cost the last batches, which are made again
//! from the events), owned files in full mode.
//!
//! Deliberately absent: tables of any service, and PostgreSQL: [`StoreUrl`] names it, and refuses it by name until the
//! engine behind [`Database`] is chosen there.

mod derived;
mod error;
mod open;
mod owned;
mod rows;

pub use derived::{Batch, DerivedStore, Opened, Position, Schema, Snapshot};
pub use error::StoreError;
pub use open::{StoreOptions, StoreUrl};
pub use owned::{Migration, OwnedStore};
pub use rows::{VARIABLES_MAX, insert_rows, load_rows};

/// The SQL engine that is built in. Everything outside this crate names it by this word only.
pub type Database = sqlx::Sqlite;
/// A connection to it.
pub type Connection = sqlx::SqliteConnection;
/// A row of it.
pub type Row = sqlx::sqlite::SqliteRow;
