//! LOBSTER message files: time, type, order, size, price, direction.

use heng_model::{Price, Qty, Side};

use super::number::{quantity, unsigned};
use super::{DecodeError, Lines, Wrong};

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An order joins the book.
    Add,
    /// A part of it is cancelled.
    Reduce,
    /// It is gone.
    Delete,
    /// It is executed.
    Execute,
    /// An order that was not shown is executed.
    Hidden,
    /// A cross.
    Cross,
    /// A halt: price −1 halted, 0 quoted, 1 trading.
    Halt,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Nanoseconds after midnight.
    pub time: u64,
    /// What happened.
    pub kind: Kind,
    /// The order.
    pub order: u64,
    /// Shares.
    pub quantity: Qty,
    /// Price, at 1/10,000 of the dollar; of a halt −1, 0 or 1.
    pub price: Price,
    /// Side of the resting order.
    pub side: Side,
}

/// Reads messages line by line.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    lines: Lines<'a>,
}

impl<'a> Messages<'a> {
    /// The messages of a text.
    #[must_use]
    pub const fn new(text: &'a [u8]) -> Self {
        Self { lines: Lines::new(text) }
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next_line()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        Some(message(line).map_err(|wrong| self.lines.error(wrong)))
    }
}

fn message(line: &[u8]) -> Result<Message, Wrong> {
    let mut fields = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let mut next = |name: &'static str| fields.next().ok_or((name, "is missing"));
    let time = seconds(next("time")?).map_err(|reason| ("time", reason))?;
    let kind = match next("type")? {
        b"1" => Kind::Add,
        b"2" => Kind::Reduce,
        b"3" => Kind::Delete,
        b"4" => Kind::Execute,
        b"5" => Kind::Hidden,
        b"6" => Kind::Cross,
        b"7" => Kind::Halt,
        _ => return Err(("type", "is none of 1 to 7")),
    };
    let order = unsigned(next("order")?).map_err(|reason| ("order", reason))?;
    let size = quantity(next("size")?).map_err(|reason| ("size", reason))?;
    let price = match next("price")? {
        b"-1" if kind == Kind::Halt => Price(-1),
        text => Price(unsigned(text).map_err(|reason| ("price", reason))?.cast_signed()),
    };
    let side = match next("direction")? {
        b"1" => Side::Buy,
        b"-1" => Side::Sell,
        _ => return Err(("direction", "is neither 1 (buy) nor -1 (sell)")),
    };
    // Some files end each line with a further, empty field.
    if fields.any(|field| !field.is_empty() && field != b"null") {
        return Err(("", "has more than six fields"));
    }
    Ok(Message { time, kind, order, quantity: size, price, side })
}

/// Nanoseconds from seconds after midnight with decimal places; what lies beyond nine is float noise and is cut.
fn seconds(text: &[u8]) -> Result<u64, &'static str> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let whole = unsigned(&text[..point])?;
    if whole >= 86_400 {
        return Err("is not a time of day");
    }
    let fraction = text.get(point + 1..).unwrap_or(&[]);
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err("is not a number");
    }
    let digit = |at: usize| fraction.get(at).map_or(0, |digit| u64::from(digit - b'0'));
    Ok((0..9).fold(whole, |value, at| value * 10 + digit(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_refused() {
        let text = b"34200.004241176,1,16113575,18,5853300,1\n34200.1,4,7,10,5853300,-1,null\r\n34200.2,7,0,0,-1,-1\n";
        let read: Result<Vec<_>, _> = Messages::new(text).collect();
        let read = read.unwrap();
        assert_eq!((read[0].time, read[0].price, read[0].side), (34_200_004_241_176, Price(5_853_300), Side::Buy));
        assert_eq!((read[1].kind, read[1].side), (Kind::Execute, Side::Sell));
        assert_eq!(read[2].price, Price(-1));
        for bad in ["", "1", "1,8,1,1,1,1", "x,1,1,1,1,1", "99999,1,1,1,1,1", "1,1,1,1,1,2", "1,1,1,1,1,1,7"] {
            let told = Messages::new(format!("{bad}\n").as_bytes()).next().unwrap();
            assert!(told.is_err(), "{bad}");
        }
    }
}
