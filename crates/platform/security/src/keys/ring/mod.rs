//! The key ring: data keys by scope and by number, in one file.

mod changes;
mod format;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::disk::{self, Share};
use super::master::{Cost, MasterKey, MasterVersion};
use super::officers::Approval;
use super::operations::OperationLog;
use super::{DataKey, KeysError, Scope, unix_s};
use crate::CryptoError;
use crate::envelope::{Header, KeyId};
use crate::provider::Algorithm;

use format::{KeyRecord, Record};
use state::{Entry, LiveKey, State};
use store::{Loaded, Stamp};

/// Which keys an operation is about: those whose parts are the ones given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// A table or log; all if absent.
    pub store: Option<String>,
    /// A tenant; all if absent.
    pub tenant: Option<String>,
    /// A period; all if absent.
    pub period: Option<String>,
}

impl Selection {
    /// Whether a scope is among them.
    #[must_use]
    pub fn has(&self, scope: &Scope) -> bool {
        let fits = |wanted: &Option<String>, part: &str| wanted.as_deref().is_none_or(|wanted| wanted == part);
        fits(&self.store, scope.store()) && fits(&self.tenant, scope.tenant()) && fits(&self.period, scope.period())
    }
}

impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".into());
        write!(f, "{}:{}:{}", part(&self.store), part(&self.tenant), part(&self.period))
    }
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It seals new records of its scope.
    Current,
    /// It opens what it sealed and seals nothing new.
    Closed,
    /// It is gone; an operation of this number destroyed it.
    Destroyed(u64),
}

/// What may be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its number.
    pub id: KeyId,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it serves for.
    pub scope: Scope,
    /// When it was made, in Unix seconds.
    pub made_unix_s: u64,
    /// How it stands.
    pub state: KeyState,
}

/// What may be told of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingStatus {
    /// The ring's number, in hexadecimal.
    pub ring: String,
    /// The master key.
    pub master: String,
    /// Its version that wraps the keys now.
    pub master_version: MasterVersion,
    /// The algorithm of new data keys.
    pub algorithm: Algorithm,
    /// How often the file was written anew.
    pub generation: u64,
    /// Keys that seal.
    pub current: u64,
    /// Keys that only open.
    pub closed: u64,
    /// Tombstones.
    pub destroyed: u64,
    /// The officers' names.
    pub officers: Vec<String>,
    /// Bytes of an append that a crash cut short; the next change writes over them, after keeping a copy of them.
    pub torn: u64,
}

/// The key ring of a data folder: `keys.ring`, `keys.operations` and `keys.lock` in one folder.
///
/// Several processes may have one ring open: each change takes the folder's lock and reads the file again first. Reads do
/// not touch the disk; [`KeyRing::refresh`] takes over what others changed.
pub struct KeyRing {
    folder: PathBuf,
    path: PathBuf,
    /// Exchanged only by [`KeyRing::replace_master`].
    master: RwLock<Arc<dyn MasterKey>>,
    state: RwLock<State>,
    writer: Mutex<Writer>,
    cost: Cost,
}

/// What a change needs, one at a time in this process.
struct Writer {
    stamp: Stamp,
    loaded: Loaded,
    broken: bool,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("path", &self.path).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Makes a ring with its first two officers, in a folder that has none.
    ///
    /// # Errors
    /// [`KeysError::Exists`], [`KeysError::Approval`] if both are one, [`KeysError::Invalid`] for an algorithm that data
    /// keys cannot have; if master key or disk fail.
    pub fn create(
        folder: &Path,
        master: Arc<dyn MasterKey>,
        algorithm: Algorithm,
        officers: &Approval,
    ) -> Result<Self, KeysError> {
        Self::create_at(folder, master, algorithm, officers, Cost::STANDARD)
    }

    /// Opens the ring of a folder. The master key must be the one that wraps it.
    ///
    /// # Errors
    /// [`KeysError::OtherMaster`], [`KeysError::NoVersion`], [`KeysError::Damaged`], [`KeysError::Io`] (also if there is
    /// none), [`KeysError::Crypto`] if the master key does not unwrap the ring's key.
    pub fn open(folder: &Path, master: Arc<dyn MasterKey>) -> Result<Self, KeysError> {
        Self::open_at(folder, master, Cost::STANDARD)
    }

