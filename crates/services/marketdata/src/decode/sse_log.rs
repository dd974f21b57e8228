//! The Shanghai order flow as lines of `key=value` words: orders (192), trades (191) and snapshots (111).
//!
//! Prices are written in thousandths of the yuan, quantities in thousandths of a share. The words of a message come
//! almost always in one order, so each is expected where it stood before; a word elsewhere is looked for, and one that
//! nobody knows is passed over.

use heng_model::{Money, Price, Qty, Side};

use super::number::digits_clock;
use super::{Code, DecodeError, FeedPhase, Lines, SnapshotRecord, Tick, TickKind, Wrong};

/// Thousandths in a share, as quantities are written.
const QTY_SCALE: u64 = 1_000;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a message is looked at where it was made, and never kept")]
pub enum Message {
    /// An order or a trade.
    Tick(Tick),
    /// A snapshot.
    Snapshot(SnapshotRecord),
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next_line()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        Some(message(line).map_err(|wrong| self.lines.error(wrong)))
    }
}

/// Key of the security, the only value that is no number.
const SECURITY: usize = 3;

/// The words of a message: their keys in the usual order, and which of them must be there.
struct Form<const N: usize> {
    keys: [&'static str; N],
    needed: u128,
}

/// The values of a message's words, in the order of its form.
struct Words<const N: usize> {
    values: [u64; N],
    security: Code,
}

macro_rules! levels {
    ($side:literal, $($n:literal)*) => {
        [$(concat!($side, "[", $n, "].Price="), concat!($side, "[", $n, "].Qty="),)*]
    };
}

const ORDER: Form<15> = Form {
    keys: [
        "SecurityIDSource=",
        "MsgType=",
        "MsgLen=",
        "SecurityID=",
        "ChannelNo=",
        "ApplSeqNum=",
        "TradingPhase=",
        "OrderNo=",
        "Price=",
        "OrderQty=",
        "OrdType=",
        "Side=",
        "TransactTime=",
        "resv=",
        "BizIndex=",
    ],
    // MsgType, SecurityID, ChannelNo, OrderNo, Price, OrderQty, OrdType, Side, TransactTime, BizIndex.
    needed: 0b101_1111_1001_1010,
};

const TRADE: Form<15> = Form {
    keys: [
        "SecurityIDSource=",
        "MsgType=",
        "MsgLen=",
        "SecurityID=",
        "ChannelNo=",
        "ApplSeqNum=",
        "TradingPhase=",
        "BidApplSeqNum=",
        "OfferApplSeqNum=",
        "LastPx=",
        "LastQty=",
        "ExecType=",
        "TransactTime=",
        "resv=",
        "BizIndex=",
    ],
    // MsgType, SecurityID, ChannelNo, BidApplSeqNum, OfferApplSeqNum, LastPx, LastQty, ExecType, time, BizIndex.
    needed: 0b101_1111_1001_1010,
};

/// Words of a snapshot before the levels.
const HEAD: usize = 20;

const SNAPSHOT: Form<{ HEAD + 42 }> = {
    let head = [
        "SecurityIDSource=",
        "MsgType=",
        "MsgLen=",
        "SecurityID=",
        "ChannelNo=",
        "ApplSeqNum=",
        "TradingPhase=",
        "NumTrades=",
        "TotalVolumeTrade=",
        "TotalValueTrade=",
        "PrevClosePx=",
        "LastPx=",
        "OpenPx=",
        "HighPx=",
        "LowPx=",
        "BidWeightPx=",
        "BidWeightSize=",
        "AskWeightPx=",
        "AskWeightSize=",
        "DataTimeStamp=",
    ];
    let bids = levels!("BidLevel", 0 1 2 3 4 5 6 7 8 9);
    let asks = levels!("AskLevel", 0 1 2 3 4 5 6 7 8 9);
    let mut keys = [""; HEAD + 42];
    let mut at = 0;
    while at < HEAD {
        keys[at] = head[at];
        at += 1;
    }
    while at < HEAD + 20 {
        keys[at] = bids[at - HEAD];
        keys[at + 20] = asks[at - HEAD];
        at += 1;
    }
    keys[HEAD + 40] = "TradingPhaseCodePack=";
    keys[HEAD + 41] = "resv=";
    // Every level, the times, the figures and the phase.
    let levels = ((1u128 << 40) - 1) << HEAD;
    let figures = 0b1000_0111_1111_1100_1010;
    Form { keys, needed: levels | figures }
};

/// The value of MsgType, which stands second.
#[inline]
fn kind(line: &[u8]) -> Option<&[u8]> {
    let key = b" MsgType=";
    let from = match line.get(20..20 + key.len()) {
        // Where it usually is, behind SecurityIDSource=101.
        Some(usual) if usual == key => 20,
        _ => memchr::memmem::find(line, key)?,
    };
    line.get(from + key.len()..from + key.len() + 3)
}

#[inline]
fn message(line: &[u8]) -> Result<Message, Wrong> {
    let line = line.strip_prefix(b"//").unwrap_or(line);
    match kind(line) {
        Some(b"192") => order(&words(line, &ORDER)?).map(Message::Tick),
        Some(b"191") => trade(&words(line, &TRADE)?).map(Message::Tick),
        Some(b"111") => snapshot(&words(line, &SNAPSHOT)?).map(Message::Snapshot),
        _ => Err(("MsgType", "is none of 192 (order), 191 (trade), 111 (snapshot)")),
    }
}

/// Reads all words of a line.
#[inline]
fn words<const N: usize>(line: &[u8], form: &Form<N>) -> Result<Words<N>, Wrong> {
    let mut found = Words { values: [0; N], security: Code::default() };
    let (mut seen, mut next, mut rest) = (0u128, 0, line);
    loop {
        while let [b' ', behind @ ..] = rest {
            rest = behind;
        }
        if rest.is_empty() {
            break;
        }
        let place = match form.keys.get(next).filter(|key| rest.starts_with(key.as_bytes())) {
            Some(_) => Some(next),
            None => form.keys.iter().position(|key| rest.starts_with(key.as_bytes())),
        };
        let Some(at) = place else {
            rest = pass_over(rest)?;
            continue;
        };
        let key = form.keys[at];
        if seen & (1 << at) != 0 {
            return Err((key.trim_end_matches('='), "stands twice"));
        }
        seen |= 1 << at;
        next = at + 1;
        rest = &rest[key.len()..];
        if at == SECURITY {
            let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            found.security = Code::new(&rest[..end]).ok_or(("SecurityID", "is no code of at most eight characters"))?;
            rest = &rest[end..];
        } else {
            (found.values[at], rest) = number(rest).ok_or((key.trim_end_matches('='), "is not a number"))?;
        }
    }
    let missing = form.needed & !seen;
    if missing != 0 {
        return Err((form.keys[missing.trailing_zeros() as usize].trim_end_matches('='), "is missing"));
    }
    Ok(found)
}

/// Digits up to a blank or the end; nothing counts as zero, because fields in reserve are empty.
#[inline]
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut rest, mut digits) = (0u64, text, 0);
    while let [byte @ b'0'..=b'9', behind @ ..] = rest {
        value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        digits += 1;
        rest = behind;
    }
    let ended = matches!(rest, [] | [b' ', ..]);
    (ended && digits <= 18).then_some((value, rest))
}

