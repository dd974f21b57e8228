//! Opening files: one writer, several readers, the right sync mode.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::error::StoreError;

/// Where tables live: `store.url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    /// `sqlite:PATH`. PostgreSQL is known by name and not built in yet.
    fn from_str(url: &str) -> Result<Self, StoreError> {
        let refused = |reason| StoreError::Url { url: url.to_owned(), reason };
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Err(refused("PostgreSQL is not built into this version; use sqlite:PATH"));
        }
        match url.strip_prefix("sqlite:") {
            Some("" | ":memory:") => Err(refused("a store needs a file")),
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
            None => Err(refused("expected sqlite:PATH")),
        }
    }
}

/// How to open a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The file; its folder is made if it is missing.
    pub path: PathBuf,
    /// Most connections that read at once, at least 1.
    pub readers: u32,
    /// How long a connection waits for a lock or a free place.
    pub wait_max: Duration,
}

impl StoreOptions {
    /// The usual: 4 readers, 5 s of waiting.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 4, wait_max: Duration::from_secs(5) }
    }
}

/// One writer and its readers on one file.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Pools {
    pub(crate) async fn open(options: &StoreOptions, synchronous: SqliteSynchronous) -> Result<Self, StoreError> {
        if let Some(folder) = options.path.parent() {
            let failed = |source| StoreError::Io { action: "create the folder", path: folder.to_owned(), source };
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let connect = SqliteConnectOptions::new()
            .filename(&options.path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(options.wait_max)
            .foreign_keys(true);
        let pool = || SqlitePoolOptions::new().acquire_timeout(options.wait_max);
        let writer = pool().max_connections(1).connect_with(connect.clone()).await;
        let writer = writer.map_err(StoreError::sql("open the store"))?;
        let readers = pool().max_connections(options.readers.max(1)).connect_with(connect.pragma("query_only", "on"));
        Ok(Self { writer, readers: readers.await.map_err(StoreError::sql("open the store for reading"))? })
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Removes a database with everything that SQLite keeps beside it.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        match std::fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::Io { action: "remove", path: file, source }),
        }
    }
    Ok(())
}
