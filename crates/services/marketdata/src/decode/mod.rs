//! Reads outside feeds: exchange formats and our own compact form of both tick-by-tick and snapshots.
//!
//! | module | form |
//! |---|---|
//! | [`itch50`] | Nasdaq TotalView-ITCH 5.0, all messages; files with length prefixes, and MoldUDP64 packets |
//! | [`lobster`] | LOBSTER message files |
//! | [`sse_csv`] | Shanghai tick-by-tick and snapshots as CSV with a header line |
//! | [`sse_log`] | the same as lines of `key=value` words |
//! | [`tick_bin`], [`snapshot_bin`] | ours: fixed little-endian records |
//!
//! A decoder borrows bytes, hands out values one by one, and allocates nothing for a line or record. What it refuses
//! it refuses with the line or byte and the reason. Text decoders go on behind a line that they refuse; binary ones
//! end, because nothing tells where the next record begins. Memory is bounded by the input; no input makes them panic.

pub mod itch50;
pub mod lobster;
pub(crate) mod number;
pub mod sample;
pub mod snapshot_bin;
pub mod sse_csv;
pub mod sse_log;
pub mod tick_bin;

use heng_model::{Money, Price, Qty, Side};

use crate::book::{LEVELS_MAX, Level};

/// Longest line of text. A ten-level snapshot takes about two thousand bytes.
pub const LINE_MAX: usize = 64 << 10;

/// Where input cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line, from 1.
    Line(u64),
    /// A byte, from 0.
    Offset(u64),
}

/// Input that cannot be read: where, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Where.
    pub place: Place,
    /// The field that is wrong; empty for the line or record as a whole.
    pub field: &'static str,
    /// Why.
    pub reason: &'static str,
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.place {
            Place::Line(line) => write!(f, "line {line}: ")?,
            Place::Offset(offset) => write!(f, "byte {offset}: ")?,
        }
        let space = if self.field.is_empty() { "" } else { " " };
        write!(f, "{}{space}{}", self.field, self.reason)
    }
}

impl core::error::Error for DecodeError {}

/// A field that is wrong, and why; the decoder adds the place.
pub(crate) type Wrong = (&'static str, &'static str);

/// A security's code as the feed writes it: up to eight bytes, zeros behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub [u8; 8]);

impl Code {
    /// From text; none if it is empty, longer than eight bytes, or not plain ASCII.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let plain = text.iter().all(u8::is_ascii_graphic);
        if text.is_empty() || text.len() > 8 || !plain {
            return None;
        }
        let mut code = [0; 8];
        code[..text.len()].copy_from_slice(text);
        Some(Self(code))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(8);
        core::str::from_utf8(&self.0[..end]).unwrap_or("")
    }
}

/// One message of a tick-by-tick feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Number inside its channel, without gaps over all securities of the channel.
    pub sequence: u64,
    /// Nanoseconds after local midnight.
    pub time: u64,
    /// The channel.
    pub channel: u32,
    /// The security.
    pub code: Code,
    /// What happened.
    pub kind: TickKind,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickKind {
    /// An order came to rest. Shanghai tells only the part that rests.
    Add {
        /// The order.
        order: u64,
        /// Its side.
        side: Side,
        /// Its price.
        price: Price,
        /// What rests.
        quantity: Qty,
    },
    /// What was left of an order is gone.
    Delete {
        /// The order.
        order: u64,
        /// Its side.
        side: Side,
        /// What was left.
        quantity: Qty,
    },
    /// A trade.
    Trade {
        /// The buying order.
        buy: u64,
        /// The selling order.
        sell: u64,
        /// Price.
        price: Price,
        /// Quantity.
        quantity: Qty,
        /// Side of the order that took; none in an auction.
        taker: Option<Side>,
    },
}

