//! A day's order flow of one security as the exchange published it.

use std::collections::BTreeMap;

use heng_model::Side;

use super::input::InputError;

/// Prices are read in thousandths of the currency unit, the finest tick of mainland funds.
pub(crate) const PRICE_DIGITS: u32 = 3;
/// Price levels in a snapshot, per side.
pub(crate) const DEPTH: usize = 10;
/// Most of one order, trade or level; so no sum over the most rows that are read leaves 64 bits.
pub(crate) const QTY_MAX: i64 = 10_000_000_000;
/// Highest price, in its own unit.
pub(crate) const PRICE_MAX: i64 = 1_000_000_000_000;
/// Most securities in one input.
const SECURITIES_MAX: usize = 100_000;

/// What a row of the tape says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An order came to rest.
    Add { order: u64, side: Side, price: i64, qty: i64 },
    /// What an order had left was cancelled.
    Delete { order: u64, side: Side, qty: i64 },
    /// Two orders traded. `taker` is the side of the aggressor; `None` in a call auction.
    Trade { buy: u64, sell: u64, price: i64, qty: i64, taker: Option<Side>, money_agrees: bool },
}

/// A row of the tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Place in the channel's sequence.
    pub(crate) biz_index: u64,
    /// Milliseconds since midnight.
    pub(crate) time: u32,
    /// Which of the input's files, and the line there.
    pub(crate) file: u8,
    pub(crate) line: u32,
    pub(crate) kind: Kind,
}

/// What kind of picture a snapshot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum View {
    /// The book's ten best levels.
    Book,
    /// In a call auction: the price at which it would trade, the volume, and what is left unmatched.
    Auction,
    /// In a phase of which the form does not say what is shown, such as a halt: compared like a book, not counted if
    /// it differs.
    Unclear,
}

/// Ten levels a side, best first, as (price, quantity); (0, 0) where there is none. Buys first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Top(pub(crate) [[(i64, i64); DEPTH]; 2]);

impl Top {
    pub(crate) const EMPTY: Self = Self([[(0, 0); DEPTH]; 2]);

    /// How many of the levels of both sides are equal.
    pub(crate) fn equal_levels(&self, other: &Self) -> u64 {
        self.0.iter().flatten().zip(other.0.iter().flatten()).filter(|(a, b)| a == b).count() as u64
    }
}

/// A picture of the book that the exchange published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// Milliseconds since midnight.
    pub(crate) time: u32,
    pub(crate) line: u32,
    /// Volume traded so far that day.
    pub(crate) volume: i64,
    pub(crate) view: View,
    pub(crate) top: Top,
}

/// One security.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    pub(crate) channel: Option<u64>,
    pub(crate) rows: Vec<Row>,
    pub(crate) snapshots: Vec<Snapshot>,
}

impl Tape {
    /// The step of this security's prices in thousandths: 10 where every price is a whole cent, else 1.
    pub(crate) fn quantum(&self) -> i64 {
        let of_rows = self.rows.iter().all(|row| match row.kind {
            Kind::Add { price, .. } | Kind::Trade { price, .. } => price % 10 == 0,
            Kind::Delete { .. } => true,
        });
        let of_snapshots =
            self.snapshots.iter().flat_map(|s| s.top.0.iter().flatten()).all(|(price, _)| price % 10 == 0);
        if of_rows && of_snapshots { 10 } else { 1 }
    }

    /// The lowest and the highest price at which an order may rest.
    pub(crate) fn range(&self) -> Option<(i64, i64)> {
        let prices = self.rows.iter().filter_map(|row| match row.kind {
            Kind::Add { price, .. } | Kind::Trade { price, .. } => Some(price),
            Kind::Delete { .. } => None,
        });
        prices.fold(None, |range, price| match range {
            None => Some((price, price)),
            Some((low, high)) => Some((price.min(low), price.max(high))),
        })
    }
}

/// All securities of an input, by code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tapes {
    /// Names of the input's files; rows refer to them by number.
    pub(crate) files: Vec<String>,
    pub(crate) by_security: BTreeMap<Vec<u8>, Tape>,
}

impl Tapes {
    /// Names the file that the rows to come are from.
    pub(crate) fn begin_file(&mut self, name: &str) -> u8 {
        self.files.push(name.to_owned());
        u8::try_from(self.files.len() - 1).expect("an input has at most three files")
    }

    pub(crate) fn tape(&mut self, security: &[u8]) -> Result<&mut Tape, &'static str> {
        if security.is_empty() || security.len() > 16 || !security.iter().all(u8::is_ascii_graphic) {
            return Err("SecurityID is not a security code");
        }
        if !self.by_security.contains_key(security) {
            if self.by_security.len() == SECURITIES_MAX {
                return Err("too many securities in one input");
            }
            self.by_security.insert(security.to_vec(), Tape::default());
        }
        Ok(self.by_security.get_mut(security).expect("it was just put there"))
    }

    /// Adds a row of a channel. A security belongs to one channel: sequences of two cannot be put in order.
    pub(crate) fn add(&mut self, security: &[u8], channel: u64, row: Row) -> Result<(), String> {
        let tape = self.tape(security)?;
        match tape.channel {
            Some(known) if known != channel => {
                let name = String::from_utf8_lossy(security);
                return Err(format!(
                    "security {name} is in channels {known} and {channel}; their sequences have no common order"
                ));
            }
            _ => tape.channel = Some(channel),
        }
        tape.rows.push(row);
        Ok(())
    }

    /// Puts each security's rows in the order of the exchange.
    ///
    /// # Errors
    /// If a place in the sequence is taken twice.
    pub(crate) fn put_in_order(&mut self) -> Result<(), InputError> {
        for tape in self.by_security.values_mut() {
            tape.rows.sort_by_key(|row| row.biz_index);
            tape.snapshots.sort_by_key(|snapshot| snapshot.time);
            if let Some(pair) = tape.rows.windows(2).find(|pair| pair[0].biz_index == pair[1].biz_index) {
                let (first, second) = (&pair[0], &pair[1]);
                let place = |row: &Row| format!("{} line {}", self.files[usize::from(row.file)], row.line);
                let reason = format!("BizIndex {} stands twice, first in {}", second.biz_index, place(first));
                return Err(InputError::new(&self.files[usize::from(second.file)], second.line, reason));
            }
        }
        Ok(())
    }
}

/// A quantity of a row: from 1 to [`QTY_MAX`].
pub(crate) fn quantity(value: i64) -> Result<i64, &'static str> {
    match value {
        1..=QTY_MAX => Ok(value),
        ..=0 => Err("is not positive"),
        _ => Err("is larger than any order"),
    }
}

/// A price of a row: from 1 to [`PRICE_MAX`].
pub(crate) fn price(value: i64) -> Result<i64, &'static str> {
    match value {
        1..=PRICE_MAX => Ok(value),
        ..=0 => Err("is not positive"),
        _ => Err("is larger than any price"),
    }
}
