//! A record that tests write, a market that follows it, and callers.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use heng_marketdata::{MarketData, MarketOptions, Past, PushLimits};
use heng_model::event::{
    AuctionPrinted, DayOpened, InstrumentDefined, OrderCancelled, OrderWorking, PhaseChanged, ReferenceSet, Trade,
};
use heng_model::{
    AccountId, Board, CancelReason, Currency, Event, InstrumentClass, InstrumentId, Money, OrderId, PartitionId, Phase,
    Price, Qty, SECOND, Seq, Side, TradeDate, TradeId, UnixNanos,
};
use heng_ports::{
    Accounts, AuthFailure, CommandEvents, Credentials, Decision, EventBlock, EventFeed, EventSource, FeedError,
    Gatekeeper, Later, Principal, PrincipalKind, Resource,
};
use heng_store::StoreOptions;
use heng_transport::RateLimits;
use serde_json::Value;
use tower::ServiceExt as _;

/// Long enough for a busy machine, short enough to fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A record in memory.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<CommandEvents>>>);

impl Record {
    /// Appends a command with these events; tells its sequence.
    pub(crate) fn say(&self, time: UnixNanos, events: Vec<Event>) -> u64 {
        let mut record = self.0.lock().unwrap();
        let seq = record.last().map_or(1, |last| last.seq.0 + 1);
        record.push(CommandEvents { seq: Seq(seq), time, events });
        seq
    }

    /// Replaces the events of a command.
    pub(crate) fn correct(&self, sequence: u64, events: Vec<Event>) {
        self.0.lock().unwrap()[sequence as usize - 1].events = events;
    }
}

struct Feed {
    record: Record,
    next: usize,
}

impl EventFeed for Feed {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        let record = self.record.0.lock().unwrap();
        // Small pieces, so that tests cross their borders.
        let commands: Vec<CommandEvents> = record.iter().skip(self.next).take(7).cloned().collect();
        let Some(last) = commands.last() else { return Ok(None) };
        let (first, through) = (commands[0].seq, last.seq);
        self.next += commands.len();
        Ok(Some(EventBlock { first, commands, through }))
    }
}

impl EventSource for Record {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        Ok(Box::new(Feed { record: self.clone(), next: from.0 as usize - 1 }))
    }

    fn head(&self) -> Seq {
        Seq(self.0.lock().unwrap().len() as u64)
    }
}

/// Tells callers by their bearer: `l1` is a client, `l2` one with the scope `market.l2`, `staff` is staff. Those
/// of `ended` and `moved` count for the request that brings them and not, or otherwise, afterwards.
pub(crate) struct Keeper;

impl Gatekeeper for Keeper {
    fn identify<'a>(&'a self, credentials: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let name = credentials.authorization.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or("").to_owned();
        let kind = if name == "staff" { PrincipalKind::Staff } else { PrincipalKind::Client };
        let scopes = if name == "l2" { vec!["market.l2".to_owned()] } else { Vec::new() };
        let known = ["l1", "l2", "staff", "nobody", "ended", "moved"].iter().position(|known| *known == name);
        Box::pin(async move {
            let id = known.ok_or(AuthFailure::Missing)? as u64 + 1;
            let (accounts, credential) = (Accounts::These(Vec::new()), "token:1".to_owned());
            Ok(Arc::new(Principal { id, kind, name, accounts, roles: Vec::new(), scopes, credential }))
        })
    }

    fn again<'a>(&'a self, principal: &'a Arc<Principal>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let now = match principal.name.as_str() {
            "ended" => Err(AuthFailure::Ended),
            "moved" => Ok(Arc::new(Principal { scopes: vec!["market.l2".into()], ..Principal::clone(principal) })),
            _ => Ok(Arc::clone(principal)),
        };
        Box::pin(async { now })
    }

    fn decide(&self, principal: &Principal, action: &'static str, _: Resource) -> Decision {
        let allowed = principal.name != "nobody" && action.starts_with("market.");
        if allowed { Decision::Allow } else { Decision::Deny("no policy permits it".into()) }
    }
}

