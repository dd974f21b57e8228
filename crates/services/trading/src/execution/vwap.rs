//! VWAP: slices by the volume that a usual day brings.

use heng_model::{Qty, SECOND, UnixNanos};

/// Share of a usual day's volume in each half hour of continuous trading, in thousandths: much after the opening and
/// before the close, little around noon.
const USUAL: [(i64, i64); 8] = [
    (34_200, 230),
    (36_000, 140),
    (37_800, 105),
    (39_600, 85),
    (46_800, 115),
    (48_600, 95),
    (50_400, 95),
    (52_200, 135),
];
/// Length of each, in seconds.
const HALF_HOUR: i64 = 1_800;

/// Thousandths of the day's volume that are behind at a time of day.
fn behind(time: UnixNanos) -> i64 {
    let second = time.time_of_day() / SECOND;
    USUAL.iter().map(|(begin, share)| share * (second - begin).clamp(0, HALF_HOUR) / HALF_HOUR).sum()
}

/// What should be filled or open at `now`, in `slices` steps of time.
pub(super) fn target(quantity: Qty, slices: u32, (start, end): (UnixNanos, UnixNanos), now: UnixNanos) -> Qty {
    let step = ((end.0 - start.0) / i64::from(slices.max(1))).max(1);
    // The volume up to the end of the step in which now lies.
    let until = start.0 + ((now.0 - start.0).max(0) / step + 1) * step;
    let until = UnixNanos(until.min(end.0));
    let (whole, passed) = (behind(end) - behind(start), behind(until) - behind(start));
    if whole <= 0 || until >= end {
        return if whole <= 0 && until < end {
            super::twap::target(quantity, slices, (start, end), now)
        } else {
            quantity
        };
    }
    Qty(i64::try_from(i128::from(quantity.0) * i128::from(passed) / i128::from(whole)).unwrap_or(quantity.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use heng_model::TradeDate;

    #[test]
    fn the_morning_brings_more_than_noon_and_the_end_everything() {
        assert_eq!(USUAL.iter().map(|(_, share)| share).sum::<i64>(), 1_000);
        let date = TradeDate::new(2026, 7, 6).expect("a date");
        let at = |second: i64| UnixNanos::at(date, second * SECOND);
        let span = (at(34_200), at(54_000));
        let told: Vec<i64> =
            [34_200, 36_100, 39_700, 46_000, 53_999, 54_000].map(|s| target(Qty(10_000), 11, span, at(s)).0).into();
        assert!(told.is_sorted() && told[0] >= 2_000 && told[5] == 10_000, "{told:?}");
        assert_eq!(told[2], told[3], "nothing is expected over noon");
        // Where no volume is expected time alone counts.
        let noon = (at(41_400), at(45_000));
        assert_eq!(target(Qty(100), 10, noon, at(41_400)).0, 10);
    }
}
