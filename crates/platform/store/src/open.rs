//! Opening a place: one writer, several readers, the right sync mode.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::at_exit;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::sealed;
use crate::url::{Place, StoreOptions};

/// Whose tables they are. What is committed of either is on the disk: a view goes on from what it has seen committed, so
/// a commit that is lost would be a gap in its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tables {
    /// Made from events; whoever works on them goes behind others.
    Derived,
    /// The system of record.
    Owned,
}

/// Rows of a query that SQLite's thread may be ahead of whoever takes them.
const ROWS_AHEAD: usize = 1_024;
/// Memory for pages of the one writer, in SQLite's notation for 32 MiB: batches of a view touch pages of many tables.
const WRITER_CACHE: &str = "-32768";
/// Bytes of a page of a new file: a device counts writes rather than bytes, and larger pages are fewer.
const PAGE_BYTES: u32 = 8_192;
/// Pages in the write-ahead file before they move into the database: few, because they are written all over the file
/// and synced at once, which takes about 8 µs each in which no order becomes durable.
const CHECKPOINT_PAGES: &str = "128";

/// What threads of derived tables add to their niceness: beside orders they get about a tenth of a processor.
const NICENESS: i32 = 10;

/// One writer and its readers on one place.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres { writer: PgPool, readers: PgPool, schema: String },
}

/// The oldest PostgreSQL that is supported, as `server_version_num` tells it.
const POSTGRES_MIN: i64 = 150_000;

impl Pools {
    pub(crate) async fn open(options: &StoreOptions, tables: Tables) -> Result<Self, StoreError> {
        match &options.place {
            Place::File(path) => open_file(options, path, tables).await,
            Place::Schema { server, schema } => open_schema(options, server.connect(), schema).await,
        }
    }

