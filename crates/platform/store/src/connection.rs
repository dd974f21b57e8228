//! One connection inside a transaction, on either engine: values go in, rows come out.

use sqlx::{Postgres, Row as _, Sqlite, Transaction};

use crate::error::StoreError;
use crate::statement::{Built, Engine, Statement};
use crate::value::{for_postgres, for_sqlite};

/// A connection of a store, inside a transaction.
pub struct Connection(Inner);

enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A row that was read.
pub struct Row(RowInner);

enum RowInner {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

/// What a column may be read as: `i64`, `bool`, `String`, `Vec<u8>` and options of them.
pub trait Field:
    for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>
{
}

impl<T> Field for T where
    T: for<'r> sqlx::Decode<'r, Sqlite>
        + sqlx::Type<Sqlite>
        + for<'r> sqlx::Decode<'r, Postgres>
        + sqlx::Type<Postgres>
{
}

impl Row {
    /// The value of the column at `place`, from 0.
    ///
    /// # Errors
    /// If there is no such column or it holds something else.
    pub fn get<T: Field>(&self, place: usize) -> Result<T, StoreError> {
        let value = match &self.0 {
            RowInner::Sqlite(row) => row.try_get(place),
            RowInner::Postgres(row) => row.try_get(place),
        };
        value.map_err(StoreError::sql("read a column"))
    }
}

/// What is made from a row, column by column.
pub trait FromRow: Sized {
    /// Reads the columns in the order of the query.
    ///
    /// # Errors
    /// If a column holds something else.
    fn from_row(row: &Row) -> Result<Self, StoreError>;
}

macro_rules! tuple_from_row {
    ($($name:ident $place:tt),+) => {
        impl<$($name: Field),+> FromRow for ($($name,)+) {
            fn from_row(row: &Row) -> Result<Self, StoreError> {
                Ok(($(row.get::<$name>($place)?,)+))
            }
        }
    };
}

tuple_from_row!(A 0);
tuple_from_row!(A 0, B 1);
tuple_from_row!(A 0, B 1, C 2);
tuple_from_row!(A 0, B 1, C 2, D 3);
tuple_from_row!(A 0, B 1, C 2, D 3, E 4);
tuple_from_row!(A 0, B 1, C 2, D 3, E 4, F 5);

impl Connection {
    pub(crate) const fn sqlite(transaction: Transaction<'static, Sqlite>) -> Self {
        Self(Inner::Sqlite(transaction))
    }

    pub(crate) const fn postgres(transaction: Transaction<'static, Postgres>) -> Self {
        Self(Inner::Postgres(transaction))
    }

    /// The engine behind it.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self.0 {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a change and tells how many rows it touched.
    ///
    /// # Errors
    /// If the database refuses it.
    pub async fn execute(&mut self, statement: impl Statement) -> Result<u64, StoreError> {
        let Built { text, values, keep } = statement.build(self.engine())?;
        let done = match &mut self.0 {
            Inner::Sqlite(sqlite) => {
                let query = sqlx::query_with::<Sqlite, _>(text, for_sqlite(values)?).persistent(keep);
                query.execute(&mut **sqlite).await.map(|done| done.rows_affected())
            }
            Inner::Postgres(postgres) => {
                let query = sqlx::query_with::<Postgres, _>(text, for_postgres(values)?).persistent(keep);
                query.execute(&mut **postgres).await.map(|done| done.rows_affected())
            }
        };
        done.map_err(StoreError::sql("write rows"))
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// If the database refuses it.
    pub async fn rows(&mut self, statement: impl Statement) -> Result<Vec<Row>, StoreError> {
        let Built { text, values, keep } = statement.build(self.engine())?;
        let rows: Result<Vec<Row>, _> = match &mut self.0 {
            Inner::Sqlite(sqlite) => {
                let query = sqlx::query_with::<Sqlite, _>(text, for_sqlite(values)?).persistent(keep);
                let rows = query.fetch_all(&mut **sqlite).await;
                rows.map(|rows| rows.into_iter().map(|row| Row(RowInner::Sqlite(row))).collect())
            }
            Inner::Postgres(postgres) => {
                let query = sqlx::query_with::<Postgres, _>(text, for_postgres(values)?).persistent(keep);
                let rows = query.fetch_all(&mut **postgres).await;
                rows.map(|rows| rows.into_iter().map(|row| Row(RowInner::Postgres(row))).collect())
            }
        };
        rows.map_err(StoreError::sql("read rows"))
    }

    /// The rows of a query, each as `T`. Bound the query by a limit.
    ///
    /// # Errors
    /// If the database refuses it or a row does not fit `T`.
    pub async fn load<T: FromRow>(&mut self, statement: impl Statement) -> Result<Vec<T>, StoreError> {
        self.rows(statement).await?.iter().map(T::from_row).collect()
    }

    /// The first row of a query as `T`.
    ///
    /// # Errors
    /// If the database refuses it or the row does not fit `T`.
    pub async fn find<T: FromRow>(&mut self, statement: impl Statement) -> Result<Option<T>, StoreError> {
        self.rows(statement).await?.first().map(T::from_row).transpose()
    }

    /// Runs several statements without values, as schemas have them.
    pub(crate) async fn run_text(&mut self, text: String) -> Result<(), StoreError> {
        let query = sqlx::raw_sql(sqlx::AssertSqlSafe(text));
        let done = match &mut self.0 {
            Inner::Sqlite(sqlite) => query.execute(&mut **sqlite).await.map(|_| ()),
            Inner::Postgres(postgres) => query.execute(&mut **postgres).await.map(|_| ()),
        };
        done.map_err(StoreError::sql("run the statements of a schema"))
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let done = match self.0 {
            Inner::Sqlite(sqlite) => sqlite.commit().await,
            Inner::Postgres(postgres) => postgres.commit().await,
        };
        done.map_err(StoreError::sql("commit"))
    }
}
