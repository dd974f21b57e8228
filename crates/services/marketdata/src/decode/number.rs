//! Numbers and times of day from text, without allocation. Prices may carry the noise of a binary float.

use heng_model::{Money, Price, Qty};

const NOT_A_NUMBER: &str = "is not a number";
const OUT_OF_RANGE: &str = "is out of range";
const TOO_PRECISE: &str = "has more decimal places than its unit";
/// Thousandths of the third decimal place that float noise may reach: 0.0002 yuan, what 32 bits leave of 1,800.
const NOISE: u64 = 200;
/// Digits that surely fit 64 bits.
const DIGITS_MAX: usize = 18;

/// Digits only, at most 18.
#[inline]
pub(crate) fn unsigned(text: &[u8]) -> Result<u64, &'static str> {
    if text.is_empty() {
        return Err(NOT_A_NUMBER);
    }
    if text.len() > DIGITS_MAX {
        return Err(OUT_OF_RANGE);
    }
    let mut value = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(NOT_A_NUMBER);
        }
        value = value * 10 + u64::from(digit);
    }
    Ok(value)
}

/// A number that fits 32 bits.
#[inline]
pub(crate) fn small(text: &[u8]) -> Result<u32, &'static str> {
    u32::try_from(unsigned(text)?).map_err(|_| OUT_OF_RANGE)
}

/// A price with up to three decimal places; what float noise adds behind them is rounded away.
#[inline]
pub(crate) fn price(text: &[u8]) -> Result<Price, &'static str> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let whole = unsigned(&text[..point])?;
    if whole > 900_000_000_000 {
        return Err(OUT_OF_RANGE);
    }
    let fraction = text.get(point + 1..).unwrap_or(&[]);
    if fraction.is_empty() {
        let told = if point == text.len() { Ok(Price((whole * 10_000).cast_signed())) } else { Err(NOT_A_NUMBER) };
        return told;
    }
    let mut digits = [0u64; 6];
    for (at, byte) in fraction.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(NOT_A_NUMBER);
        }
        if at < 6 {
            digits[at] = u64::from(digit);
        }
    }
    let thousandths = digits[0] * 100 + digits[1] * 10 + digits[2];
    let beyond = digits[3] * 100 + digits[4] * 10 + digits[5];
    let up = u64::from(beyond >= 1_000 - NOISE);
    if beyond > NOISE && up == 0 {
        return Err(TOO_PRECISE);
    }
    Ok(Price((whole * 10_000 + (thousandths + up) * 10).cast_signed()))
}

/// A price that may be missing, as an empty field.
#[inline]
pub(crate) fn price_or_none(text: &[u8]) -> Result<Price, &'static str> {
    if text.is_empty() { Ok(Price(0)) } else { price(text) }
}

/// A whole quantity; zeros behind a point are passed over.
#[inline]
pub(crate) fn quantity(text: &[u8]) -> Result<Qty, &'static str> {
    let point = text.iter().position(|byte| *byte == b'.');
    let whole = match point {
        None => text,
        Some(point) if text[point + 1..].iter().all(|byte| *byte == b'0') && point + 1 < text.len() => &text[..point],
        Some(_) => return Err(TOO_PRECISE),
    };
    unsigned(whole).map(|value| Qty(value.cast_signed()))
}

/// A quantity that may be missing, as an empty field.
#[inline]
pub(crate) fn quantity_or_none(text: &[u8]) -> Result<Qty, &'static str> {
    if text.is_empty() { Ok(Qty(0)) } else { quantity(text) }
}

/// An amount: decimal, perhaps with an exponent (`2.997269403E9`), rounded half up to 1/10,000.
pub(crate) fn money(text: &[u8]) -> Result<Money, &'static str> {
    let (mut mantissa, mut exponent, mut digits) = (0u128, 4i32, 0);
    let mut point = false;
    let mut rest = text.iter();
    for byte in rest.by_ref() {
        match byte {
            b'0'..=b'9' if digits < 30 => {
                mantissa = mantissa * 10 + u128::from(byte - b'0');
                digits += 1;
                exponent -= i32::from(point);
            }
            // Digits behind the thirtieth are far below the unit, or the number is out of range anyway.
            b'0'..=b'9' => exponent += i32::from(!point),
            b'.' if !point => point = true,
            b'e' | b'E' if digits > 0 => {
                exponent += small_exponent(rest.as_slice())?;
                break;
            }
            _ => return Err(NOT_A_NUMBER),
        }
    }
    if digits == 0 {
        return Err(NOT_A_NUMBER);
    }
    let value = if exponent >= 0 {
        let ten = 10u128.checked_pow(exponent.unsigned_abs());
        if mantissa == 0 { Some(0) } else { ten.and_then(|ten| mantissa.checked_mul(ten)) }
    } else {
        // The mantissa has at most 30 digits, so 10^36 leaves nothing of it.
        let divisor = 10u128.pow(exponent.unsigned_abs().min(36));
        Some((mantissa + divisor / 2) / divisor)
    };
    value.and_then(|value| i64::try_from(value).ok()).map(Money).ok_or(OUT_OF_RANGE)
}

