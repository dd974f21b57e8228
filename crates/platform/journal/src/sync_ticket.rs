//! A sync that runs on another thread than the one that appends.

use crate::error::Result;
use crate::log::{DurableMark, FrameLog};
use crate::storage::StorageFile;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A sync that may run on another thread while records are appended to the journal or the event log that gave it out.
#[derive(Debug)]
#[must_use = "a sync does nothing until it is run and completed"]
pub struct SyncTicket {
    file: Option<Arc<dyn StorageFile>>,
    path: PathBuf,
    up_to: u64,
    order: u64,
    epoch: u64,
    /// Where the bytes stand that no earlier sync covered.
    range: Range<u64>,
}

/// The outcome of a [`SyncTicket`], to be given back to [`crate::Journal::complete_sync`] or
/// [`crate::EventLog::complete_sync`].
#[derive(Debug)]
#[must_use = "the log does not know that the sync happened until it is completed"]
pub struct SyncOutcome {
    ticket: SyncTicket,
    result: std::io::Result<()>,
}

impl SyncTicket {
    /// Runs the one fdatasync. Blocks.
    pub fn run(self) -> SyncOutcome {
        let result = match &self.file {
            Some(file) => file.sync_data(),
            None => Ok(()),
        };
        SyncOutcome { ticket: self, result }
    }

    /// As [`SyncTicket::run`], for a sync that nobody waits for: most of the bytes go to the disk slowly before the
    /// fdatasync, so that others' syncs do not wait behind them.
    pub fn run_gently(self) -> SyncOutcome {
        if let Some(file) = &self.file {
            file.write_back(self.range.start, self.range.end);
        }
        self.run()
    }
}

impl SyncOutcome {
    /// Whether everything that the ticket covered is durable now. The outcome must be given back all the same.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.result.is_ok()
    }
}

impl FrameLog {
    /// Begins a sync of every frame so far that another thread can run.
    pub(crate) fn begin_sync(&self) -> Result<SyncTicket> {
        self.check_alive()?;
        let dirty = self.durable < self.last_index();
        Ok(SyncTicket {
            file: dirty.then(|| Arc::clone(&self.active.file)),
            path: self.active.path.clone(),
            up_to: self.last_index(),
            order: self.last_order,
            epoch: self.epoch,
            range: self.durable_position..self.position,
        })
    }

    /// Takes note of a sync that was run. A failed one is fatal, as in [`FrameLog::sync`].
    pub(crate) fn complete_sync(&mut self, outcome: SyncOutcome) -> Result<DurableMark> {
        self.check_alive()?;
        let SyncOutcome { ticket, result } = outcome;
        if let Err(error) = result {
            return Err(self.fail("fdatasync", &ticket.path, &error));
        }
        if ticket.epoch == self.epoch && ticket.up_to > self.durable {
            self.durable = ticket.up_to;
            self.durable_order = ticket.order;
            self.durable_position = ticket.range.end;
            self.write_mark();
        }
        Ok(DurableMark { index: self.durable })
    }
}
