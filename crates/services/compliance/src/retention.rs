//! How long the law asks for things to be kept, as dated data.

use heng_model::{TradeDate, UnixNanos};
use serde::Deserialize;

use crate::error::{ComplianceError, Result};

const TABLE: &str = include_str!("../retention.toml");

/// What a leaf of the evidence log belongs to.
pub(crate) const ORDERS: &str = "orders";

/// A class of records for a span of days.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) english: String,
    pub(crate) chinese: String,
    pub(crate) years: u32,
    from: toml::value::Datetime,
    to: Option<toml::value::Datetime>,
    pub(crate) source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    class: Vec<Class>,
}

fn day(told: &toml::value::Datetime) -> TradeDate {
    let date = told.date.and_then(|date| TradeDate::new(date.year.into(), date.month.into(), date.day.into()));
    date.expect("the table of this program holds dates")
}

impl Class {
    fn covers(&self, date: TradeDate) -> bool {
        day(&self.from) <= date && self.to.as_ref().is_none_or(|to| date <= day(to))
    }

    /// First and last day for which it holds.
    pub(crate) fn span(&self) -> (TradeDate, Option<TradeDate>) {
        (day(&self.from), self.to.as_ref().map(day))
    }
}

/// All classes.
pub(crate) fn classes() -> Vec<Class> {
    let table: Table = toml::from_str(TABLE).expect("the table of this program can be read");
    table.class
}

/// Whether what was made in the year `period` must still be kept at `now`, and until the end of which year.
///
/// # Errors
/// If no entry covers that year: then nothing is assumed, and it is kept.
pub(crate) fn kept_until(class: &str, period: u32, now: UnixNanos) -> Result<Option<u32>> {
    let unknown = || ComplianceError::Kept(format!("no rule tells how long {class} of {period} are kept"));
    // What was made on the last day of the year is kept longest.
    let last = TradeDate::new(period, 12, 31).ok_or_else(unknown)?;
    let rule = classes().into_iter().find(|entry| entry.name == class && entry.covers(last)).ok_or_else(unknown)?;
    let this_year = now.date().ok_or_else(unknown)?.number() / 10_000;
    let until = period + rule.years;
    Ok((this_year <= until).then_some(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(class: &str, period: u32, today: (u32, u32, u32), expected: Option<u32>) {
        let now = UnixNanos::at(TradeDate::new(today.0, today.1, today.2).unwrap(), 0);
        assert_eq!(kept_until(class, period, now).unwrap(), expected, "{class} {period} {today:?}");
    }

    #[test]
    fn years_are_counted_from_the_end_of_the_year() {
        check("orders", 2026, (2026, 11, 23), Some(2046));
        check("orders", 2026, (2046, 12, 31), Some(2046));
        check("orders", 2026, (2047, 1, 1), None);
        check("aml", 2024, (2030, 1, 1), None);
        check("aml", 2025, (2030, 1, 1), Some(2035));
        assert!(kept_until("orders", 2019, UnixNanos(0)).is_err(), "no entry covers it");
        assert!(kept_until("other", 2026, UnixNanos(0)).is_err());
    }

    #[test]
    fn every_class_tells_its_source_in_both_languages() {
        for class in classes() {
            assert!(
                class.years >= 5 && !class.source.is_empty() && !class.english.is_empty() && !class.chinese.is_empty()
            );
        }
    }
}
