//! Follows the event log behind the gate. A slow reader reads from disk and makes nobody wait.

use std::path::Path;
use std::sync::Arc;

use heng_engine::{EventFrames, Frame};
use heng_journal::{EventReader, JournalError, Storage};

use crate::error::CoreError;

/// Reads frames from a sequence on; at the end it can be asked again.
pub struct EventTail {
    reader: EventReader,
    next: u64,
}

impl EventTail {
    /// Opens the record at command `from` (from 1).
    ///
    /// # Errors
    /// If the folder holds no event log.
    pub fn open(storage: &Arc<dyn Storage>, dir: &Path, from: u64) -> Result<Self, CoreError> {
        Ok(Self { reader: EventReader::open(Arc::clone(storage), dir, from)?, next: from })
    }

    /// Hands the frames of the next block to `take`; false if there is no block yet.
    ///
    /// # Errors
    /// If the log is damaged, or `take` fails.
    pub fn next_block<E: From<CoreError>>(&mut self, mut take: impl FnMut(Frame) -> Result<(), E>) -> Result<bool, E> {
        let from = self.next;
        let block = self.reader.next_block().map_err(|error: JournalError| CoreError::from(error))?;
        let Some(block) = block else { return Ok(false) };
        let (first, last) = (block.span.first_sequence, block.span.last_sequence);
        let mut frames = EventFrames::new(block.raw);
        loop {
            let frame = frames.next_frame().map_err(|error| CoreError::Events { sequence: first, error })?;
            match frame {
                None => break,
                Some(frame) if frame.seq.0 < from => {}
                Some(frame) => take(frame)?,
            }
        }
        self.next = last + 1;
        Ok(true)
    }

    /// The first sequence that has not been read.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }
}
