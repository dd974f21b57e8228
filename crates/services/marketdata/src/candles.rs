//! Candles of every period, made from stored minutes and days, with or without adjustment for ex-rights.

use std::collections::BTreeMap;

use heng_model::quantity::div_half_up;
use heng_model::{Board, Price, SECOND, TradeDate, UnixNanos};

use crate::bars::Bar;
use crate::session::Session;
use crate::store::{DayRow, MinuteRow};

/// Periods of candles.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize, utoipa::ToSchema,
)]
pub enum Period {
    /// One minute.
    #[serde(rename = "1m")]
    Minute1,
    /// Five minutes.
    #[serde(rename = "5m")]
    Minute5,
    /// Fifteen minutes.
    #[serde(rename = "15m")]
    Minute15,
    /// Thirty minutes.
    #[serde(rename = "30m")]
    Minute30,
    /// Sixty minutes.
    #[serde(rename = "60m")]
    Minute60,
    /// A trading day.
    #[serde(rename = "1d")]
    Day,
    /// A week, Monday to Sunday.
    #[serde(rename = "1w")]
    Week,
    /// A calendar month.
    #[serde(rename = "1M")]
    Month,
}

impl Period {
    /// Minutes of a bar inside a day; none for days and longer.
    #[must_use]
    pub const fn minutes(self) -> Option<u16> {
        match self {
            Self::Minute1 => Some(1),
            Self::Minute5 => Some(5),
            Self::Minute15 => Some(15),
            Self::Minute30 => Some(30),
            Self::Minute60 => Some(60),
            Self::Day | Self::Week | Self::Month => None,
        }
    }

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute1 => "1m",
            Self::Minute5 => "5m",
            Self::Minute15 => "15m",
            Self::Minute30 => "30m",
            Self::Minute60 => "60m",
            Self::Day => "1d",
            Self::Week => "1w",
            Self::Month => "1M",
        }
    }

    /// How many minutes or days one bar is made of at most.
    #[must_use]
    pub const fn parts(self) -> i64 {
        match self {
            Self::Minute1 | Self::Day => 1,
            Self::Minute5 | Self::Week => 5,
            Self::Minute15 => 15,
            Self::Minute30 => 30,
            Self::Minute60 => 60,
            Self::Month => 23,
        }
    }

    /// The first date that the candle of this date may hold.
    pub(crate) fn first_date(self, date: TradeDate) -> TradeDate {
        let back = match self {
            Self::Week => (date.days() + 3).rem_euclid(7),
            Self::Month => i64::from(date.number() % 100) - 1,
            _ => 0,
        };
        date.plus_days(-back).unwrap_or(date)
    }

    /// A number that days of the same candle share.
    fn of_date(self, date: TradeDate) -> i64 {
        match self {
            // 1970-01-01 was a Thursday; weeks begin on Monday.
            Self::Week => (date.days() + 3).div_euclid(7),
            Self::Month => i64::from(date.number() / 100),
            _ => date.days(),
        }
    }
}

/// How prices before and after an ex-right day are made comparable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Adjustment {
    /// As traded 不复权.
    #[default]
    None,
    /// Today's prices stay, older ones are scaled 前复权.
    Forward,
    /// The oldest prices stay, newer ones are scaled 后复权.
    Backward,
}

/// When a candle is: its last minute, or its last date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CandleTime {
    /// The (last) trade date.
    pub date: TradeDate,
    /// The minute after midnight that it ends at; 0 for days and longer.
    pub minute: u16,
}

impl CandleTime {
    /// As text: an instant, or a date.
    #[must_use]
    pub fn text(self) -> String {
        match self.minute {
            0 => self.date.to_string(),
            minute => crate::push::instant(UnixNanos::at(self.date, i64::from(minute) * 60 * SECOND)),
        }
    }
}

/// A candle.
pub type Candle = (CandleTime, Bar);

/// Candles inside days from minutes in order. What traded after hours belongs to no minute.
#[must_use]
pub(crate) fn of_minutes(rows: &[MinuteRow], board: Board, minutes: u16) -> Vec<Candle> {
    let session = Session::of(board);
    let mut candles: Vec<Candle> = Vec::new();
    for row in rows.iter().filter(|row| row.slot < session.after_hours()) {
        let minute = session.end_minute(session.last_slot(row.slot, minutes)) as u16;
        push(&mut candles, CandleTime { date: row.date, minute }, &row.minute.bar, |last, time| last == time);
    }
    candles
}

/// Candles of days, weeks or months from days in order.
#[must_use]
pub(crate) fn of_days(rows: &[DayRow], period: Period) -> Vec<Candle> {
    let mut candles: Vec<Candle> = Vec::new();
    for row in rows {
        let same = |last: CandleTime, time: CandleTime| period.of_date(last.date) == period.of_date(time.date);
        push(&mut candles, CandleTime { date: row.date, minute: 0 }, &row.bar, same);
    }
    candles
}

fn push(candles: &mut Vec<Candle>, time: CandleTime, bar: &Bar, same: impl Fn(CandleTime, CandleTime) -> bool) {
    match candles.last_mut().filter(|(last, _)| same(*last, time)) {
        Some((last, joined)) => {
            *last = time;
            joined.join(bar);
        }
        None => candles.push((time, *bar)),
    }
}

/// Fixed-point 1 of a factor.
const ONE: i128 = 1_000_000_000_000;

