//! One line of the log, as text and as JSON. What strangers wrote into it can neither begin another line nor hide.

use std::fmt::Write as _;

use heng_model::UnixNanos;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};

/// Characters of a message, and of a field, at most.
const TEXT_MAX: usize = 4_096;

/// What an event says.
#[derive(Default)]
pub(crate) struct Said {
    message: String,
    fields: Map<String, Value>,
}

fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl Said {
    fn keep(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", other) => self.message = other.to_string(),
            (name, value) => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }

    /// The message and its fields, as people read them; without control characters.
    pub(crate) fn told(&self) -> String {
        let mut told = plain(&self.message);
        for (name, value) in &self.fields {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // Writing to a String cannot fail.
            let _ = write!(told, " {name}={}", plain(&value));
        }
        told
    }

    /// As one JSON object and a newline.
    pub(crate) fn json(&self, time: UnixNanos, level: &str, target: &str) -> String {
        let line = json!({
            "time": utc(time), "level": level, "target": target, "message": self.message, "fields": self.fields,
        });
        // JSON itself escapes the characters below the space; the others stand inside of strings only.
        let mut text = String::new();
        for c in line.to_string().chars() {
            if hides(c) {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            } else {
                text.push(c);
            }
        }
        text.push('\n');
        text
    }

    /// As one line of text.
    pub(crate) fn text(&self, time: UnixNanos, level: &str, target: &str) -> String {
        format!("{} {level} {target}: {}\n", utc(time), self.told())
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.keep(field, short(format!("{value:?}")).into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, short(value.to_owned()).into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }
}

/// Characters that a terminal or an editor obeys instead of showing them.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// As it can stand on one line.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    plain
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn utc(time: UnixNanos) -> String {
    let (seconds, nanos) = (time.0.div_euclid(1_000_000_000), time.0.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", nanos / 1_000_000)
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar. Years begin in March here, so that the
/// day that some of them have more comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    // 719,468 days lie between the first of March of the year 0 and 1970; 400 years have 146,097.
    let since = days + 719_468;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_utc() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_783_300_500, "2026-07-06T01:15:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(UnixNanos(seconds * 1_000_000_000)), text);
        }
        assert_eq!(utc(UnixNanos(1_999_999)), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn nobody_begins_a_line_or_hides_in_one() {
        let odd = "a\nWARN heng: forged\r\u{1b}[2J\u{202e}x\u{85}\u{2028}\"衡\u{0}";
        let mut said = Said { message: odd.to_owned(), ..Said::default() };
        said.fields.insert("error".to_owned(), odd.into());
        for line in [said.text(UnixNanos(0), "WARN", "heng"), said.json(UnixNanos(0), "WARN", "heng")] {
            let (line, end) = line.split_at(line.len() - 1);
            assert_eq!(end, "\n");
            assert!(!line.chars().any(hides), "{line:?}");
            assert!(line.contains('衡'));
        }
        let json: Value = serde_json::from_str(&said.json(UnixNanos(0), "WARN", "heng")).expect("one object");
        assert_eq!((&json["message"], &json["fields"]["error"]), (&json!(odd), &json!(odd)), "nothing is lost");
        assert_eq!(said.text(UnixNanos(0), "WARN", "heng").matches("\\nWARN heng: forged").count(), 2);
    }

    #[test]
    fn long_texts_end() {
        assert_eq!(short("衡".repeat(TEXT_MAX)).chars().count(), TEXT_MAX);
        assert_eq!(short("衡".repeat(2 * TEXT_MAX)).chars().count(), TEXT_MAX + 1);
    }
}
