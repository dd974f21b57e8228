//! What can go wrong, and how a caller is told.

use axum::http::StatusCode;
use heng_store::StoreError;
use heng_transport::{FieldProblem, Problem, Reason};

/// What a caller is told while the tables cannot be read or written.
pub(crate) const AWAY: &str = "the store of identities does not answer; a change may have happened";
/// Seconds after which they may try again.
pub(crate) const AWAY_RETRY_S: u32 = 1;

/// An error or refusal of this service.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The tables failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy files do not fit their schema.
    #[error("the policies: {0}")]
    Policy(String),
    /// Another part of the broker that is needed for it does not answer.
    #[error("{0}")]
    Away(String),
    /// The proof is not good. The text helps nobody to guess.
    #[error("{0}")]
    Unproven(&'static str),
    /// Too much at once, or too many failures; try again after this many seconds.
    #[error("try again after {0} s")]
    Slow(u32),
    /// The caller may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// It takes a fresh proof that the caller cannot bring.
    #[error("{0}")]
    StepUp(&'static str),
    /// There is no such thing.
    #[error("there is no such {0}")]
    Absent(&'static str),
    /// It clashes with what is there.
    #[error("{0}")]
    Clash(String),
    /// A field cannot be that.
    #[error("{pointer} {detail}")]
    Field {
        /// JSON pointer, or `?name` of a query.
        pointer: &'static str,
        /// What is wrong.
        detail: String,
    },
}

impl IdentityError {
    pub(crate) fn field(pointer: &'static str, detail: impl Into<String>) -> Self {
        Self::Field { pointer, detail: detail.into() }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        let told = error.to_string();
        match error {
            IdentityError::Store(StoreError::Value(_)) | IdentityError::Policy(_) => Self::internal(&told),
            IdentityError::Store(_) | IdentityError::Away(_) => {
                tracing::error!(error = %told, "answer a request about identities");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Reason::OVERLOADED, AWAY).retry_after_s(AWAY_RETRY_S)
            }
            IdentityError::Unproven(_) => Self::new(StatusCode::UNAUTHORIZED, Reason::UNAUTHENTICATED, told),
            IdentityError::Slow(seconds) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, Reason::RATE_LIMITED, told).retry_after_s(seconds)
            }
            IdentityError::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, Reason::FORBIDDEN, told),
            IdentityError::StepUp(_) => Self::new(StatusCode::FORBIDDEN, Reason::STEP_UP_NEEDED, told),
            IdentityError::Absent(_) => Self::new(StatusCode::NOT_FOUND, Reason::NOT_FOUND, told),
            IdentityError::Clash(_) => Self::new(StatusCode::CONFLICT, Reason::CONFLICT, told),
            IdentityError::Field { pointer, detail } => {
                Self::bad_request(told).with_errors(vec![FieldProblem { pointer: pointer.to_owned(), detail }])
            }
        }
    }
}
