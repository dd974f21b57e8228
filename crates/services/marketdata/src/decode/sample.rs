//! Valid messages made up from a seed, where no real feed is at hand: for benchmarks and tests.

use heng_model::{Money, Price, Qty, Side, TradeDate};

use super::itch50::{Body, Head, Message};
use super::{Code, FeedPhase, SnapshotRecord, Tick, TickKind, snapshot_bin, tick_bin};
use crate::book::Level;

/// A linear congruential sequence (Knuth's MMIX constants): the same numbers on every machine.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn side(&mut self) -> Side {
        if self.next(2) == 0 { Side::Buy } else { Side::Sell }
    }
}

/// An ITCH 5.0 file of `messages` messages in about the proportions of a day: mostly additions and deletions.
#[must_use]
pub fn itch50(messages: usize, seed: u64) -> Vec<u8> {
    let mut draw = Draw(seed);
    let mut bytes = Vec::with_capacity(messages * 32);
    for number in 0..messages as u64 {
        let head = Head { locate: draw.next(8_000) as u16, tracking: 0, time: 34_200_000_000_000 + number * 1_000 };
        let (order, shares) = (draw.next(1 << 31), draw.next(1_000) as u32 + 1);
        let (side, price) = (draw.side(), Price(draw.next(5_000_000).cast_signed() + 100));
        let (stock, matched) = (*b"SAMPLE  ", number);
        let body = match draw.next(100) {
            0..42 => Body::Add { order, side, shares, stock, price },
            42..44 => Body::AddNamed { order, side, shares, stock, price, participant: *b"SMPL" },
            44..84 => Body::Deleted { order },
            84..90 => Body::Executed { order, shares, matched },
            90..92 => Body::Cancelled { order, shares },
            92..98 => Body::Replaced { old: order, order: order + 1, shares, price },
            98 => Body::Trade { order: 0, side, shares, stock, price, matched },
            _ => Body::ExecutedAt { order, shares, matched, printable: true, price },
        };
        Message { head, body }.write(&mut bytes);
    }
    bytes
}

/// Tick-by-tick messages of one channel.
pub fn ticks(messages: usize, seed: u64) -> impl Iterator<Item = Tick> {
    let mut draw = Draw(seed);
    (1..=messages as u64).map(move |sequence| {
        let (side, quantity) = (draw.side(), Qty((draw.next(50) as i64 + 1) * 100));
        let (order, price) = (draw.next(1 << 24) + 1, Price((170_000 + draw.next(20_000).cast_signed()) * 100));
        let kind = match draw.next(10) {
            0..5 => TickKind::Add { order, side, price, quantity },
            5..8 => TickKind::Delete { order, side, quantity },
            _ => TickKind::Trade { buy: order, sell: order + 1, price, quantity, taker: Some(side) },
        };
        Tick { sequence, time: 34_200_000_000_000 + sequence * 1_000_000, channel: 6, code: Code(*b"600519\0\0"), kind }
    })
}

/// Snapshots of one security.
pub fn snapshots(count: usize, seed: u64) -> impl Iterator<Item = SnapshotRecord> {
    let mut draw = Draw(seed);
    (1..=count as u64).map(move |sequence| {
        let middle = 17_000_000 + draw.next(2_000_000).cast_signed();
        let mut side = |sign: i64| {
            core::array::from_fn(|at| Level {
                price: Price(middle + sign * 100 * (at as i64 + 1)),
                quantity: Qty((draw.next(90) as i64 + 1) * 100),
                orders: draw.next(30) as u32 + 1,
            })
        };
        SnapshotRecord {
            sequence,
            time: 34_200_000_000_000 + sequence * 3_000_000_000,
            code: Code(*b"600519\0\0"),
            phase: FeedPhase::Continuous,
            prev_close: Price(17_950_000),
            open: Price(18_080_800),
            high: Price(18_088_000),
            low: Price(17_877_300),
            last: Price(middle),
            trades: sequence,
            volume: Qty(sequence.cast_signed() * 100),
            turnover: Money(sequence.cast_signed() * 100 * middle),
            bids: side(-1),
            asks: side(1),
        }
    })
}