/// The factor of every ex-right day of an instrument: reference price over the close of the day before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// Ex-right day: (reference price, close before).
    steps: BTreeMap<TradeDate, (i64, i64)>,
}

impl Factors {
    /// From all days of an instrument, in order. A reference price that is just the closing price of the day before,
    /// or lies where that may lie, is no ex-right.
    #[must_use]
    pub(crate) fn of(days: &[DayRow]) -> Self {
        let ex_right = |pair: &[DayRow]| {
            let (before, day) = (&pair[0], &pair[1]);
            let usual = (before.tail.0..=before.tail.1).contains(&day.prev_close);
            let known = day.prev_close.0 > 0 && before.bar.close.0 > 0;
            (known && !usual).then_some((day.date, (day.prev_close.0, before.bar.close.0)))
        };
        Self { steps: days.windows(2).filter_map(ex_right).collect() }
    }

    /// Scales the prices of candles in order.
    pub(crate) fn adjust(&self, candles: &mut [Candle], adjustment: Adjustment) {
        match adjustment {
            Adjustment::None => {}
            Adjustment::Forward => {
                let mut steps = self.steps.iter().rev().peekable();
                let mut factor = ONE;
                for (time, bar) in candles.iter_mut().rev() {
                    while let Some((_, (reference, close))) = steps.next_if(|(date, _)| **date > time.date) {
                        factor = factor * i128::from(*reference) / i128::from(*close);
                    }
                    scale(bar, factor);
                }
            }
            Adjustment::Backward => {
                let mut steps = self.steps.iter().peekable();
                let mut factor = ONE;
                for (time, bar) in candles.iter_mut() {
                    while let Some((_, (reference, close))) = steps.next_if(|(date, _)| **date <= time.date) {
                        factor = factor * i128::from(*close) / i128::from(*reference);
                    }
                    scale(bar, factor);
                }
            }
        }
    }

    /// The ex-right days with their factors at 1e-8, oldest first.
    pub fn list(&self) -> impl Iterator<Item = (TradeDate, heng_model::Rate)> {
        self.steps.iter().map(|(date, (reference, close))| {
            let rate = div_half_up(i128::from(*reference) * 100_000_000, i128::from(*close));
            (*date, heng_model::Rate(i64::try_from(rate).unwrap_or(i64::MAX)))
        })
    }
}

fn scale(bar: &mut Bar, factor: i128) {
    for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
        let scaled = div_half_up(i128::from(price.0).saturating_mul(factor), ONE);
        *price = Price(i64::try_from(scaled).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use heng_model::{InstrumentId, Money, Qty};

    use super::*;

    fn date(text: &str) -> TradeDate {
        text.parse().unwrap()
    }

    fn day(text: &str, prev_close: i64, close: i64) -> DayRow {
        let price = Price(close);
        let bar =
            Bar { open: price, high: price, low: price, close: price, volume: Qty(1), turnover: Money(1), trades: 1 };
        DayRow {
            instrument: InstrumentId(1),
            date: date(text),
            prev_close: Price(prev_close),
            bar,
            tail: (price, price),
        }
    }

    fn closes(days: &[DayRow], period: Period, adjustment: Adjustment) -> Vec<(String, i64)> {
        let mut candles = of_days(days, period);
        Factors::of(days).adjust(&mut candles, adjustment);
        candles.iter().map(|(time, bar)| (time.text(), bar.close.0)).collect()
    }

    #[test]
    fn ex_rights_scale_one_side() {
        // 10 bonus shares for 10: the reference price is half of the close.
        let days = [
            day("2026-07-03", 190_000, 200_000),
            day("2026-07-06", 100_000, 110_000),
            day("2026-07-07", 110_000, 99_000),
        ];
        let texts = ["2026-07-03", "2026-07-06", "2026-07-07"].map(str::to_owned);
        let expected = |prices: [i64; 3]| texts.iter().cloned().zip(prices).collect::<Vec<_>>();
        assert_eq!(closes(&days, Period::Day, Adjustment::None), expected([200_000, 110_000, 99_000]));
        assert_eq!(closes(&days, Period::Day, Adjustment::Forward), expected([100_000, 110_000, 99_000]));
        assert_eq!(closes(&days, Period::Day, Adjustment::Backward), expected([200_000, 220_000, 198_000]));
    }

    #[test]
    fn an_average_close_is_no_ex_right() {
        let mut before = day("2026-07-03", 190_000, 200_000);
        before.tail = (Price(199_000), Price(200_500));
        let days = [before, day("2026-07-06", 199_400, 201_000)];
        assert_eq!(Factors::of(&days), Factors::default());
        let days = [before, day("2026-07-06", 198_900, 201_000)];
        assert_eq!(Factors::of(&days).list().count(), 1);
    }

    #[test]
    fn weeks_and_months_end_with_their_last_trading_day() {
        let days: Vec<DayRow> = ["2026-06-29", "2026-06-30", "2026-07-01", "2026-07-03", "2026-07-06"]
            .iter()
            .zip(1..)
            .map(|(text, close)| day(text, close - 1, close))
            .collect();
        let dates =
            |period| closes(&days, period, Adjustment::None).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(dates(Period::Week), ["2026-07-03", "2026-07-06"]);
        assert_eq!(dates(Period::Month), ["2026-06-30", "2026-07-06"]);
    }
}
