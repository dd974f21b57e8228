//! The Shanghai order flow as one text file of `key=value` lines: orders (192), trades (191) and snapshots (111).

use heng_model::Side;

use super::input::{InputError, Lines};
use super::number::{digits_clock, unsigned};
use super::tape::{Kind, Row, Snapshot, Tapes, Top, View, price, quantity};

/// Thousandths in a share, as quantities are written.
const QTY_SCALE: i64 = 1000;
/// Most fields of a line.
const FIELDS_MAX: usize = 200;

/// The `key=value` fields of a line in order.
struct Fields<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Fields<'a> {
    fn split(line: &'a [u8]) -> Result<Self, String> {
        let words =
            line.strip_prefix(b"//").unwrap_or(line).split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let mut fields = Vec::with_capacity(64);
        for word in words {
            let Some(at) = word.iter().position(|byte| *byte == b'=') else {
                let text = String::from_utf8_lossy(&word[..word.len().min(40)]);
                return Err(format!("\"{text}\" is not key=value"));
            };
            if fields.len() == FIELDS_MAX {
                return Err(format!("more than {FIELDS_MAX} fields"));
            }
            fields.push((&word[..at], &word[at + 1..]));
        }
        Ok(Self(fields))
    }

    fn text(&self, key: &str) -> Result<&'a [u8], String> {
        let mut found = self.0.iter().filter(|(name, _)| *name == key.as_bytes());
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value),
            (None, _) => Err(format!("field {key} is missing")),
            _ => Err(format!("field {key} stands twice")),
        }
    }

    fn number(&self, key: &str) -> Result<u64, String> {
        unsigned(self.text(key)?).map_err(|reason| format!("{key} {reason}"))
    }

    fn signed(&self, key: &str) -> Result<i64, String> {
        i64::try_from(self.number(key)?).map_err(|_| format!("{key} is out of range"))
    }

    fn shares(&self, key: &str) -> Result<i64, String> {
        let value = self.signed(key)?;
        if value % QTY_SCALE == 0 {
            Ok(value / QTY_SCALE)
        } else {
            Err(format!("{key} is not a whole number of shares"))
        }
    }

    fn price(&self, key: &str) -> Result<i64, String> {
        price(self.signed(key)?).map_err(|reason| format!("{key} {reason}"))
    }

    fn quantity(&self, key: &str) -> Result<i64, String> {
        quantity(self.shares(key)?).map_err(|reason| format!("{key} {reason}"))
    }

    fn time(&self, key: &str, fraction_digits: u32) -> Result<u32, String> {
        digits_clock(self.number(key)?, fraction_digits).map_err(|reason| format!("{key} {reason}"))
    }
}

/// Reads the file into `tapes`.
///
/// # Errors
/// File, line and reason of the first thing that is not in the form.
pub(crate) fn read(mut lines: Lines<'_>, tapes: &mut Tapes) -> Result<(), InputError> {
    let file = tapes.begin_file(lines.file());
    loop {
        let line = lines.line() + 1;
        let Some(text) = lines.next_line()? else { break };
        read_line(text, file, line, tapes).map_err(|reason| lines.error(reason))?;
    }
    if tapes.by_security.is_empty() {
        return Err(InputError::new(lines.file(), 0, "the file is empty"));
    }
    Ok(())
}

fn read_line(text: &[u8], file: u8, line: u32, tapes: &mut Tapes) -> Result<(), String> {
    let fields = Fields::split(text)?;
    let kind = match fields.text("MsgType")? {
        b"192" => order(&fields)?,
        b"191" => trade(&fields)?,
        b"111" => {
            let snapshot = snapshot(&fields, line)?;
            tapes.tape(fields.text("SecurityID")?)?.snapshots.push(snapshot);
            return Ok(());
        }
        _ => return Err("MsgType is none of 192 (order), 191 (trade), 111 (snapshot)".to_owned()),
    };
    let row = Row { biz_index: fields.number("BizIndex")?, time: fields.time("TransactTime", 2)?, file, line, kind };
    tapes.add(fields.text("SecurityID")?, fields.number("ChannelNo")?, row)
}

fn order(fields: &Fields<'_>) -> Result<Kind, String> {
    let order = fields.number("OrderNo")?;
    let side = match fields.text("Side")? {
        b"66" => Side::Buy,
        b"83" => Side::Sell,
        _ => return Err("Side is neither 66 (buy) nor 83 (sell)".to_owned()),
    };
    let qty = fields.quantity("OrderQty")?;
    match fields.text("OrdType")? {
        b"65" => Ok(Kind::Add { order, side, price: fields.price("Price")?, qty }),
        b"68" => Ok(Kind::Delete { order, side, qty }),
        _ => Err("OrdType is neither 65 (add) nor 68 (delete)".to_owned()),
    }
}

fn trade(fields: &Fields<'_>) -> Result<Kind, String> {
    let taker = match fields.text("ExecType")? {
        b"66" => Some(Side::Buy),
        b"83" => Some(Side::Sell),
        b"78" => None,
        _ => return Err("ExecType is none of 66 (buyer took), 83 (seller took), 78 (auction)".to_owned()),
    };
    Ok(Kind::Trade {
        buy: fields.number("BidApplSeqNum")?,
        sell: fields.number("OfferApplSeqNum")?,
        price: fields.price("LastPx")?,
        qty: fields.quantity("LastQty")?,
        taker,
        money_agrees: true,
    })
}

fn snapshot(fields: &Fields<'_>, line: u32) -> Result<Snapshot, String> {
    let mut top = Top::EMPTY;
    for (side, name) in ["BidLevel", "AskLevel"].iter().enumerate() {
        for (at, level) in top.0[side].iter_mut().enumerate() {
            let price = fields.signed(&format!("{name}[{at}].Price"))?;
            let qty = fields.shares(&format!("{name}[{at}].Qty"))?;
            *level = if qty == 0 { (0, 0) } else { (price, qty) };
        }
    }
    let view = match fields.text("TradingPhase")? {
        b"1" | b"4" => View::Auction,
        b"0" | b"2" | b"3" | b"5" => View::Book,
        _ => View::Unclear,
    };
    let volume = fields.shares("TotalVolumeTrade")?;
    Ok(Snapshot { time: fields.time("DataTimeStamp", 0)?, line, volume, view, top })
}
