//! Where events go, and the bytes they become.

use heng_model::command::NewOrder;
use heng_model::hash::EventDigest;
use heng_model::wire::{Message, Reader, Wire, WireError, Writer};
use heng_model::{Check, Command, Event, OrderId, PartitionId, Seq, UnixNanos};

/// Takes what the core says.
pub trait EventSink {
    /// A command begins: what follows until the next is its own.
    #[inline]
    fn begin(&mut self, _seq: Seq, _time: UnixNanos) {}
    /// An event of the record.
    fn emit(&mut self, event: Event);
    /// An event of a kind that comes often; the same as [`EventSink::emit`], without the way through [`Event`] where a
    /// sink knows how.
    #[inline]
    fn tell<E: Message<Event>>(&mut self, event: E) {
        self.emit(event.into());
    }
    /// A message for another partition; it becomes a command there.
    fn send(&mut self, to: PartitionId, message: Command);
    /// Whether it wants to know what the checks look at; where not, the core gathers nothing for it.
    const WATCHES: bool = false;
    /// The account side has checked an order that has a key; the event that tells the outcome follows.
    fn checked(&mut self, _order: &NewOrder, _checks: Vec<Check>) {}
    /// This venue has checked an order.
    fn venue_checked(&mut self, _order: OrderId, _checks: Vec<Check>) {}
}

/// Encodes events as frames, one a command: sequence, time, count, events. Commands without events leave no frame.
#[derive(Debug, Default)]
pub struct EventWriter {
    frames: Writer,
    /// Where the open frame begins, where its count stands and where its events begin.
    opened: (usize, usize, usize),
    count: u32,
    total: u64,
    digest: EventDigest,
    outbox: Vec<(PartitionId, Command)>,
}

/// Counts below this take one byte.
const SHORT_COUNT: u32 = 248;

impl EventSink for EventWriter {
    #[inline]
    fn begin(&mut self, seq: Seq, time: UnixNanos) {
        let start = self.frames.len();
        seq.put(&mut self.frames);
        time.put(&mut self.frames);
        let count = self.frames.len();
        self.frames.put_u8(0);
        self.opened = (start, count, count + 1);
    }

    #[inline]
    fn emit(&mut self, event: Event) {
        event.put(&mut self.frames);
        self.count += 1;
    }

    #[inline]
    fn tell<E: Message<Event>>(&mut self, event: E) {
        self.frames.put_u8(E::CODE);
        event.put(&mut self.frames);
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
    pub fn finish(&mut self) {
        let (start, count, events) = self.opened;
        if self.count == 0 {
            return self.frames.truncate(start);
        }
        self.digest.extend(&self.frames.bytes()[events..]);
        if self.count < SHORT_COUNT {
            self.frames.replace_u8(count, self.count as u8);
        } else {
            self.put_long_count(count, events);
        }
        self.total += u64::from(self.count);
        self.count = 0;
    }

    /// Rare: a closing day, a mass cancel, a large auction.
    #[cold]
    fn put_long_count(&mut self, count: usize, events: usize) {
        let told = self.frames.bytes()[events..].to_vec();
        self.frames.truncate(count);
        self.count.put(&mut self.frames);
        self.frames.put_raw(&told);
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

#[cfg(test)]
mod tests {
    use heng_model::OrderId;
    use heng_model::event::OrderUnknown;

    use super::*;

    #[test]
    fn frames_of_any_length_read_back_and_silence_leaves_none() {
        let counts = [1, 0, 247, 248, 300, 0, 2];
        let mut writer = EventWriter::default();
        for (seq, count) in (1..).zip(counts) {
            writer.begin(Seq(seq), UnixNanos(seq as i64 * 1_000));
            (0..count).for_each(|order| writer.tell(OrderUnknown { order: OrderId(order) }));
            writer.finish();
        }
        let mut frames = EventFrames::new(writer.frames());
        for (seq, count) in (1..).zip(counts).filter(|(_, count)| *count > 0) {
            let frame = frames.next_frame().unwrap().expect("a frame a command that said something");
            let events: Vec<Event> = (0..count).map(|order| OrderUnknown { order: OrderId(order) }.into()).collect();
            assert_eq!((frame.seq, frame.time, frame.events), (Seq(seq), UnixNanos(seq as i64 * 1_000), events));
        }
        assert!(frames.next_frame().unwrap().is_none());
    }
}
