//! The ring and its file: loading, appending, writing anew.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::format::{self, Chain, Record, RingRecord, split};
use super::state::{Entry, State};
use super::{KeyRing, Writer, context_of, state};
use crate::keys::data_key::ALGORITHMS;
use crate::keys::disk::{self, Share};
use crate::keys::master::{Cost, MasterKey, MasterVersion};
use crate::keys::officers::{Approval, Officer};
use crate::keys::operations::{OperationEvent, OperationLog, Told};
use crate::keys::{KeysError, unix_s};
use crate::provider::Algorithm;

pub(super) const RING: &str = "keys.ring";
/// Torn ends of appends that are kept for inquiry.
const TORN_MAX: u32 = 100;

/// What tells that a file was changed: replaced or grown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    number: u64,
    length: u64,
    changed_ns: (i64, i64),
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Result<Self, KeysError> {
        let meta = std::fs::metadata(path).map_err(KeysError::io("look at", path))?;
        let changed_ns = (meta.mtime(), meta.mtime_nsec());
        Ok(Self { device: meta.dev(), number: meta.ino(), length: meta.len(), changed_ns })
    }
}

/// What the next append needs to know of the file.
pub(super) struct Loaded {
    pub(super) chain: Chain,
    /// Bytes of whole records.
    pub(super) length: u64,
    /// Bytes behind them.
    pub(super) torn: u64,
}

/// Reads and verifies the ring file.
fn load(path: &Path, master: &dyn MasterKey) -> Result<(State, Loaded), KeysError> {
    let missing = || KeysError::io("open", path)(std::io::ErrorKind::NotFound.into());
    let file = disk::read(path, format::FILE_MAX)?.ok_or_else(missing)?;
    let split = split(path, &file)?;
    let ring = split.ring.clone();
    if *ring.master != *master.id() {
        return Err(KeysError::OtherMaster { ring: ring.master.into(), given: master.id().to_owned() });
    }
    let key = master.unwrap(ring.version, &ring.wrapped, &ring_context(&ring.ring))?;
    let (records, chain) = split.verify(key)?;
    let contradicts =
        KeysError::Damaged { path: path.to_owned(), offset: 0, reason: "its records contradict each other" };
    let state = State::of(ring, records.into_iter().skip(1)).ok_or(contradicts)?;
    let (length, torn) = (split.length as u64, (file.len() - split.length) as u64);
    Ok((state, Loaded { chain, length, torn }))
}

fn ring_context(ring: &[u8; 16]) -> Vec<u8> {
    [&b"heng ring key"[..], ring].concat()
}

/// Wraps a secret and makes sure that it comes back: what cannot be unwrapped would be lost.
pub(super) fn wrap(
    master: &dyn MasterKey,
    version: MasterVersion,
    secret: &[u8; 32],
    context: &[u8],
) -> Result<Box<[u8]>, KeysError> {
    let wrapped = master.wrap(version, secret, context)?;
    if wrapped.len() > crate::keys::master::WRAPPED_MAX {
        return Err(KeysError::token("wrap a key", "the wrapped key is too long"));
    }
    let back = master.unwrap(version, &wrapped, context)?;
    if !bool::from(back.ct_eq(secret)) {
        return Err(KeysError::token("wrap a key", "what comes back when it is unwrapped is another key"));
    }
    Ok(wrapped.into())
}

/// The ring knows the last operation that changed it; the file of operations must have that line.
pub(super) fn check_operations(log: &OperationLog, known: Option<(u64, [u8; 32])>) -> Result<(), KeysError> {
    let Some((number, hash)) = known else { return Ok(()) };
    let line = log.operations.get((number as usize).wrapping_sub(1));
    if line.is_some_and(|line| line.hash == hash) { Ok(()) } else { Err(log.contradicts()) }
}