/// A word that nobody knows.
#[cold]
fn pass_over(text: &[u8]) -> Result<&[u8], Wrong> {
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    if memchr::memchr(b'=', &text[..end]).is_none() {
        return Err(("", "holds a word that is not key=value"));
    }
    Ok(&text[end..])
}

/// Thousandths as a price.
#[inline]
fn price(value: u64) -> Price {
    // Values have at most 18 digits, so ten times one fits.
    Price(value.saturating_mul(10).min(i64::MAX as u64).cast_signed())
}

#[inline]
fn quantity(key: &'static str, value: u64) -> Result<Qty, Wrong> {
    let whole = value / QTY_SCALE;
    if whole * QTY_SCALE == value {
        Ok(Qty(whole.cast_signed()))
    } else {
        Err((key, "is not a whole number of shares"))
    }
}

#[inline]
fn channel(value: u64) -> Result<u32, Wrong> {
    u32::try_from(value).map_err(|_| ("ChannelNo", "is out of range"))
}

#[inline]
fn order(words: &Words<15>) -> Result<Tick, Wrong> {
    let [_, _, _, _, channel_number, _, _, order, limit, quantity_told, kind, side, time, _, sequence] = words.values;
    let side = match side {
        66 => Side::Buy,
        83 => Side::Sell,
        _ => return Err(("Side", "is neither 66 (buy) nor 83 (sell)")),
    };
    let quantity = quantity("OrderQty", quantity_told)?;
    let kind = match kind {
        65 => TickKind::Add { order, side, price: price(limit), quantity },
        68 => TickKind::Delete { order, side, quantity },
        _ => return Err(("OrdType", "is neither 65 (add) nor 68 (delete)")),
    };
    let time = digits_clock(time, true).map_err(|reason| ("TransactTime", reason))?;
    Ok(Tick { sequence, time, channel: channel(channel_number)?, code: words.security, kind })
}

#[inline]
fn trade(words: &Words<15>) -> Result<Tick, Wrong> {
    let [_, _, _, _, channel_number, _, _, buy, sell, at, quantity_told, kind, time, _, sequence] = words.values;
    let taker = match kind {
        66 => Some(Side::Buy),
        83 => Some(Side::Sell),
        78 => None,
        _ => return Err(("ExecType", "is none of 66 (buyer took), 83 (seller took), 78 (auction)")),
    };
    let kind = TickKind::Trade { buy, sell, price: price(at), quantity: quantity("LastQty", quantity_told)?, taker };
    let time = digits_clock(time, true).map_err(|reason| ("TransactTime", reason))?;
    Ok(Tick { sequence, time, channel: channel(channel_number)?, code: words.security, kind })
}

#[inline]
fn snapshot(words: &Words<{ HEAD + 42 }>) -> Result<SnapshotRecord, Wrong> {
    let values = &words.values;
    let phase = match values[6] {
        0 => FeedPhase::Before,
        1 => FeedPhase::OpenAuction,
        2 => FeedPhase::Continuous,
        3 => FeedPhase::Break,
        4 => FeedPhase::CloseAuction,
        5 => FeedPhase::Ended,
        _ => FeedPhase::Other,
    };
    let mut record = SnapshotRecord {
        sequence: 0,
        time: digits_clock(values[19], false).map_err(|reason| ("DataTimeStamp", reason))?,
        code: words.security,
        phase,
        prev_close: price(values[10]),
        open: price(values[12]),
        high: price(values[13]),
        low: price(values[14]),
        last: price(values[11]),
        trades: values[7],
        volume: quantity("TotalVolumeTrade", values[8])?,
        // Written in hundred-thousandths of the yuan.
        turnover: Money((values[9] / 10).cast_signed()),
        ..SnapshotRecord::default()
    };
    for (at, level) in record.bids.iter_mut().chain(&mut record.asks).enumerate() {
        let quantity = quantity("Qty", values[HEAD + at * 2 + 1])?;
        if quantity.0 > 0 {
            (level.price, level.quantity) = (price(values[HEAD + at * 2]), quantity);
        }
    }
    Ok(record)
}
