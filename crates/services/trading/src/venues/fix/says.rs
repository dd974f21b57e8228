//! What the venue says: ExecutionReport, OrderCancelReject, TradeCaptureReport, read once at the edge.

use heng_model::{OrderId, Price, Qty, RejectCode, limits};
use heng_transport::fix::{FixMessage, FixRefusal, FixRefused};

/// Longest ExecID that is taken, in bytes.
const EXEC_ID_MAX: usize = 128;

/// How the venue says that an order stands (OrdStatus, 39).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is with the venue: new, partly filled, pending, suspended.
    Live,
    Filled,
    Cancelled,
    /// Expired, or done for the day.
    Expired,
    Refused,
}

/// One trade of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Traded {
    /// ExecID (17), as it can stand in a line of the notes.
    pub(super) exec: String,
    pub(super) price: Price,
    pub(super) quantity: Qty,
}

/// What an ExecutionReport tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// The order is in the book; where, as a number.
    Working(u32),
    /// The venue has it and will tell more.
    Pending,
    Traded(Traded),
    /// The rest left the book.
    Ended {
        expired: bool,
    },
    Refused(RejectCode),
    /// The venue has this order already: it was sent again although it had arrived.
    Duplicate,
    /// The answer to an enquiry: the order is there.
    Stands(Standing, u32),
    /// The answer to an enquiry: the venue does not have the order.
    NotThere,
    /// The order was made smaller.
    Reduced,
    /// Something that this adapter never asked for, or a trade that is taken back: a person must look.
    Strange(&'static str),
}

/// What an OrderCancelReject tells (CxlRejReason, 102).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoCancel {
    TooLate,
    UnknownOrder,
    UnderWay,
    Other,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Execution {
        tells: Tells,
        /// CumQty (14): what has traded of the order so far.
        filled: Qty,
        /// OrderQty (38), if it is told.
        quantity: Option<Qty>,
    },
    NoCancel(NoCancel),
    /// A trade that was asked for; CumQty is not told.
    Trade(Traded),
}

/// A message of the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// MsgSeqNum.
    pub(super) number: u64,
    /// The order, if the message names one of ours.
    pub(super) order: Option<OrderId>,
    /// Which of our enquiries it answers, where the venue repeats OrdStatusReqID (790).
    pub(super) question: Option<u64>,
    pub(super) says: Says,
}

fn refuse(tag: u32, name: &str, detail: &str, message: &FixMessage<'_>) -> FixRefused {
    let id = message.text(17).or_else(|| message.text(11)).unwrap_or("").to_owned();
    FixRefused { reason: FixRefusal::Other, text: format!("{name} ({tag}): {detail}"), id }
}

/// The id that we gave the order: cancels carry it too, up to the dash.
fn order_of(text: &str) -> Option<OrderId> {
    let number = text.split('-').next()?;
    number.parse().ok().map(OrderId).filter(|order| order.0 > 0)
}

fn quantity(tag: u32, name: &str, message: &FixMessage<'_>) -> Result<Option<Qty>, FixRefused> {
    let Some(text) = message.text(tag) else { return Ok(None) };
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => "",
        None => text,
    };
    let number = whole.parse::<i64>().ok().filter(|number| (0..=limits::QUANTITY_MAX).contains(number));
    number.map(|number| Some(Qty(number))).ok_or_else(|| refuse(tag, name, "no whole number of shares", message))
}

