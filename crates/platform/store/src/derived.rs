//! Derived tables: rows and the event position that they were made from, in one transaction.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqlitePool, SqliteSynchronous};
use sqlx::{Executor as _, Row as _, Transaction};

use crate::error::StoreError;
use crate::open::{Pools, StoreOptions, remove};
use crate::{Connection, Database};

/// The next event that a view will take: everything before it is in the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Sequence of the command, from 1.
    pub sequence: u64,
    /// Index of the event inside the command, from 0.
    pub index: u32,
}

impl Position {
    /// Before the first event.
    pub const START: Self = Self { sequence: 1, index: 0 };

    /// The first event of the command after `sequence`.
    #[must_use]
    pub const fn after(sequence: u64) -> Self {
        Self { sequence: sequence + 1, index: 0 }
    }

    /// The last command whose events are all in the rows; 0 = none.
    #[must_use]
    pub const fn as_of(self) -> u64 {
        self.sequence - 1
    }
}

/// The tables of a view. A change of the text asks for a higher version, and the file is then made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Name of the view, stable.
    pub view: &'static str,
    /// Version, from 1.
    pub version: u32,
    /// The statements that make the tables.
    pub sql: &'static str,
}

/// What was found when a derived store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was no file; the view begins with the first event.
    New,
    /// The view goes on from here.
    Resumed(Position),
    /// The file held tables of this other version and was dropped; the view begins with the first event.
    Outdated(u32),
}

/// One view's derived tables.
#[derive(Clone, Debug)]
pub struct DerivedStore {
    pools: Pools,
    schema: Schema,
    path: PathBuf,
}

const POSITION: &str = "CREATE TABLE event_position (
    view TEXT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL CHECK (sequence >= 1),
    event BIGINT NOT NULL CHECK (event >= 0)
)";

impl DerivedStore {
    /// Opens the tables, or makes them. Tables of another version are dropped: they can be made again from the events.
    ///
    /// # Errors
    /// If the file is no sound database or the disk fails.
    pub async fn open(options: &StoreOptions, schema: Schema) -> Result<(Self, Opened), StoreError> {
        let mut pools = Pools::open(options, SqliteSynchronous::Normal).await?;
        let found = version_of(&pools.writer).await?;
        let mut opened = if found == 0 { Opened::New } else { Opened::Outdated(found) };
        if found != 0 && found != schema.version {
            pools.close().await;
            remove(&options.path)?;
            pools = Pools::open(options, SqliteSynchronous::Normal).await?;
        }
        let store = Self { pools, schema, path: options.path.clone() };
        if found == schema.version {
            opened = Opened::Resumed(store.position().await?);
        } else {
            store.create().await?;
        }
        Ok((store, opened))
    }

    /// Drops the file and begins again with the first event. Nobody may use the old store any more.
    ///
    /// # Errors
    /// If the file cannot be removed or made.
    pub async fn rebuild(options: &StoreOptions, schema: Schema) -> Result<Self, StoreError> {
        remove(&options.path)?;
        Self::open(options, schema).await.map(|(store, _)| store)
    }

