//! Instants as people write them in China.

use heng_model::{SECOND, TradeDate, UnixNanos};

/// Nanoseconds of a day.
const DAY: i64 = 86_400 * SECOND;

/// RFC 3339 with milliseconds and the offset of Beijing: `2026-07-06T09:30:00.123+08:00`.
#[must_use]
pub fn instant_text(time: UnixNanos) -> String {
    let day = time.date().map(|date: TradeDate| date.to_string()).unwrap_or_default();
    let (seconds, milliseconds) = (time.time_of_day() / SECOND, time.time_of_day() % SECOND / 1_000_000);
    format!("{day}T{:02}:{:02}:{:02}.{milliseconds:03}+08:00", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// First and last nanosecond that a text of a query means: a day (`2026-07-06`) or a second (`2026-07-06T09:30:00`, in
/// Beijing unless `Z` or `+08:00` follows; a plus sign that a query turned into a blank counts as one). None = it is
/// neither.
#[must_use]
pub fn instants_of(text: &str) -> Option<(UnixNanos, UnixNanos)> {
    let (day, time) = (text.get(..10)?, text.get(10..)?);
    let day = UnixNanos::at(day.parse().ok()?, 0);
    if time.is_empty() {
        return Some((day, UnixNanos(day.0 + DAY - 1)));
    }
    let (clock, offset) = (time.get(..9)?, time.get(9..)?);
    let shift = match offset {
        "" | "+08:00" | " 08:00" => 0,
        "Z" => 8 * 3_600 * SECOND,
        _ => return None,
    };
    let begin = day.0 + seconds_of(clock)? * SECOND + shift;
    Some((UnixNanos(begin), UnixNanos(begin + SECOND - 1)))
}

/// Seconds of `T09:30:00`.
fn seconds_of(clock: &str) -> Option<i64> {
    let mut parts = clock.strip_prefix('T')?.split(':');
    let mut part = |most: i64| {
        let text = parts.next().filter(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))?;
        text.parse::<i64>().ok().filter(|value| *value <= most)
    };
    let (hours, minutes, seconds) = (part(23)?, part(59)?, part(59)?);
    parts.next().is_none().then_some(hours * 3_600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str)>) {
        let found = instants_of(text).map(|(first, last)| (instant_text(first), instant_text(last)));
        let found = found.as_ref().map(|(first, last)| (first.as_str(), last.as_str()));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn days_and_seconds_are_spans() {
        check("2026-07-06", Some(("2026-07-06T00:00:00.000+08:00", "2026-07-06T23:59:59.999+08:00")));
        let second = Some(("2026-07-06T09:30:01.000+08:00", "2026-07-06T09:30:01.999+08:00"));
        check("2026-07-06T09:30:01", second);
        check("2026-07-06T09:30:01+08:00", second);
        check("2026-07-06T09:30:01 08:00", second);
        check("2026-07-06T01:30:01Z", second);
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-07-06T",
            "2026-07-06T24:00:00",
            "2026-07-06T09:30",
            "2026-07-06T09:30:00.1",
            "2026-07-06 09:30:00",
            "2026-07-06T09:30:00+09:00",
            "2026-07-06T+9:30:00",
            "２０２６-07-06",
            "2026-07-0é",
        ] {
            check(text, None);
        }
    }
}
