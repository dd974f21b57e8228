//! A journal record's payload: commands in sequence, and the event digest before the first of them.
//!
//! `first sequence, digest (16 bytes), time before, then per command: time step, command`. The digest lets every
//! re-execution notice at the next record that it went another way.

use heng_model::hash::EventDigest;
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{Command, Seq, Sequenced, UnixNanos};

/// A batch as it is built.
#[derive(Debug, Default)]
pub struct CommandBatch {
    out: Writer,
    last: UnixNanos,
    count: u32,
}

impl CommandBatch {
    /// Starts a batch.
    pub fn begin(&mut self, first: Seq, digest: EventDigest, before: UnixNanos) {
        self.out.clear();
        first.put(&mut self.out);
        self.out.put_raw(&digest.0.to_le_bytes());
        before.put(&mut self.out);
        self.last = before;
        self.count = 0;
    }

    /// Adds the next command.
    #[inline]
    pub fn add(&mut self, time: UnixNanos, command: &Command) {
        self.out.put_u64((time.0 - self.last.0) as u64);
        command.put(&mut self.out);
        self.last = time;
        self.count += 1;
    }

    /// Commands in the batch.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.out.bytes()
    }
}

/// Reads what stands at the head of a batch: the first sequence, and the digest of all events before it.
///
/// # Errors
/// If the bytes do not hold it.
pub(crate) fn batch_head(payload: &[u8]) -> Result<(Seq, EventDigest), WireError> {
    let mut reader = Reader::new(payload);
    let first = Seq::get(&mut reader)?;
    let digest = u128::from_le_bytes(reader.get_raw(16)?.try_into().expect("16 bytes were asked for"));
    Ok((first, EventDigest(digest)))
}

/// Reads a batch: first sequence, digest before it, and each command through `take`.
///
/// # Errors
/// If the bytes do not hold a batch, or `take` fails.
pub fn decode_batch<E: From<WireError>>(
    payload: &[u8],
    begin: impl FnOnce(Seq, EventDigest) -> Result<(), E>,
    mut take: impl FnMut(Sequenced<Command>) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::new(payload);
    let mut seq = Seq::get(&mut reader)?;
    let digest = u128::from_le_bytes(reader.get_raw(16)?.try_into().expect("16 bytes were asked for"));
    let mut time = UnixNanos::get(&mut reader)?;
    begin(seq, EventDigest(digest))?;
    while !reader.is_done() {
        let step = i64::try_from(reader.get_u64()?).map_err(|_| WireError::OutOfRange { of: "time step" })?;
        time = UnixNanos(time.0.checked_add(step).ok_or(WireError::OutOfRange { of: "time" })?);
        let command = Command::get(&mut reader)?;
        take(Sequenced { seq, time, command })?;
        // Numbers from a file are not trusted: a sequence at the end of its range has no next one.
        seq = Seq(seq.0.checked_add(1).ok_or(WireError::OutOfRange { of: "sequence" })?);
    }
    Ok(())
}
