//! Timers are core state and fire in (deadline, id) order before the command that carries a later time.

use std::collections::BTreeMap;

use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{InstrumentId, ParentId, UnixNanos};

/// What happens when a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A segment enters a step of its day.
    Phase { segment: u32, step: u32 },
    /// The nominal prices of a segment are taken for its closing prices.
    Nominal { segment: u32 },
    /// A halt ends; `id` tells whether it is still the same halt.
    HaltEnd { instrument: InstrumentId, id: u32 },
    /// A parent expires.
    ParentEnd { parent: ParentId },
}

/// The timers of a partition.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    queue: BTreeMap<(UnixNanos, u64), Timer>,
    next_id: u64,
    /// The earliest deadline, kept beside the queue because every command asks for it.
    earliest: UnixNanos,
}

impl Default for Timers {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), next_id: 0, earliest: NEVER }
    }
}

const NEVER: UnixNanos = UnixNanos(i64::MAX);

impl Timers {
    pub(crate) fn arm(&mut self, deadline: UnixNanos, timer: Timer) {
        self.queue.insert((deadline, self.next_id), timer);
        self.next_id += 1;
        self.earliest = self.earliest.min(deadline);
    }

    /// Whether a timer is due at `now`.
    #[inline]
    pub(crate) fn is_due(&self, now: UnixNanos) -> bool {
        self.earliest <= now
    }

    /// Takes the first timer that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: UnixNanos) -> Option<(UnixNanos, Timer)> {
        let entry = self.queue.first_entry()?;
        let deadline = entry.key().0;
        if deadline > now {
            return None;
        }
        let timer = entry.remove();
        self.earliest = self.queue.first_key_value().map_or(NEVER, |((deadline, _), _)| *deadline);
        Some((deadline, timer))
    }

    /// When the next timer fires.
    pub(crate) fn next_deadline(&self) -> Option<UnixNanos> {
        (self.earliest != NEVER).then_some(self.earliest)
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.earliest = NEVER;
    }

    pub(crate) fn write_state(&self, out: &mut Writer) {
        self.next_id.put(out);
        (self.queue.len() as u64).put(out);
        for ((deadline, id), timer) in &self.queue {
            deadline.put(out);
            id.put(out);
            let (code, a, b) = match *timer {
                Timer::Phase { segment, step } => (1u8, u64::from(segment), step),
                Timer::HaltEnd { instrument, id } => (2, u64::from(instrument.0), id),
                Timer::ParentEnd { parent } => (3, parent.0, 0),
                Timer::Nominal { segment } => (4, u64::from(segment), 0),
            };
            code.put(out);
            a.put(out);
            b.put(out);
        }
    }

    pub(crate) fn read_state(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut timers = Self { next_id: u64::get(from)?, ..Self::default() };
        for _ in 0..u64::get(from)? {
            let (deadline, id) = (UnixNanos::get(from)?, u64::get(from)?);
            let (code, a, b) = (u8::get(from)?, u64::get(from)?, u32::get(from)?);
            let narrow = |a: u64| u32::try_from(a).map_err(|_| WireError::OutOfRange { of: "timer" });
            let timer = match code {
                1 => Timer::Phase { segment: narrow(a)?, step: b },
                2 => Timer::HaltEnd { instrument: InstrumentId(narrow(a)?), id: b },
                3 => Timer::ParentEnd { parent: ParentId(a) },
                4 => Timer::Nominal { segment: narrow(a)? },
                _ => return Err(WireError::UnknownCode { of: "timer", code: u64::from(code) }),
            };
            timers.queue.insert((deadline, id), timer);
            timers.earliest = timers.earliest.min(deadline);
        }
        Ok(timers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_by_deadline_and_then_in_the_order_in_which_they_were_armed() {
        let halt = |id| Timer::HaltEnd { instrument: InstrumentId(1), id };
        let mut timers = Timers::default();
        for (deadline, id) in [(30, 1), (10, 2), (30, 3), (20, 4)] {
            timers.arm(UnixNanos(deadline), halt(id));
        }
        assert!(!timers.is_due(UnixNanos(9)) && timers.is_due(UnixNanos(10)));
        let mut out = Writer::default();
        timers.write_state(&mut out);
        for mut timers in [Timers::read_state(&mut Reader::new(out.bytes())).unwrap(), timers] {
            assert_eq!(timers.next_deadline(), Some(UnixNanos(10)));
            assert_eq!(timers.pop_due(UnixNanos(9)), None);
            let mut fired = Vec::new();
            while let Some((_, Timer::HaltEnd { id, .. })) = timers.pop_due(UnixNanos(30)) {
                fired.push(id);
            }
            assert_eq!(fired, [2, 4, 1, 3]);
            assert_eq!(timers.next_deadline(), None);
            // Ids go on after a clear, so that equal deadlines keep their order.
            timers.clear();
            timers.arm(UnixNanos(5), halt(9));
            assert_eq!(timers.pop_due(UnixNanos(5)), Some((UnixNanos(5), halt(9))));
        }
    }
}
