//! Trade dates and the time of day.

use core::fmt;
use core::str::FromStr;

/// A calendar date as `yyyymmdd`. Always a real Gregorian date between 1990 and 2199; `NONE` is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TradeDate(u32);

/// Text that is not `YYYY-MM-DD`, or a day that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseDateError;

impl fmt::Display for ParseDateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a date of the form YYYY-MM-DD between 1990 and 2199")
    }
}

impl core::error::Error for ParseDateError {}

const fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl TradeDate {
    /// No date yet.
    pub const NONE: Self = Self(0);

    /// From year, month (1–12) and day (1–31); `None` if there is no such day or it lies outside 1990–2199.
    #[must_use]
    pub const fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let real = year >= 1990 && year < 2200 && month >= 1 && month <= 12 && day >= 1;
        if real && day <= days_in_month(year, month) { Some(Self(year * 10_000 + month * 100 + day)) } else { None }
    }

    /// From the number `yyyymmdd`; 0 gives [`TradeDate::NONE`].
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        if number == 0 {
            return Some(Self::NONE);
        }
        Self::new(number / 10_000, number / 100 % 100, number % 100)
    }

    /// The number `yyyymmdd`.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn days(self) -> i64 {
        // Days from civil, for the proleptic Gregorian calendar with the year starting in March.
        let (y, m, d) = ((self.0 / 10_000) as i64, (self.0 / 100 % 100) as i64, (self.0 % 100) as i64);
        let y = if m <= 2 { y - 1 } else { y };
        let (era, year_of_era) = (y / 400, y % 400);
        let day_of_year = (153 * ((m + 9) % 12) + 2) / 5 + d - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// The date `days` after 1970-01-01; `None` outside 1990–2199.
    #[must_use]
    pub fn from_days(days: i64) -> Option<Self> {
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        Self::new(
            u32::try_from(year).ok()?,
            u32::try_from(month).ok()?,
            u32::try_from(doy - (153 * mp + 2) / 5 + 1).ok()?,
        )
    }

    /// 1 = Monday … 7 = Sunday.
    #[must_use]
    pub const fn weekday(self) -> u32 {
        ((self.days() + 3) % 7 + 1) as u32
    }

    /// The same date `days` later (or earlier, if negative).
    #[must_use]
    pub fn plus_days(self, days: i64) -> Option<Self> {
        Self::from_days(self.days() + days)
    }
}

impl FromStr for TradeDate {
    type Err = ParseDateError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Err(ParseDateError);
        }
        let part = |range: core::ops::Range<usize>| -> Option<u32> {
            let slice = text.get(range)?;
            if slice.bytes().all(|b| b.is_ascii_digit()) { slice.parse().ok() } else { None }
        };
        let (year, month, day) = (part(0..4), part(5..7), part(8..10));
        year.zip(month).zip(day).and_then(|((y, m), d)| Self::new(y, m, d)).ok_or(ParseDateError)
    }
}

impl fmt::Display for TradeDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

impl fmt::Debug for TradeDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Nanoseconds since 1970-01-01T00:00Z. The core's only clock; it arrives in commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixNanos(pub i64);

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// China Standard Time and Hong Kong Time are both UTC+8 without daylight saving in every year we serve.
pub const CHINA_OFFSET: i64 = 8 * 3_600 * SECOND;

impl UnixNanos {
    /// The instant at `time_of_day` (nanoseconds after local midnight, UTC+8) of `date`.
    #[must_use]
    pub const fn at(date: TradeDate, time_of_day: i64) -> Self {
        Self(date.days() * 86_400 * SECOND + time_of_day - CHINA_OFFSET)
    }

    /// Nanoseconds after local midnight (UTC+8).
    #[must_use]
    pub const fn time_of_day(self) -> i64 {
        (self.0 + CHINA_OFFSET).rem_euclid(86_400 * SECOND)
    }

    /// The local (UTC+8) date.
    #[must_use]
    pub fn date(self) -> Option<TradeDate> {
        TradeDate::from_days((self.0 + CHINA_OFFSET).div_euclid(86_400 * SECOND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_two_centuries_round_trips() {
        let mut days = TradeDate::new(1990, 1, 1).expect("real").days();
        let last = TradeDate::new(2199, 12, 31).expect("real").days();
        let mut before = TradeDate::NONE;
        while days <= last {
            let date = TradeDate::from_days(days).expect("inside the range");
            assert_eq!(date.days(), days);
            assert!(date > before);
            before = date;
            days += 1;
        }
        assert_eq!("2026-07-06".parse::<TradeDate>().expect("real").weekday(), 1);
        assert!("2026-02-29".parse::<TradeDate>().is_err());
        assert!("2026-2-09".parse::<TradeDate>().is_err());
    }

    #[test]
    fn nine_fifteen_in_shanghai() {
        let date: TradeDate = "2026-07-06".parse().expect("real");
        let open = UnixNanos::at(date, (9 * 60 + 15) * 60 * SECOND);
        assert_eq!(open.0, 1_783_300_500 * SECOND);
        assert_eq!(open.date(), Some(date));
        assert_eq!(open.time_of_day(), 33_300 * SECOND);
    }
}
