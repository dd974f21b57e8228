//! `snapshot_bin`: snapshots as records of 496 bytes (`docs/market-data.md` has the layout).

use heng_model::{Money, Price, Qty, TradeDate};

use super::tick_bin::{HEADER, header, read_header};
use super::{Code, DecodeError, FeedPhase, Place, SnapshotRecord};
use crate::book::{LEVELS_MAX, Level};

/// First bytes of a stream.
pub const MAGIC: [u8; 8] = *b"HENGSNAP";
/// The version that this reads and writes.
pub const VERSION: u16 = 1;
/// Bytes of a level.
const LEVEL: usize = 20;
/// Where the levels begin.
const LEVELS_AT: usize = 96;
/// Bytes of a record.
pub const RECORD: usize = LEVELS_AT + 2 * LEVELS_MAX * LEVEL;

/// Writes a stream.
#[derive(Clone, Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// A stream of a trade date without snapshots.
    #[must_use]
    pub fn new(date: TradeDate) -> Self {
        Self { bytes: header(MAGIC, VERSION, RECORD, date).to_vec() }
    }

    /// Appends a snapshot.
    pub fn push(&mut self, snapshot: &SnapshotRecord) {
        let mut record = [0u8; RECORD];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        let SnapshotRecord { prev_close, open, high, low, last, volume, turnover, .. } = *snapshot;
        put(0, &snapshot.sequence.to_le_bytes());
        put(8, &snapshot.time.to_le_bytes());
        put(16, &snapshot.code.0);
        let amounts = [prev_close.0, open.0, high.0, low.0, last.0, volume.0, turnover.0];
        for (at, amount) in (24..).step_by(8).zip(amounts) {
            put(at, &amount.to_le_bytes());
        }
        put(80, &snapshot.trades.to_le_bytes());
        put(88, &[snapshot.phase as u8]);
        for (at, level) in (LEVELS_AT..).step_by(LEVEL).zip(snapshot.bids.iter().chain(&snapshot.asks)) {
            put(at, &level.price.0.to_le_bytes());
            put(at + 8, &level.quantity.0.to_le_bytes());
            put(at + 16, &level.orders.to_le_bytes());
        }
        self.bytes.extend_from_slice(&record);
    }

    /// The stream.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a stream.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    date: TradeDate,
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Decoder<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// If the bytes are of another form or version.
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let date = read_header(bytes, (MAGIC, VERSION, RECORD))?;
        Ok(Self { date, rest: &bytes[HEADER..], offset: HEADER as u64 })
    }

    /// The trade date.
    #[must_use]
    pub const fn date(&self) -> TradeDate {
        self.date
    }
}

#[inline]
fn number(bytes: &[u8], at: usize) -> i64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    i64::from_le_bytes(eight)
}

#[inline]
fn read(record: &[u8; RECORD]) -> Result<SnapshotRecord, super::Wrong> {
    if record[89..LEVELS_AT].iter().any(|byte| *byte != 0) {
        return Err(("reserve", "is not zero"));
    }
    let mut code = Code::default();
    code.0.copy_from_slice(&record[16..24]);
    let end = code.0.iter().position(|byte| *byte == 0).unwrap_or(8);
    if Code::new(&code.0[..end]) != Some(code) {
        return Err(("code", "is no plain text"));
    }
    let amount = |at: usize| number(record, 24 + at * 8);
    let mut snapshot = SnapshotRecord {
        sequence: number(record, 0).cast_unsigned(),
        time: number(record, 8).cast_unsigned(),
        code,
        phase: FeedPhase::from_code(record[88]).ok_or(("phase", "is not known"))?,
        prev_close: Price(amount(0)),
        open: Price(amount(1)),
        high: Price(amount(2)),
        low: Price(amount(3)),
        last: Price(amount(4)),
        volume: Qty(amount(5)),
        turnover: Money(amount(6)),
        trades: number(record, 80).cast_unsigned(),
        ..SnapshotRecord::default()
    };
    // One test of all signs: a negative value has its highest bit.
    let mut signs = (0..7).fold(0, |signs, at| signs | amount(at));
    let (levels, _) = record[LEVELS_AT..].as_chunks::<LEVEL>();
    for (level, bytes) in snapshot.bids.iter_mut().chain(&mut snapshot.asks).zip(levels) {
        let orders = u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]);
        *level = Level { price: Price(number(bytes, 0)), quantity: Qty(number(bytes, 8)), orders };
        signs |= level.price.0 | level.quantity.0;
    }
    if signs < 0 { Err(("price or quantity", "is negative")) } else { Ok(snapshot) }
}

impl Iterator for Decoder<'_> {
    type Item = Result<SnapshotRecord, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let failed = |(field, reason)| DecodeError { place: Place::Offset(self.offset), field, reason };
        let Some((record, rest)) = self.rest.split_first_chunk::<RECORD>() else {
            let error = failed(("record", "is cut short"));
            self.rest = &[];
            return Some(Err(error));
        };
        let read = read(record).map_err(failed);
        // What follows a damaged record is not trusted.
        self.rest = if read.is_ok() { rest } else { &[] };
        self.offset += RECORD as u64;
        Some(read)
    }
}
