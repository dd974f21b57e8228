//! Master keys: what wraps data keys, and stays where it is.

mod file;
mod pkcs11;
mod sdf;

use zeroize::Zeroizing;

use super::KeysError;
use super::data_key::SECRET;
use crate::CryptoError;

pub use file::{Cost, FileMaster, Unlock};
pub use pkcs11::{Pkcs11Config, Pkcs11Master, Pkcs11Token};
pub use sdf::{SdfConfig, SdfMaster, SdfSimulator};

/// The number of a version of a master key, from 1 on.
pub type MasterVersion = u32;
/// Longest wrapped key in bytes.
pub(crate) const WRAPPED_MAX: usize = 1 << 10;

/// A key-encryption key, in versions. Its bytes never leave the implementation (key file, token, device).
pub trait MasterKey: Send + Sync {
    /// Which one: kind and number, the same for all versions. At most 128 printable ASCII characters.
    fn id(&self) -> &str;

    /// The version by which a ring begins that this master key does not wrap yet.
    ///
    /// # Errors
    /// If file, token or device fail.
    fn newest(&self) -> Result<MasterVersion, KeysError>;

    /// Wraps a key under a version; `context` must be the same when it is unwrapped.
    ///
    /// # Errors
    /// [`KeysError::NoVersion`], or if token or device fail.
    fn wrap(&self, version: MasterVersion, key: &[u8; SECRET], context: &[u8]) -> Result<Vec<u8>, KeysError>;

    /// Unwraps a key.
    ///
    /// # Errors
    /// [`KeysError::Crypto`] if it is not authentic; as [`MasterKey::wrap`].
    fn unwrap(
        &self,
        version: MasterVersion,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Zeroizing<[u8; SECRET]>, KeysError>;

    /// Makes a version that is newer than `after`, the one in use; durable when this returns. Answers with its number.
    ///
    /// # Errors
    /// If file, token or device fail.
    fn add_version(&self, after: MasterVersion) -> Result<MasterVersion, KeysError>;

    /// Destroys the versions before this one for good, and answers how many.
    ///
    /// # Errors
    /// If file, token or device fail.
    fn retire_before(&self, version: MasterVersion) -> Result<u32, KeysError>;
}

/// The secret that a token or file gave back.
fn secret_of(plain: &[u8]) -> Result<Zeroizing<[u8; SECRET]>, KeysError> {
    let wrong = CryptoError::Length { what: "wrapped key", got: plain.len(), want: SECRET };
    Ok(Zeroizing::new(plain.try_into().map_err(|_| wrong)?))
}
