//! Writes that a caller may repeat: the same key and content get what the first one made (design rule 9). Secrets are
//! shown once, so a repeat gets the id alone.

use heng_ports::Principal;
use heng_store::{Change, Known, WriteKey};

use crate::error::IdentityError;

/// The key of a write, and what was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RepeatKey<'a> {
    pub(crate) key: &'a str,
    /// SHA-256 over what is asked for.
    pub(crate) request: [u8; 32],
}

/// What a write made.
#[derive(Clone, Debug)]
pub(crate) enum Once<T> {
    /// It was made now.
    First(T),
    /// It was made before, under this id.
    Again(String),
}

impl<T> Once<T> {
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Once<U> {
        match self {
            Self::First(made) => Once::First(make(made)),
            Self::Again(id) => Once::Again(id),
        }
    }
}

fn write_key<'a>(by: Option<&Principal>, key: Option<RepeatKey<'a>>, now: i64) -> Option<WriteKey<'a>> {
    let RepeatKey { key, request } = key?;
    Some(WriteKey { principal: by?.id, key, request, now })
}

/// The id that the first write with this key made.
pub(crate) async fn known(
    change: &mut Change,
    by: Option<&Principal>,
    key: Option<RepeatKey<'_>>,
    now: i64,
) -> Result<Option<String>, IdentityError> {
    let Some(write) = write_key(by, key, now) else { return Ok(None) };
    match change.known(write).await? {
        Known::New => Ok(None),
        Known::Same { answer, .. } => Ok(Some(String::from_utf8_lossy(&answer).into_owned())),
        Known::Reused => Err(IdentityError::Clash("the idempotency key was used for something else".to_owned())),
    }
}

/// Remembers the id that this write made.
pub(crate) async fn remember(
    change: &mut Change,
    by: Option<&Principal>,
    key: Option<RepeatKey<'_>>,
    now: i64,
    id: &str,
) -> Result<(), IdentityError> {
    let Some(write) = write_key(by, key, now) else { return Ok(()) };
    Ok(change.remember(write, 201, id.as_bytes()).await?)
}
