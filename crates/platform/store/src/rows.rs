//! Many rows in few statements, each inside the engines' limits of variables.

use crate::connection::{Connection, FromRow};
use crate::error::StoreError;
use crate::statement::{Engine, Sql};
use crate::value::Value;

/// Most variables of one statement: below the limits of SQLite (32,766) and PostgreSQL (65,535).
pub const VARIABLES_MAX: usize = 8_000;

/// Takes the values of one row, in the order of the columns.
pub struct RowValues<'a> {
    sql: &'a mut Sql,
    engine: Engine,
    first: bool,
}

impl RowValues<'_> {
    /// The next value.
    pub fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        if !self.first {
            self.sql.text_mut().push_str(", ");
        }
        self.first = false;
        match self.engine {
            // SQLite keeps names in a list that it searches from its beginning for every value: thousands of named
            // values would take it a square of steps, nameless ones take none.
            Engine::Sqlite => self.sql.push_nameless(value),
            Engine::Postgres => self.sql.push_bind(value),
        };
        self
    }
}

/// Puts `VALUES (…), (…)` behind `sql`.
fn push_rows<T>((sql, engine): (&mut Sql, Engine), columns: usize, rows: &[T], push: &impl Fn(&mut RowValues<'_>, &T)) {
    sql.text_mut().reserve(rows.len() * (4 + columns * 7));
    sql.push("VALUES ");
    for (number, row) in rows.iter().enumerate() {
        sql.push(if number == 0 { "(" } else { ", (" });
        push(&mut RowValues { sql, engine, first: true }, row);
        sql.push(")");
    }
}

/// Writes `rows` of `columns` values each: `head` stands before the values (`INSERT INTO t (a, b)`), `tail` behind
/// them (`ON CONFLICT …`, or nothing). `push` gives the values of one row.
///
/// # Errors
/// If the database refuses a row; nothing of the transaction may then be committed.
///
/// # Panics
/// If a row has more values than a statement takes: our own bug.
pub async fn insert_rows<T>(
    connection: &mut Connection,
    (head, tail): (&'static str, &'static str),
    columns: usize,
    rows: &[T],
    push: impl Fn(&mut RowValues<'_>, &T),
) -> Result<(), StoreError> {
    assert!((1..=VARIABLES_MAX).contains(&columns), "a row fits a statement");
    for chunk in rows.chunks(VARIABLES_MAX / columns) {
        let mut sql = Sql::new(head);
        sql.push(" ");
        push_rows((&mut sql, connection.engine()), columns, chunk, &push);
        sql.push(" ").push(tail);
        connection.execute(sql).await?;
    }
    Ok(())
}

/// Reads the rows whose `key` columns (one name, or `(a, b)`) are among `keys`; `head` is `SELECT … FROM …`. `push`
/// gives the `columns` values of one key.
///
/// # Errors
/// If the database fails or a row does not fit `T`.
pub async fn load_rows<K, T: FromRow>(
    connection: &mut Connection,
    (head, key): (&'static str, &str),
    columns: usize,
    keys: &[K],
    push: impl Fn(&mut RowValues<'_>, &K),
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(VARIABLES_MAX / columns) {
        let mut sql = Sql::new(head);
        sql.push(" WHERE ").push(key).push(" IN (");
        push_rows((&mut sql, connection.engine()), columns, chunk, &push);
        sql.push(")");
        found.append(&mut connection.load(sql).await?);
    }
    Ok(found)
}