impl KeyRing {
    pub(crate) fn open_at(folder: &Path, master: Arc<dyn MasterKey>, cost: Cost) -> Result<Self, KeysError> {
        let path = folder.join(RING);
        if !path.exists() {
            return Err(KeysError::io("open", &path)(std::io::ErrorKind::NotFound.into()));
        }
        let _readers = disk::lock(folder, &Share::Readers)?;
        let stamp = Stamp::of(&path)?;
        let (state, loaded) = load(&path, &*master)?;
        let writer = Mutex::new(Writer { stamp, loaded, broken: false });
        Ok(Self {
            folder: folder.to_owned(),
            path,
            master: RwLock::new(master),
            state: RwLock::new(state),
            writer,
            cost,
        })
    }

    pub(crate) fn create_at(
        folder: &Path,
        master: Arc<dyn MasterKey>,
        algorithm: Algorithm,
        officers: &Approval,
        cost: Cost,
    ) -> Result<Self, KeysError> {
        let [first, second] = officers.names();
        if first == second {
            return Err(KeysError::Approval("two different officers are needed"));
        }
        if !ALGORITHMS.contains(&algorithm) {
            return Err(KeysError::invalid("algorithm", algorithm.name(), "it must be AES-256-GCM or SM4-GCM"));
        }
        disk::make_folder(folder)?;
        let alone = disk::lock(folder, &Share::Alone)?;
        if Self::is_in(folder) {
            return Err(KeysError::Exists(folder.join(RING)));
        }
        create_file(folder, &*master, algorithm, officers, cost)?;
        drop(alone);
        Self::open_at(folder, master, cost)
    }

    /// Takes the folder's lock and what others have written; the change that follows has the ring alone.
    pub(super) fn begin(&self, writer: &mut Writer) -> Result<File, KeysError> {
        if writer.broken {
            return Err(KeysError::Broken);
        }
        let alone = disk::lock(&self.folder, &Share::Alone)?;
        if Stamp::of(&self.path)? != writer.stamp {
            self.reload(writer)?;
        }
        self.keep_torn(writer)?;
        Ok(alone)
    }

    /// Reads the file again; the lock is held.
    pub(super) fn reload(&self, writer: &mut Writer) -> Result<bool, KeysError> {
        let stamp = Stamp::of(&self.path)?;
        let (mut state, loaded) = load(&self.path, &*self.master())?;
        let mut current = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.inherit(&current);
        *current = state;
        (writer.stamp, writer.loaded) = (stamp, loaded);
        Ok(true)
    }

    /// Appends records and takes them over; durable when this returns.
    pub(super) fn append(&self, writer: &mut Writer, records: Vec<Record>) -> Result<(), KeysError> {
        let (mut chain, mut bytes) = (writer.loaded.chain.clone(), Vec::new());
        records.iter().for_each(|record| chain.write(record, &mut bytes));
        let length = writer.loaded.length + bytes.len() as u64;
        if length > format::FILE_MAX {
            return Err(KeysError::Limit { what: "bytes of a ring", most: format::FILE_MAX });
        }
        // What a failed write left on the disk is unknown, so nothing goes on from here.
        writer.broken = true;
        disk::append(&self.path, writer.loaded.length, &bytes)?;
        writer.stamp = Stamp::of(&self.path)?;
        writer.loaded = Loaded { chain, length, torn: 0 };
        writer.broken = false;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        records.into_iter().for_each(|record| state.take(record).expect("what is appended fits what is there"));
        Ok(())
    }

    /// Keeps a copy of an unfinished append before it is written over, and passes over its key number: should the end be
    /// a damaged key that served, nobody else gets its number.
    fn keep_torn(&self, writer: &mut Writer) -> Result<(), KeysError> {
        if writer.loaded.torn == 0 {
            return Ok(());
        }
        let file = disk::read(&self.path, format::FILE_MAX)?.unwrap_or_default();
        let torn = file.get(writer.loaded.length as usize..).unwrap_or_default();
        let free = (1..=TORN_MAX).map(|n| disk::beside(&self.path, &format!("torn-{n}"))).find(|path| !path.exists());
        if let Some(path) = free {
            disk::append(&path, 0, torn)?;
        }
        let next = self.state.read().unwrap_or_else(PoisonError::into_inner).next_id();
        let most = KeysError::Limit { what: "keys of a ring", most: state::KEYS_MAX as u64 };
        // An append holds one key at most.
        self.append(writer, vec![Record::Next(next.and_then(|next| next.checked_add(1)).ok_or(most)?)])
    }

