//! `tick_bin`: tick-by-tick messages as records of 64 bytes (`docs/market-data.md` has the layout).

use heng_model::{Price, Qty, Side, TradeDate};

use super::{Code, DecodeError, Place, Tick, TickKind};

/// First bytes of a stream.
pub const MAGIC: [u8; 8] = *b"HENGTICK";
/// The version that this reads and writes.
pub const VERSION: u16 = 1;
/// Bytes of the header.
pub const HEADER: usize = 16;
/// Bytes of a record.
pub const RECORD: usize = 64;

const ADD: u8 = 1;
const DELETE: u8 = 2;
const TRADE: u8 = 3;

/// A header in front of records of `length` bytes.
pub(crate) fn header(magic: [u8; 8], version: u16, length: usize, date: TradeDate) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&magic);
    bytes[8..10].copy_from_slice(&version.to_le_bytes());
    bytes[10..12].copy_from_slice(&(length as u16).to_le_bytes());
    bytes[12..].copy_from_slice(&date.number().to_le_bytes());
    bytes
}

/// The date of a header, if it is the wanted one.
pub(crate) fn read_header(
    bytes: &[u8],
    (magic, version, length): ([u8; 8], u16, usize),
) -> Result<TradeDate, DecodeError> {
    let failed = |reason| DecodeError { place: Place::Offset(0), field: "header", reason };
    let bytes = bytes.first_chunk::<HEADER>().ok_or(failed("is cut short"))?;
    if bytes[..8] != magic {
        return Err(failed("is of another form"));
    }
    if u16::from_le_bytes([bytes[8], bytes[9]]) != version {
        return Err(failed("is of a version that is not known"));
    }
    if usize::from(u16::from_le_bytes([bytes[10], bytes[11]])) != length {
        return Err(failed("tells another length of records"));
    }
    let date = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    TradeDate::from_number(date).ok_or(failed("tells a date that does not exist"))
}

/// Writes a stream.
#[derive(Clone, Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// A stream of a trade date without messages.
    #[must_use]
    pub fn new(date: TradeDate) -> Self {
        Self { bytes: header(MAGIC, VERSION, RECORD, date).to_vec() }
    }

    /// Appends a message.
    pub fn push(&mut self, tick: &Tick) {
        let mut record = [0u8; RECORD];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &tick.sequence.to_le_bytes());
        put(8, &tick.time.to_le_bytes());
        put(48, &tick.code.0);
        put(56, &tick.channel.to_le_bytes());
        let side = |side: Side| side as u8;
        let (kind, side, price, quantity, first, second) = match tick.kind {
            TickKind::Add { order, side: of, price, quantity } => (ADD, side(of), price, quantity, order, 0),
            TickKind::Delete { order, side: of, quantity } => (DELETE, side(of), Price(0), quantity, order, 0),
            TickKind::Trade { buy, sell, price, quantity, taker } => {
                (TRADE, taker.map_or(0, side), price, quantity, buy, sell)
            }
        };
        put(16, &price.0.to_le_bytes());
        put(24, &quantity.0.to_le_bytes());
        put(32, &first.to_le_bytes());
        put(40, &second.to_le_bytes());
        put(60, &[kind, side]);
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
fn eight(record: &[u8; RECORD], at: usize) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&record[at..at + 8]);
    bytes
}

#[inline]
fn read(record: &[u8; RECORD]) -> Result<Tick, super::Wrong> {
    let [kind, side, zero, more] = [record[60], record[61], record[62], record[63]];
    if zero != 0 || more != 0 {
        return Err(("reserve", "is not zero"));
    }
    let number = |at| u64::from_le_bytes(eight(record, at));
    let (first, second) = (number(32), number(40));
    let (price, quantity) = (Price(number(16).cast_signed()), Qty(number(24).cast_signed()));
    if price.0 < 0 || quantity.0 <= 0 {
        return Err(("price or quantity", "is out of range"));
    }
    let told = Side::from_code(side);
    let kind = match (kind, told) {
        (ADD, Some(side)) => TickKind::Add { order: first, side, price, quantity },
        (DELETE, Some(side)) => TickKind::Delete { order: first, side, quantity },
        (TRADE, taker) if taker.is_some() || side == 0 => {
            TickKind::Trade { buy: first, sell: second, price, quantity, taker }
        }
        (ADD | DELETE | TRADE, _) => return Err(("side", "is not known")),
        _ => return Err(("kind", "is not known")),
    };
    if matches!(kind, TickKind::Delete { .. }) && price.0 != 0 {
        return Err(("price", "of a deletion is not zero"));
    }
    if !matches!(kind, TickKind::Trade { .. }) && second != 0 {
        return Err(("second order", "is not zero"));
    }
    let code = Code(eight(record, 48));
    let end = code.0.iter().position(|byte| *byte == 0).unwrap_or(8);
    if Code::new(&code.0[..end]) != Some(code) {
        return Err(("code", "is no plain text"));
    }
    let channel = u32::from_le_bytes([record[56], record[57], record[58], record[59]]);
    Ok(Tick { sequence: number(0), time: number(8), channel, code, kind })
}

impl Iterator for Decoder<'_> {
    type Item = Result<Tick, DecodeError>;

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
