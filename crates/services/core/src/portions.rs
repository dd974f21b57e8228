//! Journal records on their way to whoever executes them: read, checked and decoded on a thread of their own, so that
//! the executing thread only executes.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use heng_journal::{JournalReader, RecordKind, RecordRef};
use heng_model::hash::EventDigest;
use heng_model::wire::WireError;
use heng_model::{Command, Seq, Sequenced};

use crate::batch::{batch_head, decode_batch};
use crate::error::CoreError;

/// Commands of one portion at most: they stay in the cache of the core that decoded them.
const COMMANDS_MAX: usize = 1_024;
/// Records of one portion at most; records without commands take room too.
const RECORDS_MAX: usize = 1_024;
/// Portions that may wait to be executed.
const AHEAD_MAX: usize = 4;

/// A record, or the part of a long one that stands in one portion.
pub(crate) struct Part {
    pub(crate) index: u64,
    pub(crate) level: u16,
    pub(crate) kind: RecordKind,
    /// Where a batch of commands begins: its first sequence and the digest before it. `None` for a later part and for
    /// other kinds of records.
    pub(crate) head: Option<(Seq, EventDigest)>,
    /// Its commands in the portion.
    pub(crate) commands: Range<usize>,
    /// Whether the record ends here.
    pub(crate) ends: bool,
    /// Why it could not be decoded further.
    pub(crate) damage: Option<WireError>,
}

/// Records that were read one after the other.
#[derive(Default)]
pub(crate) struct Portion {
    pub(crate) parts: Vec<Part>,
    pub(crate) commands: Vec<Sequenced<Command>>,
    /// Why nothing follows it, unless the journal ends.
    error: Option<CoreError>,
}

impl Portion {
    fn is_full(&self) -> bool {
        self.commands.len() >= COMMANDS_MAX || self.parts.len() >= RECORDS_MAX
    }

    fn begin(&mut self, record: &RecordRef<'_>, head: Option<(Seq, EventDigest)>) {
        let (index, level, kind, start) = (record.index, record.level, record.kind, self.commands.len());
        self.parts.push(Part { index, level, kind, head, commands: start..start, ends: false, damage: None });
    }

    /// Closes the part begun last.
    fn close(&mut self, ends: bool, damage: Option<WireError>) {
        let until = self.commands.len();
        if let Some(part) = self.parts.last_mut() {
            part.commands.end = until;
            (part.ends, part.damage) = (ends, damage);
        }
    }
}

/// Whether whoever takes portions has had enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Wanted,
    Unwanted,
}

/// Hands every record of `reader` to `take`, in order, until the journal ends, it is damaged, or `take` fails
/// or has had enough.
///
/// # Errors
/// Of the journal, after everything before the damage was taken; of `take`.
pub(crate) fn for_each(
    reader: JournalReader,
    mut take: impl FnMut(&Portion) -> Result<Next, CoreError>,
) -> Result<(), CoreError> {
    std::thread::scope(|scope| {
        let (filled, portions) = sync_channel(AHEAD_MAX);
        let (used, recycled) = channel();
        let filling = Filling { portion: Portion::default(), filled, recycled };
        scope.spawn(move || filling.run(reader));
        while let Ok(mut portion) = portions.recv() {
            if take(&portion)? == Next::Unwanted {
                return Ok(());
            }
            if let Some(error) = portion.error.take() {
                return Err(error);
            }
            // The reading thread may have ended: then nobody needs the room again.
            let _ = Sender::send(&used, portion);
        }
        Ok(())
    })
}

/// The reading side.
struct Filling {
    portion: Portion,
    filled: SyncSender<Portion>,
    recycled: Receiver<Portion>,
}

/// Why decoding stops inside a record.
enum Stop {
    Damage(WireError),
    /// Whoever executes has failed.
    Nobody,
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Damage(error)
    }
}

impl Filling {
    fn run(mut self, mut reader: JournalReader) {
        loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    let sent = !self.portion.is_full() || self.hand_on();
                    if !sent || !self.add(&record) {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.portion.error = Some(error.into());
                    break;
                }
            }
        }
        self.hand_on();
    }

    /// False if nothing more is wanted.
    fn hand_on(&mut self) -> bool {
        let mut next = self.recycled.try_recv().unwrap_or_default();
        next.parts.clear();
        next.commands.clear();
        self.filled.send(std::mem::replace(&mut self.portion, next)).is_ok()
    }

    /// Adds a record; one that is too long for a portion goes on in the next. False if nothing more is wanted.
    fn add(&mut self, record: &RecordRef<'_>) -> bool {
        if record.kind != RecordKind::Commands {
            self.portion.begin(record, None);
            self.portion.close(true, None);
            return true;
        }
        let head = match batch_head(record.payload) {
            Ok(head) => head,
            Err(error) => {
                self.portion.begin(record, None);
                self.portion.close(true, Some(error));
                return true;
            }
        };
        self.portion.begin(record, Some(head));
        let decoded = decode_batch::<Stop>(
            record.payload,
            |_, _| Ok(()),
            |command| {
                if self.portion.commands.len() >= COMMANDS_MAX {
                    self.go_on(record)?;
                }
                self.portion.commands.push(command);
                Ok(())
            },
        );
        let damage = match decoded {
            Ok(()) => None,
            Err(Stop::Damage(error)) => Some(error),
            Err(Stop::Nobody) => return false,
        };
        self.portion.close(true, damage);
        true
    }

    /// Begins another part of a record in the next portion.
    fn go_on(&mut self, record: &RecordRef<'_>) -> Result<(), Stop> {
        self.portion.close(false, None);
        if !self.hand_on() {
            return Err(Stop::Nobody);
        }
        self.portion.begin(record, None);
        Ok(())
    }
}
