//! What clients are asked and shown. Prices, quantities and amounts are decimal text.

use heng_model::{Price, Side};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::candles::{Adjustment, Period};
use crate::indicators::Indicator;
use crate::market::Print;
use crate::picture::Picture;
use crate::push::{instant, price_or_null};

/// A price level: price, quantity, number of orders (0 = not told).
pub(crate) type LevelShown = (String, String, u32);

/// The schema of a list of levels: arrays of price, quantity and number of orders.
fn level_list() -> utoipa::openapi::schema::Array {
    use utoipa::openapi::schema::{ArrayBuilder, ArrayItems, ObjectBuilder, Type};
    let text = |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about)).build();
    let orders =
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0)).description(Some("Orders.")).build();
    let level = ArrayBuilder::new()
        .prefix_items([text("Price."), text("Quantity; in an update \"0\" removes the level."), orders])
        .items(ArrayItems::False)
        .min_items(Some(3))
        .build();
    ArrayBuilder::new().items(ArrayItems::RefOrSchema(Box::new(level.into()))).build()
}

/// Both sides of a book, best first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Depth {
    /// Buys.
    #[schema(schema_with = level_list)]
    pub(crate) bids: Vec<LevelShown>,
    /// Sells.
    #[schema(schema_with = level_list)]
    pub(crate) asks: Vec<LevelShown>,
}

/// The last trade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LastShown {
    /// Price.
    pub(crate) price: String,
    /// Quantity.
    pub(crate) quantity: String,
    /// Side of the order that took; null in an auction.
    pub(crate) side: Option<String>,
    /// When.
    pub(crate) time: String,
}

/// A trade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TradeShown {
    /// Its number.
    pub(crate) id: String,
    /// When.
    pub(crate) time: String,
    /// Price.
    pub(crate) price: String,
    /// Quantity.
    pub(crate) quantity: String,
    /// Side of the order that took; null in an auction.
    pub(crate) side: Option<String>,
}

/// Figures of the day. In an update only those are there that changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Stats {
    /// First price of the day.
    pub(crate) open: Option<String>,
    /// Highest.
    pub(crate) high: Option<String>,
    /// Lowest.
    pub(crate) low: Option<String>,
    /// Reference price: the close of the day before, adjusted for ex-rights.
    pub(crate) prev_close: Option<String>,
    /// Highest price allowed; null = no limit.
    pub(crate) limit_up: Option<String>,
    /// Lowest price allowed; null = no limit.
    pub(crate) limit_down: Option<String>,
    /// Quantity traded.
    pub(crate) volume: Option<String>,
    /// Value traded.
    pub(crate) turnover: Option<String>,
    /// Number of trades.
    pub(crate) trades: Option<u64>,
    /// What the last call auction printed.
    pub(crate) auction_price: Option<String>,
    /// Its volume.
    pub(crate) auction_volume: Option<String>,
    /// What the running call auction would print now.
    pub(crate) indicative_price: Option<String>,
    /// Its volume.
    pub(crate) indicative_volume: Option<String>,
    /// The phase.
    pub(crate) phase: Option<String>,
    /// Halted by itself.
    pub(crate) halted: Option<bool>,
    /// Suspended for the day.
    pub(crate) suspended: Option<bool>,
}

/// Stream message: everything of an instrument. `seq` is the number that the next update's `prev_seq` names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarketSnapshot {
    /// `snapshot`.
    pub(crate) r#type: String,
    /// `market`.
    pub(crate) channel: String,
    /// The symbol.
    pub(crate) symbol: String,
    /// Its number.
    pub(crate) seq: u64,
    /// The command that it is as of.
    pub(crate) as_of_sequence: u64,
    /// Market time of the last change.
    pub(crate) time: String,
    /// When it was made, by the machine's clock.
    pub(crate) sent_at: String,
    /// The book, if `depth` is followed.
    pub(crate) depth: Option<Depth>,
    /// The last trades, oldest first, if `trades` are followed.
    pub(crate) trades: Option<Vec<TradeShown>>,
    /// The last trade of the day, if `snapshot` is followed and there is one.
    pub(crate) last: Option<LastShown>,
    /// The figures, if `snapshot` is followed.
    pub(crate) stats: Option<Stats>,
}

