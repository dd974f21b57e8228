//! Nasdaq TotalView-ITCH 5.0: every message of the specification.
//!
//! In a file a two-byte length stands before each message; some writers leave it zero, then the type tells the length.
//! On the wire the messages come in MoldUDP64 packets, whose sequence numbers show what is missing ([`Packet`]).
//!
//! Prices are integers at 1/10,000 of the dollar, the market-wide levels at 1e-8; times are nanoseconds after midnight.

use heng_model::{Price, Side};

use super::{DecodeError, Place};

/// A stock symbol, blanks behind.
pub type Stock = [u8; 8];

/// What stands at the head of every message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the stock for the day.
    pub locate: u16,
    /// Nasdaq's own number.
    pub tracking: u16,
    /// Nanoseconds after midnight.
    pub time: u64,
}

/// A message; [`Body`] is what is particular to its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The head.
    pub head: Head,
    /// The rest.
    pub body: Body,
}

/// Bytes of a message by its type; none if the type is not known.
#[must_use]
pub const fn length_of(kind: u8) -> Option<usize> {
    Some(match kind {
        b'S' | b'W' => 12,
        b'R' => 39,
        b'H' | b'Y' | b'L' | b'V' | b'K' | b'J' | b'h' => match kind {
            b'H' => 25,
            b'Y' => 20,
            b'L' => 26,
            b'V' | b'J' => 35,
            b'K' => 28,
            _ => 21,
        },
        b'A' | b'C' => 36,
        b'F' => 40,
        b'E' => 31,
        b'X' => 23,
        b'D' | b'B' => 19,
        b'U' => 35,
        b'P' => 44,
        b'Q' => 40,
        b'I' => 50,
        b'N' => 20,
        b'O' => 48,
        _ => return None,
    })
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $kind:literal $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ident,)* })*) => {
        /// What is particular to a type of message. Codes are the letters of the specification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Body {
            $($(#[$doc])* $name { $($(#[$fdoc])* $field: kind!($type),)* },)*
        }

        #[inline]
        fn body(kind: u8, bytes: &mut Bytes<'_>) -> Result<Body, super::Wrong> {
            Ok(match kind {
                $($kind => Body::$name { $($field: bytes.$type(stringify!($field))?,)* },)*
                _ => return Err(("type", "is not known")),
            })
        }

        impl Message {
            /// Appends the message, with its length before it.
            pub fn write(&self, out: &mut Vec<u8>) {
                let from = out.len();
                out.extend_from_slice(&[0, 0]);
                match &self.body {
                    $(Body::$name { $($field,)* } => {
                        out.push($kind);
                        self.head.write(out);
                        $(write::$type(*$field, out);)*
                    })*
                }
                let length = (out.len() - from - 2) as u16;
                out[from..from + 2].copy_from_slice(&length.to_be_bytes());
            }
        }
    };
}

macro_rules! kind {
    (letter) => {
        u8
    };
    (yes) => {
        bool
    };
    (side) => {
        Side
    };
    (n16) => {
        u16
    };
    (n32) => {
        u32
    };
    (n64) => {
        u64
    };
    (price) => {
        Price
    };
    (level) => {
        i64
    };
    (stock) => {
        Stock
    };
    (four) => {
        [u8; 4]
    };
    (two) => {
        [u8; 2]
    };
}

