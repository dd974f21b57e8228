//! Whom an event concerns: the account that it names, or the account whose order or parent it names. What concerns no
//! single client (market, rules, the broker as a whole, trades as such) is the house's.
//!
//! Which account an order belongs to never changes, so it is written once: a file for each partition holds the account
//! of every order, eight bytes at the place of the order's number.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use heng_model::{AccountId, Event, OrderId, ParentId};
use heng_ports::CommandEvents;

use crate::error::{ComplianceError, Result};

/// The client that stands for what concerns no single client.
pub const HOUSE: u64 = 0;
/// The client that stands for what people did outside of the core.
pub const ACTIONS: u64 = u64::MAX;
/// Answers that are kept in memory.
const KEPT_MAX: usize = 500_000;

/// What has an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Owned {
    Order(OrderId),
    Parent(ParentId),
}

impl Owned {
    fn file(self) -> String {
        match self {
            Self::Order(order) => format!("orders-{}", order.partition().0),
            Self::Parent(parent) => format!("parents-{}", parent.partition().0),
        }
    }

    const fn offset(self) -> u64 {
        8 * match self {
            Self::Order(order) => order.number(),
            Self::Parent(parent) => parent.number(),
        }
    }
}

/// The accounts of orders and parents.
pub(crate) struct Owners {
    folder: PathBuf,
    files: BTreeMap<String, File>,
    /// Files that were written since the last sync.
    written: BTreeMap<String, ()>,
    kept: HashMap<Owned, u64>,
    /// Not yet in a file, ascending.
    fresh: BTreeMap<Owned, u64>,
    writes: bool,
}

impl Owners {
    /// Those in `folder`, to be added to, or only to be asked.
    pub(crate) fn open(folder: &Path, writes: bool) -> Result<Self> {
        if writes {
            std::fs::create_dir_all(folder).map_err(ComplianceError::file(folder))?;
        }
        let (files, written) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { folder: folder.to_owned(), files, written, kept: HashMap::new(), fresh: BTreeMap::new(), writes })
    }

    fn with_file<T>(&mut self, name: &str, work: impl FnOnce(&File) -> std::io::Result<T>) -> Result<Option<T>> {
        let path = self.folder.join(name);
        if !self.files.contains_key(name) {
            let opened = File::options().read(true).write(self.writes).create(self.writes).truncate(false).open(&path);
            match opened {
                Ok(file) => _ = self.files.insert(name.to_owned(), file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(ComplianceError::file(&path)(error)),
            }
        }
        work(&self.files[name]).map(Some).map_err(ComplianceError::file(&path))
    }

    fn learn(&mut self, owned: Owned, account: AccountId) {
        if self.kept.insert(owned, account.0) != Some(account.0) {
            self.fresh.insert(owned, account.0);
        }
    }

    fn account_of(&mut self, owned: Owned) -> Result<u64> {
        if let Some(account) = self.kept.get(&owned) {
            return Ok(*account);
        }
        let (name, mut bytes) = (owned.file(), [0; 8]);
        let read = self.with_file(&name, |file| match file.read_exact_at(&mut bytes, owned.offset()) {
            // Behind the end of the file is nobody, as in a hole inside of it.
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
            _ => Ok(()),
        })?;
        let account = read.map_or(HOUSE, |()| u64::from_le_bytes(bytes));
        self.kept.insert(owned, account);
        Ok(account)
    }

    /// The account of an order, if it was ever placed.
    pub(crate) fn of_order(&mut self, order: OrderId) -> Result<Option<u64>> {
        self.account_of(Owned::Order(order)).map(|account| (account != HOUSE).then_some(account))
    }

    /// Writes what was learnt.
    pub(crate) fn write(&mut self) -> Result<()> {
        for (owned, account) in std::mem::take(&mut self.fresh) {
            let name = owned.file();
            self.with_file(&name, |file| file.write_all_at(&account.to_le_bytes(), owned.offset()))?;
            self.written.insert(name, ());
        }
        if self.kept.len() > KEPT_MAX {
            self.kept.clear();
        }
        Ok(())
    }

    /// Writes nothing of what was learnt so far; it is remembered all the same.
    pub(crate) fn forget_fresh(&mut self) {
        self.fresh.clear();
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self) -> Result<()> {
        for (name, ()) in std::mem::take(&mut self.written) {
            self.with_file(&name, File::sync_data)?;
        }
        Ok(())
    }

    /// Learns whose orders and parents the events speak of.
    fn learn_all(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::OrderPlaced(placed) => self.learn(Owned::Order(placed.order), placed.account),
                Event::ParentAccepted(accepted) => self.learn(Owned::Parent(accepted.parent), accepted.account),
                _ => {}
            }
        }
    }

    fn concerned(&mut self, event: &Event) -> Result<u64> {
        Ok(match event {
            Event::CommandRefused(told) => told.account.0,
            Event::AccountOpened(told) => told.account.0,
            Event::AccountStatusSet(told) => told.account.0,
            Event::RightsSet(told) => told.account.0,
            Event::AccountLimitsSet(told) => told.account.0,
            Event::CashPosted(told) => told.account.0,
            Event::HoldingPosted(told) => told.account.0,
            Event::KillSwitchSet(told) => told.account.0,
            Event::OrderPlaced(told) => told.account.0,
            Event::OrderRejected(told) => told.account.0,
            Event::OrderFilled(told) => told.account.0,
            Event::OrderCancelled(told) => told.account.0,
            Event::CancelRejected(told) => told.account.0,
            Event::ParentAccepted(told) => told.account.0,
            Event::OrderWorking(told) => self.account_of(Owned::Order(told.order))?,
            Event::CancelRequested(told) => self.account_of(Owned::Order(told.order))?,
            Event::OrderUnknown(told) => self.account_of(Owned::Order(told.order))?,
            Event::ParentChanged(told) => self.account_of(Owned::Parent(told.parent))?,
            _ => HOUSE,
        })
    }

    /// Divides the events of a command among the clients whom they concern, ascending; every event goes to one.
    pub(crate) fn divide(&mut self, command: &CommandEvents) -> Result<BTreeMap<u64, Vec<u32>>> {
        self.learn_all(&command.events);
        let mut parts: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (index, event) in (0..).zip(&command.events) {
            // The largest number stands for actions; no partition gives it to an account.
            let client = self.concerned(event)?;
            parts.entry(if client == ACTIONS { HOUSE } else { client }).or_default().push(index);
        }
        Ok(parts)
    }
}
