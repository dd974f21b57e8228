//! Reads TOML into entries, field by field, and keeps on after a problem so that all are told at once.

use std::ops::Range;
use std::str::FromStr;

use heng_model::{Board, InstrumentClass, Money, Price, Qty, Rate, SECOND, TradeDate};
use toml::de::{DeTable, DeValue};

use crate::error::RuleError;

/// Largest rule file, in bytes.
pub(crate) const FILE_MAX: usize = 4 << 20;
/// Most entries in all files together.
pub(crate) const ENTRIES_MAX: usize = 20_000;
/// Most problems told at once.
pub(crate) const PROBLEMS_MAX: usize = 200;
/// Longest list in an entry.
const LIST_MAX: usize = 512;
/// Longest text of a field, in bytes.
const TEXT_MAX: usize = 2_000;
/// Largest amount, price (in units) and quantity: far above any market, far below overflow.
const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// What every entry says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) index: u32,
    pub(crate) id: String,
    pub(crate) family: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) from: TradeDate,
    pub(crate) to: Option<TradeDate>,
    pub(crate) source: String,
    pub(crate) unverified: Option<String>,
}

/// Offsets of the line starts of a text.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    pub(crate) fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }
}

/// Where problems of one file go.
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    pub(crate) lines: &'a Lines,
    pub(crate) problems: &'a mut Vec<RuleError>,
}

impl Place<'_> {
    pub(crate) fn problem(&mut self, span: &Range<usize>, reason: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(RuleError::new(self.file, self.lines.line(span.start), reason));
        }
    }
}

/// One table of a rule file, read field by field. What was not asked for is an unknown field.
pub(crate) struct Entry<'a, 'p> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    place: Place<'p>,
    used: Vec<&'static str>,
}

impl<'a, 'p> Entry<'a, 'p> {
    pub(crate) fn new(table: &'a DeTable<'a>, span: Range<usize>, place: Place<'p>) -> Self {
        Self { table, span, place, used: Vec::new() }
    }

    /// A problem with the entry as a whole.
    pub(crate) fn problem(&mut self, reason: impl Into<String>) {
        let span = self.span.clone();
        self.place.problem(&span, reason);
    }

    fn get(&mut self, name: &'static str) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        self.used.push(name);
        let value = self.table.get(name)?;
        Some((value.get_ref(), value.span()))
    }

    fn missing(&mut self, name: &str) {
        self.problem(format!("the field \"{name}\" is missing"));
    }

    /// Whether the field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Text that may be absent. `Err` if it is there and is no text.
    fn text_if_any(&mut self, name: &'static str) -> Result<Option<(&'a str, Range<usize>)>, ()> {
        let Some((value, span)) = self.get(name) else {
            return Ok(None);
        };
        match value.as_str() {
            Some(text) if text.len() <= TEXT_MAX => Ok(Some((text, span))),
            Some(_) => {
                self.place.problem(&span, format!("\"{name}\" is longer than {TEXT_MAX} bytes"));
                Err(())
            }
            None => {
                let kind = value.type_str();
                self.place.problem(&span, format!("\"{name}\" must be text in quotes, found {kind}"));
                Err(())
            }
        }
    }

