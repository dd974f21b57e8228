//! What can go wrong, and how a caller is told.

use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use heng_ports::FeedError;
use heng_security::evidence::EvidenceError;
use heng_store::StoreError;
use heng_transport::{FieldProblem, Problem, Reason};

/// An error or refusal of this service.
#[derive(Debug, thiserror::Error)]
pub enum ComplianceError {
    /// The tables failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A proof or a signature cannot be made, or does not hold.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What is on the disk contradicts itself or what was published.
    #[error("{0}")]
    Damaged(String),
    /// The record or the trail of actions cannot be read.
    #[error("read the record: {0}")]
    Feed(FeedError),
    /// There is no such thing.
    #[error("there is no {0}")]
    Absent(&'static str),
    /// It clashes with what is there.
    #[error("{0}")]
    Clash(String),
    /// The law does not allow it yet.
    #[error("{0}")]
    Kept(String),
    /// A court or an authority has it kept.
    #[error("{0}")]
    Held(String),
    /// It is another person's.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Its time is over.
    #[error("{0}")]
    Gone(&'static str),
    /// A field cannot be that.
    #[error("{pointer} {detail}")]
    Field {
        /// JSON pointer, or `?name` of a query.
        pointer: &'static str,
        /// What is wrong.
        detail: String,
    },
}

/// Result of this service.
pub type Result<T> = std::result::Result<T, ComplianceError>;

impl ComplianceError {
    pub(crate) fn field(pointer: &'static str, detail: impl Into<String>) -> Self {
        Self::Field { pointer, detail: detail.into() }
    }

    /// What maps an error of the disk at `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// A retention period of the law has not ended.
const RETENTION_RUNS: Reason = Reason {
    number: 0,
    name: "RetentionRuns",
    english: "The law asks for this to be kept longer.",
    chinese: "法定保存期限未满，不得删除",
};

/// A legal hold keeps it.
const LEGAL_HOLD: Reason = Reason {
    number: 0,
    name: "LegalHold",
    english: "A legal hold keeps this from being deleted.",
    chinese: "已被法律保全，不得删除",
};

impl From<ComplianceError> for Problem {
    fn from(error: ComplianceError) -> Self {
        let told = error.to_string();
        match error {
            ComplianceError::Absent(_) => Self::new(StatusCode::NOT_FOUND, Reason::NOT_FOUND, told),
            ComplianceError::Clash(_) => Self::new(StatusCode::CONFLICT, Reason::CONFLICT, told),
            ComplianceError::Kept(_) => Self::new(StatusCode::CONFLICT, RETENTION_RUNS, told),
            ComplianceError::Held(_) => Self::new(StatusCode::CONFLICT, LEGAL_HOLD, told),
            ComplianceError::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, Reason::FORBIDDEN, told),
            ComplianceError::Gone(_) => Self::new(StatusCode::GONE, Reason::NOT_FOUND, told),
            ComplianceError::Field { pointer, detail } => {
                Self::bad_request(told).with_errors(vec![FieldProblem { pointer: pointer.to_owned(), detail }])
            }
            _ => Self::internal(&told),
        }
    }
}
