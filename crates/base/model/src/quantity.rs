//! Quantities are integers (design rule 7).
//!
//! | type | unit | range |
//! |---|---|---|
//! | [`Price`] | 1/10,000 of the currency unit (or of a percent, for repo) | `i64` |
//! | [`Money`] | 1/10,000 of the currency unit | `i64`, about ±9.2e14 units |
//! | [`Rate`] | 1e-8 | `i64` |
//! | [`Qty`] | the instrument's smallest unit | `i64` |
//!
//! | operation | through | rounding |
//! |---|---|---|
//! | price × quantity | [`notional`], `i128` | exact |
//! | money × rate | [`Money::times_rate_half_up`], `i128` | half away from zero, to a stated unit |
//! | money + money | checked, panics on overflow (our own bug) | exact |
//!
//! There is no conversion from floating point.

use core::fmt;
use core::str::FromStr;

/// Units of [`Price`] and [`Money`] in one currency unit.
pub const SCALE: i64 = 10_000;
/// Units of [`Rate`] in 1.
pub const RATE_SCALE: i64 = 100_000_000;
/// [`Money`] in one hundredth of a currency unit (a fen, a cent): what client cash moves in.
pub const MINOR: i64 = 100;

/// A price, in 1/10,000 of the currency unit. Any value is representable; markets bound it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Price(pub i64);

/// An amount of one currency, in 1/10,000 of its unit. The currency travels beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(pub i64);

/// A ratio at 1e-8: fee rates, FX, interest, haircuts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rate(pub i64);

/// A quantity in the instrument's own smallest unit (shares, fund units, 张 of a bond).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Qty(pub i64);

/// Text that is not a decimal number of the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseDecimalError {
    /// Empty, or a character other than digits, one point and a leading sign.
    NotDecimal,
    /// More fractional digits than the scale holds.
    TooPrecise,
    /// Outside the range of the type.
    OutOfRange,
}

impl fmt::Display for ParseDecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDecimal => "not a decimal number",
            Self::TooPrecise => "more fractional digits than the scale holds",
            Self::OutOfRange => "out of range",
        })
    }
}

impl core::error::Error for ParseDecimalError {}

/// Parses decimal text to an integer with `digits` fractional digits. Exact, or an error.
pub fn parse_decimal(text: &str, digits: u32) -> Result<i64, ParseDecimalError> {
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return Err(ParseDecimalError::NotDecimal);
    }
    if body.ends_with('.') {
        return Err(ParseDecimalError::NotDecimal);
    }
    let significant = fraction.trim_end_matches('0');
    if significant.len() > digits as usize {
        return Err(ParseDecimalError::TooPrecise);
    }
    let mut value: i64 = 0;
    let padding = core::iter::repeat_n(b'0', digits as usize - significant.len());
    for byte in whole.bytes().chain(significant.bytes()).chain(padding) {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i64::from(byte - b'0')))
            .ok_or(ParseDecimalError::OutOfRange)?;
    }
    Ok(if negative { -value } else { value })
}

/// Writes an integer of `digits` fractional digits as decimal text, at least `least` of them shown.
pub fn write_decimal(f: &mut impl fmt::Write, value: i64, digits: u32, least: u32) -> fmt::Result {
    let unit = 10u64.pow(digits);
    let magnitude = value.unsigned_abs();
    if value < 0 {
        f.write_char('-')?;
    }
    write!(f, "{}", magnitude / unit)?;
    let mut shown = digits;
    let mut fraction = magnitude % unit;
    while shown > least && fraction.is_multiple_of(10) {
        fraction /= 10;
        shown -= 1;
    }
    if shown > 0 { write!(f, ".{fraction:0width$}", width = shown as usize) } else { Ok(()) }
}

macro_rules! decimal_text {
    ($type:ident, $digits:expr, $least:expr) => {
        impl FromStr for $type {
            type Err = ParseDecimalError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_decimal(text, $digits).map(Self)
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_decimal(f, self.0, $digits, $least)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }
    };
}
decimal_text!(Price, 4, 2);
decimal_text!(Money, 4, 2);
decimal_text!(Rate, 8, 0);
decimal_text!(Qty, 0, 0);

macro_rules! adds {
    ($type:ident) => {
        impl core::ops::Add for $type {
            type Output = Self;
            #[inline]
            fn add(self, other: Self) -> Self {
                Self(self.0.checked_add(other.0).expect("sums stay far inside i64"))
            }
        }
        impl core::ops::Sub for $type {
            type Output = Self;
            #[inline]
            fn sub(self, other: Self) -> Self {
                Self(self.0.checked_sub(other.0).expect("differences stay far inside i64"))
            }
        }
        impl core::ops::Neg for $type {
            type Output = Self;
            #[inline]
            fn neg(self) -> Self {
                Self(self.0.checked_neg().expect("amounts are never i64::MIN"))
            }
        }
        impl core::ops::AddAssign for $type {
            #[inline]
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl core::ops::SubAssign for $type {
            #[inline]
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
        impl core::iter::Sum for $type {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self(0), |a, b| a + b)
            }
        }
        impl $type {
            /// Nothing.
            pub const ZERO: Self = Self(0);
        }
    };
}
adds!(Money);
adds!(Qty);
adds!(Price);

