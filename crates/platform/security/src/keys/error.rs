//! What keeping keys can answer instead of a result.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::CryptoError;

/// Why an operation on keys gave no result. Messages tell places, names and numbers, never secrets.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The file system failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not what was written.
    #[error("{} at byte {offset}: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Data names a key that the ring has never held, or has lost.
    #[error("the key ring has no key {0}, which the data names; restore a ring that has it")]
    Missing(u64),
    /// The key was destroyed on purpose; what it sealed cannot be read again.
    #[error("key {id} was destroyed by operation {operation}; what it sealed cannot be read again")]
    Destroyed {
        /// The key.
        id: u64,
        /// The number of the operation in the operations file.
        operation: u64,
    },
    /// The ring is wrapped by another master key than the one given.
    #[error("the key ring is wrapped by master key {ring}, not by {given}")]
    OtherMaster {
        /// The id that the ring names.
        ring: String,
        /// The id of the master key at hand.
        given: String,
    },
    /// The master key has no such version.
    #[error("master key {master} has no version {version}")]
    NoVersion {
        /// Which master key.
        master: String,
        /// Which version is missing.
        version: u32,
    },
    /// A token or a device refuses or fails.
    #[error("{action}: {reason}")]
    Token {
        /// What was asked of it.
        action: &'static str,
        /// What it says.
        reason: String,
    },
    /// A GM/T 0018 device answered with an error code.
    #[error("{function}: device error 0x{code:08x} ({name})")]
    Sdf {
        /// The function of the standard.
        function: &'static str,
        /// The code of the standard.
        code: u32,
        /// The name of the code.
        name: &'static str,
    },
    /// A key in a token must not be used.
    #[error("key {label} in the token is refused: {reason}")]
    KeyRefused {
        /// The label of the key.
        label: String,
        /// Why.
        reason: &'static str,
    },
    /// A passphrase, password or PIN cannot be read, is empty, or is not kept privately.
    #[error("secret {from}: {reason}")]
    Secret {
        /// Where it should come from, as the user wrote it.
        from: String,
        /// What is wrong.
        reason: String,
    },
    /// The passphrase or unlock file does not open the key file.
    #[error("{}: the passphrase or unlock file is not the one of this key file", .0.display())]
    WrongSecret(PathBuf),
    /// Two officers are needed and these are not two officers of this ring. Which part is wrong is not told.
    #[error("dual control: {0}")]
    Approval(&'static str),
    /// A name, number or URL is not one.
    #[error("{what} {value:?}: {reason}")]
    Invalid {
        /// What it should be.
        what: &'static str,
        /// What came, cut short.
        value: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Too many of something.
    #[error("{what}: at most {most} are allowed")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        most: u64,
    },
    /// There is a ring already.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// An earlier write failed; what is on disk is unknown until the ring is opened again.
    #[error("an earlier write of the key ring failed; open it again")]
    Broken,
    /// The cryptography refuses.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl KeysError {
    /// For `map_err` at the file system.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn invalid(what: &'static str, value: &str, reason: &'static str) -> Self {
        Self::Invalid { what, value: value.chars().take(80).collect(), reason }
    }

    pub(crate) fn token(action: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Token { action, reason: reason.to_string() }
    }
}

impl From<getrandom::Error> for KeysError {
    fn from(error: getrandom::Error) -> Self {
        Self::Crypto(error.into())
    }
}