    /// Text that may be absent.
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Option<&'a str> {
        self.text_if_any(name).ok().flatten().map(|(text, _)| text)
    }

    /// Text that must be there and not be empty.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        match self.text_if_any(name) {
            Ok(Some((text, span))) => {
                if text.trim().is_empty() {
                    self.place.problem(&span, format!("\"{name}\" is empty"));
                    return None;
                }
                Some(text)
            }
            Ok(None) => {
                self.missing(name);
                None
            }
            Err(()) => None,
        }
    }

    /// A value in text form that may be absent: `Some(None)` if absent, `None` if wrong.
    #[allow(clippy::option_option, reason = "absent and wrong are different answers")]
    pub(crate) fn optional<T: FromStr>(&mut self, name: &'static str) -> Option<Option<T>>
    where
        T::Err: std::fmt::Display,
    {
        let Some((text, span)) = self.text_if_any(name).ok()? else {
            return Some(None);
        };
        match text.parse() {
            Ok(value) => Some(Some(value)),
            Err(why) => {
                self.place.problem(&span, format!("\"{name}\": {text:?} is {why}"));
                None
            }
        }
    }

    /// A value in text form that must be there.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &'static str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        if !self.has(name) {
            self.used.push(name);
            self.missing(name);
            return None;
        }
        self.optional(name)?
    }

    fn bounded<T>(&mut self, name: &str, value: T, raw: i64, least: i64, most: i64) -> Option<T> {
        if (least..=most).contains(&raw) {
            return Some(value);
        }
        self.problem(format!("\"{name}\" is outside the range this program allows"));
        None
    }

    /// A price above zero.
    pub(crate) fn price(&mut self, name: &'static str) -> Option<Price> {
        let value: Price = self.parsed(name)?;
        self.bounded(name, value, value.0, 1, AMOUNT_MAX)
    }

    /// A rate from 0 to 100.
    pub(crate) fn rate(&mut self, name: &'static str) -> Option<Rate> {
        let value: Rate = self.parsed(name)?;
        self.bounded(name, value, value.0, 0, 10_000_000_000)
    }

    /// An amount of zero or more.
    pub(crate) fn money(&mut self, name: &'static str) -> Option<Money> {
        let value: Money = self.parsed(name)?;
        self.bounded(name, value, value.0, 0, AMOUNT_MAX * 1_000)
    }

    /// An amount of zero or more, zero if absent.
    pub(crate) fn money_or_zero(&mut self, name: &'static str) -> Option<Money> {
        if self.has(name) { self.money(name) } else { Some(Money::ZERO) }
    }

    /// A quantity, written as a whole number.
    pub(crate) fn qty(&mut self, name: &'static str) -> Option<Qty> {
        self.integer(name, 0, AMOUNT_MAX).map(Qty)
    }

    /// A whole number of `least` to `most`.
    pub(crate) fn integer(&mut self, name: &'static str, least: i64, most: i64) -> Option<i64> {
        let Some((value, span)) = self.get(name) else {
            self.missing(name);
            return None;
        };
        let number = value.as_integer().and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        match number {
            Some(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.place.problem(&span, format!("\"{name}\" must be a whole number from {least} to {most}"));
                None
            }
        }
    }

    /// True or false; false if absent.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let Some((value, span)) = self.get(name) else {
            return Some(false);
        };
        let flag = value.as_bool();
        if flag.is_none() {
            self.place.problem(&span, format!("\"{name}\" must be true or false"));
        }
        flag
    }

    /// A time of day `HH:MM` or `HH:MM:SS`, in nanoseconds after midnight.
    pub(crate) fn time(&mut self, name: &'static str) -> Option<i64> {
        self.parsed::<TimeOfDay>(name).map(|time| time.0)
    }

    /// A time of day that may be absent.
    #[allow(clippy::option_option, reason = "absent and wrong are different answers")]
    pub(crate) fn optional_time(&mut self, name: &'static str) -> Option<Option<i64>> {
        self.optional::<TimeOfDay>(name).map(|time| time.map(|time| time.0))
    }

    /// A list of values in text form; empty if absent.
    pub(crate) fn list<T: FromStr>(&mut self, name: &'static str) -> Option<Vec<T>>
    where
        T::Err: std::fmt::Display,
    {
        let Some((value, span)) = self.get(name) else {
            return Some(Vec::new());
        };
        let Some(array) = value.as_array() else {
            self.place.problem(&span, format!("\"{name}\" must be a list"));
            return None;
        };
        if array.len() > LIST_MAX {
            self.place.problem(&span, format!("\"{name}\" has more than {LIST_MAX} items"));
            return None;
        }
        let mut items = Vec::with_capacity(array.len());
        for item in array.iter() {
            let text = item.get_ref().as_str();
            match text.map(str::parse) {
                Some(Ok(value)) => items.push(value),
                Some(Err(why)) => {
                    let shown = text.unwrap_or_default();
                    self.place.problem(&item.span(), format!("\"{name}\": {shown:?} is {why}"));
                }
                None => self.place.problem(&item.span(), format!("\"{name}\" must hold texts in quotes")),
            }
        }
        (items.len() == array.len()).then_some(items)
    }

    /// A list that must not be empty.
    pub(crate) fn full_list<T: FromStr>(&mut self, name: &'static str) -> Option<Vec<T>>
    where
        T::Err: std::fmt::Display,
    {
        let items = self.list(name)?;
        if items.is_empty() {
            self.problem(format!("the field \"{name}\" is missing or empty"));
            return None;
        }
        Some(items)
    }

    /// A list of inline tables, each read by `read`.
    pub(crate) fn tables<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Entry<'_, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some((value, span)) = self.get(name) else {
            self.missing(name);
            return None;
        };
        let array = value.as_array().filter(|array| array.len() <= LIST_MAX);
        let Some(array) = array else {
            self.place.problem(&span, format!("\"{name}\" must be a list of at most {LIST_MAX} tables"));
            return None;
        };
        let mut items = Vec::with_capacity(array.len());
        for item in array.iter() {
            let Some(table) = item.get_ref().as_table() else {
                self.place.problem(&item.span(), format!("\"{name}\" must hold tables"));
                continue;
            };
            let place = Place { file: self.place.file, lines: self.place.lines, problems: &mut *self.place.problems };
            let mut inner = Entry::new(table, item.span(), place);
            items.extend(read(&mut inner));
            inner.refuse_unknown();
        }
        (items.len() == array.len()).then_some(items)
    }

    /// Every pair of the entry's `boards` and `classes`.
    pub(crate) fn scopes(&mut self) -> Option<Vec<(Board, InstrumentClass)>> {
        let (boards, classes) = (self.full_list::<Board>("boards"), self.full_list::<InstrumentClass>("classes"));
        let classes = classes?;
        Some(boards?.into_iter().flat_map(|board| classes.iter().map(move |class| (board, *class))).collect())
    }

    /// Tells every field that nobody asked for.
    pub(crate) fn refuse_unknown(&mut self) {
        for (name, _) in self.table {
            if !self.used.contains(&name.get_ref().as_ref()) {
                let known = self.used.join(", ");
                self.place.problem(&name.span(), format!("unknown field \"{}\"; known here: {known}", name.get_ref()));
            }
        }
    }

    /// Reads what every entry says about itself.
    pub(crate) fn head(&mut self, family: &str, index: usize) -> Option<Head> {
        let (id, from, to) = (self.text("id"), self.parsed::<TradeDate>("from"), self.optional::<TradeDate>("to"));
        let (source, unverified) = (self.text("source"), self.optional_text("unverified"));
        self.used.push("note");
        let (from, to) = (from?, to?);
        if to.is_some_and(|to| to <= from) {
            self.problem(format!("\"to\" must be after \"from\" {from}: it is the first day no longer in force"));
            return None;
        }
        let source = source?.to_owned();
        let unverified =
            unverified.map(str::to_owned).or_else(|| (source == "unverified").then(|| "the whole entry".into()));
        let line = self.place.lines.line(self.span.start);
        let (file, family) = (self.place.file.to_owned(), family.to_owned());
        let index = u32::try_from(index).ok()?;
        Some(Head { index, id: id?.to_owned(), family, file, line, from, to, source, unverified })
    }
}

/// Nanoseconds after midnight, from `HH:MM` or `HH:MM:SS`.
struct TimeOfDay(i64);

impl FromStr for TimeOfDay {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a time of day HH:MM or HH:MM:SS";
        let mut seconds = 0;
        let mut parts = 0;
        for (part, unit) in text.split(':').zip([3_600, 60, 1]) {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            let value: i64 = if digits {
                part.parse().map_err(|_| WRONG)?
            } else {
                return Err(WRONG);
            };
            if value >= if unit == 3_600 { 24 } else { 60 } {
                return Err(WRONG);
            }
            seconds += value * unit;
            parts += 1;
        }
        if parts >= 2 && text.split(':').count() == parts { Ok(Self(seconds * SECOND)) } else { Err(WRONG) }
    }
}
