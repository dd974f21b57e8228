//! Rebuilding a state from files: snapshot, then journal, checked at every record.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use heng_engine::{CURRENT_LEVEL, Capacity, EventWriter, OLDEST_LEVEL, State, apply, apply_quarantined};
use heng_journal::{
    BlockSpan, Check, EventLog, EventLogOptions, Hash, Journal, JournalOptions, JournalReader, RecordKind, RecordRef,
    SnapshotStore, Storage,
};
use heng_model::hash::EventDigest;
use heng_model::wire::WireError;
use heng_model::{Command, PartitionId, Sequenced};

use crate::batch::decode_batch;
use crate::error::CoreError;
use crate::layout::Layout;
use crate::snapshots::load_snapshot;

/// A partition that is ready to run.
pub struct Recovered {
    /// The state after the last durable command.
    pub state: State,
    /// The event writer with the digest of all events so far.
    pub writer: EventWriter,
    /// The journal, open for writing.
    pub journal: Journal,
    /// The event log, complete up to the state.
    pub events: EventLog,
    /// Commands that were re-executed.
    pub commands: u64,
    /// Hash of the last journal record.
    pub chain_head: Hash,
    /// Term to write with.
    pub term: u64,
    /// Things to tell a person: a torn tail, skipped snapshots.
    pub warnings: Vec<String>,
}

/// A state rebuilt without write access.
pub struct Replayed {
    /// The state after the last record.
    pub state: State,
    /// Digest of all events.
    pub digest: EventDigest,
    /// Commands that were executed.
    pub commands: u64,
    /// Index of the last record.
    pub last_index: u64,
}

/// State while records are executed.
struct Replayer {
    state: State,
    writer: EventWriter,
    quarantined: Vec<u64>,
    commands: u64,
    last_index: u64,
}

/// Turns a decoding error inside a record into one with its place.
enum Step {
    Wire(WireError),
    Core(CoreError),
}

impl From<WireError> for Step {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl Replayer {
    fn execute(&mut self, record: &RecordRef<'_>) -> Result<(), CoreError> {
        self.last_index = record.index;
        if record.kind != RecordKind::Commands {
            return Ok(());
        }
        if !(OLDEST_LEVEL..=CURRENT_LEVEL).contains(&record.level) {
            let (oldest, current) = (OLDEST_LEVEL, CURRENT_LEVEL);
            return Err(CoreError::Level { index: record.index, level: record.level, oldest, current });
        }
        let (index, expected, digest) = (record.index, self.state.seq().next(), self.writer.digest());
        let begin = |first: heng_model::Seq, recorded: EventDigest| {
            if first != expected {
                return Err(Step::Core(CoreError::Sequence { index, found: first.0, expected: expected.0 }));
            }
            if recorded != digest {
                return Err(Step::Core(CoreError::Diverged { sequence: first.0 }));
            }
            Ok(())
        };
        decode_batch(record.payload, begin, |command| self.apply(&command).map_err(Step::Core)).map_err(|step| match step {
            Step::Wire(error) => CoreError::Record { index, error },
            Step::Core(error) => error,
        })
    }

    fn apply(&mut self, command: &Sequenced<Command>) -> Result<(), CoreError> {
        if command.time <= self.state.time() {
            return Err(CoreError::Record { index: self.last_index, error: WireError::OutOfRange { of: "time" } });
        }
        let (state, writer) = (&mut self.state, &mut self.writer);
        let quarantined = self.quarantined.contains(&command.seq.0);
        let applied = catch_unwind(AssertUnwindSafe(|| {
            if quarantined { apply_quarantined(state, command, writer) } else { apply(state, command, writer) }
        }));
        applied.map_err(|panic| CoreError::Poison { sequence: command.seq.0, reason: reason_of(&*panic) })?;
        self.writer.finish(command.seq, command.time);
        self.commands += 1;
        Ok(())
    }
}

fn reason_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_else(|| "no reason told".into())
}

/// Where execution starts: the newest sound snapshot, or nothing.
fn start_from(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    partition: PartitionId,
    capacity: Capacity,
    warnings: &mut Vec<String>,
) -> Result<(Replayer, u64), CoreError> {
    let store = SnapshotStore::open(Arc::clone(storage), &layout.snapshots)?;
    let latest = store.latest_valid()?;
    warnings.extend(latest.skipped.iter().map(|s| format!("snapshot {} is skipped: {}", s.sequence, s.reason)));
    let (state, digest, index) = match latest.sequence {
        Some(sequence) => {
            let (state, meta) = load_snapshot(&store, sequence, capacity)?;
            (state, meta.digest, meta.index)
        }
        None => (State::new(partition, capacity), EventDigest::default(), 0),
    };
    let writer = EventWriter::from_digest(digest);
    Ok((Replayer { state, writer, quarantined: Vec::new(), commands: 0, last_index: index }, index + 1))
}

