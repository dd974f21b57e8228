//! Many rows in few statements, each inside the engine's limit of variables.

use sqlx::query_builder::{QueryBuilder, Separated};

use crate::error::StoreError;
use crate::{Connection, Database, Row};

/// Most variables of one statement: below the limits of SQLite (32,766) and PostgreSQL (65,535).
pub const VARIABLES_MAX: usize = 8_000;

/// Writes `rows` of `columns` values each: `head` stands before the values (`INSERT INTO t (a, b)`), `tail` behind
/// them (`ON CONFLICT …`, or nothing). `push` binds the values of one row.
///
/// # Errors
/// If the database refuses a row; rows before it may be written, so call it inside a transaction.
///
/// # Panics
/// If a row has more values than a statement takes: our own bug.
pub async fn insert_rows<T>(
    connection: &mut Connection,
    (head, tail): (&str, &str),
    columns: usize,
    rows: &[T],
    push: impl Fn(&mut Separated<'_, Database, &'static str>, &T),
) -> Result<(), StoreError> {
    assert!((1..=VARIABLES_MAX).contains(&columns), "a row fits a statement");
    for chunk in rows.chunks(VARIABLES_MAX / columns) {
        let mut query = QueryBuilder::<Database>::new(head);
        query.push(" ").push_values(chunk, |mut values, row| push(&mut values, row));
        query.push(" ").push(tail);
        // A statement as long as its rows is not worth keeping prepared.
        let written = query.build().persistent(false).execute(&mut *connection).await;
        written.map_err(StoreError::sql("write rows"))?;
    }
    Ok(())
}

/// Reads the rows whose `key` columns (one name, or `(a, b)`) are among `keys`; `head` is `SELECT … FROM …`. `push` binds the
/// `columns` values of one key.
///
/// # Errors
/// If the database fails or a row does not fit `T`.
pub async fn load_rows<K, T>(
    connection: &mut Connection,
    (head, key): (&str, &str),
    columns: usize,
    keys: &[K],
    push: impl Fn(&mut Separated<'_, Database, &'static str>, &K),
) -> Result<Vec<T>, StoreError>
where
    T: for<'r> sqlx::FromRow<'r, Row>,
{
    let mut found = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(VARIABLES_MAX / columns) {
        let mut query = QueryBuilder::<Database>::new(head);
        query.push(" WHERE ").push(key).push(" IN (").push_values(chunk, |mut values, key| push(&mut values, key));
        query.push(")");
        let rows = query.build().persistent(false).fetch_all(&mut *connection).await;
        for row in rows.map_err(StoreError::sql("read rows"))? {
            found.push(T::from_row(&row).map_err(StoreError::sql("read a row"))?);
        }
    }
    Ok(found)
}
