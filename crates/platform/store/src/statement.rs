//! Statements, written once for both engines: text in the subset that both know, or built with sea-query.

use sea_query::{
    DeleteStatement, InsertStatement, PostgresQueryBuilder, QueryStatementWriter, SelectStatement, SqliteQueryBuilder,
    UpdateStatement,
};
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::error::StoreError;
use crate::value::Value;

/// The SQL engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL 15 or newer.
    Postgres,
}

/// A statement of fixed text with `$1`, `$2` … for its values. The text must be what both engines take.
#[derive(Clone, Debug)]
pub struct Sql {
    text: Text,
    values: Vec<Value>,
}

#[derive(Clone, Debug)]
enum Text {
    Fixed(&'static str),
    Assembled(String),
}

impl Sql {
    /// A statement of this text.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text: Text::Fixed(text), values: Vec::new() }
    }

    /// Gives the next of the values that the text names.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Puts text behind it.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text_mut().push_str(text);
        self
    }

    /// Puts a value behind it.
    pub fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let number = self.values.len();
        let text = self.text_mut();
        text.push('$');
        push_number(text, number);
        self
    }

    /// Puts a value behind it that only its place tells from others; SQLite knows such, PostgreSQL does not.
    pub(crate) fn push_nameless(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text_mut().push('?');
        self
    }

    pub(crate) fn text_mut(&mut self) -> &mut String {
        if let Text::Fixed(text) = self.text {
            self.text = Text::Assembled(text.to_owned());
        }
        match &mut self.text {
            Text::Assembled(text) => text,
            Text::Fixed(_) => unreachable!("it was assembled just now"),
        }
    }
}

fn push_number(text: &mut String, number: usize) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + u8::try_from(number % 10).expect("a digit")));
}

/// What a connection runs.
pub trait Statement: Send {
    /// Its text for `engine`, its values, and whether it is worth keeping prepared.
    ///
    /// # Errors
    /// If it holds a value that not both engines know.
    fn build(self, engine: Engine) -> Result<Built, StoreError>;
}

/// A statement for one engine.
pub struct Built {
    pub(crate) text: SqlStr,
    pub(crate) values: Vec<Value>,
    pub(crate) keep: bool,
}

impl Statement for Sql {
    fn build(self, _: Engine) -> Result<Built, StoreError> {
        let (text, keep) = match self.text {
            Text::Fixed(text) => (text.into_sql_str(), true),
            // A text made from its rows is rarely the same twice.
            Text::Assembled(text) => (AssertSqlSafe(text).into_sql_str(), false),
        };
        Ok(Built { text, values: self.values, keep })
    }
}

impl Statement for &'static str {
    fn build(self, engine: Engine) -> Result<Built, StoreError> {
        Sql::new(self).build(engine)
    }
}

fn built(statement: &impl QueryStatementWriter, engine: Engine) -> Result<Built, StoreError> {
    let (text, values) = match engine {
        Engine::Sqlite => statement.build(SqliteQueryBuilder),
        Engine::Postgres => statement.build(PostgresQueryBuilder),
    };
    let values = values.0.into_iter().map(Value::of).collect::<Result<_, _>>()?;
    Ok(Built { text: AssertSqlSafe(text).into_sql_str(), values, keep: true })
}

macro_rules! built_by_sea_query {
    ($($kind:ty),+) => {$(
        impl Statement for &$kind {
            fn build(self, engine: Engine) -> Result<Built, StoreError> {
                built(self, engine)
            }
        }

        impl Statement for &mut $kind {
            fn build(self, engine: Engine) -> Result<Built, StoreError> {
                built(self, engine)
            }
        }
    )+};
}

built_by_sea_query!(SelectStatement, InsertStatement, UpdateStatement, DeleteStatement);
