//! Drives a journal on a simulated disk beside a naive list of what was appended, and compares
//! the two after each crash.

use heng_journal::{
    Check, Crash, Journal, JournalError, JournalOptions, JournalReader, Preallocation, RecordKind, SimStorage,
};
use std::path::Path;

pub(crate) const DIR: &str = "/journal";

pub(crate) fn small_options() -> JournalOptions {
    JournalOptions { partition: 3, key_id: 0, segment_bytes: 4096, preallocation: Preallocation::ZeroFill }
}

pub(crate) fn open(sim: &SimStorage) -> (Journal, heng_journal::Recovery) {
    Journal::open(sim.shared(), Path::new(DIR), small_options()).unwrap()
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Append { size: u16, fill: u8 },
    Sync,
    SyncApart,
    TruncateBack(u8),
    PurgeBack(u8),
    Vote(u8),
    NextTerm,
    Crash(Crash),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    term: u64,
    payload: Vec<u8>,
    head: [u8; 32],
}

/// The naive model: every record ever appended and not truncated, the first at place 0.
pub(crate) struct Driver {
    pub(crate) sim: SimStorage,
    journal: Option<Journal>,
    options: JournalOptions,
    entries: Vec<Entry>,
    durable: u64,
    /// Records up to here may be purged.
    purge_asked: u64,
    term: u64,
    vote: Option<Vec<u8>>,
    vote_asked: Option<Vec<u8>>,
}

pub(crate) type Verdict = Result<(), String>;

fn payload(size: u16, fill: u8) -> Vec<u8> {
    (0..size).map(|at| fill ^ (at as u8)).collect()
}

impl Driver {
    /// The variant picks how segments get their room.
    pub(crate) fn new(variant: u64) -> Self {
        let sim = SimStorage::new();
        let mut options = small_options();
        options.preallocation = match variant % 3 {
            0 => Preallocation::ZeroFill,
            1 => Preallocation::Reserve,
            _ => Preallocation::Grow,
        };
        let (journal, _) = Journal::open(sim.shared(), Path::new(DIR), options).unwrap();
        Self {
            sim,
            journal: Some(journal),
            options,
            entries: Vec::new(),
            durable: 0,
            purge_asked: 0,
            term: 1,
            vote: None,
            vote_asked: None,
        }
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Applies one operation. `Ok(false)`: the disk refused, the machine is about to lose power.
    pub(crate) fn apply(&mut self, op: &Op) -> Result<bool, String> {
        if let Op::Crash(crash) = op {
            self.crash(*crash)?;
            return Ok(true);
        }
        match self.try_apply(op) {
            Ok(()) => Ok(true),
            Err(JournalError::Fatal { .. } | JournalError::Io { .. }) => Ok(false),
            Err(other) => Err(format!("{op:?}: {other}")),
        }
    }

    fn try_apply(&mut self, op: &Op) -> Result<(), JournalError> {
        let journal = self.journal.as_mut().expect("a journal is open");
        match op {
            Op::Append { size, fill } => {
                let bytes = payload(*size, *fill);
                let index = journal.append(self.term, 1, RecordKind::Commands, &bytes)?;
                self.entries.push(Entry { term: self.term, payload: bytes, head: journal.chain_head() });
                assert_eq!(index, self.entries.len() as u64);
                self.durable = journal.durable_mark().index;
            }
            Op::Sync => self.durable = journal.sync()?.index,
            Op::SyncApart => {
                let ticket = journal.begin_sync()?;
                self.durable = journal.complete_sync(ticket.run())?.index;
            }
            Op::TruncateBack(back) => {
                let last = self.entries.len() as u64;
                let index = last.saturating_sub(u64::from(*back)).max(journal.purged_to());
                // From here on the records above may or may not survive.
                self.durable = self.durable.min(index);
                journal.truncate_after(index)?;
                self.entries.truncate(index as usize);
                self.durable = journal.durable_mark().index;
            }
            Op::PurgeBack(back) => {
                let index = self.durable.saturating_sub(u64::from(*back));
                self.purge_asked = self.purge_asked.max(index.saturating_sub(1));
                journal.purge_before(index)?;
            }
            Op::Vote(vote) => {
                self.vote_asked = Some(vec![*vote; 9]);
                journal.save_vote(&[*vote; 9])?;
                self.vote.clone_from(&self.vote_asked);
            }
            Op::NextTerm => self.term += 1,
            Op::Crash(_) => unreachable!("handled by the caller"),
        }
        Ok(())
    }

    /// Loses power, opens again and compares. The error says what was lost or invented.
    pub(crate) fn crash(&mut self, crash: Crash) -> Verdict {
        self.sim.crash(crash);
        self.journal = None;
        let storage = self.sim.shared();
        let (journal, recovery) =
            Journal::open(storage, Path::new(DIR), self.options).map_err(|error| format!("open: {error}"))?;
        let last = recovery.last_index;
        if last < self.durable {
            return Err(format!("lost: {last} of {} durable records", self.durable));
        }
        if last > self.last() {
            return Err(format!("invented: {last} of {} records", self.last()));
        }
        if recovery.purged_to > self.purge_asked {
            return Err(format!("purged to {}", recovery.purged_to));
        }
        self.check_vote(&journal)?;
        self.entries.truncate(last as usize);
        self.durable = journal.durable_mark().index;
        self.term = self.term.max(recovery.last_term);
        self.check_content(recovery.purged_to, recovery.chain_head)?;
        self.journal = Some(journal);
        Ok(())
    }

    fn check_vote(&mut self, journal: &Journal) -> Verdict {
        let found = journal.read_vote().map_err(|error| error.to_string())?;
        if found != self.vote && found != self.vote_asked {
            return Err(format!("vote {found:?}"));
        }
        self.vote.clone_from(&found);
        self.vote_asked = found;
        Ok(())
    }

    fn check_content(&self, purged_to: u64, chain_head: [u8; 32]) -> Verdict {
        let reader = JournalReader::open(self.sim.shared(), Path::new(DIR), purged_to + 1, Check::Chain)
            .map_err(|error| error.to_string())?;
        let mut next = purged_to;
        for record in reader {
            let record = record.map_err(|error| error.to_string())?;
            next += 1;
            let entry = &self.entries[next as usize - 1];
            let same = record.index == next && record.term == entry.term && record.payload == entry.payload;
            if !same {
                return Err(format!("record {next} differs"));
            }
        }
        if next != self.last() {
            return Err(format!("read to {next} of {}", self.last()));
        }
        match self.entries.last() {
            Some(entry) if entry.head != chain_head => Err("chain head differs".to_owned()),
            _ => Ok(()),
        }
    }
}