/// Stream message: what changed. Apply it if `prev_seq` is the number you are at; else ask for a resync.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarketUpdate {
    /// `update`.
    pub(crate) r#type: String,
    /// `market`.
    pub(crate) channel: String,
    /// The symbol.
    pub(crate) symbol: String,
    /// Its number.
    pub(crate) seq: u64,
    /// The number before.
    pub(crate) prev_seq: u64,
    /// The command that it is as of.
    pub(crate) as_of_sequence: u64,
    /// Market time of the last change.
    pub(crate) time: String,
    /// When it was made, by the machine's clock.
    pub(crate) sent_at: String,
    /// Buy levels that are new or other; quantity "0" removes one.
    #[serde(default)]
    #[schema(schema_with = level_list)]
    pub(crate) bids: Vec<LevelShown>,
    /// Sell levels.
    #[serde(default)]
    #[schema(schema_with = level_list)]
    pub(crate) asks: Vec<LevelShown>,
    /// New trades, oldest first.
    #[serde(default)]
    pub(crate) trades: Vec<TradeShown>,
    /// The last trade, if there is another.
    pub(crate) last: Option<LastShown>,
    /// Figures that changed.
    pub(crate) stats: Option<Stats>,
}

/// Stream message: the candle that grows now, whole. A later one of the same time replaces it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarketCandle {
    /// `candle`.
    pub(crate) r#type: String,
    /// `market`.
    pub(crate) channel: String,
    /// The symbol.
    pub(crate) symbol: String,
    /// Number of the tick.
    pub(crate) seq: u64,
    /// The command that it is as of.
    pub(crate) as_of_sequence: u64,
    /// Market time of the last change.
    pub(crate) time: String,
    /// When it was made, by the machine's clock.
    pub(crate) sent_at: String,
    /// `1m` … `1d`.
    pub(crate) period: String,
    /// The candle.
    pub(crate) candle: CandleShown,
}

/// A candle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CandleShown {
    /// The end of its last minute, or its last date.
    pub(crate) time: String,
    /// First price.
    pub(crate) open: String,
    /// Highest.
    pub(crate) high: String,
    /// Lowest.
    pub(crate) low: String,
    /// Last price.
    pub(crate) close: String,
    /// Quantity.
    pub(crate) volume: String,
    /// Value.
    pub(crate) turnover: String,
    /// Number of trades.
    pub(crate) trades: u64,
}

/// One instrument in the list of all.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct MarketItem {
    pub(crate) symbol: String,
    pub(crate) board: String,
    pub(crate) class: String,
    /// The phase of its board and class.
    pub(crate) phase: String,
    pub(crate) halted: bool,
    pub(crate) suspended: bool,
    /// Last price of the day.
    pub(crate) last: Option<String>,
    /// Reference price.
    pub(crate) prev_close: Option<String>,
    /// Last less reference price.
    pub(crate) change: Option<String>,
    /// The same in percent of the reference price, two decimal places.
    pub(crate) change_percent: Option<String>,
    pub(crate) open: Option<String>,
    pub(crate) high: Option<String>,
    pub(crate) low: Option<String>,
    pub(crate) limit_up: Option<String>,
    pub(crate) limit_down: Option<String>,
    /// Best buy price.
    pub(crate) bid: Option<String>,
    /// Best sell price.
    pub(crate) ask: Option<String>,
    pub(crate) volume: String,
    pub(crate) turnover: String,
    pub(crate) trades: u64,
    /// Market time of the last change.
    pub(crate) time: String,
}

/// All instruments.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct MarketList {
    pub(crate) as_of_sequence: u64,
    /// The trade date that is open, or was last.
    pub(crate) trade_date: Option<String>,
    pub(crate) items: Vec<MarketItem>,
    /// Give it as `after` for the next page; null on the last.
    pub(crate) next_after: Option<String>,
}

