//! Iceberg: one visible part after the other at the limit.

use heng_model::Qty;

/// What to show next when `open` is shown and `left` is neither filled nor shown.
pub(super) fn next(display: Qty, open: Qty, left: Qty) -> Qty {
    if open > Qty::ZERO { Qty::ZERO } else { display.min(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_part_is_shown_when_the_last_is_gone() {
        assert_eq!(next(Qty(100), Qty(1), Qty(900)), Qty::ZERO);
        assert_eq!(next(Qty(100), Qty::ZERO, Qty(900)), Qty(100));
        assert_eq!(next(Qty(100), Qty::ZERO, Qty(30)), Qty(30));
    }
}
