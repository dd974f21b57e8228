//! Which rows of a Shanghai day fall into a call auction. The tape has no phase of its own.
//!
//! Opening auction 9:15–9:25, closing auction 14:57–15:00 (SSE trading rules; funds have it from 2026-07-06 and no stock
//! had it before 2018-08-20, so a day with continuous trades in that window has none), after-hours fixed price from
//! 15:05. An auction at any other time ends a halt, whose start the tape does not tell.

use super::tape::{Kind, Row};

const MINUTE: u32 = 60_000;
const OPEN_AUCTION_END: u32 = (9 * 60 + 25) * MINUTE;
const CLOSE_AUCTION: u32 = (14 * 60 + 57) * MINUTE;
/// Orders sent at 14:56:59 may still trade a moment later.
const CLOSE_AUCTION_SETTLED: u32 = CLOSE_AUCTION + 2_000;
const CLOSE: u32 = 15 * 60 * MINUTE;
const AFTER_HOURS: u32 = (15 * 60 + 5) * MINUTE;

/// How orders that arrive are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They wait for a common price.
    Auction,
    /// They match at once.
    Continuous,
    /// By the clock they match at once, but the next trade is an auction's: one that would match was collected in a halt.
    Quiet,
    /// They match at once at the closing price, apart from the day's book.
    AfterHours,
}

/// The phase of every row of a tape in order.
pub(crate) fn phases(rows: &[Row]) -> Vec<Phase> {
    let continuous_to_the_close = rows.iter().any(|row| {
        matches!(row.kind, Kind::Trade { taker: Some(_), .. }) && (CLOSE_AUCTION_SETTLED..CLOSE).contains(&row.time)
    });
    let mut phases = vec![Phase::Continuous; rows.len()];
    // Whether the next trade is an auction's.
    let mut auction_next = false;
    for (at, row) in rows.iter().enumerate().rev() {
        if let Kind::Trade { taker, .. } = row.kind {
            auction_next = taker.is_none();
        }
        let closing = !continuous_to_the_close && (CLOSE_AUCTION..AFTER_HOURS).contains(&row.time);
        let took = matches!(row.kind, Kind::Trade { taker: Some(_), .. });
        phases[at] = match row.time {
            AFTER_HOURS.. => Phase::AfterHours,
            _ if took => Phase::Continuous,
            time if time < OPEN_AUCTION_END || closing => Phase::Auction,
            _ if auction_next => Phase::Quiet,
            _ => Phase::Continuous,
        };
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use heng_model::Side;

    fn check(rows: &[(&str, char)], expected: &str) {
        let row = |(time, kind): &(&str, char)| {
            let kind = match kind {
                'a' => Kind::Add { order: 1, side: Side::Buy, price: 1, qty: 1 },
                't' => Kind::Trade { buy: 1, sell: 2, price: 1, qty: 1, taker: Some(Side::Buy), money_agrees: true },
                _ => Kind::Trade { buy: 1, sell: 2, price: 1, qty: 1, taker: None, money_agrees: true },
            };
            let time = super::super::number::clock(time.as_bytes()).unwrap();
            Row { biz_index: 0, time, file: 0, line: 0, kind }
        };
        let rows: Vec<Row> = rows.iter().map(row).collect();
        let letters: String = phases(&rows)
            .iter()
            .map(|phase| match phase {
                Phase::Auction => 'A',
                Phase::Continuous => 'C',
                Phase::Quiet => 'Q',
                Phase::AfterHours => 'F',
            })
            .collect();
        assert_eq!(letters, expected);
    }

    #[test]
    fn a_day_has_its_phases() {
        let day = [("09:15:00", 'a'), ("09:25:00.9", 'n'), ("09:30:00", 'a'), ("09:30:01", 't'), ("14:56:59", 'a')];
        check(&day, "AQCCC");
        let close = [("14:57:00.1", 't'), ("14:57:01", 'a'), ("15:00:01", 'n'), ("15:05:00", 'a'), ("15:06:00", 't')];
        check(&close, "CAAFF");
    }

    #[test]
    fn a_day_without_a_closing_auction_trades_to_the_end() {
        check(&[("14:57:10", 'a'), ("14:58:00", 't'), ("14:59:00", 'a')], "CCC");
        check(&[("14:57:10", 'a'), ("14:59:00", 'a')], "AA");
    }

    #[test]
    fn an_auction_out_of_hours_ends_a_halt() {
        check(&[("10:00:00", 't'), ("10:00:01", 'a'), ("10:10:00", 'n'), ("10:10:01", 'a')], "CQQC");
        check(&[("10:00:00", 't'), ("14:00:00", 'a'), ("14:57:00", 'n'), ("15:00:00", 'n')], "CQAA");
    }
}
