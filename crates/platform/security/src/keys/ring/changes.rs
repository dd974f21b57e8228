//! What changes a ring by the word of two officers, each recorded before and after.

use std::sync::{Arc, PoisonError};

use zeroize::Zeroizing;

use super::format::{Record, Tombstone};
use super::state::{Entry, State};
use super::{KeyRing, Selection, Writer, store};
use crate::envelope::KeyId;
use crate::keys::data_key::ALGORITHMS;
use crate::keys::master::{MasterKey, MasterVersion};
use crate::keys::officers::{Approval, Credential, OFFICERS_MAX, Officer, check};
use crate::keys::operations::{OperationEvent, OperationLog, Told};
use crate::keys::{KeysError, unix_s};
use crate::provider::Algorithm;

/// An operation that has begun.
struct Begun {
    number: u64,
    hash: [u8; 32],
}

impl KeyRing {
    /// Makes a new version of the master key and wraps all data keys by it. Sealing and opening go on meanwhile; making a
    /// key for a new scope waits. With `retire`, the older versions are destroyed at the end: copies of older rings can
    /// then never be opened again. Answers with the new version.
    ///
    /// # Errors
    /// [`KeysError::Approval`]; if master key or disk fail: then the ring is what it was.
    pub fn rotate_master(&self, approval: &Approval, retire: bool) -> Result<MasterVersion, KeysError> {
        let detail = if retire { "and destroy older versions" } else { "and keep older versions" };
        self.operate("rotate-master", detail, Some(approval), |writer, begun| {
            let master = self.master();
            let version = master.add_version(self.status_version())?;
            self.wrap_all(writer, begun, &*master, version)?;
            if retire {
                master.retire_before(version)?;
            }
            Ok(version)
        })
    }

    /// Wraps all data keys by another master key (from a file to a token, say), which wraps the ring from now on. The old
    /// one is left as it is.
    ///
    /// # Errors
    /// As [`KeyRing::rotate_master`].
    pub fn replace_master(&self, approval: &Approval, master: &Arc<dyn MasterKey>) -> Result<(), KeysError> {
        let detail = format!("by {}", master.id());
        self.operate("replace-master", &detail, Some(approval), |writer, begun| {
            let version = master.newest()?;
            self.wrap_all(writer, begun, &**master, version)?;
            *self.master.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(master);
            Ok(())
        })
    }

    /// The algorithm of new data keys: from now on [`KeyRing::current`] answers with keys of it; others go on opening.
    ///
    /// # Errors
    /// [`KeysError::Approval`]; [`KeysError::Invalid`] unless it is AES-256-GCM or SM4-GCM; if the disk fails.
    pub fn set_algorithm(&self, approval: &Approval, algorithm: Algorithm) -> Result<(), KeysError> {
        if !ALGORITHMS.contains(&algorithm) {
            return Err(KeysError::invalid("algorithm", algorithm.name(), "it must be AES-256-GCM or SM4-GCM"));
        }
        self.operate("set-algorithm", algorithm.name(), Some(approval), |writer, begun| {
            self.append(writer, vec![Record::Algorithm(algorithm), begun.record()])
        })
    }

