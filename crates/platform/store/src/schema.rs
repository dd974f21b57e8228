//! The text of tables: one text for both engines, and the tables that a place holds.

use crate::connection::Connection;
use crate::error::StoreError;
use crate::statement::Engine;

/// The text as `engine` takes it. Schemas are written in the subset that both know: `BIGINT`, `BOOLEAN`, `TEXT` and
/// `BYTEA` columns, keys, checks, indexes also partial ones. The one word beyond it is `WITHOUT ROWID`, which makes
/// SQLite keep a table in the order of its key; PostgreSQL has no such choice. A key that SQLite knows as `INTEGER` is the
/// place of the row itself; as `BIGINT` it would be an index beside it.
pub(crate) fn for_engine(text: &str, engine: Engine) -> String {
    match engine {
        Engine::Sqlite => text.replace(" BIGINT NOT NULL PRIMARY KEY", " INTEGER NOT NULL PRIMARY KEY"),
        Engine::Postgres => text.replace(") WITHOUT ROWID", ")"),
    }
}

/// Whether the place holds this table, or any if no name is given.
pub(crate) async fn holds_table(connection: &mut Connection, name: Option<&'static str>) -> Result<bool, StoreError> {
    let all = match connection.engine() {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 10000",
        Engine::Postgres => {
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() LIMIT 10000"
        }
    };
    let found: Vec<(String,)> = connection.load(all).await?;
    Ok(match name {
        Some(name) => found.iter().any(|(found,)| found == name),
        None => !found.is_empty(),
    })
}
