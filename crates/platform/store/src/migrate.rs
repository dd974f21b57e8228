//! Steps of owned tables: numbered, checksummed, applied once and in order, all of them or none.

use sha2::{Digest as _, Sha256};

use crate::connection::Connection;
use crate::error::StoreError;
use crate::open::Pools;
use crate::schema::for_engine;
use crate::statement::Sql;

/// One step of a service's tables. A released step never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Number: 1, 2, 3 …
    pub version: i64,
    /// What it brings.
    pub name: &'static str,
    /// Its statements, in the subset that both engines take.
    pub sql: &'static str,
}

/// The tables that every owned store has.
const OWN: [Migration; 1] =
    [Migration { version: 1, name: "outbox and write keys", sql: include_str!("owned_tables.sql") }];

const CREATE_STEPS: &str = "CREATE TABLE IF NOT EXISTS store_steps (
    part TEXT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    checksum BYTEA NOT NULL,
    PRIMARY KEY (part, version)
)";

/// Applies the steps that are missing.
pub(crate) async fn migrate(pools: &Pools, place: &str, steps: &[Migration]) -> Result<(), StoreError> {
    let mut connection = pools.write().await?;
    connection.execute(CREATE_STEPS).await?;
    apply(&mut connection, place, "store", &OWN).await?;
    apply(&mut connection, place, "service", steps).await?;
    connection.commit().await
}

async fn apply(
    connection: &mut Connection,
    place: &str,
    set: &'static str,
    steps: &[Migration],
) -> Result<(), StoreError> {
    let numbered = steps.iter().zip(1..).all(|(step, number)| step.version == number);
    assert!(numbered, "the steps of {set} are numbered 1, 2, 3 …");
    let applied = "SELECT version, checksum FROM store_steps WHERE part = $1 ORDER BY version LIMIT 100000";
    let applied: Vec<(i64, Vec<u8>)> = connection.load(Sql::new(applied).bind(set)).await?;
    let refused = |version, reason: &str| StoreError::Migrate {
        place: place.to_owned(),
        set,
        version,
        reason: reason.to_owned(),
    };
    for (at, (version, checksum)) in applied.iter().enumerate() {
        match steps.get(at) {
            None => return Err(refused(*version, "it was applied by a newer program; this one does not know it")),
            Some(step) if step.version != *version || checksum_of(step) != *checksum => {
                return Err(refused(*version, "its text was changed after it was applied"));
            }
            Some(_) => {}
        }
    }
    for step in &steps[applied.len()..] {
        let text = for_engine(step.sql, connection.engine());
        connection.run_text(text).await.map_err(|error| refused(step.version, &error.to_string()))?;
        let note = Sql::new("INSERT INTO store_steps (part, version, name, checksum) VALUES ($1, $2, $3, $4)");
        connection.execute(note.bind(set).bind(step.version).bind(step.name).bind(checksum_of(step))).await?;
    }
    Ok(())
}

fn checksum_of(step: &Migration) -> Vec<u8> {
    Sha256::digest(step.sql.as_bytes()).to_vec()
}