/// A market over a record, in a folder of its own.
pub(crate) struct World {
    pub(crate) record: Record,
    pub(crate) market: Arc<MarketData>,
    pub(crate) router: Router,
    pub(crate) folder: Arc<tempfile::TempDir>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(Record::default(), Arc::new(tempfile::tempdir().unwrap()), PushLimits::default()).await
    }

    pub(crate) async fn over(record: Record, folder: Arc<tempfile::TempDir>, push: PushLimits) -> Self {
        Self::follow(record.clone(), Arc::new(record), folder, push).await
    }

    /// A market over any source.
    pub(crate) async fn follow(
        record: Record,
        source: Arc<dyn EventSource>,
        folder: Arc<tempfile::TempDir>,
        push: PushLimits,
    ) -> Self {
        Self::with(record, source, folder, (push, None)).await
    }

    /// The same with a past before the record.
    pub(crate) async fn with(
        record: Record,
        source: Arc<dyn EventSource>,
        folder: Arc<tempfile::TempDir>,
        (push, past): (PushLimits, Option<Arc<dyn Past>>),
    ) -> Self {
        let file = StoreOptions::at(folder.path().join("marketdata.db"));
        let options = MarketOptions { push, past, ..MarketOptions::at(file, source) };
        let (market, _) = MarketData::open(options).await.unwrap();
        let often = NonZeroU32::new(10_000).unwrap();
        let limits = Arc::new(RateLimits::new(often, often));
        let router = heng_marketdata::api(Arc::clone(&market), Arc::new(Keeper), limits).router();
        Self { record, market, router, folder }
    }

    /// The answer to a read of `who`, with its status.
    pub(crate) async fn ask(&self, path: &str, who: &str) -> (StatusCode, Value) {
        let request = Request::get(path).header("authorization", format!("Bearer {who}")).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// The answer to a read that must succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(path, "l2").await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// Stops the market and waits for it.
    pub(crate) async fn stop(&self) {
        let market = Arc::clone(&self.market);
        tokio::task::spawn_blocking(move || market.stop()).await.unwrap();
    }
}

pub(crate) const A: InstrumentId = InstrumentId(1);
pub(crate) const B: InstrumentId = InstrumentId(2);

pub(crate) fn date(text: &str) -> TradeDate {
    text.parse().unwrap()
}

/// An instant of a day: hour, minute, second.
pub(crate) fn at(day: &str, hour: i64, minute: i64, second: i64) -> UnixNanos {
    UnixNanos::at(date(day), ((hour * 60 + minute) * 60 + second) * SECOND)
}

pub(crate) fn yuan(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn defined(instrument: InstrumentId, symbol: &str) -> Event {
    let (symbol, board, class) = (symbol.to_owned(), Board::SseMain, InstrumentClass::Stock);
    InstrumentDefined { instrument, symbol, board, class, partition: PartitionId(0), board_lot: 0 }.into()
}

pub(crate) fn reference(instrument: InstrumentId, prev_close: &str) -> Event {
    let prev = yuan(prev_close);
    ReferenceSet {
        instrument,
        prev_close: prev,
        limit_up: Price(prev.0 * 11 / 10),
        limit_down: Price(prev.0 * 9 / 10),
        tick: Price(100),
        risk_warning: false,
        same_day_sale: false,
        settlement_days: 1,
        currency: Currency::Cny,
        suspended: false,
    }
    .into()
}

pub(crate) fn day_opened(day: &str) -> Event {
    DayOpened { date: date(day), hk_settles: true }.into()
}

pub(crate) fn phase(phase: Phase) -> Event {
    PhaseChanged { board: Board::SseMain, class: InstrumentClass::Stock, phase }.into()
}

pub(crate) fn working(order: u64, instrument: InstrumentId, side: Side, price: &str, quantity: i64) -> Event {
    OrderWorking { order: OrderId(order), instrument, side, price: yuan(price), quantity: Qty(quantity) }.into()
}

pub(crate) fn cancelled(order: u64, quantity: i64) -> Event {
    OrderCancelled {
        order: OrderId(order),
        account: AccountId(1),
        quantity: Qty(quantity),
        reason: CancelReason::Client,
        hold_cash: Money(0),
        hold_quantity: Qty(0),
        shrunk: false,
    }
    .into()
}

/// A trade; `maker` rested.
pub(crate) fn trade(
    trade: u64,
    instrument: InstrumentId,
    (buy, sell): (u64, u64),
    (price, quantity): (&str, i64),
    maker: Side,
) -> Event {
    Trade {
        trade: TradeId(trade),
        instrument,
        price: yuan(price),
        quantity: Qty(quantity),
        buy: OrderId(buy),
        sell: OrderId(sell),
        maker,
        auction: false,
    }
    .into()
}

/// A trade of a call auction.
pub(crate) fn auction_trade(
    number: u64,
    instrument: InstrumentId,
    orders: (u64, u64),
    (price, quantity): (&str, i64),
) -> Event {
    let Event::Trade(event) = trade(number, instrument, orders, (price, quantity), Side::Buy) else { unreachable!() };
    Trade { auction: true, ..event }.into()
}

pub(crate) fn printed(instrument: InstrumentId, price: &str, volume: i64) -> Event {
    AuctionPrinted { instrument, price: yuan(price), volume: Qty(volume) }.into()
}

/// Two instruments on an open day in continuous trading.
pub(crate) fn begin(record: &Record, day: &str) {
    record.say(at(day, 8, 0, 0), vec![defined(A, "600519.SH"), defined(B, "600036.SH")]);
    let opened = vec![day_opened(day), reference(A, "100.00"), reference(B, "40.00")];
    record.say(at(day, 9, 0, 0), opened);
    record.say(at(day, 9, 30, 0), vec![phase(Phase::Continuous)]);
}
