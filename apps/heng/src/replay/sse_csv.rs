//! The Shanghai order flow as three CSV files with a header line: orders (entrust), trades and snapshots.

use heng_model::Side;

use super::input::{InputError, Lines};
use super::number::{clock, scaled, unsigned, whole};
use super::tape::{DEPTH, Kind, PRICE_DIGITS, Row, Snapshot, Tapes, Top, View, price, quantity};

/// Most columns of a file.
const COLUMNS_MAX: usize = 1_000;
/// Thousandths of the last digit that float noise may reach: 0.0002 yuan, what 32 bits leave of 1,800.
const PRICE_NOISE: u128 = 200;

/// Where each wanted column stands.
struct Header {
    columns: usize,
    wanted: Vec<(&'static str, usize)>,
}

/// The fields of one line.
struct Fields<'a, 'b> {
    header: &'a Header,
    fields: &'a [&'b [u8]],
}

impl Header {
    fn parse(lines: &mut Lines<'_>, names: &[&'static str]) -> Result<Self, InputError> {
        let Some(line) = lines.next_line()? else {
            return Err(lines.error("the file is empty; a header line is needed"));
        };
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).to_vec();
        let columns: Vec<&[u8]> = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
        if columns.len() > COLUMNS_MAX {
            return Err(lines.error(format!("more than {COLUMNS_MAX} columns")));
        }
        let mut wanted = Vec::with_capacity(names.len());
        for name in names {
            let mut found = columns.iter().enumerate().filter(|(_, column)| **column == name.as_bytes());
            match (found.next(), found.next()) {
                (Some((at, _)), None) => wanted.push((*name, at)),
                (None, _) => return Err(lines.error(format!("the header has no column {name}"))),
                _ => return Err(lines.error(format!("the header has column {name} twice"))),
            }
        }
        Ok(Self { columns: columns.len(), wanted })
    }
}

impl<'b> Fields<'_, 'b> {
    /// The field of the wanted column number `at`.
    fn raw(&self, at: usize) -> &'b [u8] {
        self.fields[self.header.wanted[at].1]
    }

    fn get<T>(&self, at: usize, parse: impl Fn(&[u8]) -> Result<T, &'static str>) -> Result<T, String> {
        parse(self.raw(at)).map_err(|reason| {
            let text = String::from_utf8_lossy(&self.raw(at)[..self.raw(at).len().min(40)]).into_owned();
            format!("{} \"{text}\" {reason}", self.header.wanted[at].0)
        })
    }

    fn price(&self, at: usize) -> Result<i64, String> {
        self.get(at, |text| price(scaled(text, PRICE_DIGITS, PRICE_NOISE)?))
    }

    fn quantity(&self, at: usize) -> Result<i64, String> {
        self.get(at, |text| quantity(whole(text)?))
    }
}

/// Splits every line after the header and hands its fields on.
fn each_line(
    mut lines: Lines<'_>,
    names: &[&'static str],
    mut take: impl FnMut(&Fields<'_, '_>, u32) -> Result<(), String>,
) -> Result<(), InputError> {
    let header = Header::parse(&mut lines, names)?;
    loop {
        let line_number = lines.line() + 1;
        let Some(line) = lines.next_line()? else { return Ok(()) };
        let mut fields: Vec<&[u8]> = Vec::with_capacity(header.columns);
        fields.extend(line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii));
        let told = if fields.len() == header.columns {
            take(&Fields { header: &header, fields: &fields }, line_number)
        } else {
            Err(format!("{} fields, the header has {}", fields.len(), header.columns))
        };
        told.map_err(|reason| lines.error(reason))?;
    }
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

/// Reads the orders file into `tapes`.
///
/// # Errors
/// File, line and reason of the first thing that is not in the form.
pub(crate) fn read_orders(lines: Lines<'_>, tapes: &mut Tapes) -> Result<(), InputError> {
    let file = tapes.begin_file(lines.file());
    each_line(lines, &ORDER_COLUMNS, |fields, line| {
        let biz_index = fields.get(0, unsigned)?;
        let time = fields.get(3, clock)?;
        let order = fields.get(5, unsigned)?;
        let qty = fields.quantity(7)?;
        let side = fields.get(8, side)?;
        let kind = match fields.raw(4) {
            b"A" => Kind::Add { order, side, price: fields.price(6)?, qty },
            b"D" => Kind::Delete { order, side, qty },
            _ => return Err("OrderType is neither A (add) nor D (delete)".to_owned()),
        };
        tapes.add(fields.raw(2), fields.get(1, unsigned)?, Row { biz_index, time, file, line, kind })
    })
}

fn side(text: &[u8]) -> Result<Side, &'static str> {
    match text {
        b"B" => Ok(Side::Buy),
        b"S" => Ok(Side::Sell),
        _ => Err("is neither B nor S"),
    }
}

