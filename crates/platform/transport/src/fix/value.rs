//! The forms that values take.

use super::time;

/// What a field holds, as far as its form goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Char,
    Bool,
    Int,
    /// Not negative: counts, lengths, sequence numbers, tags.
    Count,
    /// The length of the data field that follows.
    Length,
    Decimal,
    Timestamp,
    TimeOnly,
    Date,
    MonthYear,
    Day,
    /// Local time of day, without an offset.
    LocalTime,
    ZonedTime,
    ZonedTimestamp,
    /// Several values of one character or more, parted by spaces.
    Several,
    /// Any bytes, also field delimiters.
    Data,
}

impl Kind {
    /// From the name in a dictionary; what is not known is text.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "CHAR" => Self::Char,
            "BOOLEAN" => Self::Bool,
            "INT" => Self::Int,
            "NUMINGROUP" | "SEQNUM" | "TAGNUM" => Self::Count,
            "LENGTH" => Self::Length,
            "FLOAT" | "QTY" | "PRICE" | "PRICEOFFSET" | "AMT" | "PERCENTAGE" => Self::Decimal,
            "UTCTIMESTAMP" => Self::Timestamp,
            "UTCTIMEONLY" => Self::TimeOnly,
            "UTCDATE" | "UTCDATEONLY" | "LOCALMKTDATE" => Self::Date,
            "MONTHYEAR" => Self::MonthYear,
            "DAYOFMONTH" => Self::Day,
            "LOCALMKTTIME" => Self::LocalTime,
            "TZTIMEONLY" => Self::ZonedTime,
            "TZTIMESTAMP" => Self::ZonedTimestamp,
            "MULTIPLEVALUESTRING" | "MULTIPLESTRINGVALUE" | "MULTIPLECHARVALUE" => Self::Several,
            "DATA" | "XMLDATA" => Self::Data,
            _ => Self::Text,
        }
    }

    /// Whether the value has the form (Volume 1, "Data types").
    pub(crate) fn fits(self, value: &[u8]) -> bool {
        match self {
            Self::Text | Self::Data => true,
            Self::Char => value.len() == 1,
            Self::Bool => matches!(value, b"Y" | b"N"),
            Self::Int => digits(value.strip_prefix(b"-").unwrap_or(value)),
            Self::Count | Self::Length => digits(value),
            Self::Decimal => decimal(value),
            Self::Timestamp => time::parse(value).is_some(),
            Self::TimeOnly | Self::LocalTime => time::parse_time_of_day(value).is_some(),
            Self::Date => time::parse_date(value).is_some(),
            Self::MonthYear => month_year(value),
            Self::Day => parse_u64(value).is_some_and(|day| (1..=31).contains(&day)),
            Self::ZonedTime => zoned(value),
            Self::ZonedTimestamp => match value {
                [date @ .., _] if date.len() < 9 => false,
                _ => value[8] == b'-' && time::parse_date(&value[..8]).is_some() && zoned(&value[9..]),
            },
            Self::Several => value.split(|byte| *byte == b' ').all(|one| !one.is_empty()),
        }
    }
}

fn digits(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= 20 && value.iter().all(u8::is_ascii_digit)
}

/// Digits with at most one point and a sign only if negative; no exponent.
fn decimal(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let points = value.iter().filter(|byte| **byte == b'.').count();
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    points <= 1 && digits > 0 && points + digits == value.len()
}

/// `YYYYMM`, `YYYYMMDD` or `YYYYMMwW`.
fn month_year(value: &[u8]) -> bool {
    let Some((month, rest)) = value.split_at_checked(6) else { return false };
    let mut first = [b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'1'];
    first[..6].copy_from_slice(month);
    match rest {
        [] => time::parse_date(&first).is_some(),
        [b'w', week] => time::parse_date(&first).is_some() && (b'1'..=b'5').contains(week),
        _ => time::parse_date(value).is_some(),
    }
}

/// `HH:MM[:SS[.s…]]` with `Z` or `±HH[:MM]` behind it.
fn zoned(value: &[u8]) -> bool {
    let Some(at) = value.iter().position(|byte| matches!(byte, b'Z' | b'+' | b'-')) else { return false };
    let (clock, offset) = value.split_at(at);
    let clock = if clock.len() == 5 { [clock, b":00"].concat() } else { clock.to_vec() };
    let offset_fits = match offset {
        b"Z" => true,
        [_, hours @ ..] if hours.len() == 2 => pair_below(hours, 24),
        [_, h1, h2, b':', minutes @ ..] if minutes.len() == 2 => pair_below(&[*h1, *h2], 24) && pair_below(minutes, 60),
        _ => false,
    };
    offset_fits && time::parse_time_of_day(&clock).is_some()
}

fn pair_below(pair: &[u8], limit: u64) -> bool {
    parse_u64(pair).is_some_and(|value| value < limit)
}

/// A number without a sign that fits in 64 bits.
pub(crate) fn parse_u64(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 20 {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, value: &str, expected: bool) {
        assert_eq!(Kind::from_name(kind).fits(value.as_bytes()), expected, "{kind} {value}");
    }

    #[test]
    fn values_have_the_form_of_their_type() {
        for (kind, good, bad) in [
            ("CHAR", vec!["A"], vec!["AB"]),
            ("BOOLEAN", vec!["Y", "N"], vec!["y", "1", "YES"]),
            ("INT", vec!["0", "-5", "007"], vec!["+5", "5.", "", "-", "x"]),
            ("SEQNUM", vec!["0", "12"], vec!["-1", "1.0", "999999999999999999999"]),
            ("QTY", vec!["002000.00", "1.", ".5", "-3"], vec!["+200.00", "1e5", "1.2.3", ".", "-", " 1"]),
            (
                "UTCTIMESTAMP",
                vec!["20260706-09:30:00", "20260706-09:30:00.123", "20260706-23:59:60"],
                vec![
                    "20040415",
                    "20260706 09:30:00",
                    "20261306-09:30:00",
                    "20260230-09:30:00",
                    "20260706-24:00:00",
                    "20260706-09:30:00.",
                ],
            ),
            ("UTCTIMEONLY", vec!["09:30:00", "09:30:00.5"], vec!["9:30:00", "09:60:00"]),
            ("LOCALMKTDATE", vec!["20240229"], vec!["20230229", "2024-02-29"]),
            ("MONTHYEAR", vec!["202607", "20260706", "202607w3"], vec!["202613", "202607w6", "2026", "202607w"]),
            ("DAYOFMONTH", vec!["1", "31"], vec!["0", "32"]),
            ("TZTIMEONLY", vec!["07:39Z", "15:39:20+08", "15:39-05:30"], vec!["07:39", "07:39+8", "07:39+24"]),
            ("TZTIMESTAMP", vec!["20060901-07:39Z", "20060901-15:39:20+08"], vec!["20060901", "2006090107:39Z", "Z"]),
            ("MULTIPLEVALUESTRING", vec!["A B", "1"], vec!["A  B", " A", "A "]),
        ] {
            good.into_iter().for_each(|value| check(kind, value, true));
            bad.into_iter().for_each(|value| check(kind, value, false));
        }
    }
}