bodies! {
    /// Start and end of the day and its sessions.
    b'S' SystemEvent {
        /// O, S, Q, M, E or C.
        event: letter,
    }
    /// A stock of the day.
    b'R' StockDirectory {
        /// Symbol.
        stock: stock,
        /// Market.
        market: letter,
        /// Financial status.
        status: letter,
        /// Round lot.
        round_lot: n32,
        /// Whether only round lots trade.
        round_lots_only: letter,
        /// Class of the issue.
        classification: letter,
        /// Sub-type of the issue.
        sub_type: two,
        /// Production or test.
        authenticity: letter,
        /// Short sale threshold.
        short_sale: letter,
        /// Newly listed.
        ipo: letter,
        /// Tier of the price bands.
        tier: letter,
        /// Exchange-traded product.
        etp: letter,
        /// Its leverage.
        leverage: n32,
        /// Whether it is inverse.
        inverse: letter,
    }
    /// A stock is halted, paused, quoted or traded.
    b'H' TradingAction {
        /// Symbol.
        stock: stock,
        /// H, P, Q or T.
        state: letter,
        /// In reserve.
        reserved: letter,
        /// Reason.
        reason: four,
    }
    /// Short sale restriction.
    b'Y' RegSho {
        /// Symbol.
        stock: stock,
        /// 0, 1 or 2.
        action: letter,
    }
    /// A market maker's standing.
    b'L' MarketParticipant {
        /// Firm.
        firm: four,
        /// Symbol.
        stock: stock,
        /// Primary market maker.
        primary: letter,
        /// Mode.
        mode: letter,
        /// State.
        state: letter,
    }
    /// Levels of the market-wide circuit breaker, at 1e-8.
    b'V' CircuitLevels {
        /// First.
        first: level,
        /// Second.
        second: level,
        /// Third.
        third: level,
    }
    /// A level of the circuit breaker was breached.
    b'W' CircuitBreached {
        /// 1, 2 or 3.
        level: letter,
    }
    /// When an initial offering is quoted.
    b'K' IpoQuoting {
        /// Symbol.
        stock: stock,
        /// Seconds after midnight.
        release: n32,
        /// A or C.
        qualifier: letter,
        /// Price.
        price: price,
    }
    /// The collar of an auction after a pause.
    b'J' AuctionCollar {
        /// Symbol.
        stock: stock,
        /// Reference.
        reference: price,
        /// Upper price.
        upper: price,
        /// Lower price.
        lower: price,
        /// How often it was extended.
        extension: n32,
    }
    /// Operational halt.
    b'h' OperationalHalt {
        /// Symbol.
        stock: stock,
        /// Market.
        market: letter,
        /// H or T.
        action: letter,
    }
    /// An order joins the book.
    b'A' Add {
        /// Order.
        order: n64,
        /// Side.
        side: side,
        /// Shares.
        shares: n32,
        /// Symbol.
        stock: stock,
        /// Price.
        price: price,
    }
    /// The same, with the participant's name.
    b'F' AddNamed {
        /// Order.
        order: n64,
        /// Side.
        side: side,
        /// Shares.
        shares: n32,
        /// Symbol.
        stock: stock,
        /// Price.
        price: price,
        /// Participant.
        participant: four,
    }
    /// An order was executed at its price.
    b'E' Executed {
        /// Order.
        order: n64,
        /// Shares.
        shares: n32,
        /// Match.
        matched: n64,
    }
    /// An order was executed at another price.
    b'C' ExecutedAt {
        /// Order.
        order: n64,
        /// Shares.
        shares: n32,
        /// Match.
        matched: n64,
        /// Whether it counts for the tape.
        printable: yes,
        /// Price.
        price: price,
    }
    /// A part of an order was cancelled.
    b'X' Cancelled {
        /// Order.
        order: n64,
        /// Shares.
        shares: n32,
    }
    /// An order is gone.
    b'D' Deleted {
        /// Order.
        order: n64,
    }
    /// An order was replaced.
    b'U' Replaced {
        /// Old order.
        old: n64,
        /// New order.
        order: n64,
        /// Shares.
        shares: n32,
        /// Price.
        price: price,
    }
    /// A trade with an order that was not shown.
    b'P' Trade {
        /// Order.
        order: n64,
        /// Side.
        side: side,
        /// Shares.
        shares: n32,
        /// Symbol.
        stock: stock,
        /// Price.
        price: price,
        /// Match.
        matched: n64,
    }
    /// What a cross printed.
    b'Q' Cross {
        /// Shares.
        shares: n64,
        /// Symbol.
        stock: stock,
        /// Price.
        price: price,
        /// Match.
        matched: n64,
        /// O, C, H or I.
        cross: letter,
    }
    /// A trade is void.
    b'B' Broken {
        /// Match.
        matched: n64,
    }
    /// Imbalance before a cross.
    b'I' Imbalance {
        /// Paired shares.
        paired: n64,
        /// Shares in excess.
        imbalance: n64,
        /// Their direction.
        direction: letter,
        /// Symbol.
        stock: stock,
        /// Price within the book.
        far: price,
        /// Price with the book.
        near: price,
        /// Current reference.
        reference: price,
        /// Cross.
        cross: letter,
        /// Distance to the best price.
        variation: letter,
    }
    /// Retail price improvement.
    b'N' RetailInterest {
        /// Symbol.
        stock: stock,
        /// Side of the interest.
        interest: letter,
    }
    /// Price discovery of a direct listing.
    b'O' DirectListing {
        /// Symbol.
        stock: stock,
        /// Whether it may open.
        eligible: letter,
        /// Lowest price.
        lowest: price,
        /// Highest price.
        highest: price,
        /// Near execution price.
        near: price,
        /// Its time.
        near_time: n64,
        /// Lower price of the collar.
        lower: price,
        /// Upper price of the collar.
        upper: price,
    }
}

