//! Numbers and times of day from text. Prices may carry the noise of a binary float; nothing here computes with one.

/// Most significant digits that are looked at: more than any price, amount or quantity has.
const DIGITS_MAX: u32 = 30;

/// Parses a decimal number to an integer with `digits` fractional digits. What lies beyond them may be at most
/// `noise` thousandths of the last one.
pub(crate) fn scaled(text: &[u8], digits: u32, noise: u128) -> Result<i64, &'static str> {
    let (negative, body) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = mantissa_and_exponent(body)?;
    let magnitude = shift(mantissa, exponent + digits as i32, noise)?;
    let value = i64::try_from(magnitude).map_err(|_| "is out of range")?;
    Ok(if negative { -value } else { value })
}

/// A number without a fraction.
pub(crate) fn whole(text: &[u8]) -> Result<i64, &'static str> {
    scaled(text, 0, 0)
}

/// A number without a sign or a fraction.
pub(crate) fn unsigned(text: &[u8]) -> Result<u64, &'static str> {
    u64::try_from(whole(text)?).map_err(|_| "is negative")
}

/// The number is the first value times ten to the power of the second.
fn mantissa_and_exponent(body: &[u8]) -> Result<(u128, i32), &'static str> {
    let (mut mantissa, mut exponent, mut kept, mut seen) = (0u128, 0i32, 0u32, false);
    let mut point = false;
    for (at, byte) in body.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if kept < DIGITS_MAX {
                    mantissa = mantissa * 10 + u128::from(byte - b'0');
                    kept += u32::from(mantissa > 0);
                    exponent -= i32::from(point);
                } else {
                    exponent += i32::from(!point);
                }
            }
            b'.' if !point => point = true,
            b'e' | b'E' if seen => return Ok((mantissa, exponent + small_exponent(&body[at + 1..])?)),
            _ => return Err("is not a number"),
        }
    }
    if seen { Ok((mantissa, exponent)) } else { Err("is not a number") }
}

fn small_exponent(text: &[u8]) -> Result<i32, &'static str> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || digits.len() > 2 || !digits.iter().all(u8::is_ascii_digit) {
        return Err("is not a number");
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    Ok(if text.starts_with(b"-") { -value } else { value })
}

fn shift(mantissa: u128, power: i32, noise: u128) -> Result<u128, &'static str> {
    if mantissa == 0 {
        return Ok(0);
    }
    if let Ok(power) = u32::try_from(power) {
        return 10u128.checked_pow(power).and_then(|ten| mantissa.checked_mul(ten)).ok_or("is out of range");
    }
    // The mantissa has at most 30 digits, so 10^36 leaves nothing of it.
    let divisor = 10u128.pow(power.unsigned_abs().min(36));
    let nearest = (mantissa + divisor / 2) / divisor;
    let off = mantissa.abs_diff(nearest * divisor);
    // `off` is at most the mantissa, so a thousand times it stays far inside.
    if off * 1000 > divisor.saturating_mul(noise) {
        return Err("has more decimal places than its unit");
    }
    Ok(nearest)
}

/// Milliseconds since midnight from `HH:MM:SS` with up to nine decimal places of the second, which are cut to three.
pub(crate) fn clock(text: &[u8]) -> Result<u32, &'static str> {
    const WRONG: &str = "is not a time HH:MM:SS.mmm";
    let [h1, h2, b':', m1, m2, b':', s1, s2, fraction @ ..] = text else { return Err(WRONG) };
    let fraction = match fraction {
        [] => &[],
        [b'.', digits @ ..] if !digits.is_empty() && digits.len() <= 9 => digits,
        _ => return Err(WRONG),
    };
    if ![h1, h2, m1, m2, s1, s2].into_iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(WRONG);
    }
    let two = |tens: &u8, ones: &u8| u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
    let digit = |at: usize| fraction.get(at).map_or(0, |digit| u32::from(digit - b'0'));
    of_day(two(h1, h2), two(m1, m2), two(s1, s2), digit(0) * 100 + digit(1) * 10 + digit(2)).ok_or(WRONG)
}

/// Milliseconds since midnight from the digits HHMMSS and `fraction_digits` more.
pub(crate) fn digits_clock(number: u64, fraction_digits: u32) -> Result<u32, &'static str> {
    const WRONG: &str = "is not a time of day";
    let unit = 10u64.pow(fraction_digits);
    let (seconds, fraction) = (number / unit, number % unit);
    let millis = fraction * 1000 / unit;
    let part = |value: u64| u32::try_from(value).map_err(|_| WRONG);
    of_day(part(seconds / 10_000)?, part(seconds / 100 % 100)?, part(seconds % 100)?, part(millis)?).ok_or(WRONG)
}

fn of_day(hours: u32, minutes: u32, seconds: u32, millis: u32) -> Option<u32> {
    (hours < 24 && minutes < 60 && seconds < 61).then(|| ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

/// `HH:MM:SS.mmm` of milliseconds since midnight.
pub(crate) fn show_clock(ms: u32) -> String {
    let s = ms / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", s / 3600, s / 60 % 60, s % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::{clock, digits_clock, scaled, show_clock, whole};

    fn check(text: &str, expected: Result<i64, &str>) {
        assert_eq!(scaled(text.as_bytes(), 3, 200), expected, "{text}");
    }

    #[test]
    fn prices_lose_their_float_noise_and_nothing_else() {
        check("1801.00999999999999", Ok(1_801_010));
        check("1854.980000000000018", Ok(1_854_980));
        check("1801.010009765625", Ok(1_801_010));
        check("1855", Ok(1_855_000));
        check("2.345", Ok(2_345));
        check("1.5e3", Ok(1_500_000));
        check("15E-1", Ok(1_500));
        check("-0.5", Ok(-500));
        check("0", Ok(0));
        check("0.0000000000000000000000000000000000000000001", Ok(0));
        check("10.0053", Err("has more decimal places than its unit"));
        check("9223372036854775.807", Ok(i64::MAX));
        check("9223372036854775.808", Err("is out of range"));
        check("123456789012345678901234567890123456789", Err("is out of range"));
        check("1e99", Err("is out of range"));
        for text in ["", ".", "-", "+1", "1.2.3", "1 ", "0x10", "NaN", "inf", "e5", "1e", "1e100", "1e+-1", "１"] {
            check(text, Err("is not a number"));
        }
    }

    #[test]
    fn quantities_are_whole() {
        assert_eq!(whole(b"100.000"), Ok(100));
        assert_eq!(whole(b"1e2"), Ok(100));
        assert_eq!(whole(b"100.0001"), Err("has more decimal places than its unit"));
    }

    #[test]
    fn times_of_day_are_bounded() {
        assert_eq!(clock(b"09:15:00.020"), Ok(33_300_020));
        assert_eq!(clock(b"09:15:00"), Ok(33_300_000));
        assert_eq!(clock(b"09:15:00.5"), Ok(33_300_500));
        assert_eq!(digits_clock(9_150_004, 2), Ok(33_300_040));
        assert_eq!(digits_clock(91_448, 0), Ok(33_288_000));
        assert_eq!(show_clock(33_300_020), "09:15:00.020");
        for text in ["", "9:15:00", "24:00:00", "09:60:00", "09:15:00.", "09:15:00.0000000000", "09:15:00x", "ab:cd:ef"]
        {
            assert!(clock(text.as_bytes()).is_err(), "{text}");
        }
        assert!(digits_clock(u64::MAX, 2).is_err() && digits_clock(246_000, 0).is_err());
    }
}