/// ExecID as it can stand in a line: other bytes than visible ASCII are told in hexadecimal.
fn exec_name(message: &FixMessage<'_>) -> Result<String, FixRefused> {
    let bytes = message.get(17).unwrap_or_default();
    if bytes.is_empty() || bytes.len() > EXEC_ID_MAX {
        return Err(refuse(17, "ExecID", "1 to 128 bytes", message));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.to_owned()),
        _ => Ok(format!("0x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())),
    }
}

fn traded(message: &FixMessage<'_>) -> Result<Traded, FixRefused> {
    let price = message.text(31).ok_or_else(|| refuse(31, "LastPx", "is missing", message))?;
    let price: Price = price.parse().map_err(|_| refuse(31, "LastPx", "no price of at most 4 decimals", message))?;
    if !(1..=limits::PRICE_MAX).contains(&price.0) {
        return Err(refuse(31, "LastPx", "out of range", message));
    }
    let quantity = quantity(32, "LastQty", message)?.filter(|quantity| quantity.0 > 0);
    let quantity = quantity.ok_or_else(|| refuse(32, "LastQty", "is missing or zero", message))?;
    Ok(Traded { exec: exec_name(message)?, price, quantity })
}

/// Why an order was refused (OrdRejReason, 103), in our own words.
fn code_of(reason: Option<u64>) -> RejectCode {
    match reason {
        Some(1) => RejectCode::UnknownInstrument,
        Some(3) => RejectCode::OrderTooLarge,
        Some(11) => RejectCode::OrderTypeForbidden,
        Some(13) => RejectCode::LotSize,
        _ => RejectCode::PhaseForbids,
    }
}

/// The venue's OrderID (37) as a number that fits into the core's record; it is only shown, never searched for.
fn place_of(message: &FixMessage<'_>) -> u32 {
    let sum = message
        .get(37)
        .unwrap_or_default()
        .iter()
        .fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    // The highest number means that there is none.
    sum >> 1
}

fn standing(status: &str) -> Standing {
    match status {
        "2" => Standing::Filled,
        "4" => Standing::Cancelled,
        "3" | "C" => Standing::Expired,
        "8" => Standing::Refused,
        _ => Standing::Live,
    }
}

fn status_tells(message: &FixMessage<'_>) -> Tells {
    let reason = message.number(103);
    match standing(message.text(39).unwrap_or("")) {
        Standing::Refused if reason == Some(5) => Tells::NotThere,
        Standing::Refused => Tells::Refused(code_of(reason)),
        standing => Tells::Stands(standing, place_of(message)),
    }
}

fn tells(message: &FixMessage<'_>) -> Result<Tells, FixRefused> {
    Ok(match message.text(150).unwrap_or("") {
        "0" => Tells::Working(place_of(message)),
        "6" | "9" | "A" | "E" | "7" => Tells::Pending,
        "F" | "1" | "2" => Tells::Traded(traded(message)?),
        "4" => Tells::Ended { expired: false },
        "3" | "C" => Tells::Ended { expired: true },
        "8" if message.number(103) == Some(6) => Tells::Duplicate,
        // What refuses an enquiry of an order that is not known, in the words of versions before 4.4.
        "8" if message.number(103) == Some(5) => Tells::NotThere,
        "8" => Tells::Refused(code_of(message.number(103))),
        "I" => status_tells(message),
        "D" => Tells::Reduced,
        "G" => Tells::Strange("a trade was corrected"),
        "H" => Tells::Strange("a trade was taken back"),
        _ => Tells::Strange("an ExecType (150) that was never asked for"),
    })
}

/// The order that a TradeCaptureReport names in its first side.
fn traded_order(message: &FixMessage<'_>) -> Option<OrderId> {
    message.group(552).next().and_then(|side| side.text(11).and_then(order_of))
}

/// Reads a message of the venue; `None` for one that tells nothing about an order.
///
/// # Errors
/// With the refusal to send.
pub(super) fn read(message: &FixMessage<'_>) -> Result<Option<Heard>, FixRefused> {
    let named = message.text(11).and_then(order_of).or_else(|| message.text(41).and_then(order_of));
    let (order, says) = match message.kind() {
        b"8" => {
            let filled = quantity(14, "CumQty", message)?.unwrap_or(Qty::ZERO);
            (named, Says::Execution { tells: tells(message)?, filled, quantity: quantity(38, "OrderQty", message)? })
        }
        b"9" => {
            let reason = match message.number(102) {
                Some(0) => NoCancel::TooLate,
                Some(1) => NoCancel::UnknownOrder,
                Some(3) => NoCancel::UnderWay,
                _ => NoCancel::Other,
            };
            (named, Says::NoCancel(reason))
        }
        b"AE" => (traded_order(message), Says::Trade(traded(message)?)),
        // The acknowledgement of a request for trades: the trades themselves follow, or do not.
        b"AQ" => return Ok(None),
        _ => return Err(FixRefusal::UnsupportedMessageType.into()),
    };
    let question = message.text(790).and_then(|text| text.split_once("-q")).and_then(|(_, number)| number.parse().ok());
    Ok(Some(Heard { number: message.sequence(), order, question, says }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_ids_are_found_in_orders_and_cancels() {
        for (text, expected) in [
            ("17", Some(17)),
            ("17-40-2", Some(17)),
            ("281474976710657", Some(281_474_976_710_657)),
            ("0", None),
            ("", None),
            ("x17", None),
            ("-17", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(order_of(text), expected.map(OrderId), "{text}");
        }
    }
}