    /// Whether a folder holds a ring.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        folder.join(store::RING).exists()
    }

    /// The key that seals new records of a scope. If there is none, or it is full, of another algorithm or closed, one is
    /// made, wrapped and durable in the ring before this returns. Usually one read lock and one look-up.
    ///
    /// # Errors
    /// If a key must be made and master key or disk fail; [`KeysError::Broken`]; [`KeysError::Limit`].
    pub fn current(&self, scope: &Scope) -> Result<Arc<DataKey>, KeysError> {
        let found = match self.found_current(scope) {
            Err(KeysError::NoVersion { .. }) => self.refresh().and_then(|_| self.found_current(scope)),
            found => found,
        };
        found?.map_or_else(|| self.make_key(scope), Ok)
    }

    /// The key of a number that data names.
    ///
    /// # Errors
    /// [`KeysError::Missing`], [`KeysError::Destroyed`]; [`KeysError::Crypto`] if the master key does not unwrap it.
    pub fn by_id(&self, id: KeyId) -> Result<Arc<DataKey>, KeysError> {
        match self.look_up(id) {
            // Another process may have made it since.
            Err(KeysError::Missing(_)) if self.refresh()? => self.look_up(id),
            // The master key was rotated, and its old version retired, while we asked for it.
            Err(KeysError::NoVersion { .. }) => self.refresh().and_then(|_| self.look_up(id)),
            found => found,
        }
    }

    /// Opens an envelope by the key that its header names.
    ///
    /// # Errors
    /// As [`KeyRing::by_id`] and [`DataKey::open`].
    pub fn unseal(&self, aad: &[u8], envelope: &[u8]) -> Result<Vec<u8>, KeysError> {
        let (header, _) = Header::decode(envelope)?;
        Ok(self.by_id(header.key)?.open(aad, envelope)?)
    }

    /// Takes over what other processes have changed; answers whether there was anything. Cheap if not: one look at the
    /// file's size and number. Call it every second or so.
    ///
    /// # Errors
    /// As [`KeyRing::open`]; what was held before stays in use.
    pub fn refresh(&self) -> Result<bool, KeysError> {
        let mut writer = self.writer();
        if Stamp::of(&self.path)? == writer.stamp {
            return Ok(false);
        }
        let _readers = disk::lock(&self.folder, &Share::Readers)?;
        self.reload(&mut writer)
    }

    /// The algorithm of new keys.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.state.read().unwrap_or_else(PoisonError::into_inner).algorithm
    }

    /// All keys, by number.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyInfo> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.keys.iter().map(|(id, entry)| info(&state, *id, entry)).collect()
    }

    /// How the ring stands.
    #[must_use]
    pub fn status(&self) -> RingStatus {
        let (torn, keys) = (self.writer().loaded.torn, self.keys());
        let count = |wanted: fn(&KeyState) -> bool| keys.iter().filter(|key| wanted(&key.state)).count() as u64;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        RingStatus {
            ring: super::bytes::hex(&state.ring.ring),
            master: state.ring.master.to_string(),
            master_version: state.ring.version,
            algorithm: state.algorithm,
            generation: state.ring.generation,
            current: count(|state| matches!(state, KeyState::Current)),
            closed: count(|state| matches!(state, KeyState::Closed)),
            destroyed: count(|state| matches!(state, KeyState::Destroyed(_))),
            officers: state.officers.keys().map(ToString::to_string).collect(),
            torn,
        }
    }

    /// The officers: names, and when each was added, in Unix seconds.
    #[must_use]
    pub fn officers(&self) -> Vec<(String, u64)> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.officers.values().map(|officer| (officer.name.to_string(), officer.added_unix_s)).collect()
    }

    /// The operations file, checked against its own chain and against the last operation that the ring knows.
    ///
    /// # Errors
    /// [`KeysError::Damaged`] if it was cut or rewritten; [`KeysError::Io`].
    pub fn operations(&self) -> Result<OperationLog, KeysError> {
        let _readers = disk::lock(&self.folder, &Share::Readers)?;
        let log = OperationLog::read(&self.folder)?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        store::check_operations(&log, state.operation)?;
        Ok(log)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn master(&self) -> Arc<dyn MasterKey> {
        Arc::clone(&self.master.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn found_current(&self, scope: &Scope) -> Result<Option<Arc<DataKey>>, KeysError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(key) = state.current.get(scope) else { return Ok(None) };
        if let Some(opened) = key.opened.get() {
            return Ok((!opened.is_full()).then(|| Arc::clone(opened)));
        }
        let (key, ring, version) = (Arc::clone(key), state.ring.ring, state.ring.version);
        drop(state);
        self.open_key(&key, &ring, version).map(Some)
    }

    fn look_up(&self, id: KeyId) -> Result<Arc<DataKey>, KeysError> {
        let missing = KeysError::Missing(id.get());
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let entry = u32::try_from(id.get()).ok().and_then(|id| state.keys.get(&id)).ok_or(missing)?;
        let key = match entry {
            Entry::Destroyed(gone) => return Err(KeysError::Destroyed { id: id.get(), operation: gone.operation }),
            Entry::Live(key) => key,
        };
        if let Some(opened) = key.opened.get() {
            return Ok(Arc::clone(opened));
        }
        let (key, ring, version) = (Arc::clone(key), state.ring.ring, state.ring.version);
        drop(state);
        self.open_key(&key, &ring, version)
    }

    /// Unwraps a key, without holding a lock while token or device think.
    fn open_key(&self, key: &LiveKey, ring: &[u8; 16], version: MasterVersion) -> Result<Arc<DataKey>, KeysError> {
        let record = &key.record;
        let secret = self.master().unwrap(version, &record.wrapped, &context_of(ring, record))?;
        let opened = DataKey::new(id_of(record.id), record.algorithm, record.scope.clone(), &secret)?;
        Ok(Arc::clone(key.opened.set(opened)))
    }

    fn make_key(&self, scope: &Scope) -> Result<Arc<DataKey>, KeysError> {
        let mut writer = self.writer();
        let _alone = self.begin(&mut writer)?;
        // Another thread or process may have made it while we waited.
        if let Some(key) = self.found_current(scope)? {
            return Ok(key);
        }
        let (ring, id, algorithm) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let most = KeysError::Limit { what: "keys of a ring", most: state::KEYS_MAX as u64 };
            let id = state.next_id().filter(|_| state.keys.len() < state::KEYS_MAX).ok_or(most)?;
            (state.ring.clone(), id, state.algorithm)
        };
        let mut secret = Zeroizing::new([0; super::data_key::SECRET]);
        getrandom::fill(&mut *secret)?;
        let scope = scope.clone();
        let mut record =
            KeyRecord { id, algorithm, made_unix_s: unix_s(), closed: false, scope, wrapped: Box::new([]) };
        record.wrapped = store::wrap(&*self.master(), ring.version, &secret, &context_of(&ring.ring, &record))?;
        self.append(&mut writer, vec![Record::Key(record)])?;
        self.look_up(id_of(id))
    }
}

