//! The Shanghai order flow as three CSV files with a header line: orders (entrust), trades and snapshots.
//!
//! Columns are found by their names, so their order does not matter and further ones are passed over.

use heng_model::Side;

use super::number::{clock, money, price, price_or_none, quantity, quantity_or_none, small, unsigned};
use super::{Code, DecodeError, FeedPhase, Lines, SnapshotRecord, Tick, TickKind, Wrong};

/// Most columns of a file.
const COLUMNS_MAX: usize = 256;

/// Where the fields of one line begin and end.
struct Fields<'a> {
    line: &'a [u8],
    /// The comma before each field, and the end of the line behind the last.
    ends: [u16; COLUMNS_MAX + 1],
}

impl<'a> Fields<'a> {
    const fn new() -> Self {
        Self { line: &[], ends: [0; COLUMNS_MAX + 1] }
    }

    /// Splits a line that must have `columns` fields.
    #[inline]
    fn split(&mut self, line: &'a [u8], columns: usize) -> Result<(), Wrong> {
        let mut count = 0;
        for comma in memchr::memchr_iter(b',', line) {
            // A line is shorter than 64 KiB, so every place fits.
            if let Some(end) = self.ends.get_mut(count) {
                *end = comma as u16;
            }
            count += 1;
        }
        if count + 1 != columns {
            return Err(("", "does not have as many fields as the header"));
        }
        self.ends[count] = line.len() as u16;
        self.line = line;
        Ok(())
    }

    #[inline]
    fn get(&self, column: u16) -> &'a [u8] {
        let column = usize::from(column);
        let from = if column == 0 { 0 } else { usize::from(self.ends[column - 1]) + 1 };
        self.line.get(from..usize::from(self.ends[column])).unwrap_or(&[])
    }
}

/// The header of a file: where the wanted columns are.
fn header<const N: usize>(lines: &mut Lines<'_>, names: &[&'static str; N]) -> Result<(usize, [u16; N]), DecodeError> {
    let line = lines.next_line().unwrap_or_else(|| Err(lines.error(("", "is missing: a header is needed"))))?;
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let columns = line.split(|byte| *byte == b',').count();
    if columns > COLUMNS_MAX {
        return Err(lines.error(("", "has too many columns")));
    }
    let mut places = [0u16; N];
    for (place, name) in places.iter_mut().zip(names) {
        let same = |(_, column): &(usize, &[u8])| column.trim_ascii() == name.as_bytes();
        let mut found = line.split(|byte| *byte == b',').enumerate().filter(same);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => *place = at as u16,
            (None, _) => return Err(lines.error((name, "is not among the columns"))),
            _ => return Err(lines.error((name, "is among the columns twice"))),
        }
    }
    Ok((columns, places))
}

macro_rules! reader {
    ($(#[$doc:meta])* $name:ident, $value:ty, $names:ident, $parse:ident) => {
        $(#[$doc])*
        pub struct $name<'a> {
            lines: Lines<'a>,
            fields: Fields<'a>,
            columns: usize,
            places: [u16; $names.len()],
        }

        impl<'a> $name<'a> {
            /// Reads the header.
            ///
            /// # Errors
            /// If a column is missing or stands twice.
            pub fn new(text: &'a [u8]) -> Result<Self, DecodeError> {
                let mut lines = Lines::new(text);
                let (columns, places) = header(&mut lines, &$names)?;
                Ok(Self { lines, fields: Fields::new(), columns, places })
            }
        }

        impl Iterator for $name<'_> {
            type Item = Result<$value, DecodeError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                let line = match self.lines.next_line()? {
                    Ok(line) => line,
                    Err(error) => return Some(Err(error)),
                };
                let read = self.fields.split(line, self.columns);
                let read = read.and_then(|()| $parse(&self.fields, &self.places));
                Some(read.map_err(|wrong| self.lines.error(wrong)))
            }
        }
    };
}

/// Names the field of a reason.
#[inline]
fn of<T>(name: &'static str, read: Result<T, &'static str>) -> Result<T, Wrong> {
    read.map_err(|reason| (name, reason))
}

#[inline]
fn side(text: &[u8]) -> Result<Side, &'static str> {
    match text {
        b"B" => Ok(Side::Buy),
        b"S" => Ok(Side::Sell),
        _ => Err("is neither B nor S"),
    }
}

#[inline]
fn code(text: &[u8]) -> Result<Code, &'static str> {
    Code::new(text).ok_or("is no code of at most eight characters")
}

const ORDER_COLUMNS: [&str; 9] = [
    "BizIndex",
    "OrderChannel",
    "SecurityID",
    "OrderTime",
    "OrderType",
    "OrderNO",
    "OrderPrice",
    "Balance",
    "OrderBSFlag",
];

reader! {
    /// Orders: additions (A) and deletions (D).
    Orders, Tick, ORDER_COLUMNS, order
}