    /// Begins the one change that there is at a time, in this process and in others.
    pub(crate) async fn write(&self) -> Result<Connection, StoreError> {
        let failed = "begin a change";
        match self {
            Self::Sqlite { writer, .. } => {
                writer.begin_with("BEGIN IMMEDIATE").await.map(Connection::sqlite).map_err(StoreError::sql(failed))
            }
            Self::Postgres { writer, schema, .. } => {
                let begun = writer.begin().await.map_err(StoreError::sql(failed))?;
                let mut connection = Connection::postgres(begun);
                // SQLite lets one write at a time; so do we here, or two processes could pass each other's checks.
                let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0)) IS NULL";
                connection.rows(crate::Sql::new(lock).bind(schema.as_str())).await?;
                Ok(connection)
            }
        }
    }

    /// Begins a consistent look.
    pub(crate) async fn read(&self) -> Result<Connection, StoreError> {
        let failed = "begin to read";
        match self {
            Self::Sqlite { readers, .. } => {
                readers.begin().await.map(Connection::sqlite).map_err(StoreError::sql(failed))
            }
            Self::Postgres { readers, .. } => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                readers.begin_with(begin).await.map(Connection::postgres).map_err(StoreError::sql(failed))
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

async fn open_file(options: &StoreOptions, path: &Path, tables: Tables) -> Result<Pools, StoreError> {
    if let Some(folder) = path.parent() {
        let failed = |source| StoreError::Io { action: "create the folder", path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let key = sealed::key_of(options.keys.as_ref(), path, PAGE_BYTES).await?;
    let plain = SqliteConnectOptions::new();
    let connect = match &key {
        Some(key) => key.apply(plain, PAGE_BYTES),
        None => plain,
    };
    let connect = connect
        .filename(path)
        .thread_name(|number| format!("{}{number}", at_exit::THREAD_PREFIX))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .page_size(PAGE_BYTES)
        // What is not synced waits in memory until the system writes all of it at once, and then the journal, and every
        // order with it, waits behind it for the device.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.wait_max)
        .foreign_keys(true)
        // What a statement may have to undo is kept in memory and not in a file beside the store.
        .pragma("temp_store", "memory")
        .row_buffer_size(ROWS_AHEAD);
    let background = tables == Tables::Derived;
    let pool = || {
        let pool = SqlitePoolOptions::new().acquire_timeout(options.wait_max);
        pool.after_connect(move |connection, _| Box::pin(begin_connection(connection, background)))
    };
    let write = connect.clone().pragma("cache_size", WRITER_CACHE).pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
    let writer = pool().max_connections(1).connect_with(write).await;
    let writer = writer.map_err(StoreError::sql("open the store"))?;
    let readers = pool().max_connections(options.readers.max(1)).connect_with(connect.pragma("query_only", "on"));
    Ok(Pools::Sqlite { writer, readers: readers.await.map_err(StoreError::sql("open the store for reading"))? })
}

/// Each connection has a thread of its own. What is derived, and whoever asks for it, goes behind orders: the thread
/// steps back by itself, in the only thing that SQLite calls from it.
async fn begin_connection(connection: &mut SqliteConnection, background: bool) -> Result<(), sqlx::Error> {
    at_exit::wait_for_threads();
    if !background {
        return Ok(());
    }
    let mut stepped_back = false;
    connection.lock_handle().await?.set_progress_handler(1, move || {
        if !std::mem::replace(&mut stepped_back, true) {
            // On Linux this changes this thread alone; a system that refuses it only makes it as urgent as the rest.
            let _ = rustix::process::nice(NICENESS);
        }
        true
    });
    connection.execute("SELECT 1").await?;
    connection.lock_handle().await?.remove_progress_handler();
    Ok(())
}

fn milliseconds(wait: Duration) -> String {
    wait.as_millis().clamp(1, 3_600_000).to_string()
}

async fn open_schema(options: &StoreOptions, connect: PgConnectOptions, schema: &str) -> Result<Pools, StoreError> {
    let failed = StoreError::sql("open the store");
    let wait = milliseconds(options.wait_max);
    let connect = connect.application_name(schema).options([
        ("search_path", schema),
        ("synchronous_commit", "on"),
        ("lock_timeout", wait.as_str()),
        ("idle_in_transaction_session_timeout", "60000"),
        ("client_min_messages", "warning"),
    ]);
    let pool = || PgPoolOptions::new().acquire_timeout(options.wait_max);
    let writer = pool().max_connections(1).connect_with(connect.clone()).await.map_err(failed)?;
    let pools = Pools::Postgres {
        writer: writer.clone(),
        readers: pool().max_connections(options.readers.max(1)).connect_lazy_with(connect),
        schema: schema.to_owned(),
    };
    let found = sqlx::query_scalar::<_, String>("SHOW server_version_num").fetch_one(&writer).await;
    let found = found.map_err(StoreError::sql("ask for the server's version"))?;
    if found.parse::<i64>().unwrap_or(0) < POSTGRES_MIN {
        let reason = format!("the server is PostgreSQL {found}; 15 or newer is needed");
        return Err(StoreError::Url { url: options.place.to_string(), reason });
    }
    let mut connection = pools.write().await?;
    connection.run_text(format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")).await?;
    connection.commit().await?;
    Ok(pools)
}

/// Removes a store with everything that belongs to it.
pub(crate) async fn remove(place: &Place) -> Result<(), StoreError> {
    match place {
        Place::File(path) => remove_file(path),
        Place::Schema { server, schema } => {
            let failed = "drop the schema";
            let pool = PgPoolOptions::new().max_connections(1).connect_with(server.connect()).await;
            let pool = pool.map_err(StoreError::sql(failed))?;
            let drop = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE"));
            let dropped = pool.execute(sqlx::raw_sql(drop)).await.map(|_| ());
            pool.close().await;
            dropped.map_err(StoreError::sql(failed))
        }
    }
}

fn remove_file(path: &Path) -> Result<(), StoreError> {
    for file in sealed::files(path) {
        match std::fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::Io { action: "remove", path: file, source }),
        }
    }
    Ok(())
}