fn small_exponent(text: &[u8]) -> Result<i32, &'static str> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if digits.len() > 2 {
        return Err(NOT_A_NUMBER);
    }
    let value = i32::try_from(unsigned(digits)?).map_err(|_| OUT_OF_RANGE)?;
    Ok(if text.starts_with(b"-") { -value } else { value })
}

const NOT_A_TIME: &str = "is not a time of day";

fn of_day(hours: u64, minutes: u64, seconds: u64, nanos: u64) -> Result<u64, &'static str> {
    let real = hours < 24 && minutes < 60 && seconds < 61;
    if real { Ok(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + nanos) } else { Err(NOT_A_TIME) }
}

/// Nanoseconds after midnight from `HH:MM:SS` with up to nine decimal places of the second.
#[inline]
pub(crate) fn clock(text: &[u8]) -> Result<u64, &'static str> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, fraction @ ..] = text else { return Err(NOT_A_TIME) };
    let fraction = match fraction {
        [] => &[],
        [b'.', digits @ ..] if !digits.is_empty() && digits.len() <= 9 => digits,
        _ => return Err(NOT_A_TIME),
    };
    let mut bad = 0u8;
    let mut digit = |byte: &u8| {
        let digit = byte.wrapping_sub(b'0');
        bad |= u8::from(digit > 9);
        u64::from(digit)
    };
    let hours = digit(h1) * 10 + digit(h2);
    let minutes = digit(m1) * 10 + digit(m2);
    let seconds = digit(s1) * 10 + digit(s2);
    let mut nanos = 0;
    let mut unit = 100_000_000;
    for byte in fraction {
        nanos += digit(byte) * unit;
        unit /= 10;
    }
    if bad != 0 { Err(NOT_A_TIME) } else { of_day(hours, minutes, seconds, nanos) }
}

/// Nanoseconds after midnight from the number HHMMSS, or HHMMSScc where `hundredths`.
#[inline]
pub(crate) fn digits_clock(number: u64, hundredths: bool) -> Result<u64, &'static str> {
    let (seconds, fraction) = if hundredths { (number / 100, number % 100) } else { (number, 0) };
    of_day(seconds / 10_000, seconds / 100 % 100, seconds % 100, fraction * 10_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_lose_their_float_noise_and_nothing_else() {
        let good = [
            ("1801.00999999999999", 18_010_100),
            ("1854.980000000000018", 18_549_800),
            ("1801.010009765625", 18_010_100),
            ("0.9998", 10_000),
            ("1855", 18_550_000),
            ("2.345", 23_450),
            ("0", 0),
        ];
        for (text, expected) in good {
            assert_eq!(price(text.as_bytes()), Ok(Price(expected)), "{text}");
        }
        for text in ["", ".", "-1", "+1", "1.2.3", "1 ", "1.", ".5", "NaN", "1e3", "999999999999999999999"] {
            assert!(price(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(price(b"10.0053"), Err(TOO_PRECISE));
    }

    #[test]
    fn amounts_take_exponents() {
        let good = [
            ("2.997269403E9", 29_972_694_030_000),
            ("945393170.259999990463256", 9_453_931_702_600),
            ("1.48801983115E9", 14_880_198_311_500),
            ("0", 0),
            ("1e-9", 0),
            ("123456789012345678901234567890e-20", 12_345_678_901_235),
        ];
        for (text, expected) in good {
            assert_eq!(money(text.as_bytes()), Ok(Money(expected)), "{text}");
        }
        for text in ["", "e5", "1e", "1e100", "1e+-1", "-1", "1..2", "1e99", "x"] {
            assert!(money(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn times_of_day_are_bounded() {
        assert_eq!(clock(b"09:15:00.020"), Ok(33_300_020_000_000));
        assert_eq!(clock(b"09:15:00"), Ok(33_300_000_000_000));
        assert_eq!(digits_clock(9_150_004, true), Ok(33_300_040_000_000));
        assert_eq!(digits_clock(91_448, false), Ok(33_288_000_000_000));
        for text in ["", "9:15:00", "24:00:00", "09:60:00", "09:15:00.", "09:15:00.0000000000", "09:15:00x", "ab:cd:ef"]
        {
            assert!(clock(text.as_bytes()).is_err(), "{text}");
        }
        assert!(digits_clock(u64::MAX, true).is_err() && digits_clock(246_000, false).is_err());
    }
}