/// Recovers a partition from its folder, or begins one: afterwards state, journal and event log agree.
///
/// # Errors
/// Anything in the files that is not a torn tail, a poison command, a divergence.
pub fn recover(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    partition: PartitionId,
    capacity: Capacity,
    segment_bytes: u64,
) -> Result<Recovered, CoreError> {
    let mut warnings = Vec::new();
    let (mut replayer, from) = start_from(storage, layout, partition, capacity, &mut warnings)?;
    let options = JournalOptions { partition: partition.0, segment_bytes, ..JournalOptions::default() };
    let (journal, found) = Journal::open(Arc::clone(storage), &layout.journal, options)?;
    if let Some(torn) = &found.torn {
        warnings.push(format!("journal: a torn tail was dropped ({torn:?})"));
    }
    if found.purged_to >= from {
        return Err(CoreError::NoStart { first: found.purged_to + 1 });
    }
    replayer.quarantined = found.quarantined.iter().map(|q| q.sequence).collect();
    let options =
        EventLogOptions { partition: partition.0, first_sequence: 1, segment_bytes: 256 << 20, ..EventLogOptions::default() };
    let (mut events, told) = EventLog::open(Arc::clone(storage), &layout.events, options)?;
    if let Some(torn) = &told.torn {
        warnings.push(format!("event log: a torn tail was dropped and is made again ({torn:?})"));
    }
    let mut reader = journal.read_from(from)?;
    while let Some(record) = reader.next_record()? {
        replayer.execute(&record)?;
        complete_events(&mut replayer, &mut events, record.level)?;
    }
    events.sync()?;
    // The mark of an abort has served: the command behind it executed or is in quarantine.
    let _ = std::fs::remove_file(&layout.abort_mark);
    Ok(Recovered {
        state: replayer.state,
        writer: replayer.writer,
        journal,
        events,
        commands: replayer.commands,
        chain_head: found.chain_head,
        term: found.last_term + 1,
        warnings,
    })
}

/// Appends the events of a record that the event log does not hold yet.
fn complete_events(replayer: &mut Replayer, log: &mut EventLog, level: u16) -> Result<(), CoreError> {
    let held = log.last_sequence();
    let last = replayer.state.seq().0;
    if last > held {
        let frames = missing_frames(replayer.writer.frames(), held)?;
        let span = BlockSpan { first_sequence: held + 1, last_sequence: last, event_count: 0, level };
        log.append_block(&span, frames)?;
    }
    replayer.writer.clear_frames();
    Ok(())
}

/// The part of `frames` behind sequence `held`.
fn missing_frames(frames: &[u8], held: u64) -> Result<&[u8], CoreError> {
    let mut reader = heng_engine::EventFrames::new(frames);
    loop {
        let at = reader.position();
        let frame = reader.next_frame().map_err(|error| CoreError::Events { sequence: held, error })?;
        match frame {
            Some(frame) if frame.seq.0 <= held => {}
            _ => return Ok(&frames[at..]),
        }
    }
}

/// Rebuilds a state from files without touching them; a writer may be alive beside it. `whole` executes every record
/// from the first and ignores snapshots.
///
/// # Errors
/// As [`recover`].
pub fn replay(storage: &Arc<dyn Storage>, layout: &Layout, capacity: Capacity, whole: bool) -> Result<Replayed, CoreError> {
    let mut warnings = Vec::new();
    let quarantined = quarantines(storage, &layout.journal)?;
    let (mut replayer, from) = if whole {
        let state = State::new(PartitionId(0), capacity);
        let writer = EventWriter::default();
        (Replayer { state, writer, quarantined: Vec::new(), commands: 0, last_index: 0 }, 1)
    } else {
        start_from(storage, layout, PartitionId(0), capacity, &mut warnings)?
    };
    replayer.quarantined = quarantined;
    let mut reader = JournalReader::open(Arc::clone(storage), &layout.journal, from, Check::Checksums)?;
    while let Some(record) = reader.next_record()? {
        replayer.execute(&record)?;
        replayer.writer.clear_frames();
    }
    Ok(Replayed {
        digest: replayer.writer.digest(),
        state: replayer.state,
        commands: replayer.commands,
        last_index: replayer.last_index,
    })
}

/// All quarantines of a journal: they hold from the first execution on, wherever they stand.
fn quarantines(storage: &Arc<dyn Storage>, dir: &Path) -> Result<Vec<u64>, CoreError> {
    let mut reader = JournalReader::open(Arc::clone(storage), dir, 1, Check::Checksums)?;
    let mut found = Vec::new();
    while let Some(record) = reader.next_record()? {
        if record.kind == RecordKind::Quarantine
            && let Some(quarantine) = heng_journal::Quarantine::decode(record.payload)
        {
            found.push(quarantine.sequence);
        }
    }
    Ok(found)
}