#[inline]
fn order(fields: &Fields<'_>, at: &[u16; 9]) -> Result<Tick, Wrong> {
    let [index, channel, security, time, kind, number, limit, balance, flag] = *at;
    let order = of("OrderNO", unsigned(fields.get(number)))?;
    let quantity = of("Balance", quantity(fields.get(balance)))?;
    let side = of("OrderBSFlag", side(fields.get(flag)))?;
    let kind = match fields.get(kind) {
        b"A" => TickKind::Add { order, side, price: of("OrderPrice", price(fields.get(limit)))?, quantity },
        b"D" => TickKind::Delete { order, side, quantity },
        _ => return Err(("OrderType", "is neither A (add) nor D (delete)")),
    };
    Ok(Tick {
        sequence: of("BizIndex", unsigned(fields.get(index)))?,
        time: of("OrderTime", clock(fields.get(time)))?,
        channel: of("OrderChannel", small(fields.get(channel)))?,
        code: of("SecurityID", code(fields.get(security)))?,
        kind,
    })
}

const TRADE_COLUMNS: [&str; 9] = [
    "BizIndex",
    "TradeChan",
    "SecurityID",
    "TradTime",
    "TradPrice",
    "TradVolume",
    "TradeBuyNo",
    "TradeSellNo",
    "TradeBSFlag",
];

reader! {
    /// Trades.
    Trades, Tick, TRADE_COLUMNS, trade
}

#[inline]
fn trade(fields: &Fields<'_>, at: &[u16; 9]) -> Result<Tick, Wrong> {
    let [index, channel, security, time, at_price, volume, buy, sell, flag] = *at;
    let taker = match fields.get(flag) {
        b"B" => Some(Side::Buy),
        b"S" => Some(Side::Sell),
        b"N" => None,
        _ => return Err(("TradeBSFlag", "is none of B, S, N (auction)")),
    };
    let kind = TickKind::Trade {
        buy: of("TradeBuyNo", unsigned(fields.get(buy)))?,
        sell: of("TradeSellNo", unsigned(fields.get(sell)))?,
        price: of("TradPrice", price(fields.get(at_price)))?,
        quantity: of("TradVolume", quantity(fields.get(volume)))?,
        taker,
    };
    Ok(Tick {
        sequence: of("BizIndex", unsigned(fields.get(index)))?,
        time: of("TradTime", clock(fields.get(time)))?,
        channel: of("TradeChan", small(fields.get(channel)))?,
        code: of("SecurityID", code(fields.get(security)))?,
        kind,
    })
}

/// Plain columns of a snapshot, before the levels.
const PLAIN: usize = 11;

macro_rules! snapshot_columns {
    ($($n:literal)*) => {
        const SNAPSHOT_COLUMNS: [&str; PLAIN + 60] = [
            "UpdateTime", "SecurityID", "InstruStatus", "PreCloPrice", "OpenPrice", "HighPrice", "LowPrice", "LastPrice",
            "TradNumber", "TradVolume", "Turnover",
            $(concat!("BidPrice", $n), concat!("BidVolume", $n), concat!("NumOrdersB", $n),)*
            $(concat!("AskPrice", $n), concat!("AskVolume", $n), concat!("NumOrdersS", $n),)*
        ];
    };
}
snapshot_columns!(1 2 3 4 5 6 7 8 9 10);

reader! {
    /// Ten-level snapshots.
    Snapshots, SnapshotRecord, SNAPSHOT_COLUMNS, snapshot
}

#[inline]
fn snapshot(fields: &Fields<'_>, at: &[u16; PLAIN + 60]) -> Result<SnapshotRecord, Wrong> {
    let get = |column: usize| fields.get(at[column]);
    let named = |column: usize| (SNAPSHOT_COLUMNS[column], get(column));
    let prices = |column: usize| {
        let (name, text) = named(column);
        of(name, price(text))
    };
    let mut record = SnapshotRecord {
        sequence: 0,
        time: of("UpdateTime", clock(get(0)))?,
        code: of("SecurityID", code(get(1)))?,
        phase: phase(get(2)),
        prev_close: prices(3)?,
        open: prices(4)?,
        high: prices(5)?,
        low: prices(6)?,
        last: prices(7)?,
        trades: of("TradNumber", unsigned(get(8)))?,
        volume: of("TradVolume", quantity(get(9)))?,
        turnover: of("Turnover", money(get(10)))?,
        ..SnapshotRecord::default()
    };
    for (number, level) in record.bids.iter_mut().chain(&mut record.asks).enumerate() {
        let column = PLAIN + number * 3;
        let (name, text) = named(column + 1);
        let quantity = of(name, quantity_or_none(text))?;
        if quantity.0 == 0 {
            continue;
        }
        let (name, text) = named(column);
        level.price = of(name, price_or_none(text))?;
        level.quantity = quantity;
        let (name, text) = named(column + 2);
        level.orders = if text.is_empty() { 0 } else { of(name, small(text))? };
    }
    Ok(record)
}

/// The phase names of the exchange's market data interface.
fn phase(status: &[u8]) -> FeedPhase {
    match status {
        b"START" => FeedPhase::Before,
        b"OCALL" => FeedPhase::OpenAuction,
        b"TRADE" => FeedPhase::Continuous,
        b"BREAK" | b"SUSP" => FeedPhase::Break,
        b"CCALL" => FeedPhase::CloseAuction,
        b"CLOSE" | b"ENDTR" => FeedPhase::Ended,
        _ => FeedPhase::Other,
    }
}
