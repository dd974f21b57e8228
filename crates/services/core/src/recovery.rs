//! Rebuilding a state from files: snapshot, then journal, checked at every record.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use heng_engine::{
    CURRENT_LEVEL, Capacity, EventWriter, OLDEST_LEVEL, State, apply, apply_quarantined, warm, warm_first,
};
use heng_journal::{
    BlockSpan, Check, EventLog, EventLogOptions, Hash, Journal, JournalOptions, JournalReader, RecordKind, RecordRef,
    SnapshotStore, Storage, quarantines,
};
use heng_model::hash::EventDigest;
use heng_model::wire::WireError;
use heng_model::{Command, PartitionId, Seq, Sequenced};

use crate::batch::batch_head;
use crate::error::CoreError;
use crate::layout::Layout;
use crate::portions::{self, Next, Part, Portion};
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
    /// Sequence of the snapshot that recovery started from; 0 = none.
    pub snapshot: u64,
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

impl From<Replayer> for Replayed {
    fn from(replayer: Replayer) -> Self {
        let Replayer { state, writer, commands, last_index, .. } = replayer;
        Self { state, digest: writer.digest(), commands, last_index }
    }
}

/// State while records are executed.
pub(crate) struct Replayer {
    pub(crate) state: State,
    pub(crate) writer: EventWriter,
    pub(crate) quarantined: Vec<u64>,
    commands: u64,
    pub(crate) last_index: u64,
}

impl Replayer {
    fn at_the_beginning(partition: PartitionId, capacity: Capacity) -> Self {
        let (state, writer) = (State::new(partition, capacity), EventWriter::default());
        Self { state, writer, quarantined: Vec::new(), commands: 0, last_index: 0 }
    }

    /// Executes one part of a portion.
    fn execute(&mut self, portion: &Portion, part: &Part) -> Result<(), CoreError> {
        self.last_index = part.index;
        self.check_part(part)?;
        if part.commands.start == 0 {
            warm_first(&self.state, &portion.commands);
        }
        for at in part.commands.clone() {
            warm(&self.state, &portion.commands, at);
            self.apply(&portion.commands[at])?;
        }
        part.damage.map_or(Ok(()), |error| Err(CoreError::Record { index: part.index, error }))
    }

    /// A batch is of a level that this version executes, and continues the state.
    fn check_part(&self, part: &Part) -> Result<(), CoreError> {
        if part.kind != RecordKind::Commands {
            return Ok(());
        }
        let (index, level, oldest, current) = (part.index, part.level, OLDEST_LEVEL, CURRENT_LEVEL);
        if !(oldest..=current).contains(&level) {
            return Err(CoreError::Level { index, level, oldest, current });
        }
        part.head.map_or(Ok(()), |head| check_head(index, head, self.state.seq().next(), self.writer.digest()))
    }

    fn apply(&mut self, command: &Sequenced<Command>) -> Result<(), CoreError> {
        if command.time <= self.state.time() {
            return Err(CoreError::Record { index: self.last_index, error: WireError::OutOfRange { of: "time" } });
        }
        let (state, writer) = (&mut self.state, &mut self.writer);
        let quarantined = self.quarantined.contains(&command.seq.0);
        let applied = catch_unwind(AssertUnwindSafe(|| {
            if quarantined {
                return apply_quarantined(state, command, writer);
            }
            #[cfg(test)]
            crate::poison::strike(&command.command);
            apply(state, command, writer)
        }));
        applied.map_err(|panic| CoreError::Poison { sequence: command.seq.0, reason: reason_of(&*panic) })?;
        self.writer.finish();
        self.commands += 1;
        Ok(())
    }
}

fn reason_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_else(|| "no reason told".into())
}

/// Where execution starts: the newest sound snapshot at or below `at_most`, or nothing.
pub(crate) fn start_from(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    partition: PartitionId,
    capacity: Capacity,
    at_most: u64,
    warnings: &mut Vec<String>,
) -> Result<Replayer, CoreError> {
    let store = SnapshotStore::open(Arc::clone(storage), &layout.snapshots)?;
    for sequence in store.list()?.into_iter().rev().filter(|sequence| *sequence <= at_most) {
        match load_snapshot(&store, sequence, capacity) {
            Ok((state, meta)) => {
                let writer = EventWriter::from_digest(meta.digest);
                return Ok(Replayer { state, writer, quarantined: Vec::new(), commands: 0, last_index: meta.index });
            }
            Err(error) => warnings.push(format!("snapshot {sequence} is skipped: {error}")),
        }
    }
    Ok(Replayer::at_the_beginning(partition, capacity))
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
    let options = EventLogOptions {
        partition: partition.0,
        first_sequence: 1,
        segment_bytes: 256 << 20,
        ..EventLogOptions::default()
    };
    let (mut events, told) = EventLog::open(Arc::clone(storage), &layout.events, options)?;
    if let Some(torn) = &told.torn {
        warnings.push(format!("event log: a torn tail was dropped and is made again ({torn:?})"));
    }
    // A snapshot above the record would leave a hole in it.
    let mut replayer = start_from(storage, layout, partition, capacity, told.last_sequence, &mut warnings)?;
    let snapshot = replayer.state.seq().0;
    let options = JournalOptions { partition: partition.0, segment_bytes, ..JournalOptions::default() };
    let (journal, found) = Journal::open(Arc::clone(storage), &layout.journal, options)?;
    if let Some(torn) = &found.torn {
        warnings.push(format!("journal: a torn tail was dropped ({torn:?})"));
    }
    if found.purged_to > replayer.last_index {
        let (first, events, skipped) = (found.purged_to + 1, told.last_sequence, warnings.join("; "));
        return Err(CoreError::NoStart { first, events, skipped });
    }
    replayer.quarantined = found.quarantined.iter().map(|q| q.sequence).collect();
    let reader = journal.read_from(replayer.last_index + 1)?;
    portions::for_each(reader, |portion| {
        for part in &portion.parts {
            replayer.execute(portion, part)?;
            if part.ends {
                complete_events(&mut replayer, &mut events, part.level)?;
            }
        }
        Ok(Next::Wanted)
    })?;
    let (held, executed) = (events.last_sequence(), replayer.state.seq().0);
    if held > executed {
        return Err(CoreError::JournalShort { journal: executed, events: held });
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
        snapshot,
        warnings,
    })
}