    async fn create(&self) -> Result<(), StoreError> {
        let failed = "create the tables of a view";
        let mut transaction = self.pools.writer.begin().await.map_err(StoreError::sql(failed))?;
        transaction.execute(POSITION).await.map_err(StoreError::sql(failed))?;
        transaction.execute(sqlx::raw_sql(self.schema.sql)).await.map_err(StoreError::sql(failed))?;
        let start = Position::START;
        write_position(&mut transaction, self.schema.view, start, "INSERT INTO event_position VALUES ($3, $1, $2)")
            .await?;
        // The pragma takes no parameters; the version is a number of ours.
        let version = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", self.schema.version));
        transaction.execute(sqlx::raw_sql(version)).await.map_err(StoreError::sql(failed))?;
        transaction.commit().await.map_err(StoreError::sql(failed))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next event that the view will take.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn position(&self) -> Result<Position, StoreError> {
        let mut connection = self.pools.readers.acquire().await.map_err(StoreError::sql("read a view's position"))?;
        read_position(&mut connection, self.schema.view).await
    }

    /// Begins a batch; there is one at a time. Dropping it undoes it.
    ///
    /// # Errors
    /// If the database fails or the writer is busy for too long.
    pub async fn begin(&self) -> Result<Batch, StoreError> {
        let begun = self.pools.writer.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(StoreError::sql("begin a batch"))?;
        let from = read_position(&mut transaction, self.schema.view).await?;
        Ok(Batch { transaction, view: self.schema.view, from })
    }

    /// A consistent look at the rows, and the position that they were made from.
    ///
    /// # Errors
    /// If the database fails or all readers are busy for too long.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut transaction = self.pools.readers.begin().await.map_err(StoreError::sql("begin to read a view"))?;
        let position = read_position(&mut transaction, self.schema.view).await?;
        Ok(Snapshot { transaction, position })
    }

    /// Closes all connections; what was committed is in the file.
    pub async fn close(&self) {
        self.pools.close().await;
    }
}

/// Changes to the rows that become visible, together with the new position, or not at all.
pub struct Batch {
    transaction: Transaction<'static, Database>,
    view: &'static str,
    from: Position,
}

impl Batch {
    /// The first event that this batch may take.
    #[must_use]
    pub const fn from(&self) -> Position {
        self.from
    }

    /// The connection to write with.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.transaction
    }

    /// Stores `to` with the rows and makes both visible.
    ///
    /// # Errors
    /// If the database fails; nothing is then changed.
    ///
    /// # Panics
    /// If the position would go back: our own bug.
    pub async fn commit(mut self, to: Position) -> Result<(), StoreError> {
        assert!(to >= self.from, "the position of a view never goes back");
        let found = read_position(&mut self.transaction, self.view).await?;
        if found != self.from {
            return Err(StoreError::Moved { view: self.view, found, expected: self.from });
        }
        let update = "UPDATE event_position SET sequence = $1, event = $2 WHERE view = $3";
        write_position(&mut self.transaction, self.view, to, update).await?;
        self.transaction.commit().await.map_err(StoreError::sql("commit a batch"))
    }
}

/// Rows as they were at one position.
pub struct Snapshot {
    transaction: Transaction<'static, Database>,
    position: Position,
}

impl Snapshot {
    /// The last command whose events are all in the rows.
    #[must_use]
    pub const fn as_of(&self) -> u64 {
        self.position.as_of()
    }

    /// The connection to read with.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.transaction
    }
}

async fn version_of(pool: &SqlitePool) -> Result<u32, StoreError> {
    let row =
        sqlx::query("PRAGMA user_version").fetch_one(pool).await.map_err(StoreError::sql("read a view's version"))?;
    row.try_get(0).map_err(StoreError::sql("read a view's version"))
}

async fn read_position(connection: &mut Connection, view: &'static str) -> Result<Position, StoreError> {
    let failed = "read a view's position";
    let query = sqlx::query("SELECT sequence, event FROM event_position WHERE view = $1").bind(view);
    let row = query.fetch_one(connection).await.map_err(StoreError::sql(failed))?;
    let sequence: i64 = row.try_get(0).map_err(StoreError::sql(failed))?;
    let index: i64 = row.try_get(1).map_err(StoreError::sql(failed))?;
    Ok(Position { sequence: sequence.cast_unsigned().max(1), index: u32::try_from(index).unwrap_or(0) })
}

async fn write_position(
    connection: &mut Connection,
    view: &'static str,
    to: Position,
    sql: &'static str,
) -> Result<(), StoreError> {
    let query = sqlx::query(sql).bind(to.sequence.cast_signed()).bind(i64::from(to.index)).bind(view);
    query.execute(connection).await.map(|_| ()).map_err(StoreError::sql("write a view's position"))
}