/// A snapshot of one security.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// Number inside the stream; 0 where the form has none.
    pub sequence: u64,
    /// Nanoseconds after local midnight.
    pub time: u64,
    /// The security.
    pub code: Code,
    /// The phase.
    pub phase: FeedPhase,
    /// Close of the day before.
    pub prev_close: Price,
    /// First price; 0 = none yet. So are the following.
    pub open: Price,
    /// Highest.
    pub high: Price,
    /// Lowest.
    pub low: Price,
    /// Last.
    pub last: Price,
    /// Number of trades.
    pub trades: u64,
    /// Quantity traded.
    pub volume: Qty,
    /// Value traded.
    pub turnover: Money,
    /// Best buys, best first; what is not there is zero.
    pub bids: [Level; LEVELS_MAX],
    /// Best sells.
    pub asks: [Level; LEVELS_MAX],
}

/// Phases as feeds tell them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum FeedPhase {
    /// Not told, or none of these.
    #[default]
    Other = 0,
    /// Before the open.
    Before = 1,
    /// Opening call auction.
    OpenAuction = 2,
    /// Continuous trading.
    Continuous = 3,
    /// Break, also between auction and trading.
    Break = 4,
    /// Closing call auction.
    CloseAuction = 5,
    /// Over.
    Ended = 6,
}

impl FeedPhase {
    /// The phase with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Other,
            1 => Self::Before,
            2 => Self::OpenAuction,
            3 => Self::Continuous,
            4 => Self::Break,
            5 => Self::CloseAuction,
            6 => Self::Ended,
            _ => return None,
        })
    }
}

/// Messages that are missing from a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The channel.
    pub channel: u32,
    /// The first number that is missing.
    pub expected: u64,
    /// The number that came instead.
    pub found: u64,
}

/// What a number of a channel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// The next one.
    Next,
    /// Messages before it are missing; ask for them again, or take a snapshot.
    Missing(Gap),
    /// It came before, or is older: pass over it.
    Repeated,
}

/// Most channels whose numbers are followed.
const CHANNELS_MAX: usize = 4_096;

/// Follows the numbers of channels and tells what is missing.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    /// The next number of each channel; few, so they are looked through.
    next: Vec<(u32, u64)>,
}

impl Gaps {
    /// A message with this number came. After a gap the numbers behind it count. A channel beyond the limit is not
    /// followed: its messages are always the next.
    pub fn saw(&mut self, channel: u32, number: u64) -> Sequence {
        let Some(at) = self.next.iter().position(|(known, _)| *known == channel) else {
            if self.next.len() < CHANNELS_MAX {
                self.next.push((channel, number.saturating_add(1)));
            }
            return Sequence::Next;
        };
        let expected = self.next[at].1;
        if number < expected {
            return Sequence::Repeated;
        }
        self.next[at].1 = number.saturating_add(1);
        // The channel of the last message is the likeliest of the next.
        self.next.swap(0, at);
        if number == expected { Sequence::Next } else { Sequence::Missing(Gap { channel, expected, found: number }) }
    }
}

/// The lines of a text, with a limit on each.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    line: u64,
}

impl<'a> Lines<'a> {
    pub(crate) const fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 0 }
    }

    /// The next line without its end; none after the last.
    #[inline]
    pub(crate) fn next_line(&mut self) -> Option<Result<&'a [u8], DecodeError>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest);
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &self.rest[self.rest.len()..]),
        };
        self.rest = rest;
        self.line += 1;
        if line.len() > LINE_MAX {
            return Some(Err(self.error(("", "is longer than 65,536 bytes"))));
        }
        Some(Ok(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// An error at the line handed out last.
    pub(crate) const fn error(&self, (field, reason): Wrong) -> DecodeError {
        DecodeError { place: Place::Line(self.line), field, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_repeats_are_told() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.saw(1, 10), Sequence::Next);
        assert_eq!(gaps.saw(2, 5), Sequence::Next);
        assert_eq!(gaps.saw(1, 11), Sequence::Next);
        assert_eq!(gaps.saw(1, 14), Sequence::Missing(Gap { channel: 1, expected: 12, found: 14 }));
        assert_eq!(gaps.saw(1, 13), Sequence::Repeated);
        assert_eq!(gaps.saw(1, 15), Sequence::Next);
        assert_eq!(gaps.saw(2, 6), Sequence::Next);
        assert_eq!(gaps.saw(1, u64::MAX), Sequence::Missing(Gap { channel: 1, expected: 16, found: u64::MAX }));
        assert_eq!(gaps.saw(1, u64::MAX), Sequence::Next);
    }
}