/// The book of an instrument.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct MarketDepth {
    pub(crate) as_of_sequence: u64,
    pub(crate) symbol: String,
    /// The numbering of the stream's updates: the latest one that is in it.
    pub(crate) seq: u64,
    pub(crate) time: String,
    /// `level1` shows five levels, `level2` ten.
    pub(crate) level: String,
    pub(crate) depth: Depth,
}

/// Everything of an instrument.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct SnapshotShown {
    pub(crate) as_of_sequence: u64,
    pub(crate) symbol: String,
    pub(crate) seq: u64,
    pub(crate) time: String,
    pub(crate) level: String,
    pub(crate) depth: Depth,
    pub(crate) last: Option<LastShown>,
    pub(crate) stats: Stats,
}

/// Trades, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct TradeList {
    pub(crate) as_of_sequence: u64,
    pub(crate) symbol: String,
    pub(crate) items: Vec<TradeShown>,
    /// Give it as `before` for older ones; null on the last page.
    pub(crate) next_before: Option<String>,
}

/// Candles, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct CandleList {
    pub(crate) as_of_sequence: u64,
    pub(crate) symbol: String,
    pub(crate) period: Period,
    pub(crate) adjust: Adjustment,
    pub(crate) items: Vec<CandleShown>,
    /// Up to this date the candles were made up for the demonstration; null = all come from the record.
    pub(crate) generated_until: Option<String>,
    /// Ex-right days with their factors; prices before such a day × factor compare with prices from it on.
    pub(crate) factors: Vec<FactorShown>,
}

/// An ex-right day.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct FactorShown {
    pub(crate) date: String,
    pub(crate) factor: String,
}

/// One minute of the intraday line.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct IntradayPoint {
    /// The end of the minute.
    pub(crate) time: String,
    /// Last price in it, or before it.
    pub(crate) price: String,
    /// Turnover so far / volume so far.
    pub(crate) average: String,
    pub(crate) volume: String,
    pub(crate) turnover: String,
}

/// The line of a day.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Intraday {
    pub(crate) as_of_sequence: u64,
    pub(crate) symbol: String,
    pub(crate) date: Option<String>,
    pub(crate) prev_close: Option<String>,
    /// Whether the day is from before the record and was made up for the demonstration.
    pub(crate) generated: bool,
    /// Minutes that the whole day has.
    pub(crate) minutes: u16,
    pub(crate) items: Vec<IntradayPoint>,
    /// Volume after hours at the fixed price, outside of the line.
    pub(crate) after_hours_volume: String,
}

/// Active buying and selling.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct FlowShown {
    /// Bought by active orders.
    pub(crate) bought: String,
    /// Sold by active orders.
    pub(crate) sold: String,
    /// The difference.
    pub(crate) net: String,
}

/// The flow of one minute, on balance.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct FlowPoint {
    pub(crate) time: String,
    pub(crate) large_net: String,
    pub(crate) medium_net: String,
    pub(crate) small_net: String,
}

/// Fund flow of a day.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct FundFlow {
    pub(crate) as_of_sequence: u64,
    pub(crate) symbol: String,
    pub(crate) date: Option<String>,
    pub(crate) large: FlowShown,
    pub(crate) medium: FlowShown,
    pub(crate) small: FlowShown,
    /// Large and medium together: what terminals call the main force 主力.
    pub(crate) main_net: String,
    /// From this turnover on an order is medium.
    pub(crate) medium_from: String,
    /// From this turnover on it is large.
    pub(crate) large_from: String,
    /// Where these two come from.
    pub(crate) source: String,
    /// Whether the day is from before the record and was made up for the demonstration.
    pub(crate) generated: bool,
    pub(crate) items: Vec<FlowPoint>,
}

/// One line of an indicator.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct LineShown {
    pub(crate) name: String,
    /// One value for each time; null where the window is not full.
    pub(crate) values: Vec<Option<f64>>,
}

