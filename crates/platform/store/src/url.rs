//! Where tables live: `store.url`, and the place of one service's tables there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::error::StoreError;
use crate::sealed::StoreKeys;

/// Where all tables live: `store.url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A folder; every store is a SQLite file in it.
    Sqlite(PathBuf),
    /// A PostgreSQL database; every store is a schema in it.
    Postgres(Server),
}

/// A PostgreSQL database. `Debug` and `Display` hide the password.
#[derive(Clone)]
pub struct Server {
    url: String,
    connect: Box<PgConnectOptions>,
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    /// `sqlite:FOLDER` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `?sslmode=verify-full` and so on behind
    /// it as libpq has them.
    fn from_str(url: &str) -> Result<Self, StoreError> {
        let refused = |reason: &str| StoreError::Url { url: without_password(url), reason: reason.to_owned() };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let connect: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| refused(&error.to_string()))?;
            if connect.get_database().is_none_or(str::is_empty) {
                return Err(refused("name the database: postgres://HOST/DATABASE"));
            }
            return Ok(Self::Postgres(Server { url: url.to_owned(), connect: Box::new(connect) }));
        }
        match url.strip_prefix("sqlite:") {
            Some("" | ":memory:") => Err(refused("a store needs a folder")),
            Some(folder) => Ok(Self::Sqlite(PathBuf::from(folder))),
            None => Err(refused("expected sqlite:FOLDER or postgres://HOST/DATABASE")),
        }
    }
}

impl StoreUrl {
    /// The place of the store `name` (lower case letters, digits, `_`): the file `name.db`, or the schema `heng_name`.
    ///
    /// # Panics
    /// If the name has other characters or is longer than 40: our own bug.
    #[must_use]
    pub fn store(&self, name: &str) -> StoreOptions {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        assert!((1..=40).contains(&name.len()) && name.bytes().all(plain), "the name of a store is plain");
        match self {
            Self::Sqlite(folder) => StoreOptions::at(folder.join(format!("{name}.db"))),
            Self::Postgres(server) => {
                StoreOptions::with(Place::Schema { server: server.clone(), schema: format!("heng_{name}") })
            }
        }
    }
}

impl Server {
    pub(crate) fn connect(&self) -> PgConnectOptions {
        (*self.connect).clone()
    }
}

/// Addresses go to logs, passwords do not.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // The password ends with the last `@` before the path; one in the query is cut with the query.
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((user, host)) => format!("{scheme}://{}@{host}", user.split(':').next().unwrap_or_default()),
        None => format!("{scheme}://{rest}"),
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.url))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for Server {}

/// Where one store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file.
    File(PathBuf),
    /// A schema of a PostgreSQL database.
    Schema {
        /// The database.
        server: Server,
        /// The schema; it holds the tables of this store and no others.
        schema: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Schema { server, schema } => write!(f, "{server} schema {schema}"),
        }
    }
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where it is; a missing folder or schema is made.
    pub place: Place,
    /// Most connections that read at once, at least 1.
    pub readers: u32,
    /// How long a connection waits for a lock or a free place.
    pub wait_max: Duration,
    /// What encrypts a SQLite file, and seals secrets in columns on both engines; none = plain.
    pub keys: Option<Arc<dyn StoreKeys>>,
}

impl StoreOptions {
    /// The usual, in a SQLite file: 4 readers, 5 s of waiting.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::with(Place::File(path.into()))
    }

    fn with(place: Place) -> Self {
        Self { place, readers: 4, wait_max: Duration::from_secs(5), keys: None }
    }

    /// The same, sealed by these keys.
    #[must_use]
    pub fn sealed_by(self, keys: Option<Arc<dyn StoreKeys>>) -> Self {
        Self { keys, ..self }
    }

    /// The SQLite file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Schema { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        let check = |url: &str| url.parse::<StoreUrl>().map_err(|error| error.to_string());
        assert_eq!(check("sqlite:/data"), Ok(StoreUrl::Sqlite("/data".into())));
        assert!(matches!(check("postgres://h/db"), Ok(StoreUrl::Postgres(_))));
        assert!(check("postgres://h").unwrap_err().contains("name the database"));
        assert!(check("sqlite::memory:").unwrap_err().contains("a store needs a folder"));
        assert!(
            check("mysql://u:secret@x").unwrap_err().ends_with("expected sqlite:FOLDER or postgres://HOST/DATABASE")
        );
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in ["postgres://u:se@cret@h:1/db", "postgres://u@h/db?password=secret", "postgresql://u:cret@h:x/db"] {
            let shown = match url.parse::<StoreUrl>() {
                Ok(url) => format!("{url:?} {:?} {}", url.store("notes"), url.store("notes").place),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains("cret"), "{shown}");
            assert!(shown.contains('h'), "{shown}");
        }
    }

    #[test]
    fn a_store_has_a_file_or_a_schema_of_its_own() {
        let sqlite: StoreUrl = "sqlite:/data".parse().expect("an address");
        assert_eq!(sqlite.store("notes").file(), Some(Path::new("/data/notes.db")));
        let postgres: StoreUrl = "postgres://u:secret@h:5/db".parse().expect("an address");
        assert_eq!(postgres.store("notes").place.to_string(), "postgres://u@h:5/db schema heng_notes");
    }
}
