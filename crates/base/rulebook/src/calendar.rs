//! Trading calendars: which days trade, which are half days, and dates counted in trading days.

use std::str::FromStr;

use heng_model::{Exchange, TradeDate};

use crate::document::Entry;
use crate::error::NoRule;
use crate::rulebook::Rulebook;
use crate::series::Series;

/// Exchanges that share a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Market {
    /// Shanghai, Shenzhen and Beijing.
    Mainland,
    /// Hong Kong.
    HongKong,
}

impl Market {
    pub(crate) const fn of(exchange: Exchange) -> Self {
        match exchange {
            Exchange::Sse | Exchange::Szse | Exchange::Bse => Self::Mainland,
            Exchange::Hk => Self::HongKong,
        }
    }
}

impl FromStr for Market {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "mainland" => Ok(Self::Mainland),
            "hong-kong" => Ok(Self::HongKong),
            _ => Err("none of: mainland, hong-kong"),
        }
    }
}

/// What kind of day it is at an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayKind {
    /// No trading.
    Closed,
    /// A whole trading day.
    Full,
    /// A trading day without an afternoon (eves of Christmas, New Year and Lunar New Year in Hong Kong).
    Half,
}

/// The known days of one market. Days outside its range are unknown, not closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Days since 1970-01-01 of the first entry of `kinds`.
    first: i64,
    kinds: Vec<DayKind>,
}

/// Exceptions of one year: weekdays without trading, and half days, as (month, day).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YearExceptions {
    closed: Vec<MonthDay>,
    half: Vec<MonthDay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MonthDay(u32, u32);

impl FromStr for MonthDay {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a day of the form MM-DD";
        let (month, day) = text.split_once('-').ok_or(WRONG)?;
        let number = |part: &str| -> Result<u32, Self::Err> {
            let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            if plain { part.parse().map_err(|_| WRONG) } else { Err(WRONG) }
        };
        let (month, day) = (number(month)?, number(day)?);
        // 2000 was a leap year, so every day that some year has is a day of it.
        TradeDate::new(2000, month, day).ok_or(WRONG)?;
        Ok(Self(month, day))
    }
}

/// Reads `[[calendar]]`: one entry for at most one calendar year.
pub(crate) fn read(
    entry: &mut Entry<'_, '_>,
    from: TradeDate,
    to: Option<TradeDate>,
) -> Option<(Vec<Market>, YearExceptions)> {
    let markets = entry.full_list::<Market>("markets");
    let (closed, half) = (entry.list::<MonthDay>("closed"), entry.list::<MonthDay>("half"));
    let last = to.and_then(|to| to.plus_days(-1));
    let Some(last) = last.filter(|last| last.number() / 10_000 == from.number() / 10_000) else {
        entry.problem("a calendar entry needs \"to\", at most the first day of the next year");
        return None;
    };
    let (closed, half) = (closed?, half?);
    for MonthDay(month, day) in closed.iter().chain(&half) {
        let date = TradeDate::new(from.number() / 10_000, *month, *day);
        if date.is_none_or(|date| date < from || date > last || date.weekday() > 5) {
            entry.problem(format!("{month:02}-{day:02} is no weekday from {from} to {last}"));
            return None;
        }
    }
    Some((markets?, YearExceptions { closed, half }))
}

impl Calendar {
    /// Unfolds the years of one market, which must follow each other without a gap.
    pub(crate) fn of(years: &Series<Market, YearExceptions>, market: Market) -> Self {
        let mut calendar = Self::default();
        for (_, from, to, exceptions) in years.iter().filter(|(of, ..)| *of == market) {
            let end = to.unwrap_or(from).days();
            if calendar.kinds.is_empty() {
                calendar.first = from.days();
            }
            for days in from.days()..end {
                calendar.kinds.push(exceptions.kind(days));
            }
        }
        calendar
    }

    /// What kind of day it is; `None` outside the known range.
    #[must_use]
    #[inline]
    pub fn kind(&self, date: TradeDate) -> Option<DayKind> {
        let index = usize::try_from(date.days() - self.first).ok()?;
        self.kinds.get(index).copied()
    }

    /// First and last known day; `None` if nothing is known.
    #[must_use]
    pub fn range(&self) -> Option<(TradeDate, TradeDate)> {
        let last = self.first + i64::try_from(self.kinds.len()).ok()? - 1;
        TradeDate::from_days(self.first).zip(TradeDate::from_days(last).filter(|_| !self.kinds.is_empty()))
    }

    fn trades(&self, date: TradeDate) -> Option<bool> {
        self.kind(date).map(|kind| kind != DayKind::Closed)
    }