/// Appends the events of a record that the event log does not hold yet.
fn complete_events(replayer: &mut Replayer, log: &mut EventLog, level: u16) -> Result<(), CoreError> {
    let held = log.last_sequence();
    let last = replayer.state.seq().0;
    if last > held {
        let (frames, event_count) = missing_frames(replayer.writer.frames(), held)?;
        let span = BlockSpan { first_sequence: held + 1, last_sequence: last, event_count, level };
        log.append_block(&span, frames)?;
    }
    replayer.writer.clear_frames();
    Ok(())
}

/// The part of `frames` behind sequence `held`, and the number of its events.
fn missing_frames(frames: &[u8], held: u64) -> Result<(&[u8], u32), CoreError> {
    let mut reader = heng_engine::EventFrames::new(frames);
    let (mut start, mut count) = (0, 0u32);
    while let Some(frame) = reader.next_frame().map_err(|error| CoreError::Events { sequence: held, error })? {
        if frame.seq.0 <= held {
            start = reader.position();
        } else {
            count = count.saturating_add(u32::try_from(frame.events.len()).unwrap_or(u32::MAX));
        }
    }
    Ok((&frames[start..], count))
}

/// Rebuilds a state from files without touching them; a writer may be alive beside it. `whole` executes every record
/// from the first and ignores snapshots.
///
/// # Errors
/// As [`recover`].
pub fn replay(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    capacity: Capacity,
    whole: bool,
) -> Result<Replayed, CoreError> {
    let mut replayer = if whole {
        Replayer::at_the_beginning(PartitionId(0), capacity)
    } else {
        start_from(storage, layout, PartitionId(0), capacity, u64::MAX, &mut Vec::new())?
    };
    // They hold from the first execution on, wherever they stand.
    let found = quarantines(storage.as_ref(), &layout.journal)?;
    replayer.quarantined = found.iter().map(|quarantine| quarantine.sequence).collect();
    let from = replayer.last_index + 1;
    let reader = JournalReader::open(Arc::clone(storage), &layout.journal, from, Check::Checksums)?;
    portions::for_each(reader, |portion| {
        for part in &portion.parts {
            replayer.execute(portion, part)?;
            replayer.writer.clear_frames();
        }
        Ok(Next::Wanted)
    })?;
    Ok(replayer.into())
}

/// What a snapshot may hold: the state from the last snapshot on, up to a record whose last command is at or below
/// `durable` and whose successor vouches for it: the digest that the core wrote at the head of that successor is the
/// digest of the events as re-executed. `None` if there is no such record behind the last snapshot, or if `cancelled`.
pub(crate) fn replay_vouched(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    partition: PartitionId,
    durable: u64,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Replayed>, CoreError> {
    let mut replayer = start_from(storage, layout, partition, Capacity::default(), durable, &mut Vec::new())?;
    let from = replayer.last_index + 1;
    let open = || JournalReader::open(Arc::clone(storage), &layout.journal, from, Check::Checksums);
    let last = survey(&mut open()?.follow(), durable, &mut replayer.quarantined)?;
    if last <= replayer.state.seq().0 {
        return Ok(None);
    }
    let mut vouched = false;
    portions::for_each(open()?.follow(), |portion| {
        for part in &portion.parts {
            if let (Some(head), true) = (part.head, replayer.state.seq().0 == last) {
                check_head(part.index, head, replayer.state.seq().next(), replayer.writer.digest())?;
                vouched = true;
                return Ok(Next::Unwanted);
            }
            if cancelled() {
                return Ok(Next::Unwanted);
            }
            replayer.execute(portion, part)?;
            replayer.writer.clear_frames();
        }
        Ok(Next::Wanted)
    })?;
    Ok(vouched.then(|| replayer.into()))
}

/// The last command at or below `durable` behind which another record begins (0 = none), and the quarantines.
fn survey(reader: &mut JournalReader, durable: u64, quarantined: &mut Vec<u64>) -> Result<u64, CoreError> {
    let mut last = 0;
    while let Some(record) = reader.next_record()? {
        quarantined.extend(quarantine_in(&record));
        if record.kind == RecordKind::Commands {
            let head = batch_head(record.payload).map_err(|error| CoreError::Record { index: record.index, error })?;
            if head.0.0 <= durable + 1 {
                last = head.0.0 - 1;
            }
        }
    }
    Ok(last)
}

/// A record continues the state: by sequence, and by the digest of all events before it.
pub(crate) fn check_head(
    index: u64,
    head: (Seq, EventDigest),
    expected: Seq,
    digest: EventDigest,
) -> Result<(), CoreError> {
    let (first, recorded) = head;
    if first != expected {
        return Err(CoreError::Sequence { index, found: first.0, expected: expected.0 });
    }
    if recorded != digest {
        return Err(CoreError::Diverged { sequence: first.0 });
    }
    Ok(())
}

pub(crate) fn quarantine_in(record: &RecordRef<'_>) -> Option<u64> {
    if record.kind != RecordKind::Quarantine {
        return None;
    }
    heng_journal::Quarantine::decode(record.payload).map(|quarantine| quarantine.sequence)
}
