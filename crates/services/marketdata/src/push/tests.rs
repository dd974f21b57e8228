//! The tape and its subscribers, without sockets; and the messages against the schemas that are told.

use heng_model::event::{DayOpened, InstrumentDefined, OrderWorking};
use heng_model::{Board, InstrumentClass, InstrumentId, OrderId, PartitionId, Price, Qty, Side, TradeDate, UnixNanos};

use super::piece::{Piece, TRADES};
use super::publisher::Publisher;
use super::subscription::{Look, Subscription};
use super::{BEHIND_MAX, DEPTH, Entitlement, Entry, Format, SNAPSHOT};
use crate::flow::FlowThresholds;
use crate::market::{At, Market};
use crate::shapes::{MarketCandle, MarketSnapshot, MarketUpdate};

struct Tape {
    market: Market,
    publisher: Publisher,
    sequence: u64,
}

impl Tape {
    fn new() -> Self {
        let mut tape = Self { market: Market::default(), publisher: Publisher::new(), sequence: 0 };
        tape.say(
            &InstrumentDefined {
                instrument: InstrumentId(1),
                symbol: "600519.SH".into(),
                board: Board::SseMain,
                class: InstrumentClass::Stock,
                partition: PartitionId(0),
                board_lot: 0,
            }
            .into(),
        );
        tape.say(&DayOpened { date: TradeDate::new(2026, 7, 6).unwrap(), hk_settles: true }.into());
        tape
    }

    /// Takes an event, and makes a tick of it.
    fn say(&mut self, event: &heng_model::Event) {
        self.sequence += 1;
        let at = At { sequence: self.sequence, index: 0, time: UnixNanos(1_783_301_400_000_000_000) };
        self.market.apply(event, at, &FlowThresholds::CUSTOMARY).unwrap();
        self.publisher.publish(&mut self.market, self.sequence, UnixNanos(0), false);
    }

    fn order(&mut self, order: u64, price: i64) {
        let (order, instrument) = (OrderId(order), InstrumentId(1));
        self.say(&OrderWorking { order, instrument, side: Side::Buy, price: Price(price), quantity: Qty(100) }.into());
    }

    fn subscriber(&self, level: Entitlement, what: u8) -> Subscription {
        let mut subscription = Subscription::new(Format::Json, level, &self.publisher.tape().borrow());
        subscription.follow(Entry { index: 0, what, candles: 0, fresh: true });
        subscription
    }

    fn look(&self, subscription: &mut Subscription) -> (Look, Vec<String>) {
        let mut pieces = Vec::new();
        let look = subscription.look(&self.publisher.tape().borrow(), &mut pieces);
        let text = |piece: &Piece| if let Piece::Text(text) = piece { text.to_string() } else { panic!("text") };
        (look, pieces.iter().map(text).collect())
    }
}

fn seqs(messages: &[String]) -> Vec<(String, u64, u64)> {
    let value = |text: &String| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let number = |name: &str| value[name].as_u64().unwrap_or(0);
        (value["type"].as_str().unwrap().to_owned(), number("prev_seq"), number("seq"))
    };
    messages.iter().map(value).collect()
}

#[test]
fn a_subscriber_gets_everything_or_a_snapshot() {
    let mut tape = Tape::new();
    let mut subscriber = tape.subscriber(Entitlement::Level2, DEPTH);
    assert_eq!(seqs(&tape.look(&mut subscriber).1)[0].0, "snapshot");
    for order in 0..BEHIND_MAX {
        tape.order(order + 1, 100_000 + order as i64 * 100);
    }
    let (look, messages) = tape.look(&mut subscriber);
    let told = seqs(&messages);
    assert_eq!((look, told.len()), (Look::Whole, BEHIND_MAX as usize));
    assert!(told.windows(2).all(|pair| pair[1].1 == pair[0].2), "{told:?}");
    for order in 0..=BEHIND_MAX {
        tape.order(order + 50, 101_000 + order as i64 * 100);
    }
    let (look, messages) = tape.look(&mut subscriber);
    assert_eq!((look, seqs(&messages)[0].0.as_str(), messages.len()), (Look::Conflated, "snapshot", 1));
    tape.order(99, 102_000);
    let (look, after) = tape.look(&mut subscriber);
    assert_eq!(look, Look::Whole);
    assert_eq!(seqs(&after)[0].1, seqs(&messages)[0].2);
    assert_eq!(tape.look(&mut subscriber).1, Vec::<String>::new());
}

#[test]
fn what_a_level_does_not_show_takes_no_number() {
    let mut tape = Tape::new();
    (0..6).for_each(|order| tape.order(order + 1, 100_000 - order as i64 * 100));
    let (mut basic, mut deep) =
        (tape.subscriber(Entitlement::Level1, DEPTH), tape.subscriber(Entitlement::Level2, DEPTH));
    let snapshot = tape.look(&mut basic).1;
    tape.look(&mut deep);
    tape.order(50, 99_000);
    assert_eq!(tape.look(&mut basic).1.len(), 0);
    assert_eq!(tape.look(&mut deep).1.len(), 1);
    tape.order(51, 101_000);
    let told = tape.look(&mut basic).1;
    assert_eq!(seqs(&told)[0].1, seqs(&snapshot)[0].2);
    // The sixth level left the window, and is removed.
    assert!(told[0].contains(r#"["10.10","100",1]"#) && told[0].contains(r#"["9.96","0",0]"#), "{}", told[0]);
}

#[test]
fn messages_fit_the_schemas_that_are_told() {
    let mut tape = Tape::new();
    tape.order(1, 100_000);
    let mut subscriber = tape.subscriber(Entitlement::Level2, DEPTH | TRADES | SNAPSHOT);
    subscriber.follow(Entry { index: 0, what: 0, candles: u8::MAX, fresh: true });
    let (_, messages) = tape.look(&mut subscriber);
    let _: MarketSnapshot = serde_json::from_str(&messages[0]).unwrap();
    let trade = heng_model::event::Trade {
        trade: heng_model::TradeId(1),
        instrument: InstrumentId(1),
        price: Price(100_000),
        quantity: Qty(100),
        buy: OrderId(1),
        sell: OrderId(2),
        maker: Side::Buy,
        auction: false,
    };
    tape.say(&trade.into());
    let (_, messages) = tape.look(&mut subscriber);
    let update: MarketUpdate = serde_json::from_str(&messages[0]).unwrap();
    assert_eq!((update.trades.len(), update.bids[0].1.as_str()), (1, "0"));
    assert_eq!(update.stats.and_then(|stats| stats.volume).as_deref(), Some("100"));
    assert_eq!(messages.len(), 1 + crate::picture::STREAMED.len());
    for candle in &messages[1..] {
        let _: MarketCandle = serde_json::from_str(candle).unwrap();
    }
}
