//! C1: the workload for the full core, to the letter of the benchmark text.
//!
//! Accounts with cash, instruments chosen by Zipf 1.0, three holdings each; of 100 commands 50 are passive orders,
//! 35 cancels of live orders, 10 marketable orders and 5 orders that must be refused. 200 risk rules are on.

mod flow;
mod population;

pub(crate) use flow::{C1, Made, Stream, generate};
pub(crate) use population::{Population, RISK_RULES, Shape};

use heng_core::decode_batch;
use heng_engine::{EventWriter, State, apply, warm, warm_first};
use heng_model::wire::WireError;
use heng_model::{Command, Seq, Sequenced};

/// Commands in one encoded batch.
pub(crate) const BATCH: usize = 256;

/// What a run wrote.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) commands: u64,
    pub(crate) event_bytes: u64,
}

/// Decodes a batch into `commands`.
///
/// # Panics
/// If the bytes do not hold a batch: the generator wrote them.
pub(crate) fn decode(payload: &[u8], commands: &mut Vec<Sequenced<Command>>) {
    commands.clear();
    decode_batch::<WireError>(
        payload,
        |_, _| Ok(()),
        |command| {
            commands.push(command);
            Ok(())
        },
    )
    .expect("the generator wrote this batch");
}

/// The measured path of the full core: decode, check, hold, match, post, encode events.
#[inline(never)]
pub(crate) fn execute(
    state: &mut State,
    writer: &mut EventWriter,
    batches: &[Vec<u8>],
    commands: &mut Vec<Sequenced<Command>>,
) -> Written {
    let mut written = Written::default();
    for payload in batches {
        decode(payload, commands);
        warm_first(state, commands);
        for (at, command) in commands.iter().enumerate() {
            warm(state, commands, at);
            apply(state, command, writer);
            writer.finish();
        }
        written.commands += commands.len() as u64;
        written.event_bytes += core::hint::black_box(writer.frames()).len() as u64;
        writer.clear_frames();
    }
    written
}

/// Executes batches and checks at each one that sequence and event digest are those of the first execution.
///
/// # Panics
/// If they are not: the core would not be deterministic.
pub(crate) fn execute_checked(state: &mut State, writer: &mut EventWriter, batches: &[Vec<u8>]) {
    for payload in batches {
        let (next, digest) = (state.seq().next(), writer.digest());
        let begin = |first: Seq, recorded| {
            assert_eq!((first, recorded), (next, digest), "a replay goes the way of the first run");
            Ok::<(), WireError>(())
        };
        let mut commands = Vec::with_capacity(BATCH);
        decode_batch::<WireError>(payload, begin, |command| {
            commands.push(command);
            Ok(())
        })
        .expect("the generator wrote this batch");
        for command in &commands {
            apply(state, command, writer);
            writer.finish();
        }
        writer.clear_frames();
    }
}

#[cfg(test)]
mod tests {
    use heng_model::PartitionId;

    use super::*;

    fn tiny(partitions: u16, crossing: u64) -> C1 {
        let small = Shape::small(20_000);
        generate(
            Population::new(Shape { accounts: 400, instruments: 40, warm_up: 2_000, partitions, crossing, ..small }),
            true,
        )
    }

    #[test]
    fn the_mix_is_that_of_the_text_and_only_intended_orders_are_refused() {
        let c1 = tiny(1, 0);
        let made = c1.made;
        let close = |count: u64, percent: u64| count.abs_diff(200 * percent) < 200;
        assert!(close(made.passive, 50) && close(made.cancels, 35), "{made:?}");
        assert!(close(made.marketable, 10) && close(made.refused, 5), "{made:?}");
        assert!(made.unintended_refusals < 20 && made.trades > 1_000, "{made:?}");
    }

    #[test]
    fn executing_the_bytes_again_ends_in_the_same_state() {
        let c1 = tiny(1, 0);
        let stream = &c1.streams[0];
        let mut state = State::new(PartitionId(0), c1.population.capacity());
        let mut writer = EventWriter::default();
        execute_checked(&mut state, &mut writer, &stream.before);
        assert_eq!(writer.digest(), stream.digest);
        execute(&mut state, &mut writer, &stream.timed, &mut Vec::new());
        assert_eq!(state.hash(), stream.end_hash);
    }

    #[test]
    fn orders_cross_only_where_they_are_asked_to() {
        assert_eq!(tiny(2, 0).made.crossed, 0);
        let made = tiny(2, 10).made;
        let share = made.crossed * 100 / (made.passive + made.marketable);
        assert!((8..=12).contains(&share), "{made:?}");
    }
}
