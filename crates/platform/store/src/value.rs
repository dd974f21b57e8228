//! Values as both engines take them: whole numbers of 64 bits, truth, text, bytes.

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use crate::error::StoreError;

/// A value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Number(Option<i64>),
    /// Yes or no.
    Truth(Option<bool>),
    /// Text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($from:ty => $variant:ident $make:expr),+ $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(Some($make(value)))
            }
        }

        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$variant(value.map($make))
            }
        }
    )+};
}

value_from! {
    i64 => Number std::convert::identity,
    u64 => Number u64::cast_signed,
    i32 => Number i64::from,
    u32 => Number i64::from,
    u16 => Number i64::from,
    u8 => Number i64::from,
    bool => Truth std::convert::identity,
    String => Text std::convert::identity,
    &str => Text str::to_owned,
    Vec<u8> => Bytes std::convert::identity,
    &[u8] => Bytes <[u8]>::to_vec,
}

impl Value {
    /// A value that sea-query collected.
    pub(crate) fn of(value: sea_query::Value) -> Result<Self, StoreError> {
        use sea_query::Value as Built;
        Ok(match value {
            Built::BigInt(number) => Self::Number(number),
            Built::Int(number) => number.into(),
            Built::SmallInt(number) => Self::Number(number.map(i64::from)),
            Built::TinyInt(number) => Self::Number(number.map(i64::from)),
            Built::BigUnsigned(number) => number.into(),
            Built::Unsigned(number) => number.into(),
            Built::SmallUnsigned(number) => number.into(),
            Built::TinyUnsigned(number) => number.into(),
            Built::Bool(truth) => Self::Truth(truth),
            Built::String(text) => Self::Text(text),
            Built::Bytes(bytes) => Self::Bytes(bytes),
            _ => return Err(StoreError::Value("type other than whole number, truth, text and bytes")),
        })
    }
}

macro_rules! bound {
    ($name:ident, $arguments:ty) => {
        pub(crate) fn $name(values: Vec<Value>) -> Result<$arguments, StoreError> {
            let mut arguments = <$arguments>::default();
            arguments.reserve(values.len(), values.len() * 9);
            for value in values {
                let added = match value {
                    Value::Number(number) => arguments.add(number),
                    Value::Truth(truth) => arguments.add(truth),
                    Value::Text(text) => arguments.add(text),
                    Value::Bytes(bytes) => arguments.add(bytes),
                };
                added.map_err(|source| StoreError::sql("bind a value")(sqlx::Error::Encode(source)))?;
            }
            Ok(arguments)
        }
    };
}

bound!(for_sqlite, SqliteArguments);
bound!(for_postgres, PgArguments);
