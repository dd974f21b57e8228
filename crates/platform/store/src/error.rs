//! What can go wrong with stored tables.

use std::path::PathBuf;

/// An error of a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The SQL engine refused or failed.
    #[error("{action}: {source}")]
    Sql {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },
    /// A file or folder of the store.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file is encrypted, and there are no keys.
    #[error("{path} is encrypted, and no master key is configured: give [keys] url or HENG_KEYS_URL")]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// A secret of a table cannot be sealed or unsealed.
    #[error("a secret of {table}: {source}")]
    Seal {
        /// The table.
        table: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The steps of an owned store do not fit what was applied before.
    #[error("migrate {place}, step {version} of {set}: {reason}")]
    Migrate {
        /// Where the store is.
        place: String,
        /// Whose step: the store's own, or the service's.
        set: &'static str,
        /// Its number.
        version: i64,
        /// Why it does not fit.
        reason: String,
    },
    /// A store address that this version cannot open.
    #[error("store.url {url}: {reason}")]
    Url {
        /// The address, without its password.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A value that not both engines can hold: our own bug, told where it happens.
    #[error("the store holds no value of a {0}")]
    Value(&'static str),
    /// A row that must always be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The position of a view moved between the begin and the commit of a batch: two writers are at work.
    #[error("view {view}: its position is not {expected:?} any more; is another process writing it?")]
    Moved {
        /// The view.
        view: &'static str,
        /// Where the batch began.
        expected: crate::Position,
    },
}

impl StoreError {
    /// Names what was attempted.
    pub(crate) fn sql(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { action, source }
    }

    /// Whether a row was refused because its key is taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        let Self::Sql { source: sqlx::Error::Database(error), .. } = self else { return false };
        error.is_unique_violation()
    }
}