/// An indicator. Its values are statistics and so numbers, not decimal text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct IndicatorShown {
    pub(crate) as_of_sequence: u64,
    pub(crate) symbol: String,
    pub(crate) name: Indicator,
    pub(crate) period: Period,
    pub(crate) adjust: Adjustment,
    pub(crate) params: Vec<u32>,
    /// Up to this date what the lines are made of was made up for the demonstration; null = nothing was.
    pub(crate) generated_until: Option<String>,
    pub(crate) times: Vec<String>,
    pub(crate) lines: Vec<LineShown>,
}

/// A read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadQuery {
    /// Wait until this command is in the answer; 503 if that takes too long, 404 if there is no such command.
    pub(crate) min_sequence: Option<u64>,
}

/// The list of all instruments.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Wait until this command is in the answer; 503 if that takes too long, 404 if there is no such command.
    pub(crate) min_sequence: Option<u64>,
    /// Symbols behind this one.
    #[param(max_length = 32)]
    pub(crate) after: Option<String>,
    /// Most instruments of the answer.
    #[param(minimum = 1, maximum = 1000, default = 500)]
    pub(crate) limit: Option<u32>,
}

/// A book.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DepthQuery {
    /// Wait until this command is in the answer; 503 if that takes too long, 404 if there is no such command.
    pub(crate) min_sequence: Option<u64>,
    /// Levels of a side at most; level 1 shows five.
    #[param(minimum = 1, maximum = 10, default = 10)]
    pub(crate) levels: Option<u8>,
}

/// Trades.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct TradesQuery {
    /// Wait until this command is in the answer; 503 if that takes too long, 404 if there is no such command.
    pub(crate) min_sequence: Option<u64>,
    /// Only those before this place, `next_before` of an answer. Needs level 2.
    #[param(max_length = 40, pattern = "^[0-9]{1,18}[.][0-9]{1,9}$")]
    pub(crate) before: Option<String>,
    /// Most trades of the answer; level 1 gets the newest 50 at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: Option<u32>,
}

/// Candles.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct CandlesQuery {
    /// Wait until this command is in the answer; 503 if that takes too long, 404 if there is no such command.
    pub(crate) min_sequence: Option<u64>,
    /// Period; a day if it is left out.
    #[param(inline)]
    pub(crate) period: Option<Period>,
    /// Adjustment for ex-rights; none if it is left out.
    #[param(inline)]
    pub(crate) adjust: Option<Adjustment>,
    /// First date.
    #[param(format = "date", pattern = "^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
    pub(crate) from: Option<String>,
    /// Last date.
    #[param(format = "date", pattern = "^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
    pub(crate) to: Option<String>,
    /// Most candles of the answer, the newest ones.
    #[param(minimum = 1, maximum = 1000, default = 240)]
    pub(crate) limit: Option<u32>,
}

/// A day.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DateQuery {
    /// Wait until this command is in the answer; 503 if that takes too long, 404 if there is no such command.
    pub(crate) min_sequence: Option<u64>,
    /// The date; the open one, or the last, if it is left out.
    #[param(format = "date", pattern = "^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
    pub(crate) date: Option<String>,
}

/// An indicator.
#[derive(Clone, Debug, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndicatorQuery {
    /// Wait until this command is in the answer; 503 if that takes too long, 404 if there is no such command.
    pub(crate) min_sequence: Option<u64>,
    /// Which.
    #[param(inline)]
    pub(crate) name: Indicator,
    /// Period; a day if it is left out.
    #[param(inline)]
    pub(crate) period: Option<Period>,
    /// Adjustment for ex-rights; none if it is left out.
    #[param(inline)]
    pub(crate) adjust: Option<Adjustment>,
    /// Parameters with commas between them; the usual ones if it is left out.
    #[param(max_length = 40, pattern = "^[0-9]{1,3}(,[0-9]{1,3}){0,5}$")]
    pub(crate) params: Option<String>,
    /// First date.
    #[param(format = "date", pattern = "^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
    pub(crate) from: Option<String>,
    /// Last date.
    #[param(format = "date", pattern = "^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
    pub(crate) to: Option<String>,
    /// Most values of a line, the newest ones.
    #[param(minimum = 1, maximum = 1000, default = 240)]
    pub(crate) limit: Option<u32>,
}

