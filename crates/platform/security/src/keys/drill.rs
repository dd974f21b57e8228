//! The crypto-agility drill: algorithm, data keys and master key are changed while records are written and read, and at
//! the end what was kept from every phase is read once more, by a ring that was opened anew.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::data_key::ALGORITHMS;
use super::{Approval, KeyRing, KeysError, MasterKey, Scope, Selection};
use crate::provider::Algorithm;

/// The newest records, which are read while others are written.
const NEWEST: usize = 10_000;
/// Every hundredth record is kept from the first moment to the last, up to this many: they outlive every change.
const KEPT_EVERY: u64 = 100;
const KEPT_MAX: usize = 50_000;
const TENANTS: usize = 4;

/// How long and how hard.
#[derive(Clone, Copy, Debug)]
pub struct DrillOptions {
    /// How long records are written and read.
    pub duration: Duration,
    /// Threads that write, and as many that read; 1 to 16.
    pub threads: usize,
    /// Bytes of a record.
    pub record: usize,
}

/// What came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrillReport {
    /// Records sealed.
    pub written: u64,
    /// Records opened, while it ran and at the end.
    pub read: u64,
    /// Records that were kept through all later changes and read at the end; part of `read`.
    pub kept: u64,
    /// Records that could not be opened, or were another text than was sealed. Must be 0.
    pub unreadable: u64,
    /// Records that could not be sealed. Must be 0.
    pub unwritten: u64,
    /// How often the algorithm was changed.
    pub algorithm_changes: u64,
    /// How often the master key was rotated.
    pub master_rotations: u64,
    /// How often the data keys were rotated.
    pub data_rotations: u64,
    /// Data keys at the end.
    pub keys: u64,
    /// How long records were written, in milliseconds.
    pub millis: u64,
}

/// A record's number and its envelope.
type Place = Option<(u64, Vec<u8>)>;

/// Records as they lie on a disk, and how each must read.
struct Shelf {
    places: Vec<Mutex<Place>>,
    kept: Mutex<Vec<(u64, Vec<u8>)>>,
    next: AtomicU64,
    read: AtomicU64,
    unreadable: AtomicU64,
    unwritten: AtomicU64,
    over: AtomicBool,
}

/// The text of a record, from its number.
fn text_of(number: u64, length: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

impl Shelf {
    fn write(&self, ring: &KeyRing, scopes: &[Scope], length: usize) {
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let scope = &scopes[number as usize % scopes.len()];
            let key = ring.current(scope);
            match key.and_then(|key| Ok(key.seal(&number.to_le_bytes(), &text_of(number, length))?)) {
                Ok(sealed) => self.put(number, sealed),
                Err(_) => drop(self.unwritten.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    fn put(&self, number: u64, sealed: Vec<u8>) {
        if number.is_multiple_of(KEPT_EVERY) {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT_MAX {
                kept.push((number, sealed.clone()));
            }
        }
        *self.place(number) = Some((number, sealed));
    }

    fn place(&self, number: u64) -> std::sync::MutexGuard<'_, Place> {
        self.places[number as usize % self.places.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, ring: &KeyRing, number: u64, sealed: &[u8], length: usize) {
        let good = ring.unseal(&number.to_le_bytes(), sealed).is_ok_and(|text| text == text_of(number, length));
        let count = if good { &self.read } else { &self.unreadable };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn check_place(&self, ring: &KeyRing, place: u64, length: usize) {
        let record = self.place(place).clone();
        if let Some((number, sealed)) = record {
            self.check(ring, number, &sealed, length);
        }
    }

    /// Reads in turn a new record and one that was kept.
    fn read(&self, ring: &KeyRing, length: usize) {
        let mut turn = 0;
        while !self.over.load(Ordering::Relaxed) {
            self.check_place(ring, turn * 7, length);
            let old = {
                let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.get((turn as usize * 13) % kept.len().max(1)).cloned()
            };
            if let Some((number, sealed)) = old {
                self.check(ring, number, &sealed, length);
            }
            turn += 1;
        }
    }

    /// Reads all that is left; answers how many were kept from the first moment on.
    fn read_all(&self, ring: &KeyRing, length: usize) -> u64 {
        (0..NEWEST as u64).for_each(|place| self.check_place(ring, place, length));
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().for_each(|(number, sealed)| self.check(ring, *number, sealed, length));
        kept.len() as u64
    }
}

/// Changes everything in turn, until the time is over and each was done twice.
fn change(ring: &KeyRing, officers: &Approval, until: Instant, report: &mut DrillReport) -> Result<(), KeysError> {
    for turn in 0_u64.. {
        if Instant::now() >= until && turn >= 6 {
            return Ok(());
        }
        match turn % 3 {
            0 => {
                let other = ALGORITHMS[usize::from(ring.algorithm() == ALGORITHMS[0])];
                ring.set_algorithm(officers, other)?;
                report.algorithm_changes += 1;
            }
            1 => {
                ring.rotate_data(&Selection::default())?;
                report.data_rotations += 1;
            }
            _ => {
                ring.rotate_master(officers, false)?;
                report.master_rotations += 1;
            }
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

/// Runs the drill with a new ring in a folder that has none.
///
/// # Errors
/// As [`KeyRing::create`] and its changes. Unreadable records are no error but counted.
pub fn drill(
    folder: &Path,
    master: Arc<dyn MasterKey>,
    officers: &Approval,
    options: DrillOptions,
) -> Result<DrillReport, KeysError> {
    let ring = KeyRing::create(folder, Arc::clone(&master), Algorithm::Aes256Gcm, officers)?;
    drill_on(&ring, folder, master, officers, options)
}

fn scopes() -> Result<Vec<Scope>, KeysError> {
    (1..=TENANTS).map(|tenant| Scope::new("drill/records", &format!("tenant-{tenant}"), "2026-11")).collect()
}

pub(super) fn drill_on(
    ring: &KeyRing,
    folder: &Path,
    master: Arc<dyn MasterKey>,
    officers: &Approval,
    options: DrillOptions,
) -> Result<DrillReport, KeysError> {
    let (scopes, length) = (scopes()?, options.record.clamp(8, 1 << 16));
    let counter = AtomicU64::default;
    let places = std::iter::repeat_with(|| Mutex::new(None)).take(NEWEST).collect();
    let kept = Mutex::default();
    let shelf = Shelf {
        places,
        kept,
        next: counter(),
        read: counter(),
        unreadable: counter(),
        unwritten: counter(),
        over: AtomicBool::new(false),
    };
    let (started, mut report) = (Instant::now(), DrillReport::default());
    let changed = std::thread::scope(|threads| {
        for _ in 0..options.threads.clamp(1, 16) {
            threads.spawn(|| shelf.write(ring, &scopes, length));
            threads.spawn(|| shelf.read(ring, length));
        }
        let changed = change(ring, officers, started + options.duration, &mut report);
        shelf.over.store(true, Ordering::Relaxed);
        changed
    });
    report.millis = started.elapsed().as_millis() as u64;
    changed?;
    let anew = KeyRing::open(folder, master)?;
    report.kept = shelf.read_all(&anew, length);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    report.unwritten = count(&shelf.unwritten);
    report.written = count(&shelf.next) - report.unwritten;
    (report.read, report.unreadable) = (count(&shelf.read), count(&shelf.unreadable));
    report.keys = anew.keys().len() as u64;
    Ok(report)
}
