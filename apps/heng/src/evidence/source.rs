//! The event log of a folder as a source, without a core.

use std::path::Path;
use std::sync::Arc;

use heng_core::{CoreError, EventTail, Layout};
use heng_journal::Storage;
use heng_model::Seq;
use heng_ports::{CommandEvents, EventBlock, EventFeed, EventSource, FeedError};

use crate::at_rest::AtRest;
use crate::ends;

/// See above.
pub(super) struct FolderSource {
    storage: Arc<dyn Storage>,
    layout: Layout,
}

impl FolderSource {
    pub(super) fn new(data: &Path, keys: Option<&str>) -> anyhow::Result<Self> {
        Ok(Self { storage: AtRest::open(data, keys)?.storage(), layout: Layout::new(data) })
    }
}

struct Tail(EventTail);

impl EventFeed for Tail {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        let (first, mut commands) = (Seq(self.0.next_sequence()), Vec::new());
        let found = self.0.next_block::<CoreError>(|frame| {
            commands.push(CommandEvents { seq: frame.seq, time: frame.time, events: frame.events });
            Ok(())
        })?;
        let through = Seq(self.0.next_sequence() - 1);
        Ok(found.then_some(EventBlock { first, commands, through }))
    }
}

impl EventSource for FolderSource {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        Ok(Box::new(Tail(EventTail::open(&self.storage, &self.layout.events, from.0)?)))
    }

    fn head(&self) -> Seq {
        Seq(ends::last_event(&self.storage, &self.layout))
    }
}
