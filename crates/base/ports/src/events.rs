//! Where the events of the record come from. The core's event log stands behind it; whoever derives a view from
//! events does not know the core.

use heng_model::{Event, Seq, UnixNanos};

/// What one command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEvents {
    /// Sequence of the command.
    pub seq: Seq,
    /// Its time.
    pub time: UnixNanos,
    /// Its events, in order.
    pub events: Vec<Event>,
}

/// A piece of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBlock {
    /// The first command that the piece covers.
    pub first: Seq,
    /// Commands with events, ascending. Commands that said nothing leave none.
    pub commands: Vec<CommandEvents>,
    /// The last command that the piece covers.
    pub through: Seq,
}

/// Why the record cannot be read.
pub type FeedError = Box<dyn std::error::Error + Send + Sync>;

/// Reads the record behind the gate, piece by piece. May block on the disk or the network, for as long as one piece
/// takes.
pub trait EventFeed: Send {
    /// The next piece; `None` if there is none yet.
    ///
    /// # Errors
    /// If the record is damaged or the disk fails.
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError>;
}

/// Opens feeds and tells how far the record reaches.
pub trait EventSource: Send + Sync {
    /// A feed that begins with the command `from`; it may begin earlier, inside the same piece.
    ///
    /// # Errors
    /// If the record does not hold that command any more.
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError>;

    /// The last durable command.
    fn head(&self) -> Seq;
}