/// Bytes of one message, taken from the front.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    #[inline]
    fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], super::Wrong> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or((field, "is cut short"))?;
        self.0 = rest;
        Ok(*taken)
    }

    #[inline]
    fn letter(&mut self, field: &'static str) -> Result<u8, super::Wrong> {
        self.take::<1>(field).map(|[letter]| letter)
    }

    #[inline]
    fn yes(&mut self, field: &'static str) -> Result<bool, super::Wrong> {
        match self.letter(field)? {
            b'Y' => Ok(true),
            b'N' => Ok(false),
            _ => Err((field, "is neither Y nor N")),
        }
    }

    #[inline]
    fn side(&mut self, field: &'static str) -> Result<Side, super::Wrong> {
        match self.letter(field)? {
            b'B' => Ok(Side::Buy),
            b'S' => Ok(Side::Sell),
            _ => Err((field, "is neither B nor S")),
        }
    }

    #[inline]
    fn n16(&mut self, field: &'static str) -> Result<u16, super::Wrong> {
        self.take(field).map(u16::from_be_bytes)
    }

    #[inline]
    fn n32(&mut self, field: &'static str) -> Result<u32, super::Wrong> {
        self.take(field).map(u32::from_be_bytes)
    }

    #[inline]
    fn n64(&mut self, field: &'static str) -> Result<u64, super::Wrong> {
        self.take(field).map(u64::from_be_bytes)
    }

    #[inline]
    fn n48(&mut self, field: &'static str) -> Result<u64, super::Wrong> {
        let [a, b, c, d, e, f] = self.take::<6>(field)?;
        Ok(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    #[inline]
    fn price(&mut self, field: &'static str) -> Result<Price, super::Wrong> {
        self.n32(field).map(|price| Price(i64::from(price)))
    }

    #[inline]
    fn level(&mut self, field: &'static str) -> Result<i64, super::Wrong> {
        self.take(field).map(i64::from_be_bytes)
    }

    #[inline]
    fn stock(&mut self, field: &'static str) -> Result<Stock, super::Wrong> {
        self.take(field)
    }

    #[inline]
    fn four(&mut self, field: &'static str) -> Result<[u8; 4], super::Wrong> {
        self.take(field)
    }

    #[inline]
    fn two(&mut self, field: &'static str) -> Result<[u8; 2], super::Wrong> {
        self.take(field)
    }
}

/// Values as bytes.
mod write {
    use super::{Price, Side, Stock};

    macro_rules! plain {
        ($($name:ident $type:ty)*) => {$(
            pub(super) fn $name(value: $type, out: &mut Vec<u8>) {
                out.extend_from_slice(&value.to_be_bytes());
            }
        )*};
    }
    plain!(letter u8 n32 u32 n64 u64 level i64);

    pub(super) fn yes(value: bool, out: &mut Vec<u8>) {
        out.push(if value { b'Y' } else { b'N' });
    }

    pub(super) fn side(value: Side, out: &mut Vec<u8>) {
        out.push(if value == Side::Buy { b'B' } else { b'S' });
    }

    /// Prices that the form cannot hold are written as its highest.
    pub(super) fn price(value: Price, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(value.0).unwrap_or(u32::MAX).to_be_bytes());
    }

    pub(super) fn stock(value: Stock, out: &mut Vec<u8>) {
        out.extend_from_slice(&value);
    }

    pub(super) fn four(value: [u8; 4], out: &mut Vec<u8>) {
        out.extend_from_slice(&value);
    }

    pub(super) fn two(value: [u8; 2], out: &mut Vec<u8>) {
        out.extend_from_slice(&value);
    }
}

impl Head {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.locate.to_be_bytes());
        out.extend_from_slice(&self.tracking.to_be_bytes());
        out.extend_from_slice(&self.time.to_be_bytes()[2..]);
    }
}

