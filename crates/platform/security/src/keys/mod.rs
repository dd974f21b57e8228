//! Keys: data keys for what is stored, wrapped by a master key that stays in its key file, token or device.
//!
//! [`KeyRing`] names data keys by [`Scope`] (table or log, tenant, period), makes them on demand and keeps them wrapped in
//! `keys.ring`; a [`DataKey`] seals and opens records. A [`MasterKey`] wraps them: [`FileMaster`] (encrypted file),
//! [`Pkcs11Master`] (token) or [`SdfMaster`] (GM/T 0018 device). [`KeysUrl`] is the setting that chooses.
//! docs/security/keys.md tells how to use it; docs/decisions/0011-keys.md why it is so.
//!
//! *Invariant:* a data key is durable in the ring, wrapped, before anything is sealed under it.
//! *Invariant:* whoever names a key gets that key, or an error by name: missing, destroyed, of another ring.
//! *Invariant:* a change of the ring is on disk wholly or not at all, whenever the process ends.
//! *Invariant:* master keys leave their implementation never; data keys are wiped when the last holder lets go.
//!
//! Deliberately absent: what seals journals and tables (their owners do, with [`DataKey`]); async; caches beyond the ring.

mod bytes;
#[cfg(test)]
mod crash;
mod data_key;
mod disk;
mod drill;
mod error;
mod master;
mod officers;
mod operations;
mod ring;
mod scope;
mod url;

pub use data_key::{ALGORITHMS, DataKey, MESSAGES_MAX};
pub use drill::{DrillOptions, DrillReport, drill};
pub use error::KeysError;
pub use master::{
    Cost, FileMaster, MasterKey, MasterVersion, Pkcs11Config, Pkcs11Master, Pkcs11Token, SdfConfig, SdfMaster,
    SdfSimulator, Unlock,
};
pub use officers::{Approval, Credential};
pub use operations::{Operation, OperationEvent, OperationLog};
pub use ring::{KeyInfo, KeyRing, KeyState, RingStatus, Selection};
pub use scope::Scope;
pub use url::{KeysUrl, SecretSource};

/// Seconds since 1970, for the record: nothing is decided by it.
fn unix_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
