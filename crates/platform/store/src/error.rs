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
    /// The migrations of an owned store do not fit what was applied before.
    #[error("migrate {path}: {source}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why they do not fit.
        source: sqlx::migrate::MigrateError,
    },
    /// A store address that this version cannot open.
    #[error("store.url {url}: {reason}")]
    Url {
        /// The address.
        url: String,
        /// Why not.
        reason: &'static str,
    },
    /// The position of a view moved between the begin and the commit of a batch: two writers are at work.
    #[error("view {view}: its position is {found:?}, expected {expected:?}; is another process writing this file?")]
    Moved {
        /// The view.
        view: &'static str,
        /// Where it stands now.
        found: crate::Position,
        /// Where the batch began.
        expected: crate::Position,
    },
}

impl StoreError {
    /// Names what was attempted.
    pub(crate) fn sql(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { action, source }
    }
}
