//! The core's event log as the source of every view.

use std::path::PathBuf;
use std::sync::Arc;

use heng_journal::Storage;
use heng_model::Seq;
use heng_ports::{CommandEvents, EventBlock, EventFeed, EventSource, FeedError};

use crate::error::CoreError;
use crate::layout::Layout;
use crate::port::CorePort;
use crate::tail::EventTail;

/// Opens tails of one partition's event log.
pub struct RecordSource {
    storage: Arc<dyn Storage>,
    events: PathBuf,
    port: CorePort,
}

impl RecordSource {
    /// The event log under `layout`, and the port that knows how far it is durable.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, layout: &Layout, port: CorePort) -> Self {
        Self { storage, events: layout.events.clone(), port }
    }
}

struct Tail(EventTail);

impl EventFeed for Tail {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        let first = Seq(self.0.next_sequence());
        let mut commands = Vec::new();
        let found = self.0.next_block::<CoreError>(|frame| {
            commands.push(CommandEvents { seq: frame.seq, time: frame.time, events: frame.events });
            Ok(())
        })?;
        let through = Seq(self.0.next_sequence() - 1);
        Ok(found.then_some(EventBlock { first, commands, through }))
    }
}

impl EventSource for RecordSource {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        Ok(Box::new(Tail(EventTail::open(&self.storage, &self.events, from.0)?)))
    }

    fn head(&self) -> Seq {
        self.port.published().durable()
    }
}