fn id_of(id: u32) -> KeyId {
    KeyId::new(id.into()).expect("ids in a ring are not zero")
}

/// What a wrapped key is bound to: no key can be put in the place of another one, nor its algorithm or scope changed.
fn context_of(ring: &[u8; 16], record: &KeyRecord) -> Vec<u8> {
    let (id, algorithm, scope) = (record.id, record.algorithm.number(), &record.scope);
    [&b"heng data key"[..], ring, &id.to_le_bytes(), &algorithm.to_le_bytes(), scope.to_string().as_bytes()].concat()
}

fn info(state: &State, id: u32, entry: &Entry) -> KeyInfo {
    let (algorithm, scope, made_unix_s, how) = match entry {
        Entry::Live(key) => {
            let KeyRecord { algorithm, scope, made_unix_s, .. } = &key.record;
            let current = state.current.get(scope).is_some_and(|current| current.record.id == id);
            (algorithm, scope, made_unix_s, if current { KeyState::Current } else { KeyState::Closed })
        }
        Entry::Destroyed(gone) => {
            (&gone.algorithm, &gone.scope, &gone.made_unix_s, KeyState::Destroyed(gone.operation))
        }
    };
    KeyInfo { id: id_of(id), algorithm: *algorithm, scope: scope.clone(), made_unix_s: *made_unix_s, state: how }
}

impl From<KeysError> for CryptoError {
    /// For those who can only tell that a key cannot be had.
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Crypto(error) => error,
            _ => Self::Malformed { what: "key", reason: "the key ring cannot give it" },
        }
    }
}
