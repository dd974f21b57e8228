//! The doors: pictures from the tape, history from the tables, and the streams.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use heng_model::TradeDate;
use heng_ports::Gatekeeper;
use heng_store::Snapshot;
use heng_transport::{Api, Caller, FieldProblem, Operation, Params, PathText, Problem, RateLimits, Reason};

use crate::history::{self, Wanted};
use crate::indicators::{WINDOW_MAX, WINDOWS_MAX};
use crate::market::Listing;
use crate::past::Past;
use crate::places::{Carrier, Place};
use crate::push::{
    Control, DEPTH, Entitlement, Entry, Format, Frame, Granted, Opening, SNAPSHOT, View, What, serve_socket,
    stream_events,
};
use crate::service::MarketData;
use crate::shapes::{
    CandleList, CandlesQuery, DateQuery, DepthQuery, FactorShown, FundFlow, IndicatorQuery, IndicatorShown, Intraday,
    ListQuery, MarketCandle, MarketDepth, MarketList, MarketSnapshot, MarketUpdate, ReadQuery, SnapshotShown,
    StreamQuery, TradeList, TradesQuery, depth, item, last, stats, trade,
};
use crate::store::{self, Span};

type Market = State<Arc<MarketData>>;
type Answer<T> = Result<Json<T>, Problem>;

/// Trades that level 1 may read back.
const TRADES_LEVEL1: u32 = 50;

/// The market data doors. Callers are known by `gatekeeper` and slowed down by `limits`; reads need the action
/// `market.read`, streams `market.stream`.
#[must_use]
pub fn api(market: Arc<MarketData>, gatekeeper: Arc<dyn Gatekeeper>, limits: Arc<RateLimits>) -> Api {
    let mut api = Api::new(gatekeeper, limits);
    pictures(&mut api);
    past(&mut api);
    streams(&mut api);
    api.message::<Control>();
    api.message::<Granted>();
    api.message::<MarketSnapshot>();
    api.message::<MarketUpdate>();
    api.message::<MarketCandle>();
    api.with_state(market)
}

fn read(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::get(path, id).tag("market").summary(summary).needs("market.read").heavy()
}

fn of_symbol(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    let operation = read(path, id, summary).path("symbol", "The symbol, for example 600519.SH.");
    operation.refuses(404, "There is no such instrument, or no command has the sequence of min_sequence yet.")
}

fn pictures(api: &mut Api<Arc<MarketData>>) {
    let list = read("/v1/market", "listMarket", "All instruments with their last price, change, volume and phase.");
    let list = list.refuses(404, "No command has the sequence of min_sequence yet.");
    api.add(list.query::<ListQuery>().answers::<MarketList>(200, "The instruments, by symbol."), list_market);
    let depth = of_symbol("/v1/market/{symbol}/depth", "showDepth", "The book of an instrument.");
    api.add(depth.query::<DepthQuery>().answers::<MarketDepth>(200, "The best levels."), show_depth);
    let shown = of_symbol("/v1/market/{symbol}/snapshot", "showSnapshot", "Book, last trade and figures of the day.");
    api.add(shown.query::<ReadQuery>().answers::<SnapshotShown>(200, "The instrument."), show_snapshot);
}

fn past(api: &mut Api<Arc<MarketData>>) {
    let trades = of_symbol("/v1/market/{symbol}/trades", "listTrades", "Trades of an instrument, newest first.")
        .description("Level 1 reads the newest 50; older ones need the entitlement market.l2.");
    api.add(trades.query::<TradesQuery>().answers::<TradeList>(200, "The trades."), list_trades);
    let candles = of_symbol("/v1/market/{symbol}/candles", "listCandles", "Candles, oldest first.").description(
        "A minute is named after its end. The opening auction belongs to the first minute, the closing auction to the \
         last; bars never cross the break; what trades after hours counts for the day only.",
    );
    api.add(candles.query::<CandlesQuery>().answers::<CandleList>(200, "The candles."), list_candles);
    let line = of_symbol("/v1/market/{symbol}/intraday", "showIntraday", "Price and average price by the minute.");
    api.add(line.query::<DateQuery>().answers::<Intraday>(200, "The line."), show_intraday);
    let flow = of_symbol("/v1/market/{symbol}/fund-flow", "showFundFlow", "Active buying and selling by order size.");
    api.add(flow.query::<DateQuery>().answers::<FundFlow>(200, "The flow."), show_fund_flow);
    let lines = of_symbol("/v1/market/{symbol}/indicators", "showIndicator", "An indicator over candles.");
    api.add(lines.query::<IndicatorQuery>().answers::<IndicatorShown>(200, "Its lines."), show_indicator);
}