/// The server-sent events.
#[derive(Clone, Debug, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    /// Symbols with commas between them.
    #[param(max_length = 4000)]
    pub(crate) symbols: String,
    /// Of `depth`, `trades`, `snapshot`, `candle.1m` … `candle.1d`, with commas; depth and snapshot if left out.
    #[param(max_length = 200)]
    pub(crate) channels: Option<String>,
}

pub(crate) fn side_name(side: Option<Side>) -> Option<String> {
    side.map(|side| side.name().to_owned())
}

pub(crate) fn depth(picture: &Picture, levels: usize) -> Depth {
    let side = |side| {
        let shown = picture.side(side, levels).iter();
        shown.map(|level| (level.price.to_string(), level.quantity.0.to_string(), level.orders)).collect()
    };
    Depth { bids: side(Side::Buy), asks: side(Side::Sell) }
}

pub(crate) fn last(picture: &Picture) -> Option<LastShown> {
    picture.last.map(|print| LastShown {
        price: print.price.to_string(),
        quantity: print.quantity.0.to_string(),
        side: side_name(print.side),
        time: instant(print.time),
    })
}

pub(crate) fn trade(print: &Print) -> TradeShown {
    TradeShown {
        id: print.trade.0.to_string(),
        time: instant(print.time),
        price: print.price.to_string(),
        quantity: print.quantity.0.to_string(),
        side: side_name(print.side),
    }
}

pub(crate) fn stats(picture: &Picture) -> Stats {
    let day = (picture.day.trades > 0).then_some(picture.day);
    let listing = &picture.listing;
    Stats {
        open: day.map(|day| day.open.to_string()),
        high: day.map(|day| day.high.to_string()),
        low: day.map(|day| day.low.to_string()),
        prev_close: price_or_null(listing.prev_close),
        limit_up: price_or_null(listing.limit_up),
        limit_down: price_or_null(listing.limit_down),
        volume: Some(picture.day.volume.0.to_string()),
        turnover: Some(picture.day.turnover.to_string()),
        trades: Some(picture.day.trades),
        auction_price: picture.auction.map(|(price, _)| price.to_string()),
        auction_volume: Some(picture.auction.map_or(0, |(_, volume)| volume.0).to_string()),
        indicative_price: picture.indicative.map(|(price, _)| price.to_string()),
        indicative_volume: Some(picture.indicative.map_or(0, |(_, volume)| volume.0).to_string()),
        phase: Some(picture.phase.name().to_owned()),
        halted: Some(picture.halted),
        suspended: Some(listing.suspended),
    }
}

pub(crate) fn item(picture: &Picture, best: [Option<Price>; 2]) -> MarketItem {
    let listing = &picture.listing;
    let day = (picture.day.trades > 0).then_some(picture.day);
    let last = picture.last.map(|print| print.price);
    let against = last.filter(|_| listing.prev_close.0 > 0);
    let percent = |last: Price| {
        let change = i128::from(last.0 - listing.prev_close.0) * 10_000;
        let hundredths = heng_model::quantity::div_half_up(change, i128::from(listing.prev_close.0));
        let sign = if hundredths < 0 { "-" } else { "" };
        format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
    };
    let [bid, ask] = best.map(|price| price.map(|price| price.to_string()));
    MarketItem {
        symbol: listing.symbol.clone(),
        board: listing.board.name().to_owned(),
        class: listing.class.name().to_owned(),
        phase: picture.phase.name().to_owned(),
        halted: picture.halted,
        suspended: listing.suspended,
        last: last.map(|price| price.to_string()),
        prev_close: price_or_null(listing.prev_close),
        change: against.map(|last| Price(last.0 - listing.prev_close.0).to_string()),
        change_percent: against.map(percent),
        open: day.map(|day| day.open.to_string()),
        high: day.map(|day| day.high.to_string()),
        low: day.map(|day| day.low.to_string()),
        limit_up: price_or_null(listing.limit_up),
        limit_down: price_or_null(listing.limit_down),
        bid,
        ask,
        volume: picture.day.volume.0.to_string(),
        turnover: picture.day.turnover.to_string(),
        trades: picture.day.trades,
        time: instant(picture.time),
    }
}