const TRADE_COLUMNS: [&str; 10] = [
    "BizIndex",
    "TradeChan",
    "SecurityID",
    "TradTime",
    "TradPrice",
    "TradVolume",
    "TradeMoney",
    "TradeBuyNo",
    "TradeSellNo",
    "TradeBSFlag",
];

/// Reads the trades file into `tapes`.
///
/// # Errors
/// File, line and reason of the first thing that is not in the form.
pub(crate) fn read_trades(lines: Lines<'_>, tapes: &mut Tapes) -> Result<(), InputError> {
    let file = tapes.begin_file(lines.file());
    each_line(lines, &TRADE_COLUMNS, |fields, line| {
        let price = fields.price(4)?;
        let qty = fields.quantity(5)?;
        let taker = match fields.raw(9) {
            b"N" => None,
            _ => Some(fields.get(9, side).map_err(|reason| format!("{reason}, nor N (auction)"))?),
        };
        let money = fields.get(6, |text| scaled(text, PRICE_DIGITS, 999))?;
        let kind = Kind::Trade {
            buy: fields.get(7, unsigned)?,
            sell: fields.get(8, unsigned)?,
            price,
            qty,
            taker,
            money_agrees: money_agrees(price, qty, money),
        };
        let (biz_index, time) = (fields.get(0, unsigned)?, fields.get(3, clock)?);
        tapes.add(fields.raw(2), fields.get(1, unsigned)?, Row { biz_index, time, file, line, kind })
    })
}

/// A trade's amount is price × quantity. Amounts of several billion are written with fewer digits than they have.
fn money_agrees(price: i64, qty: i64, money: i64) -> bool {
    let product = i128::from(price) * i128::from(qty);
    let off = (product - i128::from(money)).abs();
    off <= 10 || off <= product.abs() / 1_000_000_000
}

/// Reads the snapshots file into `tapes`.
///
/// # Errors
/// File, line and reason of the first thing that is not in the form.
pub(crate) fn read_snapshots(lines: Lines<'_>, tapes: &mut Tapes) -> Result<(), InputError> {
    tapes.begin_file(lines.file());
    let mut names = vec!["UpdateTime", "SecurityID", "InstruStatus", "TradVolume"];
    names.extend(LEVEL_COLUMNS);
    each_line(lines, &names, |fields, line| {
        let mut top = Top::EMPTY;
        for (at, level) in top.0.iter_mut().flatten().enumerate() {
            let (price_at, qty_at) = (4 + at * 2, 5 + at * 2);
            let price = fields.get(price_at, |text| level_number(text, PRICE_DIGITS, PRICE_NOISE))?;
            let qty = fields.get(qty_at, |text| level_number(text, 0, 0))?;
            *level = if qty == 0 { (0, 0) } else { (price, qty) };
        }
        let volume = fields.get(3, whole)?;
        let (time, view) = (fields.get(0, clock)?, view_of_status(fields.raw(2)));
        tapes.tape(fields.raw(1))?.snapshots.push(Snapshot { time, line, volume, view, top });
        Ok(())
    })
}

/// A level that is not there is an empty field.
fn level_number(text: &[u8], digits: u32, noise: u128) -> Result<i64, &'static str> {
    let value = if text.is_empty() { 0 } else { scaled(text, digits, noise)? };
    if value < 0 { Err("is negative") } else { Ok(value) }
}

/// The phase names of the exchange's market data interface.
fn view_of_status(status: &[u8]) -> View {
    match status {
        b"OCALL" | b"CCALL" | b"ICALL" => View::Auction,
        b"START" | b"TRADE" | b"BREAK" | b"CLOSE" | b"ENDTR" => View::Book,
        _ => View::Unclear,
    }
}

macro_rules! levels {
    ($($n:literal)*) => {
        /// Columns of the ten buy levels, then of the ten sell levels, as price and quantity.
        const LEVEL_COLUMNS: [&str; DEPTH * 4] = [
            $(concat!("BidPrice", $n), concat!("BidVolume", $n),)*
            $(concat!("AskPrice", $n), concat!("AskVolume", $n),)*
        ];
    };
}
levels!(1 2 3 4 5 6 7 8 9 10);
