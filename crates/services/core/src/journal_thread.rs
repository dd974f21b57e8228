//! The journal thread: appends what the sequencer has stamped and makes it durable, one fdatasync for all that waits.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use heng_journal::{Journal, RecordKind};
use heng_model::Seq;

use crate::error::CoreError;
use crate::gate::{Published, until_space};

/// Bytes that one fdatasync covers at most, so that a burst does not delay the first of it without bound.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// A stamped batch on its way to disk.
pub(crate) struct Stamped {
    pub(crate) last: Seq,
    pub(crate) level: u16,
    pub(crate) payload: Vec<u8>,
}

/// Runs until the sequencer stops sending.
///
/// # Errors
/// A failed fdatasync, or a journal that cannot be written: the process must end.
pub(crate) fn run(batches: &Receiver<Stamped>, mut journal: Journal, term: u64, published: &Arc<Published>) -> Result<Journal, CoreError> {
    while let Ok(first) = batches.recv() {
        let mut last = first.last;
        let mut bytes = first.payload.len();
        append(&mut journal, term, &first, published)?;
        while bytes < GROUP_BYTES_MAX {
            let Ok(next) = batches.try_recv() else { break };
            append(&mut journal, term, &next, published)?;
            bytes += next.payload.len();
            last = next.last;
        }
        journal.sync()?;
        published.mark_durable(last);
    }
    Ok(journal)
}

fn append(journal: &mut Journal, term: u64, batch: &Stamped, published: &Published) -> Result<(), CoreError> {
    until_space(published, || {
        journal.append(term, batch.level, RecordKind::Commands, &batch.payload).map(|_| ())
    })?;
    Ok(())
}
