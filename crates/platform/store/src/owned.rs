//! Owned tables: the system of record of a service. Every commit is on the disk before it returns.

use crate::connection::Connection;
use crate::error::StoreError;
use crate::migrate::{Migration, migrate};
use crate::open::{Pools, Tables};
use crate::outbox::Outbox;
use crate::sealed::Seals;
use crate::url::{Place, StoreOptions};

/// Tables that nobody can rebuild.
#[derive(Clone, Debug)]
pub struct OwnedStore {
    pools: Pools,
    place: Place,
    seals: Seals,
}

impl OwnedStore {
    /// Opens the tables and applies the steps that are missing, all or none.
    ///
    /// # Errors
    /// If a step was changed after it was applied, or the place holds steps of a newer program, or the disk or the
    /// server fails.
    ///
    /// # Panics
    /// If the steps are not numbered 1, 2, 3 …: our own bug.
    pub async fn open(options: &StoreOptions, migrations: &[Migration]) -> Result<Self, StoreError> {
        let pools = Pools::open(options, Tables::Owned).await?;
        migrate(&pools, &options.place.to_string(), migrations).await?;
        Ok(Self { pools, place: options.place.clone(), seals: Seals(options.keys.clone()) })
    }

    /// Begins a change; there is one at a time. Commit it, or drop it to undo it.
    ///
    /// # Errors
    /// If the database fails or the writer is busy for too long.
    pub async fn begin(&self) -> Result<Change, StoreError> {
        Ok(Change { connection: self.pools.write().await? })
    }

    /// Begins a consistent look. It cannot write.
    ///
    /// # Errors
    /// If the database fails or all readers are busy for too long.
    pub async fn read(&self) -> Result<Connection, StoreError> {
        self.pools.read().await
    }

    /// What the consumer `name` has not acknowledged of the outbox.
    #[must_use]
    pub fn outbox(&self, name: &'static str) -> Outbox {
        Outbox::new(self.clone(), name)
    }

    /// Where the tables are.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// What seals the secrets of its columns.
    #[must_use]
    pub const fn seals(&self) -> &Seals {
        &self.seals
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pools.close().await;
    }
}

/// A change of owned tables that becomes durable and visible as a whole, or not at all.
pub struct Change {
    connection: Connection,
}

impl Change {
    /// The connection to read and write with.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Makes it durable and visible.
    ///
    /// # Errors
    /// If the database fails. It may then have happened: look before you repeat it.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.connection.commit().await
    }
}
