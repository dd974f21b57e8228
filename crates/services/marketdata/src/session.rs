//! The minutes of a trading day, as terminals in China number them.
//!
//! A minute bar is named after its end: 09:31 holds what traded from 09:30:00 to 09:30:59. The opening auction (09:25)
//! belongs to the first bar, the closing auction (15:00) to the last. Bars of several minutes never cross the break.
//! What trades after hours at the fixed price has a place of its own behind the last minute: it counts for the day,
//! not for any minute.

use heng_model::{Board, SECOND};

const MINUTE: i64 = 60 * SECOND;

/// Morning and afternoon of a market, in minutes after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    morning: (i64, i64),
    afternoon: (i64, i64),
}

impl Session {
    /// The continuous sessions of a board: 09:30–11:30 and 13:00–15:00 on the mainland, 09:30–12:00 and 13:00–16:00 in
    /// Hong Kong.
    #[must_use]
    pub const fn of(board: Board) -> Self {
        match board {
            Board::Hk => Self { morning: (570, 720), afternoon: (780, 960) },
            _ => Self { morning: (570, 690), afternoon: (780, 900) },
        }
    }

    /// How many minute bars the day has: 240 on the mainland.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        (self.morning.1 - self.morning.0 + self.afternoon.1 - self.afternoon.0) as u16
    }

    /// The place of what trades after hours at the fixed price.
    #[must_use]
    pub const fn after_hours(self) -> u16 {
        self.minutes()
    }

    const fn morning_minutes(self) -> i64 {
        self.morning.1 - self.morning.0
    }

    /// The bar, from 0, that a trade at `time_of_day` (nanoseconds after midnight) belongs to.
    #[must_use]
    pub const fn slot(self, time_of_day: i64) -> u16 {
        let minute = time_of_day.div_euclid(MINUTE);
        let slot = if minute < self.morning.0 {
            0
        } else if minute < self.afternoon.0 {
            let since = minute - self.morning.0;
            let last = self.morning_minutes() - 1;
            if since > last { last } else { since }
        } else {
            let since = minute - self.afternoon.0 + self.morning_minutes();
            let last = self.minutes() as i64 - 1;
            if since > last { last } else { since }
        };
        slot as u16
    }

    /// The minute after midnight that the bar `slot` ends at and is named after.
    #[must_use]
    pub const fn end_minute(self, slot: u16) -> i64 {
        let slot = slot as i64;
        if slot < self.morning_minutes() {
            self.morning.0 + slot + 1
        } else {
            self.afternoon.0 + slot - self.morning_minutes() + 1
        }
    }

    /// The last slot of the bar of `minutes` that `slot` belongs to. Such a bar begins with its session.
    #[must_use]
    pub const fn last_slot(self, slot: u16, minutes: u16) -> u16 {
        let (first, end) = if (slot as i64) < self.morning_minutes() {
            (0, self.morning_minutes() as u16)
        } else {
            (self.morning_minutes() as u16, self.minutes())
        };
        let last = first + (slot - first) / minutes * minutes + minutes - 1;
        if last < end { last } else { end - 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Session = Session::of(Board::SseMain);

    fn at(hour: i64, minute: i64, second: i64) -> i64 {
        ((hour * 60 + minute) * 60 + second) * SECOND
    }

    fn check(time: i64, name: (i64, i64)) {
        assert_eq!(A.end_minute(A.slot(time)), name.0 * 60 + name.1, "{time}");
    }

    #[test]
    fn trades_fall_into_the_bars_of_chinese_terminals() {
        check(at(9, 25, 0), (9, 31));
        check(at(9, 30, 0), (9, 31));
        check(at(9, 30, 59), (9, 31));
        check(at(9, 31, 0), (9, 32));
        check(at(11, 29, 59), (11, 30));
        check(at(11, 30, 0), (11, 30));
        check(at(13, 0, 0), (13, 1));
        check(at(14, 56, 59), (14, 57));
        check(at(15, 0, 0), (15, 0));
        check(at(15, 0, 3), (15, 0));
        assert_eq!(A.minutes(), 240);
        assert_eq!(Session::of(Board::Hk).minutes(), 330);
    }

    #[test]
    fn longer_bars_end_where_terminals_end_them_and_never_cross_the_break() {
        let ends = |session: Session, minutes| {
            let mut ends: Vec<i64> =
                (0..session.minutes()).map(|slot| session.end_minute(session.last_slot(slot, minutes))).collect();
            ends.dedup();
            ends
        };
        assert_eq!(ends(A, 60), [630, 690, 840, 900]);
        assert_eq!(ends(A, 30), [600, 630, 660, 690, 810, 840, 870, 900]);
        assert_eq!(ends(A, 5).len(), 48);
        assert_eq!(ends(Session::of(Board::Hk), 60), [630, 690, 720, 840, 900, 960]);
    }
}
