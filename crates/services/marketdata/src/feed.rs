//! Books from a decoded feed: the same [`Book`] as from the core's events.
//!
//! Shanghai tells an incoming order only as far as it comes to rest, after its trades. So in a continuous trade the
//! order that rested is taken from the book, and the other one, which is not there, only trades. In an auction both
//! rested. A feed may lose messages; a contradiction is counted and told, and the book goes on, because the next
//! snapshot of the feed shows the truth.

use std::collections::BTreeMap;

use heng_model::{Price, Qty, Side};

use crate::book::{Book, BookError, Resting};
use crate::decode::itch50::{Body, Message};
use crate::decode::{Code, Tick, TickKind, lobster};

/// Books of a feed, by code.
#[derive(Clone, Debug, Default)]
pub struct FeedMarket {
    books: BTreeMap<Code, FeedBook>,
}

/// The book of one security, and what traded.
#[derive(Clone, Debug, Default)]
pub struct FeedBook {
    /// The book.
    pub book: Book,
    /// Last price.
    pub last: Option<Price>,
    /// Quantity traded.
    pub volume: Qty,
    /// Messages that contradicted the book.
    pub contradictions: u64,
}

/// Most securities of a feed that are followed.
const SECURITIES_MAX: usize = 65_536;

impl FeedMarket {
    /// The book of a security, if the feed told anything of it.
    #[must_use]
    pub fn book(&self, code: Code) -> Option<&FeedBook> {
        self.books.get(&code)
    }

    /// The securities of the feed.
    pub fn codes(&self) -> impl Iterator<Item = Code> {
        self.books.keys().copied()
    }

    fn of(&mut self, code: Code) -> Option<&mut FeedBook> {
        let room = self.books.len() < SECURITIES_MAX || self.books.contains_key(&code);
        room.then(|| self.books.entry(code).or_default())
    }

    /// Takes a Shanghai message.
    ///
    /// # Errors
    /// What it contradicts; the book then holds what could be taken of it.
    pub fn take(&mut self, tick: &Tick) -> Result<(), BookError> {
        let Some(of) = self.of(tick.code) else { return Ok(()) };
        let told = match tick.kind {
            TickKind::Add { order, side, price, quantity } => of.book.add(order, Resting { side, price, quantity }),
            TickKind::Delete { order, quantity, .. } => of.book.take(order, quantity).map(|_| ()),
            TickKind::Trade { buy, sell, price, quantity, taker } => of.trade((buy, sell), (price, quantity), taker),
        };
        of.count(told)
    }

    /// Takes an ITCH message; those that change no book are passed over. `code` is the stock's locate number.
    ///
    /// # Errors
    /// What it contradicts.
    pub fn take_itch(&mut self, message: &Message) -> Result<(), BookError> {
        let Some(of) = self.of(Code(u64::from(message.head.locate).to_be_bytes())) else { return Ok(()) };
        let told = match message.body {
            Body::Add { order, side, shares, price, .. } | Body::AddNamed { order, side, shares, price, .. } => {
                of.book.add(order, Resting { side, price, quantity: Qty(i64::from(shares)) })
            }
            Body::Executed { order, shares, .. } => of.executed(order, i64::from(shares), None),
            Body::ExecutedAt { order, shares, printable, price, .. } => {
                of.executed(order, i64::from(shares), Some((price, printable)))
            }
            Body::Cancelled { order, shares } => of.book.take(order, Qty(i64::from(shares))).map(|_| ()),
            Body::Deleted { order } => of.delete(order).map(|_| ()),
            Body::Replaced { old, order, shares, price } => of.delete(old).and_then(|before| {
                of.book.add(order, Resting { side: before.side, price, quantity: Qty(i64::from(shares)) })
            }),
            Body::Trade { shares, price, .. } => {
                of.print(price, i64::from(shares));
                Ok(())
            }
            Body::Cross { shares, price, .. } => {
                of.print(price, shares.min(i64::MAX as u64).cast_signed());
                Ok(())
            }
            _ => Ok(()),
        };
        of.count(told)
    }

    /// Takes a LOBSTER message.
    ///
    /// # Errors
    /// What it contradicts: such files begin inside a day, so orders of before are not known.
    pub fn take_lobster(&mut self, code: Code, message: &lobster::Message) -> Result<(), BookError> {
        use lobster::Kind;
        let Some(of) = self.of(code) else { return Ok(()) };
        let lobster::Message { kind, order, quantity, price, side, .. } = *message;
        let told = match kind {
            Kind::Add => of.book.add(order, Resting { side, price, quantity }),
            Kind::Reduce => of.book.take(order, quantity).map(|_| ()),
            Kind::Delete => of.delete(order).map(|_| ()),
            Kind::Execute => of.executed(order, quantity.0, None),
            Kind::Hidden | Kind::Cross => {
                of.print(price, quantity.0);
                Ok(())
            }
            Kind::Halt => Ok(()),
        };
        of.count(told)
    }
}

impl FeedBook {
    fn count(&mut self, told: Result<(), BookError>) -> Result<(), BookError> {
        self.contradictions += u64::from(told.is_err());
        told
    }

    fn print(&mut self, price: Price, quantity: i64) {
        self.last = Some(price);
        self.volume.0 = self.volume.0.saturating_add(quantity);
    }

    fn delete(&mut self, order: u64) -> Result<Resting, BookError> {
        let rests = self.book.get(order).ok_or(BookError::Unknown(order))?;
        self.book.take(order, rests.quantity)
    }

    /// An order that rested traded, at its price or another; what is not printable does not count for the tape.
    fn executed(&mut self, order: u64, quantity: i64, at: Option<(Price, bool)>) -> Result<(), BookError> {
        let before = self.book.take(order, Qty(quantity))?;
        let (price, printable) = at.unwrap_or((before.price, true));
        if printable {
            self.print(price, quantity);
        }
        Ok(())
    }

    fn trade(
        &mut self,
        (buy, sell): (u64, u64),
        (price, quantity): (Price, Qty),
        taker: Option<Side>,
    ) -> Result<(), BookError> {
        self.print(price, quantity.0);
        let mut told = Ok(());
        for (order, side) in [(buy, Side::Buy), (sell, Side::Sell)] {
            if taker != Some(side) {
                told = told.and(self.book.take(order, quantity).map(|_| ()));
            }
        }
        told
    }
}