fn streams(api: &mut Api<Arc<MarketData>>) {
    let events = Operation::get("/v1/stream/market", "streamMarket")
        .tag("market")
        .summary("Market data as server-sent events: a snapshot of each symbol, then its updates every 100 ms.")
        .description("event is the type, id the command sequence. After a break it begins with snapshots again.")
        .needs("market.stream")
        .header("last-event-id", "Sent by browsers that come back; snapshots follow.", last_event_id())
        .query::<StreamQuery>()
        .streams::<MarketUpdate>("The events.")
        .refuses(404, "There is no such instrument.");
    api.add(events, stream_market);
    let socket = Operation::get("/v1/stream", "stream")
        .tag("market")
        .summary("Market data over a WebSocket.")
        .description(
            "Subprotocols: heng.json.v1 (text) and heng.bin.v1 (binary market messages, control stays text). One \
             frame holds one message, or all of a tick: an array of objects, or records one behind the other. \
             The messages are StreamRequest, StreamAnswer, MarketSnapshot, MarketUpdate and MarketCandle.",
        )
        .needs("market.stream")
        .answers_as(101, "The protocol is switched.", "")
        .refuses(400, "The request is no WebSocket handshake.");
    api.add(socket, open_socket);
}

fn last_event_id() -> serde_json::Value {
    serde_json::json!({ "type": "string", "maxLength": 64 })
}

fn wrong(field: &str, detail: &str) -> Problem {
    let errors = vec![FieldProblem { pointer: format!("?{field}"), detail: detail.to_owned() }];
    Problem::bad_request(format!("1 problem(s) in the query; first: ?{field} {detail}")).with_errors(errors)
}

fn no_instrument() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, Reason::NOT_FOUND, "there is no instrument with this symbol")
}

/// A read asked for a sequence that no command has.
const BEYOND: Reason = Reason {
    number: 0,
    name: "BeyondTheRecord",
    english: "No command has the asked sequence yet.",
    chinese: "尚无该序号的指令",
};

fn date(field: &str, text: Option<&str>) -> Result<Option<TradeDate>, Problem> {
    text.map(|text| text.parse().map_err(|_| wrong(field, "is no date like 2026-07-06"))).transpose()
}

fn span(from: Option<&str>, to: Option<&str>) -> Result<Span, Problem> {
    let last = TradeDate::from_number(21_991_231).unwrap_or_default();
    Ok((date("from", from)?.unwrap_or(TradeDate::NONE), date("to", to)?.unwrap_or(last)))
}