    /// Writes the ring anew and takes the state over; the file has the old state or the new one at any time.
    pub(super) fn rewrite(
        &self,
        writer: &mut Writer,
        mut state: State,
        key: &Zeroizing<[u8; 32]>,
    ) -> Result<(), KeysError> {
        state.ring.generation += 1;
        let most = KeysError::Limit { what: "keys of a ring", most: state::KEYS_MAX as u64 };
        state.ring.next = state.next_id().ok_or(most)?;
        let (bytes, chain) = file_of(&state, key);
        writer.broken = true;
        disk::replace(&self.path, &bytes)?;
        writer.stamp = Stamp::of(&self.path)?;
        writer.loaded = Loaded { chain, length: bytes.len() as u64, torn: 0 };
        writer.broken = false;
        let mut current = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.inherit(&current);
        *current = state;
        Ok(())
    }

    /// The same state with all secrets wrapped by another version or another master key.
    pub(super) fn rewrapped(
        &self,
        state: &State,
        key: &[u8; 32],
        to: &dyn MasterKey,
        version: MasterVersion,
    ) -> Result<State, KeysError> {
        let (from, ring) = (self.master(), &state.ring);
        let mut new = state.clone();
        new.ring.version = version;
        new.ring.master = to.id().into();
        new.ring.wrapped = wrap(to, version, key, &ring_context(&ring.ring))?;
        for entry in new.keys.values_mut() {
            let Entry::Live(live) = entry else { continue };
            let context = context_of(&ring.ring, &live.record);
            let secret = from.unwrap(ring.version, &live.record.wrapped, &context)?;
            *live = Arc::new(live.with_wrapped(wrap(to, version, &secret, &context)?));
        }
        Ok(new)
    }
}

fn file_of(state: &State, key: &Zeroizing<[u8; 32]>) -> (Vec<u8>, Chain) {
    let (mut chain, mut bytes) = (Chain::new(key.clone()), format::header().to_vec());
    chain.write(&Record::Ring(state.ring.clone()), &mut bytes);
    state.records().iter().for_each(|record| chain.write(record, &mut bytes));
    (bytes, chain)
}

fn create_file(
    folder: &Path,
    master: &dyn MasterKey,
    algorithm: Algorithm,
    officers: &Approval,
    cost: Cost,
) -> Result<(), KeysError> {
    let (mut ring, mut key) = ([0; 16], Zeroizing::new([0; 32]));
    getrandom::fill(&mut ring)?;
    getrandom::fill(&mut *key)?;
    let version = master.newest()?;
    let wrapped = wrap(master, version, &key, &ring_context(&ring))?;
    let record = RingRecord {
        ring,
        generation: 1,
        made_unix_s: unix_s(),
        next: 1,
        version,
        master: master.id().into(),
        wrapped,
    };
    let mut state = State::new(record, algorithm);
    for credential in &officers.0 {
        let officer = Officer::new(credential, cost, unix_s())?;
        state.officers.insert(officer.name.clone(), officer);
    }
    let mut log = OperationLog::read(folder)?;
    let detail = format!("{} {}", master.id(), algorithm.name());
    let told = Told { action: "init", detail: &detail, officers: Some(officers.names()) };
    let number = log.append(OperationEvent::Begun, None, told)?;
    state.operation = Some((number, log.head()));
    disk::replace(&folder.join(RING), &file_of(&state, &key).0)?;
    log.append(OperationEvent::Done, Some(number), told)?;
    Ok(())
}
