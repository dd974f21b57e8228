//! What a ring holds, as told by its records.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::format::{KeyRecord, Record, RingRecord, Tombstone};
use crate::keys::officers::{OFFICERS_MAX, Officer};
use crate::keys::{DataKey, Scope};
use crate::provider::Algorithm;

/// Most keys of a ring, destroyed ones included.
pub(super) const KEYS_MAX: usize = 1 << 20;

/// The opened form of a key, once it was used; all forms of its record share it.
#[derive(Default)]
pub(super) struct Opened {
    key: OnceLock<Arc<DataKey>>,
    destroyed: AtomicBool,
}

impl Opened {
    pub(super) fn get(&self) -> Option<&Arc<DataKey>> {
        self.key.get()
    }

    /// The opened form, if another thread was not faster: then that one's.
    pub(super) fn set(&self, key: DataKey) -> &Arc<DataKey> {
        let key = self.key.get_or_init(|| Arc::new(key));
        if self.destroyed.load(Ordering::SeqCst) {
            key.forbid();
        }
        key
    }

    /// From now on nobody seals or opens with it, also who is just opening it.
    fn destroy(&self) {
        self.destroyed.store(true, Ordering::SeqCst);
        if let Some(key) = self.get() {
            key.forbid();
        }
    }
}

/// A key.
pub(super) struct LiveKey {
    pub(super) record: KeyRecord,
    pub(super) opened: Arc<Opened>,
}

impl LiveKey {
    /// The same key in another wrapping.
    pub(super) fn with_wrapped(&self, wrapped: Box<[u8]>) -> Self {
        Self { record: KeyRecord { wrapped, ..self.record.clone() }, opened: Arc::clone(&self.opened) }
    }
}

#[derive(Clone)]
pub(super) enum Entry {
    Live(Arc<LiveKey>),
    Destroyed(Tombstone),
}

impl Entry {
    pub(super) fn live(&self) -> Option<&Arc<LiveKey>> {
        match self {
            Self::Live(key) => Some(key),
            Self::Destroyed(_) => None,
        }
    }
}

/// All of it. The order of each map is that of the file after it was written anew.
#[derive(Clone)]
pub(super) struct State {
    pub(super) ring: RingRecord,
    pub(super) algorithm: Algorithm,
    pub(super) keys: BTreeMap<u32, Entry>,
    /// The newest open key of a scope that has the algorithm.
    pub(super) current: BTreeMap<Scope, Arc<LiveKey>>,
    pub(super) officers: BTreeMap<Box<str>, Officer>,
    /// The last operation that changed the ring.
    pub(super) operation: Option<(u64, [u8; 32])>,
}

impl State {
    pub(super) fn new(ring: RingRecord, algorithm: Algorithm) -> Self {
        let (keys, current, officers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { ring, algorithm, keys, current, officers, operation: None }
    }

    /// The state of a file; `None` if a record contradicts those before it.
    pub(super) fn of(ring: RingRecord, records: impl IntoIterator<Item = Record>) -> Option<Self> {
        let mut state = Self::new(ring, Algorithm::Aes256Gcm);
        for record in records {
            state.take(record)?;
        }
        Some(state)
    }

    /// Changes the state as a record says.
    pub(super) fn take(&mut self, record: Record) -> Option<()> {
        match record {
            Record::Ring(_) => return None,
            Record::Key(key) => self.add(&Arc::new(LiveKey { record: key, opened: Arc::default() }))?,
            Record::Destroyed(key) => {
                let id = key.id;
                self.check_new(id)?;
                self.keys.insert(id, Entry::Destroyed(key));
            }
            Record::Officer(officer) => {
                self.officers.insert(officer.name.clone(), officer);
                (self.officers.len() <= OFFICERS_MAX).then_some(())?;
            }
            Record::OfficerRemoved(name) => {
                self.officers.remove(&name)?;
            }
            Record::Algorithm(algorithm) => {
                self.algorithm = algorithm;
                self.find_current();
            }
            Record::Operation(number, hash) => self.operation = Some((number, hash)),
            Record::Closed(id) => self.close(id)?,
            Record::Next(next) => self.ring.next = self.ring.next.max(next),
        }
        Some(())
    }

    /// Ids rise in every file, so that none is given twice.
    fn check_new(&self, id: u32) -> Option<()> {
        let rises = self.keys.last_key_value().is_none_or(|(last, _)| *last < id);
        (rises && self.keys.len() < KEYS_MAX).then_some(())
    }

    fn add(&mut self, key: &Arc<LiveKey>) -> Option<()> {
        self.check_new(key.record.id)?;
        self.keys.insert(key.record.id, Entry::Live(Arc::clone(key)));
        self.make_current(key);
        Some(())
    }

    fn make_current(&mut self, key: &Arc<LiveKey>) {
        if !key.record.closed && key.record.algorithm == self.algorithm {
            self.current.insert(key.record.scope.clone(), Arc::clone(key));
        }
    }

    fn find_current(&mut self) {
        self.current.clear();
        let live: Vec<Arc<LiveKey>> = self.keys.values().filter_map(Entry::live).cloned().collect();
        live.iter().for_each(|key| self.make_current(key));
    }

    fn close(&mut self, id: u32) -> Option<()> {
        let Some(Entry::Live(key)) = self.keys.get(&id) else { return None };
        let record = KeyRecord { closed: true, ..key.record.clone() };
        let closed = Arc::new(LiveKey { record, opened: Arc::clone(&key.opened) });
        if self.current.get(&closed.record.scope).is_some_and(|current| current.record.id == id) {
            self.current.remove(&closed.record.scope);
        }
        self.keys.insert(id, Entry::Live(closed));
        Some(())
    }

    /// The number of the next key.
    pub(super) fn next_id(&self) -> Option<u32> {
        let above = self.keys.last_key_value().map_or(Some(1), |(last, _)| last.checked_add(1))?;
        Some(above.max(self.ring.next))
    }

    /// Takes over what is opened already, and forbids what this state knows as destroyed.
    pub(super) fn inherit(&mut self, before: &Self) {
        for (id, key) in before.keys.iter().filter_map(|(id, entry)| Some((id, entry.live()?))) {
            match self.keys.get_mut(id) {
                Some(Entry::Live(mine)) => {
                    let (record, opened) = (mine.record.clone(), Arc::clone(&key.opened));
                    *mine = Arc::new(LiveKey { record, opened });
                }
                Some(Entry::Destroyed(_)) => key.opened.destroy(),
                None => {}
            }
        }
        self.find_current();
    }

    /// The records of a file that says this, without the ring record.
    pub(super) fn records(&self) -> Vec<Record> {
        let algorithm = std::iter::once(Record::Algorithm(self.algorithm));
        let officers = self.officers.values().map(|officer| Record::Officer(officer.clone()));
        let keys = self.keys.values().map(|entry| match entry {
            Entry::Live(key) => Record::Key(key.record.clone()),
            Entry::Destroyed(tombstone) => Record::Destroyed(tombstone.clone()),
        });
        let operation = self.operation.map(|(number, hash)| Record::Operation(number, hash));
        algorithm.chain(officers).chain(keys).chain(operation).collect()
    }
}
