//! `heng.bin.v1`: the same messages as records of variable-length integers (`docs/market-data.md` has the layout).
//!
//! A record is `length u16, kind u8, flags u8` in little-endian order, then LEB128 integers; signed ones are zigzag.
//! `length` counts the whole record, so that a reader passes over what it does not know. A frame is records one behind
//! the other.

use heng_model::{Price, Side};

use super::piece::{DEPTH, SNAPSHOT, TRADES, Variant};
use super::publisher::View;
use crate::bars::Bar;
use crate::book::Level;
use crate::market::Print;
use crate::picture::{Changes, Figure, LEVELS_BASIC, Picture};

const KIND_SNAPSHOT: u8 = 1;
const KIND_UPDATE: u8 = 2;
const KIND_CANDLE: u8 = 3;
/// Bytes before the integers.
const HEAD: usize = 4;

struct Record(Vec<u8>);

impl Record {
    fn begin(kind: u8, flags: u8, view: &View, seq: u64) -> Self {
        let mut record = Self(Vec::with_capacity(256));
        record.0.extend_from_slice(&[0, 0, kind, flags]);
        let symbol = view.picture.listing.symbol.as_bytes();
        record.unsigned(symbol.len() as u64);
        record.0.extend_from_slice(symbol);
        record.unsigned(seq);
        record.unsigned(view.as_of);
        record.signed(view.picture.time.0);
        record.signed(view.sent_at.0);
        record
    }

    fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn levels(&mut self, levels: &[Level]) {
        self.unsigned(levels.len() as u64);
        for level in levels {
            self.signed(level.price.0);
            self.signed(level.quantity.0);
            self.unsigned(u64::from(level.orders));
        }
    }

    fn prints(&mut self, prints: &[Print]) {
        self.unsigned(prints.len() as u64);
        for print in prints {
            self.unsigned(print.trade.0);
            self.print(print);
        }
    }

    fn print(&mut self, print: &Print) {
        self.signed(print.time.0);
        self.signed(print.price.0);
        self.signed(print.quantity.0);
        self.unsigned(print.side.map_or(0, |side| side as u64));
    }

    /// The last trade, or 0 for none.
    fn last(&mut self, picture: &Picture) {
        self.unsigned(u64::from(picture.last.is_some()));
        if let Some(print) = &picture.last {
            self.print(print);
        }
    }

    fn figures(&mut self, picture: &Picture, wanted: u32) {
        self.unsigned(u64::from(wanted));
        for (at, figure) in picture.figures().into_iter().enumerate() {
            if wanted & (1 << at) != 0 {
                self.signed(number(figure));
            }
        }
    }

    fn end(mut self) -> Vec<u8> {
        // Ten levels, 200 trades and all figures stay far below 64 KiB.
        let length = u16::try_from(self.0.len()).expect("a record is short");
        self.0[..2].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

/// A figure as an integer: prices and amounts at 1/10,000, a missing price as 0, a phase by its code.
fn number(figure: Figure) -> i64 {
    match figure {
        Figure::Price(price) => price.unwrap_or(Price(0)).0,
        Figure::Quantity(quantity) => quantity,
        Figure::Money(money) => money.0,
        Figure::Count(count) => count.cast_signed(),
        Figure::Phase(phase) => phase as i64,
        Figure::Flag(flag) => i64::from(flag),
    }
}

/// All figures.
const EVERY: u32 = (1 << crate::picture::FIGURES.len()) - 1;

pub(super) fn snapshot(view: &View, variant: Variant, seq: u64) -> Vec<u8> {
    let picture = &view.picture;
    let mut record = Record::begin(KIND_SNAPSHOT, variant.what, view, seq);
    if variant.what & DEPTH != 0 {
        record.levels(picture.side(Side::Buy, variant.level.levels()));
        record.levels(picture.side(Side::Sell, variant.level.levels()));
    }
    if variant.what & TRADES != 0 {
        record.prints(&picture.prints);
    }
    if variant.what & SNAPSHOT != 0 {
        record.last(picture);
        record.figures(picture, EVERY);
    }
    record.end()
}

pub(super) fn update(view: &View, changes: &Changes, variant: Variant, seq: (u64, u64)) -> Vec<u8> {
    let mut record = Record::begin(KIND_UPDATE, variant.what, view, seq.1);
    record.unsigned(seq.0);
    if variant.what & DEPTH != 0 {
        let sides = if variant.level.levels() > LEVELS_BASIC { &changes.deep } else { &changes.basic };
        sides.iter().for_each(|side| record.levels(side));
    }
    if variant.what & TRADES != 0 {
        record.prints(&changes.prints);
    }
    if variant.what & SNAPSHOT != 0 {
        record.last(&view.picture);
        record.figures(&view.picture, changes.figures);
    }
    record.end()
}

pub(super) fn candle(view: &View, at: usize, end: u16, bar: &Bar) -> Vec<u8> {
    let mut record = Record::begin(KIND_CANDLE, at as u8, view, view.seq);
    record.unsigned(u64::from(view.picture.date.number()));
    record.unsigned(u64::from(end));
    for value in [bar.open.0, bar.high.0, bar.low.0, bar.close.0, bar.volume.0, bar.turnover.0] {
        record.signed(value);
    }
    record.unsigned(bar.trades);
    record.end()
}

/// A trade: id, time, price, quantity, side of the taker or 0.
pub type BinaryTrade = (u64, i64, i64, i64, u64);

/// A record, read back. Prices and amounts are integers at 1/10,000, times nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinaryMessage {
    /// 1 = snapshot, 2 = update, 3 = candle.
    pub kind: u8,
    /// What it tells: 1 = depth, 2 = trades, 4 = last trade and figures; of a candle the number of its period.
    pub what: u8,
    /// The symbol.
    pub symbol: String,
    /// Its number.
    pub seq: u64,
    /// Number of the update before; 0 for others.
    pub prev_seq: u64,
    /// The command that it is as of.
    pub as_of_sequence: u64,
    /// Market time of the change.
    pub time: i64,
    /// When it was sent, by the machine's clock.
    pub sent_at: i64,
    /// Levels: buys, sells; (price, quantity, orders).
    pub levels: [Vec<(i64, i64, u64)>; 2],
    /// Trades.
    pub trades: Vec<BinaryTrade>,
    /// The last trade: (time, price, quantity, side of the taker or 0).
    pub last: Option<(i64, i64, i64, u64)>,
    /// Figures that are told: (number in the order of the JSON names, value).
    pub figures: Vec<(u32, i64)>,
    /// A candle: date as `yyyymmdd`, minute of its end or 0, open, high, low, close, volume, turnover, trades.
    pub candle: Option<[i64; 9]>,
}

/// A record that cannot be read: where it begins, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record at byte {offset}: {reason}")]
pub struct BinaryError {
    /// Byte that the record begins at.
    pub offset: usize,
    /// Why it cannot be read.
    pub reason: &'static str,
}

/// Reads a frame of `heng.bin.v1`. Records of a kind that is not known are passed over.
///
/// # Errors
/// If a record ends early or holds what it cannot.
pub fn decode_messages(frame: &[u8]) -> Result<Vec<BinaryMessage>, BinaryError> {
    let (mut messages, mut offset) = (Vec::new(), 0);
    while offset < frame.len() {
        let failed = |reason| BinaryError { offset, reason };
        let head = frame.get(offset..offset + HEAD).ok_or(failed("the head is cut short"))?;
        let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
        if length < HEAD {
            return Err(failed("the length is shorter than the head"));
        }
        let body = frame.get(offset + HEAD..offset + length).ok_or(failed("the record is cut short"))?;
        if (KIND_SNAPSHOT..=KIND_CANDLE).contains(&head[2]) {
            let message = Reader(body).message(head[2], head[3]);
            messages.push(message.map_err(failed)?);
        }
        offset += length;
    }
    Ok(messages)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn unsigned(&mut self) -> Result<u64, &'static str> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("an integer is cut short")?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err("an integer is beyond 64 bits");
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("an integer is beyond 64 bits")
    }