    /// Closes the current keys of a selection, so that new records get new keys; answers how many. (A new period in the
    /// scope brings a new key by itself.) Nobody need approve it: nothing becomes unreadable and nothing weaker.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn rotate_data(&self, selection: &Selection) -> Result<u64, KeysError> {
        self.operate("rotate-data", &selection.to_string(), None, |writer, begun| {
            let mut records: Vec<Record> = {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                let live = state.keys.values().filter_map(Entry::live).map(|key| &key.record);
                let open = live.filter(|record| !record.closed && selection.has(&record.scope));
                open.map(|record| Record::Closed(record.id)).collect()
            };
            let closed = records.len() as u64;
            records.push(begun.record());
            self.append(writer, records)?;
            Ok(closed)
        })
    }

    /// Destroys keys for good, so that what they sealed can never be read again (lawful deletion). Each leaves a tombstone.
    /// Whoever holds one of these keys in this process can use it no more; other processes at their next refresh.
    /// Copies of older rings still hold the keys, wrapped: rotate the master key and retire its older versions to end
    /// that. Answers with the number of the operation.
    ///
    /// # Errors
    /// [`KeysError::Approval`]; [`KeysError::Missing`], [`KeysError::Destroyed`] or [`KeysError::Invalid`] (none given),
    /// and nothing is destroyed; if the disk fails.
    pub fn destroy(&self, approval: &Approval, keys: &[KeyId]) -> Result<u64, KeysError> {
        let ids: Vec<String> = keys.iter().take(50).map(|id| id.get().to_string()).collect();
        let more = if keys.len() > ids.len() { format!(" and {} more", keys.len() - ids.len()) } else { String::new() };
        let detail = format!("keys {}{more}", ids.join(" "));
        self.operate("destroy", &detail, Some(approval), |writer, begun| {
            let mut state = self.with_operation(begun);
            if keys.is_empty() {
                return Err(KeysError::invalid("keys", "", "none are named"));
            }
            for id in keys {
                bury(&mut state, *id, begun.number)?;
            }
            let key = writer.loaded.chain.key.clone();
            self.rewrite(writer, state, &key)?;
            Ok(begun.number)
        })
    }

    /// Registers another officer, or gives one another password.
    ///
    /// # Errors
    /// [`KeysError::Approval`]; [`KeysError::Limit`]; if the disk fails.
    pub fn add_officer(&self, approval: &Approval, officer: &Credential) -> Result<(), KeysError> {
        self.operate("add-officer", officer.name(), Some(approval), |writer, begun| {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if state.officers.len() >= OFFICERS_MAX && !state.officers.contains_key(officer.name()) {
                return Err(KeysError::Limit { what: "officers", most: OFFICERS_MAX as u64 });
            }
            drop(state);
            let officer = Officer::new(officer, self.cost, unix_s())?;
            self.append(writer, vec![Record::Officer(officer), begun.record()])
        })
    }

    /// Removes an officer; two must be left.
    ///
    /// # Errors
    /// [`KeysError::Approval`]; [`KeysError::Invalid`]; if the disk fails.
    pub fn remove_officer(&self, approval: &Approval, name: &str) -> Result<(), KeysError> {
        self.operate("remove-officer", name, Some(approval), |writer, begun| {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if !state.officers.contains_key(name) {
                return Err(KeysError::invalid("officer", name, "there is no such officer"));
            }
            if state.officers.len() <= 2 {
                return Err(KeysError::Approval("two officers must be left"));
            }
            drop(state);
            self.append(writer, vec![Record::OfficerRemoved(name.into()), begun.record()])
        })
    }

    /// Runs an operation: officers checked, begun, done or failed, each durable in the operations file in this order.
    fn operate<T>(
        &self,
        action: &str,
        detail: &str,
        approval: Option<&Approval>,
        run: impl FnOnce(&mut Writer, &Begun) -> Result<T, KeysError>,
    ) -> Result<T, KeysError> {
        let mut writer = self.writer();
        let _alone = self.begin(&mut writer)?;
        let mut log = OperationLog::read(&self.folder)?;
        let (known, officers) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            (state.operation, state.officers.clone())
        };
        store::check_operations(&log, known)?;
        settle(&mut log, known)?;
        let told = Told { action, detail, officers: approval.map(Approval::names) };
        if let Some(Err(refused)) = approval.map(|approval| check(&officers, approval)) {
            log.append(OperationEvent::Refused, None, told)?;
            return Err(refused);
        }
        let number = log.append(OperationEvent::Begun, None, told)?;
        let done = run(&mut writer, &Begun { number, hash: log.head() });
        // After a failed write nobody knows whether it was done; the next start tells, see `settle`.
        if writer.broken {
            return done;
        }
        let event = if done.is_ok() || self.knows(number) { OperationEvent::Done } else { OperationEvent::Failed };
        log.append(event, Some(number), told)?;
        done
    }

    /// Whether the ring was changed by an operation.
    fn knows(&self, number: u64) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.operation.is_some_and(|(known, _)| known == number)
    }

    fn status_version(&self) -> MasterVersion {
        self.state.read().unwrap_or_else(PoisonError::into_inner).ring.version
    }

    fn with_operation(&self, begun: &Begun) -> State {
        let mut state = self.state.read().unwrap_or_else(PoisonError::into_inner).clone();
        state.operation = Some((begun.number, begun.hash));
        state
    }

    fn wrap_all(
        &self,
        writer: &mut Writer,
        begun: &Begun,
        to: &dyn MasterKey,
        version: MasterVersion,
    ) -> Result<(), KeysError> {
        let key: Zeroizing<[u8; 32]> = writer.loaded.chain.key.clone();
        let state = self.rewrapped(&self.with_operation(begun), &key, to, version)?;
        self.rewrite(writer, state, &key)
    }
}

impl Begun {
    fn record(&self) -> Record {
        Record::Operation(self.number, self.hash)
    }
}

/// Tells the end of an operation that a crash interrupted: whether the ring was changed by it.
fn settle(log: &mut OperationLog, known: Option<(u64, [u8; 32])>) -> Result<(), KeysError> {
    let Some(open) = log.open_operation().cloned() else { return Ok(()) };
    let done = known.is_some_and(|(number, _)| number == open.number);
    let event = if done { OperationEvent::Done } else { OperationEvent::Failed };
    let detail = format!("{} (found after a crash)", open.detail);
    let officers = match &open.officers[..] {
        [first, second] => Some([first.as_str(), second.as_str()]),
        _ => None,
    };
    log.append(event, Some(open.number), Told { action: &open.action, detail: &detail, officers }).map(drop)
}

/// Puts a tombstone in the place of a key.
fn bury(state: &mut State, id: KeyId, operation: u64) -> Result<(), KeysError> {
    let short = u32::try_from(id.get()).map_err(|_| KeysError::Missing(id.get()))?;
    let entry = state.keys.get_mut(&short).ok_or(KeysError::Missing(id.get()))?;
    let record = match entry {
        Entry::Destroyed(gone) => return Err(KeysError::Destroyed { id: id.get(), operation: gone.operation }),
        Entry::Live(key) => key.record.clone(),
    };
    let (algorithm, made_unix_s, scope) = (record.algorithm, record.made_unix_s, record.scope);
    *entry = Entry::Destroyed(Tombstone { id: short, algorithm, made_unix_s, operation, scope });
    Ok(())
}
