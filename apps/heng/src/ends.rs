//! Where the journal and the event log of a folder end. Each shows what the other has lost: a file that was cut off
//! between two records looks whole by itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use heng_core::{CoreError, Layout, decode_batch};
use heng_journal::{Check, EventReader, JournalReader, RecordKind, Storage, verify, verify_events};
use heng_model::Seq;
use heng_model::wire::WireError;

/// The last command of the journal, read from record `first` on; `None` if no record from there holds a command.
fn last_command(storage: &Arc<dyn Storage>, dir: &Path, first: u64) -> anyhow::Result<Option<u64>> {
    let mut reader = JournalReader::open(Arc::clone(storage), dir, first, Check::Checksums)?;
    let mut last = None;
    while let Some(record) = reader.next_record()? {
        if record.kind == RecordKind::Commands {
            let (index, begin) = (record.index, |_: Seq, _| Ok::<(), WireError>(()));
            decode_batch(record.payload, begin, |command| {
                last = Some(command.seq.0);
                Ok(())
            })
            .map_err(|error| CoreError::Record { index, error })?;
        }
    }
    Ok(last)
}

/// The last command whose events the log holds; 0 if there is no log, or none that can be read to its end.
pub(crate) fn last_event(storage: &Arc<dyn Storage>, layout: &Layout) -> u64 {
    let read = || -> Result<u64, heng_journal::JournalError> {
        let mut reader = EventReader::open(Arc::clone(storage), &layout.events, 1)?;
        let mut last = 0;
        while let Some(block) = reader.next_info()? {
            last = block.span.last_sequence;
        }
        Ok(last)
    };
    // A damaged log is told by whoever reads it; here it only has no opinion about the journal.
    read().unwrap_or(0)
}

/// Refuses a journal that ends before command `events`, up to which the event log is written: an event is written
/// only after its command is durable. `first` is the first record held.
///
/// # Errors
/// If commands are missing, or the journal is damaged.
pub(crate) fn refuse_short_journal(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    first: u64,
    events: u64,
) -> anyhow::Result<()> {
    match last_command(storage, &layout.journal, first)? {
        // What was purged cannot be looked at.
        None if first > 1 => Ok(()),
        last if last.unwrap_or(0) < events => {
            Err(CoreError::JournalShort { journal: last.unwrap_or(0), events }.into())
        }
        _ => Ok(()),
    }
}

/// What is to be said about an event log that ends before command `next` although the journal goes on. After a crash,
/// and beside a living core, this is the usual state of things; nothing is said beside a living core.
///
/// # Errors
/// If the event log ends inside a record, or one of the two is damaged.
pub(crate) fn missing_events(storage: &Arc<dyn Storage>, layout: &Layout, next: u64) -> anyhow::Result<Option<String>> {
    let Ok(_nobody_writes) = storage.lock(&layout.journal.join("writer.lock")) else { return Ok(None) };
    const REMEDY: &str = "the next start of the core (`heng day --resume`, `heng up`) makes them again";
    if let Some(torn) = verify_events(storage.as_ref(), &layout.events)?.and_then(|found| found.torn) {
        let (path, offset, damage) = (torn.path.display(), torn.offset, torn.damage);
        bail!("{path} at byte {offset}: {damage}; the events from command {next} on are missing, {REMEDY}");
    }
    let Some(found) = verify(storage.as_ref(), &layout.journal)? else { return Ok(None) };
    let last = last_command(storage, &layout.journal, found.first_index)?;
    Ok(last
        .filter(|last| *last >= next)
        .map(|last| format!("the events of commands {next} to {last} are not in the event log; {REMEDY}")))
}

/// Refuses the quarantine of a command that does not abort the core: one that the journal does not hold, or one whose
/// events are recorded. To refuse that one afterwards would make the journal contradict the record, for good. `first`
/// is the first record held.
///
/// # Errors
/// If there is nothing to quarantine, or the journal is damaged.
pub(crate) fn refuse_needless_quarantine(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    first: u64,
    sequence: u64,
) -> anyhow::Result<()> {
    let events = last_event(storage, layout);
    if sequence <= events {
        bail!(
            "command {sequence} did not abort the core: the event log holds its events, and those up to command {events}"
        );
    }
    let last = last_command(storage, &layout.journal, first)?.unwrap_or(0);
    if sequence > last {
        bail!("there is no command {sequence}: the journal ends at command {last}");
    }
    Ok(())
}
