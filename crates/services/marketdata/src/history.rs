//! Questions about the past, answered from the tables: candles, the intraday line, fund flow, indicators, trades.

use heng_model::{Money, Price, Qty, SECOND, TradeDate, UnixNanos};
use heng_store::{Connection, StoreError};

use crate::candles::{Adjustment, Candle, Factors, Period, of_days, of_minutes};
use crate::flow::{Flow, FlowThresholds, InOut};
use crate::indicators::{Indicator, Row};
use crate::market::Listing;
use crate::past::{Past, PastOf};
use crate::push::{instant, price_or_null};
use crate::session::Session;
use crate::shapes::{CandleShown, FlowPoint, FlowShown, FundFlow, IndicatorShown, Intraday, IntradayPoint, LineShown};
use crate::store::{self, DayRow, MinuteRow, Span};

/// Days that factors are computed from at most: forty years of trading.
const DAYS_MAX: i64 = 10_000;
/// Minutes that one answer is made of at most.
const MINUTES_MAX: i64 = 60_000;

/// Which candles are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) period: Period,
    pub(crate) adjust: Adjustment,
    pub(crate) span: Span,
    pub(crate) limit: usize,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) candles: Vec<Candle>,
    pub(crate) factors: Factors,
    /// Up to this date the candles do not come from the record.
    pub(crate) generated_until: Option<TradeDate>,
}

/// Candles, oldest first, the newest `limit` of the span; and the factors of all ex-right days.
pub(crate) async fn candles(
    connection: &mut Connection,
    (listing, past): (&Listing, Option<&dyn Past>),
    wanted: Wanted,
) -> Result<Found, StoreError> {
    let all = (TradeDate::NONE, TradeDate::from_number(21_991_231).unwrap_or_default());
    let past = past.map(|past| PastOf::new(past, listing.id));
    let mut days = store::days(connection, listing.id, all, DAYS_MAX).await?;
    days.extend(past.iter().flat_map(|past| past.days().collect::<Vec<_>>().into_iter().rev()));
    days.reverse();
    let factors = Factors::of(&days);
    let mut candles = match wanted.period.minutes() {
        Some(minutes) => {
            // One more bar than wanted, because the oldest may be cut.
            let rows = ((wanted.limit as i64 + 1) * wanted.period.parts()).min(MINUTES_MAX);
            let least = rows as usize;
            let mut rows = store::minutes(connection, listing.id, wanted.span, rows).await?;
            let missing = least.saturating_sub(rows.len());
            rows.extend(past.iter().flat_map(|past| past.minutes(wanted.span, missing)));
            rows.reverse();
            of_minutes(&rows, listing.board, minutes)
        }
        None => {
            let inside = |day: &&DayRow| (wanted.span.0..=wanted.span.1).contains(&day.date);
            let days: Vec<DayRow> = days.iter().filter(inside).copied().collect();
            of_days(&days, wanted.period)
        }
    };
    candles.drain(..candles.len().saturating_sub(wanted.limit));
    factors.adjust(&mut candles, wanted.adjust);
    // A week or month that the record begins in is made of both; its first day decides.
    let last = past.and_then(|past| past.last());
    let first = candles.first().map(|(time, _)| wanted.period.first_date(time.date));
    let generated_until = last.filter(|last| first.is_some_and(|first| first <= *last));
    Ok(Found { candles, factors, generated_until })
}

pub(crate) fn candle_shown((time, bar): &Candle) -> CandleShown {
    CandleShown {
        time: time.text(),
        open: bar.open.to_string(),
        high: bar.high.to_string(),
        low: bar.low.to_string(),
        close: bar.close.to_string(),
        volume: bar.volume.0.to_string(),
        turnover: bar.turnover.to_string(),
        trades: bar.trades,
    }
}

/// One day of an instrument.
pub(crate) struct OneDay {
    /// Its minutes, oldest first.
    pub(crate) rows: Vec<MinuteRow>,
    /// Its reference price, if something traded.
    pub(crate) prev_close: Option<Price>,
    /// Whether it is from before the record.
    pub(crate) generated: bool,
}

/// One day.
pub(crate) async fn one_day(
    connection: &mut Connection,
    (listing, past): (&Listing, Option<&dyn Past>),
    date: TradeDate,
) -> Result<OneDay, StoreError> {
    let past = past.map(|past| PastOf::new(past, listing.id));
    if let Some(day) = past.as_ref().and_then(|past| past.days().find(|day| day.date == date)) {
        let mut rows = past.map(|past| past.minutes((date, date), 1)).unwrap_or_default();
        rows.reverse();
        return Ok(OneDay { rows, prev_close: Some(day.prev_close), generated: true });
    }
    let mut rows = store::minutes(connection, listing.id, (date, date), 1_000).await?;
    rows.reverse();
    let day = store::days(connection, listing.id, (date, date), 1).await?.pop();
    Ok(OneDay { rows, prev_close: day.map(|day| day.prev_close), generated: false })
}

fn minute_name(session: Session, date: TradeDate, slot: u16) -> String {
    instant(UnixNanos::at(date, session.end_minute(slot) * 60 * SECOND))
}