    fn signed(&mut self) -> Result<i64, &'static str> {
        self.unsigned().map(|value| (value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A count of things that take a byte each at least.
    fn count(&mut self) -> Result<usize, &'static str> {
        let count = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
        if count > self.0.len() { Err("a list is longer than its record") } else { Ok(count) }
    }

    fn text(&mut self) -> Result<String, &'static str> {
        let length = self.count()?;
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        core::str::from_utf8(text).map(str::to_owned).map_err(|_| "the symbol is no text")
    }

    fn levels(&mut self) -> Result<Vec<(i64, i64, u64)>, &'static str> {
        (0..self.count()?).map(|_| Ok((self.signed()?, self.signed()?, self.unsigned()?))).collect()
    }

    fn print(&mut self) -> Result<(i64, i64, i64, u64), &'static str> {
        Ok((self.signed()?, self.signed()?, self.signed()?, self.unsigned()?))
    }

    fn trades(&mut self) -> Result<Vec<BinaryTrade>, &'static str> {
        let trade = |reader: &mut Self| {
            let id = reader.unsigned()?;
            let (time, price, quantity, side) = reader.print()?;
            Ok((id, time, price, quantity, side))
        };
        (0..self.count()?).map(|_| trade(self)).collect()
    }

    fn figures(&mut self) -> Result<Vec<(u32, i64)>, &'static str> {
        let told = u32::try_from(self.unsigned()?).map_err(|_| "too many figures")?;
        (0..32).filter(|at| told & (1 << at) != 0).map(|at| Ok((at, self.signed()?))).collect()
    }

    fn message(mut self, kind: u8, what: u8) -> Result<BinaryMessage, &'static str> {
        let mut message = BinaryMessage {
            kind,
            what,
            symbol: self.text()?,
            seq: self.unsigned()?,
            prev_seq: 0,
            as_of_sequence: self.unsigned()?,
            time: self.signed()?,
            sent_at: self.signed()?,
            levels: [Vec::new(), Vec::new()],
            trades: Vec::new(),
            last: None,
            figures: Vec::new(),
            candle: None,
        };
        if kind == KIND_CANDLE {
            let mut candle = [0; 9];
            candle[0] = self.unsigned()?.cast_signed();
            candle[1] = self.unsigned()?.cast_signed();
            for value in &mut candle[2..8] {
                *value = self.signed()?;
            }
            candle[8] = self.unsigned()?.cast_signed();
            message.candle = Some(candle);
            return Ok(message);
        }
        if kind == KIND_UPDATE {
            message.prev_seq = self.unsigned()?;
        }
        if what & DEPTH != 0 {
            message.levels = [self.levels()?, self.levels()?];
        }
        if what & TRADES != 0 {
            message.trades = self.trades()?;
        }
        if what & SNAPSHOT != 0 {
            message.last = if self.unsigned()? == 0 { None } else { Some(self.print()?) };
            message.figures = self.figures()?;
        }
        Ok(message)
    }
}