/// Reads one message, which is all of `bytes`.
#[inline]
fn message(bytes: &[u8]) -> Result<Message, super::Wrong> {
    let mut bytes = Bytes(bytes);
    let kind = bytes.letter("type")?;
    let head = Head { locate: bytes.n16("locate")?, tracking: bytes.n16("tracking")?, time: bytes.n48("timestamp")? };
    let body = body(kind, &mut bytes)?;
    if bytes.0.is_empty() { Ok(Message { head, body }) } else { Err(("message", "is longer than its type")) }
}

/// Reads the messages of a file or of a packet's body.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Decoder<'a> {
    /// The messages of bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    #[inline]
    fn step(&mut self) -> Result<Message, super::Wrong> {
        let (prefix, rest) = self.rest.split_first_chunk::<2>().ok_or(("length", "is cut short"))?;
        let told = usize::from(u16::from_be_bytes(*prefix));
        let kind = *rest.first().ok_or(("message", "is cut short"))?;
        let length = length_of(kind).ok_or(("type", "is not known"))?;
        if told != length && told != 0 {
            return Err(("length", "does not fit the type"));
        }
        let (taken, rest) = rest.split_at_checked(length).ok_or(("message", "is cut short"))?;
        let message = message(taken)?;
        self.rest = rest;
        self.offset += 2 + length as u64;
        Ok(message)
    }
}

impl Iterator for Decoder<'_> {
    type Item = Result<Message, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.step().map_err(|(field, reason)| {
            // Nothing tells where the next message begins.
            self.rest = &[];
            DecodeError { place: Place::Offset(self.offset), field, reason }
        }))
    }
}

/// A MoldUDP64 packet: numbered messages of a session.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// Session.
    pub session: [u8; 10],
    /// Number of the first message.
    pub sequence: u64,
    /// How many messages follow; 0 is a heartbeat, 65,535 the end of the session.
    pub count: u16,
    /// The messages.
    pub messages: Decoder<'a>,
}

impl<'a> Packet<'a> {
    /// Reads the head of a packet.
    ///
    /// # Errors
    /// If it is cut short.
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let failed = |(field, reason)| DecodeError { place: Place::Offset(0), field, reason };
        let mut head = Bytes(bytes);
        let mut read = || Ok((head.take("session")?, head.n64("sequence")?, head.n16("count")?));
        let (session, sequence, count) = read().map_err(failed)?;
        Ok(Self { session, sequence, count, messages: Decoder::new(&bytes[20..]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_the_length_of_the_specification_and_comes_back() {
        let mut seen = 0;
        for kind in 0..=u8::MAX {
            let Some(length) = length_of(kind) else { continue };
            seen += 1;
            // Bytes that every field takes: letters B and Y fit wherever a choice is checked.
            let mut bytes = vec![b'B'; length + 2];
            bytes[..2].copy_from_slice(&(length as u16).to_be_bytes());
            bytes[2] = kind;
            if kind == b'C' {
                bytes[2 + 31] = b'Y';
            }
            let message = Decoder::new(&bytes).next().unwrap().unwrap_or_else(|error| panic!("{kind}: {error}"));
            let mut again = Vec::new();
            message.write(&mut again);
            assert_eq!(again, bytes, "{}", kind as char);
        }
        assert_eq!(seen, 23);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let mut bytes = Vec::new();
        let head = Head { locate: 1, tracking: 0, time: 5 };
        Message { head, body: Body::Deleted { order: 7 } }.write(&mut bytes);
        let good = bytes.len();
        bytes.extend_from_slice(&[0, 19, b'D', 0]);
        let told: Vec<_> = Decoder::new(&bytes).collect();
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].unwrap_err().to_string(), format!("byte {good}: message is cut short"));
        assert_eq!(Decoder::new(b"\0\0!").next().unwrap().unwrap_err().to_string(), "byte 0: type is not known");
        assert!(Packet::new(&[0; 19]).is_err());
        let packet = [vec![b'S'; 10], vec![0; 7], vec![9, 0, 1], bytes[..good].to_vec()].concat();
        assert_eq!(
            Packet::new(&packet).map(|packet| (packet.sequence, packet.count, packet.messages.count())),
            Ok((9, 1, 1))
        );
    }
}