/// Divides, rounding half away from zero (四舍五入). `divisor` > 0.
#[must_use]
#[inline]
pub fn div_half_up(value: i128, divisor: i128) -> i128 {
    // Nearly every amount of a trading day fits 64 bits, where division is many times cheaper.
    if let (Ok(v), Ok(d)) = (i64::try_from(value), i64::try_from(divisor))
        && let Some(twice) = v.unsigned_abs().checked_mul(2)
        && let Some(sum) = twice.checked_add(d.unsigned_abs())
    {
        let quotient = i128::from(sum / (d.unsigned_abs() * 2));
        return if v < 0 { -quotient } else { quotient };
    }
    let quotient = (value.abs() * 2 + divisor) / (divisor * 2);
    if value < 0 { -quotient } else { quotient }
}

/// Divides, rounding away from zero. `divisor` > 0.
#[must_use]
pub fn div_up(value: i128, divisor: i128) -> i128 {
    let quotient = (value.abs() + divisor - 1) / divisor;
    if value < 0 { -quotient } else { quotient }
}

impl Money {
    /// `self × rate`, rounded half up to a multiple of `unit` (in 1/10,000 of the currency; > 0).
    ///
    /// # Panics
    /// If the result does not fit `i64`, which the limits of `model::limits` exclude.
    #[must_use]
    #[inline]
    pub fn times_rate_half_up(self, rate: Rate, unit: Money) -> Money {
        let product = i128::from(self.0) * i128::from(rate.0);
        let units = div_half_up(product, i128::from(RATE_SCALE) * i128::from(unit.0));
        Money(i64::try_from(units * i128::from(unit.0)).expect("fees are far below i64::MAX"))
    }

    /// `self × rate`, rounded up (away from zero) to a multiple of `unit`.
    ///
    /// # Panics
    /// If the result does not fit `i64`.
    #[must_use]
    pub fn times_rate_up(self, rate: Rate, unit: Money) -> Money {
        let product = i128::from(self.0) * i128::from(rate.0);
        let units = div_up(product, i128::from(RATE_SCALE) * i128::from(unit.0));
        Money(i64::try_from(units * i128::from(unit.0)).expect("amounts are far below i64::MAX"))
    }
}

/// How a price turns into money (design rule 7: notional is a function of the quotation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Quotation {
    /// Price per unit: stocks, funds, convertibles per 张.
    #[default]
    PerUnit,
    /// Price per 100 of face, quantity in units of face.
    PerHundredFace,
    /// Annual percent, quantity in units of 100 yuan of principal: exchange repo.
    AnnualPercent,
}

/// The money that `quantity` at `price` stands for; the only place where price meets quantity.
///
/// Returns `None` beyond `i64`.
#[must_use]
#[inline]
pub fn notional(quotation: Quotation, price: Price, quantity: Qty) -> Option<Money> {
    match quotation {
        Quotation::PerUnit => price.0.checked_mul(quantity.0).map(Money),
        Quotation::PerHundredFace => {
            let product = i128::from(price.0) * i128::from(quantity.0);
            i64::try_from(div_half_up(product, 100 * i128::from(MINOR)) * i128::from(MINOR)).ok().map(Money)
        }
        Quotation::AnnualPercent => quantity.0.checked_mul(100 * SCALE).map(Money),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<i64, ParseDecimalError>) {
        assert_eq!(text.parse::<Price>().map(|p| p.0), expected, "{text}");
    }

    #[test]
    fn decimal_text_is_exact_or_refused() {
        check("10.05", Ok(100_500));
        check("-0.0001", Ok(-1));
        check("1801.0100000", Ok(18_010_100));
        check("0.00001", Err(ParseDecimalError::TooPrecise));
        check("", Err(ParseDecimalError::NotDecimal));
        check("1.", Err(ParseDecimalError::NotDecimal));
        check(".5", Err(ParseDecimalError::NotDecimal));
        check("1e3", Err(ParseDecimalError::NotDecimal));
        check("9223372036854775807", Err(ParseDecimalError::OutOfRange));
        assert_eq!(Price(100_500).to_string(), "10.05");
        assert_eq!(Price(-5).to_string(), "-0.0005");
        assert_eq!(Rate(25_000).to_string(), "0.00025");
        assert_eq!(Rate(RATE_SCALE).to_string(), "1");
    }

    #[test]
    fn halves_round_away_from_zero_in_both_widths() {
        for (value, expected) in [(5, 1), (-5, -1), (4, 0), (15, 2), (-14, -1)] {
            assert_eq!(div_half_up(value, 10), expected);
            let wide = i128::from(i64::MAX) * 20;
            assert_eq!(
                div_half_up(wide + value, 10) - wide / 10,
                if value < 0 && value != -5 {
                    expected
                } else if value == -5 {
                    0
                } else {
                    expected
                }
            );
        }
        assert_eq!(div_up(1, 10), 1);
        assert_eq!(div_up(-1, 10), -1);
    }

    #[test]
    fn stamp_duty_of_the_golden_vector() {
        let amount = Money(12_340 * SCALE);
        assert_eq!(amount.times_rate_half_up(Rate(50_000), Money(MINOR)).to_string(), "6.17");
    }
}
