//! Times as FIX writes them, UTC, and the clock that tests can turn by hand.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;
const SECOND_NS: u64 = 1_000_000_000;

/// One moment on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FixMoment {
    /// UTC, nanoseconds since 1970; stamps messages.
    pub utc_ns: u64,
    /// Nanoseconds on a clock that never jumps; measures silence.
    pub steady_ns: u64,
}

/// Where a session takes its time from.
pub trait FixClock: Send + Sync {
    /// Now.
    fn now(&self) -> FixMoment;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl FixClock for SystemClock {
    fn now(&self) -> FixMoment {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        FixMoment { utc_ns: nanos(utc), steady_ns: nanos(self.0.elapsed()) }
    }
}

/// As nanoseconds; what does not fit in 584 years is the longest time that does.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes times; the date and the second are kept, because most messages share them.
#[derive(Debug, Default)]
pub(crate) struct TimeWriter {
    second: Option<u64>,
    text: [u8; 17],
}

impl TimeWriter {
    /// Appends `YYYYMMDD-HH:MM:SS.sss`.
    pub(crate) fn write(&mut self, utc_ns: u64, out: &mut Vec<u8>) {
        let (second, rest) = (utc_ns / SECOND_NS, utc_ns % SECOND_NS);
        if self.second != Some(second) {
            self.text = seconds_text(second);
            self.second = Some(second);
        }
        out.extend_from_slice(&self.text);
        let millis = rest / 1_000_000;
        out.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis)]);
    }
}

fn seconds_text(second: u64) -> [u8; 17] {
    let (year, month, day) = civil(second / DAY_S);
    let clock = second % DAY_S;
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let two = |value: u64| [digit(value / 10), digit(value)];
    let mut text = *b"00000000-00:00:00";
    text[..2].copy_from_slice(&two(year / 100));
    for (at, value) in [(2, year), (4, month), (6, day), (9, hour), (12, minute), (15, second)] {
        text[at..at + 2].copy_from_slice(&two(value));
    }
    text
}

/// The last decimal digit.
fn digit(value: u64) -> u8 {
    b'0' + u8::try_from(value % 10).expect("a remainder of ten is a digit")
}

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970. Years begin in March here, so that
/// the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Nanoseconds since 1970 of `YYYYMMDD-HH:MM:SS[.s…]`; nothing if it is not a time, or one before 1970.
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    let (date, clock) = text.split_at_checked(9)?;
    let date = date.strip_suffix(b"-")?;
    let days = parse_date(date)?;
    (days * DAY_S * SECOND_NS).checked_add(parse_time_of_day(clock)?)
}

/// Days since 1970 of `YYYYMMDD`; years from 1970 to 2400.
pub(crate) fn parse_date(text: &[u8]) -> Option<u64> {
    if text.len() != 8 {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[4..6])?, number(&text[6..])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1970..=2400).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in_month).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    let (era, of_era) = (year / 400, year % 400);
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Nanoseconds since midnight of `HH:MM:SS[.s…]`; the 60th second is a leap second.
pub(crate) fn parse_time_of_day(text: &[u8]) -> Option<u64> {
    let (clock, fraction) = text.split_at_checked(8)?;
    if clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (number(&clock[..2])?, number(&clock[3..5])?, number(&clock[6..])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((hour * 3600 + minute * 60 + second) * SECOND_NS + parse_fraction(fraction)?)
}

fn parse_fraction(text: &[u8]) -> Option<u64> {
    let Some(digits) = text.strip_prefix(b".") else { return text.is_empty().then_some(0) };
    if digits.is_empty() || digits.len() > 12 {
        return None;
    }
    let mut nanos = 0;
    for place in 0..9 {
        nanos = nanos * 10 + digits.get(place).map_or(Some(0), |byte| number(&[*byte]))?;
    }
    digits.iter().all(u8::is_ascii_digit).then_some(nanos)
}

fn number(text: &[u8]) -> Option<u64> {
    super::value::parse_u64(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same_moment() {
        for (text, seconds) in [
            ("19700101-00:00:00.000", 0),
            ("20000229-23:59:59.999", 951_868_799),
            ("20260706-01:30:00.123", 1_783_301_400),
            ("21001231-12:00:00.001", 4_133_937_600),
        ] {
            let at = parse(text.as_bytes()).unwrap();
            assert_eq!(at / SECOND_NS, seconds, "{text}");
            let mut written = Vec::new();
            TimeWriter::default().write(at, &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), text);
        }
    }

    #[test]
    fn fractions_count_to_the_nanosecond() {
        assert_eq!(parse(b"19700101-00:00:01.5"), Some(1_500_000_000));
        assert_eq!(parse(b"19700101-00:00:00.000000001"), Some(1));
        assert_eq!(parse(b"19700101-00:00:00.123456789123"), Some(123_456_789));
        assert_eq!(parse(b"19700101-00:00:00.12x"), None);
    }

    #[test]
    fn a_writer_follows_the_second() {
        let (mut writer, mut out) = (TimeWriter::default(), Vec::new());
        for at in [0, 999_999_999, SECOND_NS] {
            writer.write(at, &mut out);
        }
        assert_eq!(out, b"19700101-00:00:00.00019700101-00:00:00.99919700101-00:00:01.000");
    }
}