impl MarketData {
    /// A sequence that nobody can know yet is a mistake of the caller, not a lag of ours. The wait comes first, because
    /// another role may know of a command before this one does.
    fn no_answer(&self, asked: u64, at: u64) -> Problem {
        let head = self.source.head().0;
        if asked > head {
            let detail = format!("the last durable command is {head}, asked for {asked}");
            return Problem::new(StatusCode::NOT_FOUND, BEYOND, detail);
        }
        let detail = format!("market data is at command {at}, asked for {asked}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, Reason::NO_ANSWER, detail).retry_after_s(1)
    }

    /// The newest frame, which holds at least `min`; and the command that it is current as of.
    async fn frame(&self, min: Option<u64>) -> Result<(Arc<Frame>, u64), Problem> {
        let min = min.unwrap_or(0);
        let mut current = self.current.clone();
        let reached = tokio::time::timeout(self.wait_max, current.wait_for(|current| *current >= min)).await;
        let Ok(Ok(as_of)) = reached.map(|reached| reached.map(|as_of| *as_of)) else {
            return Err(self.no_answer(min, *self.current.borrow()));
        };
        // The tape moves first, so it is never older than the sequence that was read before it.
        Ok((Arc::clone(self.tape.borrow().newest()), as_of))
    }

    /// The tables, which hold at least `min`.
    async fn tables(&self, min: Option<u64>) -> Result<Snapshot, Problem> {
        let min = min.unwrap_or(0);
        if min > 0 && !self.status.wait_stored(min, self.wait_max).await {
            return Err(self.no_answer(min, self.status.stored()));
        }
        self.store.snapshot().await.map_err(|error| Problem::internal(&error))
    }

    /// An instrument of the frame that holds at least `min`, and the trade date.
    async fn listing(&self, symbol: &str, min: Option<u64>) -> Result<(Arc<Listing>, TradeDate), Problem> {
        let (frame, _) = self.frame(min).await?;
        let view = frame.find(symbol).ok_or_else(no_instrument)?;
        Ok((Arc::clone(&view.picture.listing), frame.date))
    }

    fn past(&self) -> Option<&dyn Past> {
        self.past.as_deref()
    }

    fn place(&self, caller: &Caller, carrier: Carrier) -> Result<Place, Problem> {
        let most = (self.push.streams_max, self.push.principal_streams_max);
        self.places
            .take(&caller.principal, carrier, most)
            .map_err(|detail| Problem::new(StatusCode::TOO_MANY_REQUESTS, Reason::OVERLOADED, detail).retry_after_s(5))
    }
}

async fn list_market(State(market): Market, Params(query): Params<ListQuery>) -> Answer<MarketList> {
    let most = query.limit.unwrap_or(500) as usize;
    let (frame, as_of_sequence) = market.frame(query.min_sequence).await?;
    let after = query.after.unwrap_or_default();
    let behind = std::ops::Bound::Excluded(after.as_str());
    let mut found = frame.directory.by_symbol.range::<str, _>((behind, std::ops::Bound::Unbounded));
    let shown = |(_, index): (&String, &u32)| {
        let view = &frame.views[*index as usize];
        item(&view.picture, [heng_model::Side::Buy, heng_model::Side::Sell].map(|side| view.best(side)))
    };
    let items: Vec<_> = found.by_ref().take(most).map(shown).collect();
    let next_after = found.next().and(items.last()).map(|item| item.symbol.clone());
    let trade_date = (frame.date != TradeDate::NONE).then(|| frame.date.to_string());
    Ok(Json(MarketList { as_of_sequence, trade_date, items, next_after }))
}

async fn show_depth(
    State(market): Market,
    caller: Caller,
    PathText(symbol): PathText,
    Params(query): Params<DepthQuery>,
) -> Answer<MarketDepth> {
    let level = Entitlement::of(&caller.principal);
    let levels = usize::from(query.levels.unwrap_or(10));
    let (frame, as_of_sequence) = market.frame(query.min_sequence).await?;
    let view: &View = frame.find(&symbol).ok_or_else(no_instrument)?;
    Ok(Json(MarketDepth {
        as_of_sequence,
        symbol,
        seq: view.seq,
        time: crate::push::instant(view.picture.time),
        level: level.name().to_owned(),
        depth: depth(&view.picture, levels.min(level.levels())),
    }))
}

async fn show_snapshot(
    State(market): Market,
    caller: Caller,
    PathText(symbol): PathText,
    Params(query): Params<ReadQuery>,
) -> Answer<SnapshotShown> {
    let level = Entitlement::of(&caller.principal);
    let (frame, as_of_sequence) = market.frame(query.min_sequence).await?;
    let view: &View = frame.find(&symbol).ok_or_else(no_instrument)?;
    let picture = &view.picture;
    Ok(Json(SnapshotShown {
        as_of_sequence,
        symbol,
        seq: view.seq,
        time: crate::push::instant(picture.time),
        level: level.name().to_owned(),
        depth: depth(picture, level.levels()),
        last: last(picture),
        stats: stats(picture),
    }))
}

fn before(text: Option<&str>) -> Result<(i64, i64), Problem> {
    let Some(text) = text else { return Ok((i64::MAX, i64::MAX)) };
    let parts = text.split_once('.').and_then(|(sequence, event)| Some((sequence.parse().ok()?, event.parse().ok()?)));
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    parts.filter(|_| digits).ok_or_else(|| wrong("before", "is no next_before of an answer"))
}

async fn list_trades(
    State(market): Market,
    caller: Caller,
    PathText(symbol): PathText,
    Params(query): Params<TradesQuery>,
) -> Answer<TradeList> {
    let level = Entitlement::of(&caller.principal);
    let mut most = query.limit.unwrap_or(100);
    if level == Entitlement::Level1 {
        most = most.min(TRADES_LEVEL1);
        if query.before.is_some() {
            let detail = "older trades need the entitlement market.l2";
            return Err(Problem::new(StatusCode::FORBIDDEN, Reason::FORBIDDEN, detail));
        }
    }
    let place = before(query.before.as_deref())?;
    let (listing, _) = market.listing(&symbol, query.min_sequence).await?;
    let mut tables = market.tables(query.min_sequence).await?;
    let as_of_sequence = tables.as_of();
    let found = store::trades(tables.connection(), listing.id, place, i64::from(most) + 1).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let more = found.len() > most as usize && level == Entitlement::Level2;
    let items: Vec<_> = found.iter().take(most as usize).map(|(_, print)| trade(print)).collect();
    let last = found.get(items.len().wrapping_sub(1)).filter(|_| more);
    let next_before = last.map(|(event, print)| format!("{}.{event}", print.sequence));
    Ok(Json(TradeList { as_of_sequence, symbol, items, next_before }))
}

async fn list_candles(
    State(market): Market,
    PathText(symbol): PathText,
    Params(query): Params<CandlesQuery>,
) -> Answer<CandleList> {
    let wanted = Wanted {
        period: query.period.unwrap_or(crate::candles::Period::Day),
        adjust: query.adjust.unwrap_or_default(),
        span: span(query.from.as_deref(), query.to.as_deref())?,
        limit: query.limit.unwrap_or(240) as usize,
    };
    let (listing, _) = market.listing(&symbol, query.min_sequence).await?;
    let mut tables = market.tables(query.min_sequence).await?;
    let as_of_sequence = tables.as_of();
    let found = history::candles(tables.connection(), (&listing, market.past()), wanted).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let factor =
        |(date, rate): (TradeDate, heng_model::Rate)| FactorShown { date: date.to_string(), factor: rate.to_string() };
    Ok(Json(CandleList {
        as_of_sequence,
        symbol,
        period: wanted.period,
        adjust: wanted.adjust,
        items: found.candles.iter().map(history::candle_shown).collect(),
        generated_until: found.generated_until.map(|date| date.to_string()),
        factors: found.factors.list().map(factor).collect(),
    }))
}

async fn show_intraday(
    State(market): Market,
    PathText(symbol): PathText,
    Params(query): Params<DateQuery>,
) -> Answer<Intraday> {
    let (listing, today) = market.listing(&symbol, query.min_sequence).await?;
    let date = date("date", query.date.as_deref())?.unwrap_or(today);
    let mut tables = market.tables(query.min_sequence).await?;
    let as_of_sequence = tables.as_of();
    let found = history::one_day(tables.connection(), (&listing, market.past()), date).await;
    let day = found.map_err(|error| Problem::internal(&error))?;
    Ok(Json(Intraday { as_of_sequence, ..history::intraday(&listing, date, &day) }))
}

async fn show_fund_flow(
    State(market): Market,
    PathText(symbol): PathText,
    Params(query): Params<DateQuery>,
) -> Answer<FundFlow> {
    let (listing, today) = market.listing(&symbol, query.min_sequence).await?;
    let date = date("date", query.date.as_deref())?.unwrap_or(today);
    let mut tables = market.tables(query.min_sequence).await?;
    let as_of_sequence = tables.as_of();
    let found = history::one_day(tables.connection(), (&listing, market.past()), date).await;
    let day = found.map_err(|error| Problem::internal(&error))?;
    Ok(Json(FundFlow { as_of_sequence, ..history::fund_flow(&listing, date, &day, &market.thresholds) }))
}

fn parameters(query: &IndicatorQuery) -> Result<Vec<u32>, Problem> {
    let Some(text) = &query.params else { return Ok(query.name.usual().to_vec()) };
    let number = |part: &str| {
        let digits = !part.is_empty() && part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse().ok() } else { None }
    };
    let parts: Option<Vec<u32>> = text.split(',').take(WINDOWS_MAX + 1).map(number).collect();
    let told = || wrong("params", &format!("does not fit the indicator (numbers from 1 to {WINDOW_MAX})"));
    parts.filter(|parts| query.name.takes(parts)).ok_or_else(told)
}

