//! Where events go, and the bytes they become.

use heng_model::hash::EventDigest;
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{Command, Event, PartitionId, Seq, UnixNanos};

/// Takes what the core says.
pub trait EventSink {
    /// An event of the record.
    fn emit(&mut self, event: Event);
    /// A message for another partition; it becomes a command there.
    fn send(&mut self, to: PartitionId, message: Command);
}

/// Encodes events as frames, one a command: sequence, time, count, events. Commands without events leave no frame.
#[derive(Debug, Default)]
pub struct EventWriter {
    frames: Writer,
    current: Writer,
    count: u32,
    total: u64,
    digest: EventDigest,
    outbox: Vec<(PartitionId, Command)>,
}

impl EventSink for EventWriter {
    #[inline]
    fn emit(&mut self, event: Event) {
        event.put(&mut self.current);
        self.count += 1;
    }

    fn send(&mut self, to: PartitionId, message: Command) {
        self.outbox.push((to, message));
    }
}

impl EventWriter {
    /// A writer that goes on from a digest.
    #[must_use]
    pub fn from_digest(digest: EventDigest) -> Self {
        Self { digest, ..Self::default() }
    }

    /// Closes the frame of a command.
    #[inline]
    pub fn finish(&mut self, seq: Seq, time: UnixNanos) {
        if self.count == 0 {
            return;
        }
        self.digest.extend(self.current.bytes());
        seq.put(&mut self.frames);
        time.put(&mut self.frames);
        self.count.put(&mut self.frames);
        self.frames.put_raw(self.current.bytes());
        self.current.clear();
        self.total += u64::from(self.count);
        self.count = 0;
    }

    /// Bytes of the frames gathered.
    #[must_use]
    pub fn frames(&self) -> &[u8] {
        self.frames.bytes()
    }

    /// Forgets the frames gathered, keeps room and digest.
    pub const fn clear_frames(&mut self) {
        self.frames.clear();
    }

    /// Digest of all events so far.
    #[must_use]
    pub const fn digest(&self) -> EventDigest {
        self.digest
    }

    /// Events so far.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Messages for other partitions.
    pub const fn outbox(&mut self) -> &mut Vec<(PartitionId, Command)> {
        &mut self.outbox
    }
}

/// Events of one command, as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Sequence of the command.
    pub seq: Seq,
    /// Its time.
    pub time: UnixNanos,
    /// Its events.
    pub events: Vec<Event>,
}

/// Most events of one command: a closing day may cancel every live order.
const FRAME_EVENTS_MAX: u32 = 1 << 30;

/// Reads frames from bytes.
#[derive(Clone, Debug)]
pub struct EventFrames<'a> {
    reader: Reader<'a>,
}

impl<'a> EventFrames<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes) }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.reader.position()
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// If the bytes do not hold a frame.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, WireError> {
        if self.reader.is_done() {
            return Ok(None);
        }
        let (seq, time) = (Seq::get(&mut self.reader)?, UnixNanos::get(&mut self.reader)?);
        let count = u32::get(&mut self.reader)?;
        if count > FRAME_EVENTS_MAX {
            return Err(WireError::OutOfRange { of: "events of a frame" });
        }
        let mut events = Vec::with_capacity((count as usize).min(64));
        for _ in 0..count {
            events.push(Event::get(&mut self.reader)?);
        }
        Ok(Some(Frame { seq, time, events }))
    }
}
