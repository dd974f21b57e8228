//! TWAP: equal slices over time.

use heng_model::{Qty, UnixNanos};

/// How many of `slices` are due at `now`, the first at the start.
fn due(slices: u32, (start, end): (UnixNanos, UnixNanos), now: UnixNanos) -> i64 {
    let slices = i64::from(slices.max(1));
    let (length, passed) = ((end.0 - start.0).max(1), (now.0 - start.0).clamp(0, end.0 - start.0));
    let whole = i128::from(passed) * i128::from(slices) / i128::from(length);
    (i64::try_from(whole).unwrap_or(slices) + 1).min(slices)
}

/// What should be filled or open at `now`.
pub(super) fn target(quantity: Qty, slices: u32, span: (UnixNanos, UnixNanos), now: UnixNanos) -> Qty {
    let share = i128::from(quantity.0) * i128::from(due(slices, span, now)) / i128::from(slices.max(1));
    Qty(i64::try_from(share).unwrap_or(quantity.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_come_evenly_and_all_of_them_by_the_end() {
        let span = (UnixNanos(1_000), UnixNanos(2_000));
        let at = |now: i64| target(Qty(1_000), 10, span, UnixNanos(now)).0;
        assert_eq!((at(1_000), at(1_099), at(1_100), at(1_550)), (100, 100, 200, 600));
        assert_eq!((at(1_900), at(1_999), at(2_000), at(9_000)), (1_000, 1_000, 1_000, 1_000));
        assert_eq!(target(Qty(1_000), 0, span, UnixNanos(0)).0, 1_000, "no slices are one");
        assert_eq!(target(Qty(5), 3, (UnixNanos(5), UnixNanos(5)), UnixNanos(5)).0, 1, "no time is a first slice");
    }
}
