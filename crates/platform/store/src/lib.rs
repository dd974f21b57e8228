//! SQL tables of the services: derived ones, rebuilt from events, and owned ones, the system of record; on SQLite or
//! on PostgreSQL, by `store.url`.
//!
//! Entry points: [`StoreUrl`] says where all tables are and [`StoreUrl::store`] where those of one store are;
//! [`DerivedStore`] keeps rows and the event position that they were made from in one transaction; [`OwnedStore`] keeps
//! what nobody can rebuild, with [`Migration`]s, an [`Outbox`] and [`WriteKey`]s; a [`Connection`] runs statements:
//! [`Sql`] texts that both engines take, and whatever is built with [`sea_query`]; [`insert_rows`] and [`load_rows`]
//! move many rows in bounded statements. With [`StoreKeys`], files of SQLite are encrypted whole (SQLCipher), and
//! [`Seals`] seals single secrets on both engines.
//!
//! *Invariant:* derived and owned tables never share a file or a schema (design rule 5).
//! *Invariant:* the event position moves forward only, in the transaction of the rows: each event counts exactly once.
//! *Invariant:* one writer per store on both engines; readers have their own connections and never wait for it.
//! *Invariant:* what is committed is on the disk, derived tables too: their readers and writers go on from what they saw
//! committed. The threads of derived tables in a file go behind those that take orders.
//! *Invariant:* values travel as parameters, never inside the text; an error or a log line never shows a password.
//!
//! Deliberately absent: tables of any service; floats, dates and JSON as column types: amounts are integers, times are
//! nanoseconds, and what both engines hold alike is `BIGINT`, `BOOLEAN`, `TEXT` and `BYTEA`.

mod at_exit;
mod connection;
mod derived;
mod error;
mod migrate;
mod open;
mod outbox;
mod owned;
mod rows;
mod schema;
mod sealed;
mod statement;
mod url;
mod value;
mod write_keys;

pub use connection::{Connection, Field, FromRow, Row};
pub use derived::{Batch, DerivedStore, Opened, Position, Schema, Snapshot};
pub use error::StoreError;
pub use migrate::Migration;
pub use outbox::{OUTBOX_PAGE_MAX, Outbox, OutboxRow, Publication};
pub use owned::{Change, OwnedStore};
pub use rows::{RowValues, VARIABLES_MAX, insert_rows, load_rows};
pub use sea_query;
pub use sealed::{Seals, StoreKeys};
pub use statement::{Built, Engine, Sql, Statement};
pub use url::{Place, Server, StoreOptions, StoreUrl};
pub use value::Value;
pub use write_keys::{Known, WRITE_KEY_MAX, WRITE_KEY_NANOS, WriteKey};
