//! The outbox: what others must learn of a change, written in the change's own transaction.

use crate::connection::{FromRow, Row};
use crate::error::StoreError;
use crate::owned::{Change, OwnedStore};
use crate::statement::Sql;

/// Rows that one look at the outbox returns at most.
pub const OUTBOX_PAGE_MAX: u32 = 1_000;

/// A row of the outbox. Numbers ascend in the order of the commits, without a gap that could be filled later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number, from 1. A consumer that remembers it takes each row once.
    pub number: u64,
    /// What kind of change.
    pub topic: String,
    /// What was changed.
    pub key: String,
    /// The change, in the form that the topic prescribes.
    pub payload: Vec<u8>,
    /// Nanoseconds since 1970.
    pub created_at: i64,
}

impl FromRow for OutboxRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let (number, topic, key, payload, created_at): (i64, _, _, _, _) = FromRow::from_row(row)?;
        Ok(Self { number: number.cast_unsigned(), topic, key, payload, created_at })
    }
}

/// A row to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication<'a> {
    /// What kind of change.
    pub topic: &'a str,
    /// What was changed.
    pub key: &'a str,
    /// The change.
    pub payload: &'a [u8],
    /// Nanoseconds since 1970.
    pub created_at: i64,
}

impl Change {
    /// Writes a row of the outbox with the change, and tells its number.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn publish(&mut self, row: Publication<'_>) -> Result<u64, StoreError> {
        // There is one writer at a time, so numbers and commits have the same order; a sequence would not promise that.
        self.connection().execute("UPDATE outbox_last SET number = number + 1 WHERE id = 1").await?;
        let last: Option<(i64,)> = self.connection().find("SELECT number FROM outbox_last WHERE id = 1").await?;
        let (number,) = last.ok_or(StoreError::Missing("the number of the last outbox row"))?;
        let insert = "INSERT INTO outbox (number, topic, key, payload, created_at) VALUES ($1, $2, $3, $4, $5)";
        let insert = Sql::new(insert).bind(number).bind(row.topic).bind(row.key).bind(row.payload);
        self.connection().execute(insert.bind(row.created_at)).await?;
        Ok(number.cast_unsigned())
    }
}

/// What one consumer has not acknowledged. A consumer that has not asked before gets every row that is still there;
/// from then on rows are kept until it acknowledges them.
#[derive(Clone, Debug)]
pub struct Outbox {
    store: OwnedStore,
    consumer: &'static str,
}

impl Outbox {
    pub(crate) const fn new(store: OwnedStore, consumer: &'static str) -> Self {
        Self { store, consumer }
    }

    /// Makes the consumer known, so that rows wait for it. Harmless when it is known.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn join(&self) -> Result<(), StoreError> {
        let mut change = self.store.begin().await?;
        let join = "INSERT INTO outbox_consumers (name, acknowledged) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING";
        change.connection().execute(Sql::new(join).bind(self.consumer)).await?;
        change.commit().await
    }

    /// The rows after the last acknowledged one, oldest first, at most `limit` (and [`OUTBOX_PAGE_MAX`]).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn next(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = "SELECT number, topic, key, payload, created_at FROM outbox WHERE number >
            COALESCE((SELECT acknowledged FROM outbox_consumers WHERE name = $1), 0) ORDER BY number LIMIT $2";
        let rows = Sql::new(rows).bind(self.consumer).bind(i64::from(limit.min(OUTBOX_PAGE_MAX)));
        self.store.read().await?.load(rows).await
    }

    /// Says that the consumer has taken everything up to `number`. Rows that all consumers have taken are removed.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn acknowledge(&self, number: u64) -> Result<(), StoreError> {
        let mut change = self.store.begin().await?;
        let taken = "INSERT INTO outbox_consumers (name, acknowledged) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
            SET acknowledged = excluded.acknowledged WHERE outbox_consumers.acknowledged < excluded.acknowledged";
        change.connection().execute(Sql::new(taken).bind(self.consumer).bind(number)).await?;
        let remove = "DELETE FROM outbox WHERE number <= (SELECT MIN(acknowledged) FROM outbox_consumers)";
        change.connection().execute(remove).await?;
        change.commit().await
    }
}