fn average(turnover: Money, volume: Qty) -> String {
    let average =
        if volume.0 > 0 { heng_model::quantity::div_half_up(i128::from(turnover.0), i128::from(volume.0)) } else { 0 };
    Price(i64::try_from(average).unwrap_or(0)).to_string()
}

/// The intraday line: a point for every minute from the first trade to the last, those without trades included.
pub(crate) fn intraday(listing: &Listing, date: TradeDate, day: &OneDay) -> Intraday {
    let OneDay { rows, prev_close, generated } = day;
    let session = Session::of(listing.board);
    let (mut volume, mut turnover) = (0i64, 0i64);
    let mut items: Vec<IntradayPoint> = Vec::with_capacity(rows.len());
    let mut price = None;
    let mut after_hours = 0;
    let mut next = 0;
    for row in rows {
        let bar = &row.minute.bar;
        if row.slot >= session.after_hours() {
            after_hours += bar.volume.0;
            continue;
        }
        if let Some(price) = price {
            let quiet = |slot| IntradayPoint {
                time: minute_name(session, date, slot),
                price: Price::to_string(&price),
                average: average(Money(turnover), Qty(volume)),
                volume: "0".into(),
                turnover: Money(0).to_string(),
            };
            items.extend((next..row.slot).map(quiet));
        }
        volume = volume.saturating_add(bar.volume.0);
        turnover = turnover.saturating_add(bar.turnover.0);
        items.push(IntradayPoint {
            time: minute_name(session, date, row.slot),
            price: bar.close.to_string(),
            average: average(Money(turnover), Qty(volume)),
            volume: bar.volume.0.to_string(),
            turnover: bar.turnover.to_string(),
        });
        (price, next) = (Some(bar.close), row.slot + 1);
    }
    Intraday {
        as_of_sequence: 0,
        symbol: listing.symbol.clone(),
        date: (date != TradeDate::NONE).then(|| date.to_string()),
        prev_close: prev_close.or(Some(listing.prev_close)).and_then(price_or_null),
        generated: *generated,
        minutes: session.minutes(),
        items,
        after_hours_volume: after_hours.to_string(),
    }
}

fn flow_shown(flow: InOut) -> FlowShown {
    FlowShown { bought: flow.bought.to_string(), sold: flow.sold.to_string(), net: flow.net().to_string() }
}

/// Fund flow of a day.
pub(crate) fn fund_flow(
    listing: &Listing,
    date: TradeDate,
    OneDay { rows, generated, .. }: &OneDay,
    thresholds: &FlowThresholds,
) -> FundFlow {
    let session = Session::of(listing.board);
    let mut sum = Flow::default();
    let mut items = Vec::with_capacity(rows.len());
    for row in rows.iter().filter(|row| row.slot < session.after_hours()) {
        let flow = &row.minute.flow;
        sum.join(flow);
        items.push(FlowPoint {
            time: minute_name(session, date, row.slot),
            large_net: flow.large.net().to_string(),
            medium_net: flow.medium.net().to_string(),
            small_net: flow.small.net().to_string(),
        });
    }
    let main = sum.large.net().0.saturating_add(sum.medium.net().0);
    FundFlow {
        as_of_sequence: 0,
        symbol: listing.symbol.clone(),
        date: (date != TradeDate::NONE).then(|| date.to_string()),
        large: flow_shown(sum.large),
        medium: flow_shown(sum.medium),
        small: flow_shown(sum.small),
        main_net: Money(main).to_string(),
        medium_from: thresholds.medium.to_string(),
        large_from: thresholds.large.to_string(),
        source: thresholds.source.to_owned(),
        generated: *generated,
        items,
    }
}

/// An amount at 1/10,000 as a statistic.
fn statistic(value: i64) -> f64 {
    value as f64 / 10_000.0
}

/// Lines of an indicator over candles of which the last `limit` are shown.
pub(crate) fn indicator(
    (indicator, parameters): (Indicator, &[u32]),
    wanted: Wanted,
    symbol: &str,
    candles: &[Candle],
) -> IndicatorShown {
    let row = |(time, bar): &Candle| Row {
        high: statistic(bar.high.0),
        low: statistic(bar.low.0),
        close: statistic(bar.close.0),
        volume: bar.volume.0 as f64,
        turnover: statistic(bar.turnover.0),
        day: time.date.number(),
    };
    let rows: Vec<Row> = candles.iter().map(row).collect();
    let from = candles.len().saturating_sub(wanted.limit);
    let shown = |(name, values): (String, Vec<Option<f64>>)| LineShown { name, values: values[from..].to_vec() };
    IndicatorShown {
        as_of_sequence: 0,
        symbol: symbol.to_owned(),
        name: indicator,
        period: wanted.period,
        adjust: wanted.adjust,
        params: parameters.to_vec(),
        generated_until: None,
        times: candles[from..].iter().map(|(time, _)| time.text()).collect(),
        lines: indicator.compute(&rows, parameters).into_iter().map(shown).collect(),
    }
}