const DATE: TradeDate = match TradeDate::new(2026, 7, 6) {
    Some(date) => date,
    None => TradeDate::NONE,
};

/// A `tick_bin` stream of made-up messages.
#[must_use]
pub fn tick_stream(messages: usize, seed: u64) -> Vec<u8> {
    let mut encoder = tick_bin::Encoder::new(DATE);
    ticks(messages, seed).for_each(|tick| encoder.push(&tick));
    encoder.finish()
}

/// A `snapshot_bin` stream of made-up snapshots.
#[must_use]
pub fn snapshot_stream(count: usize, seed: u64) -> Vec<u8> {
    let mut encoder = snapshot_bin::Encoder::new(DATE);
    snapshots(count, seed).for_each(|snapshot| encoder.push(&snapshot));
    encoder.finish()
}

/// The same messages as lines of the Shanghai log, orders and trades only.
#[must_use]
pub fn sse_log(messages: usize, seed: u64) -> String {
    use core::fmt::Write as _;
    let mut text = String::with_capacity(messages * 260);
    for tick in ticks(messages, seed) {
        let head = |kind, length| {
            format!(
                "//SecurityIDSource=101 MsgType={kind} MsgLen={length} SecurityID=600519           ChannelNo=6 \
                 ApplSeqNum={}       TradingPhase=0",
                tick.sequence
            )
        };
        let side = |side: Side| if side == Side::Buy { 66 } else { 83 };
        let time = 9_300_000 + tick.sequence % 6_000;
        let tail = format!("TransactTime={time} resv=              BizIndex={}", tick.sequence);
        let _ = match tick.kind {
            TickKind::Add { order, side: of, price, quantity } => {
                let (price, quantity, side) = (price.0 / 10, quantity.0 * 1_000, side(of));
                let line = format!(
                    "OrderNo={order}          Price={price} OrderQty={quantity}          OrdType=65 Side={side}"
                );
                writeln!(text, "{} {line} {tail}", head(192, 64))
            }
            TickKind::Delete { order, side: of, quantity } => {
                let (quantity, side) = (quantity.0 * 1_000, side(of));
                let line = format!(
                    "OrderNo={order}          Price=1802500 OrderQty={quantity}          OrdType=68 Side={side}"
                );
                writeln!(text, "{} {line} {tail}", head(192, 64))
            }
            TickKind::Trade { buy, sell, price, quantity, taker } => {
                let (price, quantity, kind) = (price.0 / 10, quantity.0 * 1_000, taker.map_or(78, side));
                let line = format!(
                    "BidApplSeqNum={buy}     OfferApplSeqNum={sell}   LastPx={price} LastQty={quantity}          \
                     ExecType={kind}"
                );
                writeln!(text, "{} {line} {tail}", head(191, 72))
            }
        };
    }
    text
}

/// The same orders as lines of the Shanghai CSV form, additions and deletions only.
#[must_use]
pub fn sse_csv(messages: usize, seed: u64) -> String {
    use core::fmt::Write as _;
    let mut text = String::from(
        "DataStatus,OrderIndex,OrderChannel,SecurityID,OrderTime,OrderType,OrderNO,OrderPrice,Balance,OrderBSFlag,\
         BizIndex,LocalTime,SeqNo\n",
    );
    for tick in ticks(messages, seed) {
        let (kind, order, side, price, quantity) = match tick.kind {
            TickKind::Add { order, side, price, quantity } => ('A', order, side, price, quantity),
            TickKind::Delete { order, side, quantity } => ('D', order, side, Price(0), quantity),
            TickKind::Trade { .. } => continue,
        };
        let (millis, side) = (tick.sequence % 1_000, if side == Side::Buy { 'B' } else { 'S' });
        let number = tick.sequence;
        let _ = writeln!(
            text,
            "0,{number},6,600519,09:30:00.{millis:03},{kind},{order},{price}0000000000018,{},{side},{number},\
             09:30:00.{millis:03},{number}",
            quantity.0
        );
    }
    text
}
