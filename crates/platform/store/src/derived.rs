//! Derived tables: rows and the event position that they were made from, in one transaction.

use crate::connection::{Connection, FromRow, Row};
use crate::error::StoreError;
use crate::open::{Pools, Tables, remove};
use crate::schema::{for_engine, holds_table};
use crate::statement::Sql;
use crate::url::{Place, StoreOptions};

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

/// The tables of a view. A change of the text asks for a higher version, and the tables are then made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Name of the view, stable.
    pub view: &'static str,
    /// Version, from 1.
    pub version: u32,
    /// The statements that make the tables, in the subset that both engines take.
    pub sql: &'static str,
}

/// What was found when a derived store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There were no tables; the view begins with the first event.
    New,
    /// The view goes on from here.
    Resumed(Position),
    /// There were tables of this other version (0 = unknown), which were dropped; the view begins with the first event.
    Outdated(u32),
}

/// One view's derived tables.
#[derive(Clone, Debug)]
pub struct DerivedStore {
    pools: Pools,
    schema: Schema,
    place: Place,
}

const POSITION_TABLE: &str = "view_position";
const CREATE_POSITION: &str = "CREATE TABLE view_position (
    view TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence >= 1),
    event BIGINT NOT NULL CHECK (event >= 0)
)";
const READ_POSITION: &str = "SELECT sequence, event FROM view_position WHERE view = $1";

impl FromRow for Position {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let (sequence, index): (i64, i64) = FromRow::from_row(row)?;
        Ok(Self { sequence: sequence.cast_unsigned().max(1), index: u32::try_from(index).unwrap_or(0) })
    }
}

impl DerivedStore {
    /// Opens the tables, or makes them. Tables of another version are dropped: they can be made again from the events.
    ///
    /// # Errors
    /// If the place holds no sound database, or the disk or the server fails.
    pub async fn open(options: &StoreOptions, schema: Schema) -> Result<(Self, Opened), StoreError> {
        let mut pools = Pools::open(options, Tables::Derived).await?;
        let found = found_in(&pools, schema).await?;
        if let Opened::Outdated(_) = found {
            pools.close().await;
            remove(&options.place).await?;
            pools = Pools::open(options, Tables::Derived).await?;
        }
        let store = Self { pools, schema, place: options.place.clone() };
        if !matches!(found, Opened::Resumed(_)) {
            store.create().await?;
        }
        Ok((store, found))
    }

    /// Drops the tables and begins again with the first event. Nobody may use the old store any more.
    ///
    /// # Errors
    /// If the tables cannot be removed or made.
    pub async fn rebuild(options: &StoreOptions, schema: Schema) -> Result<Self, StoreError> {
        remove(&options.place).await?;
        Self::open(options, schema).await.map(|(store, _)| store)
    }

    async fn create(&self) -> Result<(), StoreError> {
        let mut connection = self.pools.write().await?;
        connection.execute(CREATE_POSITION).await?;
        let text = for_engine(self.schema.sql, connection.engine());
        connection.run_text(text).await?;
        let start = Sql::new("INSERT INTO view_position (view, version, sequence, event) VALUES ($1, $2, 1, 0)");
        connection.execute(start.bind(self.schema.view).bind(i64::from(self.schema.version))).await?;
        connection.commit().await
    }

    /// Where the tables are.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The next event that the view will take.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn position(&self) -> Result<Position, StoreError> {
        read_position(&mut self.pools.read().await?, self.schema.view).await
    }

    /// Begins a batch; there is one at a time. Dropping it undoes it.
    ///
    /// # Errors
    /// If the database fails or the writer is busy for too long.
    pub async fn begin(&self) -> Result<Batch, StoreError> {
        let mut connection = self.pools.write().await?;
        let from = read_position(&mut connection, self.schema.view).await?;
        Ok(Batch { connection, view: self.schema.view, from })
    }

    /// A consistent look at the rows, and the position that they were made from.
    ///
    /// # Errors
    /// If the database fails or all readers are busy for too long.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut connection = self.pools.read().await?;
        let position = read_position(&mut connection, self.schema.view).await?;
        Ok(Snapshot { connection, position })
    }

    /// Closes all connections; what was committed stays.
    pub async fn close(&self) {
        self.pools.close().await;
    }
}

/// Changes to the rows that become visible, together with the new position, or not at all.
pub struct Batch {
    connection: Connection,
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
        &mut self.connection
    }

    /// Stores `to` with the rows and makes both visible.
    ///
    /// # Errors
    /// If the database fails or another process moved the position; nothing is then changed.
    ///
    /// # Panics
    /// If the position would go back: our own bug.
    pub async fn commit(mut self, to: Position) -> Result<(), StoreError> {
        assert!(to >= self.from, "the position of a view never goes back");
        // The old position stands in the condition: of two writers, one finds no row.
        let update =
            "UPDATE view_position SET sequence = $1, event = $2 WHERE view = $3 AND sequence = $4 AND event = $5";
        let update = Sql::new(update).bind(to.sequence).bind(i64::from(to.index)).bind(self.view);
        let moved = self.connection.execute(update.bind(self.from.sequence).bind(i64::from(self.from.index))).await?;
        if moved != 1 {
            return Err(StoreError::Moved { view: self.view, expected: self.from });
        }
        self.connection.commit().await
    }
}

/// Rows as they were at one position.
pub struct Snapshot {
    connection: Connection,
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
        &mut self.connection
    }
}

async fn found_in(pools: &Pools, schema: Schema) -> Result<Opened, StoreError> {
    let mut connection = pools.read().await?;
    if !holds_table(&mut connection, None).await? {
        return Ok(Opened::New);
    }
    if !holds_table(&mut connection, Some(POSITION_TABLE)).await? {
        return Ok(Opened::Outdated(0));
    }
    let version = Sql::new("SELECT version FROM view_position WHERE view = $1").bind(schema.view);
    let found: Option<(i64,)> = connection.find(version).await?;
    let found = found.map_or(0, |(version,)| u32::try_from(version).unwrap_or(0));
    if found != schema.version {
        return Ok(Opened::Outdated(found));
    }
    read_position(&mut connection, schema.view).await.map(Opened::Resumed)
}

async fn read_position(connection: &mut Connection, view: &'static str) -> Result<Position, StoreError> {
    let found = connection.find(Sql::new(READ_POSITION).bind(view)).await?;
    found.ok_or(StoreError::Missing("the position of a view"))
}