    /// The `count`-th trading day after `date`; `date` itself if `count` is 0. `None` if it is not known.
    #[must_use]
    pub fn plus_trading_days(&self, date: TradeDate, count: u32) -> Option<TradeDate> {
        self.walk(date, count, 1)
    }

    /// The `count`-th trading day before `date`; `date` itself if `count` is 0. `None` if it is not known.
    #[must_use]
    pub fn minus_trading_days(&self, date: TradeDate, count: u32) -> Option<TradeDate> {
        self.walk(date, count, -1)
    }

    fn walk(&self, date: TradeDate, count: u32, step: i64) -> Option<TradeDate> {
        let (mut date, mut left) = (date, count);
        // Each turn moves one day inside the known range, so the loop ends.
        while left > 0 {
            date = date.plus_days(step)?;
            left -= u32::from(self.trades(date)?);
        }
        Some(date)
    }

    /// `date` if it trades, else the next day that does.
    #[must_use]
    pub fn on_or_after(&self, date: TradeDate) -> Option<TradeDate> {
        if self.trades(date)? { Some(date) } else { self.walk(date, 1, 1) }
    }
}

impl YearExceptions {
    fn kind(&self, days: i64) -> DayKind {
        let date = TradeDate::from_days(days).expect("the days of an entry are real dates");
        let day = MonthDay(date.number() / 100 % 100, date.number() % 100);
        if date.weekday() > 5 || self.closed.contains(&day) {
            DayKind::Closed
        } else if self.half.contains(&day) {
            DayKind::Half
        } else {
            DayKind::Full
        }
    }
}

impl Rulebook {
    /// The calendar of an exchange; `None` if the files have none.
    #[must_use]
    pub fn calendar(&self, exchange: Exchange) -> Option<&Calendar> {
        let calendar = match Market::of(exchange) {
            Market::Mainland => &self.mainland,
            Market::HongKong => &self.hong_kong,
        };
        (!calendar.kinds.is_empty()).then_some(calendar)
    }

    fn unknown(&self, exchange: Exchange, date: TradeDate) -> NoRule {
        let first = self.calendar(exchange).and_then(Calendar::range).map(|(first, _)| first);
        NoRule::exchange("calendar", exchange, date).known_from(first)
    }

    /// What kind of day it is.
    ///
    /// # Errors
    /// If the calendar does not reach the date.
    pub fn day_kind(&self, exchange: Exchange, date: TradeDate) -> Result<DayKind, NoRule> {
        self.calendar(exchange).and_then(|c| c.kind(date)).ok_or_else(|| self.unknown(exchange, date))
    }

    /// Whether the exchange trades on the date.
    ///
    /// # Errors
    /// If the calendar does not reach the date.
    pub fn is_trading_day(&self, exchange: Exchange, date: TradeDate) -> Result<bool, NoRule> {
        self.day_kind(exchange, date).map(|kind| kind != DayKind::Closed)
    }

    /// Whether the exchange trades in the morning only.
    ///
    /// # Errors
    /// If the calendar does not reach the date.
    pub fn is_half_day(&self, exchange: Exchange, date: TradeDate) -> Result<bool, NoRule> {
        self.day_kind(exchange, date).map(|kind| kind == DayKind::Half)
    }

    /// The first trading day after the date.
    ///
    /// # Errors
    /// If the calendar does not reach it.
    pub fn next_trading_day(&self, exchange: Exchange, date: TradeDate) -> Result<TradeDate, NoRule> {
        self.settlement_date(exchange, date, 1)
    }

    /// The last trading day before the date.
    ///
    /// # Errors
    /// If the calendar does not reach it.
    pub fn previous_trading_day(&self, exchange: Exchange, date: TradeDate) -> Result<TradeDate, NoRule> {
        let found = self.calendar(exchange).and_then(|c| c.minus_trading_days(date, 1));
        found.ok_or_else(|| self.unknown(exchange, date))
    }

    /// The settlement date of a trade: `days` trading days after it (T+n).
    ///
    /// # Errors
    /// If the calendar does not reach it.
    pub fn settlement_date(&self, exchange: Exchange, trade: TradeDate, days: u32) -> Result<TradeDate, NoRule> {
        let found = self.calendar(exchange).and_then(|c| c.plus_trading_days(trade, days));
        found.ok_or_else(|| self.unknown(exchange, trade))
    }

    /// Whether southbound trading (Stock Connect, 港股通) is open: both sides trade.
    ///
    /// # Errors
    /// If a calendar does not reach the date.
    pub fn is_southbound_day(&self, date: TradeDate) -> Result<bool, NoRule> {
        Ok(self.is_trading_day(Exchange::Sse, date)? && self.is_trading_day(Exchange::Hk, date)?)
    }
}
