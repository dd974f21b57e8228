//! Owned tables: the system of record of a service. Every commit is on the disk before it returns.

use sqlx::migrate::{Migration as Step, MigrationType, Migrator};
use sqlx::sqlite::SqliteSynchronous;
use sqlx::{SqlSafeStr as _, Transaction};

use crate::Database;
use crate::error::StoreError;
use crate::open::{Pools, StoreOptions};

/// One step of a service's tables. A released step never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Number, ascending from 1.
    pub version: i64,
    /// What it brings.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// Tables that nobody can rebuild.
#[derive(Clone, Debug)]
pub struct OwnedStore {
    pools: Pools,
}

impl OwnedStore {
    /// Opens the tables and applies the steps that are missing.
    ///
    /// # Errors
    /// If a step was changed after it was applied, or the file holds steps of a newer version, or the disk fails.
    pub async fn open(options: &StoreOptions, migrations: &[Migration]) -> Result<Self, StoreError> {
        let pools = Pools::open(options, SqliteSynchronous::Full).await?;
        let steps = migrations
            .iter()
            .map(|m| Step::new(m.version, m.name.into(), MigrationType::Simple, m.sql.into_sql_str(), false))
            .collect();
        let failed = |source| StoreError::Migrate { path: options.path.clone(), source };
        Migrator::with_migrations(steps).run(&pools.writer).await.map_err(failed)?;
        Ok(Self { pools })
    }

    /// Begins a change; commit it, or drop it to undo it.
    ///
    /// # Errors
    /// If the database fails or the writer is busy for too long.
    pub async fn begin(&self) -> Result<Transaction<'static, Database>, StoreError> {
        self.pools.writer.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::sql("begin a change"))
    }

    /// Begins a consistent look.
    ///
    /// # Errors
    /// If the database fails or all readers are busy for too long.
    pub async fn read(&self) -> Result<Transaction<'static, Database>, StoreError> {
        self.pools.readers.begin().await.map_err(StoreError::sql("begin to read"))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pools.close().await;
    }
}