async fn show_indicator(
    State(market): Market,
    PathText(symbol): PathText,
    Params(query): Params<IndicatorQuery>,
) -> Answer<IndicatorShown> {
    let parameters = parameters(&query)?;
    let wanted = Wanted {
        period: query.period.unwrap_or(crate::candles::Period::Day),
        adjust: query.adjust.unwrap_or_default(),
        span: span(query.from.as_deref(), query.to.as_deref())?,
        limit: query.limit.unwrap_or(240) as usize,
    };
    let (listing, _) = market.listing(&symbol, query.min_sequence).await?;
    let mut tables = market.tables(query.min_sequence).await?;
    let as_of_sequence = tables.as_of();
    let more = Wanted { limit: wanted.limit + query.name.warm_up(&parameters), ..wanted };
    let found = history::candles(tables.connection(), (&listing, market.past()), more).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    let shown = history::indicator((query.name, &parameters), wanted, &symbol, &found.candles);
    let generated_until = found.generated_until.map(|date| date.to_string());
    Ok(Json(IndicatorShown { as_of_sequence, generated_until, ..shown }))
}

/// A page of another site may open a socket with the session's cookie, so a browser's origin must be our own.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return true };
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    text(header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

async fn stream_market(
    State(market): Market,
    caller: Caller,
    Params(query): Params<StreamQuery>,
) -> Result<Response, Problem> {
    let level = Entitlement::of(&caller.principal);
    let usual = What { what: DEPTH | SNAPSHOT, candles: 0 };
    let channels = query.channels.as_deref().unwrap_or("");
    let named = channels.split(',').filter(|name| !name.is_empty());
    let asked = What::parse(named, usual).map_err(|name| wrong("channels", &format!("{name} is no channel")))?;
    let granted = asked.granted(level);
    if granted == What::default() {
        let detail = "trade by trade needs the entitlement market.l2";
        return Err(Problem::new(StatusCode::FORBIDDEN, Reason::FORBIDDEN, detail));
    }
    let symbols: Vec<&str> = query.symbols.split(',').filter(|symbol| !symbol.is_empty()).collect();
    if symbols.is_empty() || symbols.len() > market.push.symbols_max {
        return Err(wrong("symbols", &format!("1 to {} are taken", market.push.symbols_max)));
    }
    let tape = Arc::clone(&market.tape.borrow());
    let directory = &tape.newest().directory.by_symbol;
    let entry = |symbol: &&str| {
        let index = *directory.get(*symbol).ok_or_else(no_instrument)?;
        Ok(Entry { index, what: granted.what, candles: granted.candles, fresh: true })
    };
    let entries = symbols.iter().map(entry).collect::<Result<Vec<Entry>, Problem>>()?;
    let place = market.place(&caller, Carrier::Events)?;
    let events = stream_events(market.tape.clone(), level, &entries, (place, caller.standing()));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

async fn open_socket(
    State(market): Market,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if !same_origin(&headers) {
        let detail = "a page of another origin may not open this stream";
        return Err(Problem::new(StatusCode::FORBIDDEN, Reason::FORBIDDEN, detail));
    }
    let place = market.place(&caller, Carrier::WebSocket)?;
    let limits = market.push;
    let upgrade = upgrade
        .protocols([Format::Json.protocol(), Format::Binary.protocol()])
        .read_buffer_size(limits.message_max.min(4_096))
        .write_buffer_size(0)
        .max_message_size(limits.message_max)
        .max_frame_size(limits.message_max);
    let level = Entitlement::of(&caller.principal);
    let binary = upgrade.selected_protocol().is_some_and(|name| name == Format::Binary.protocol());
    let format = if binary { Format::Binary } else { Format::Json };
    let opening = Opening { tape: market.tape.clone(), limits, format, level, place, standing: caller.standing() };
    Ok(upgrade.on_upgrade(move |socket| serve_socket(socket, opening)))
}
