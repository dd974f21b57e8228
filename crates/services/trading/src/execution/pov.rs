//! POV: a share of what trades.

use heng_model::Qty;

/// What should be filled or open when `traded` has traded since the start.
pub(super) fn target(quantity: Qty, percent: u32, traded: Qty) -> Qty {
    let share = i128::from(traded.0) * i128::from(percent) / 100;
    Qty(i64::try_from(share).unwrap_or(i64::MAX)).min(quantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_volume_and_never_more_than_asked() {
        let at = |traded: i64| target(Qty(1_000), 20, Qty(traded)).0;
        assert_eq!((at(0), at(99), at(1_000), at(5_000), at(i64::MAX)), (0, 19, 200, 1_000, 1_000));
    }
}
