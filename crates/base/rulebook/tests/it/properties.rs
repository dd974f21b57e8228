//! Properties that hold for every input.

use std::sync::LazyLock;

use heng_model::{Board, InstrumentClass, Money, Price, Rate, Side};
use heng_rulebook::{FeeKind, LimitQuery, Rulebook, bundle, bundle_hash, parse_bundle};
use proptest::prelude::*;

use crate::{book, date};

fn board() -> impl Strategy<Value = Board> {
    proptest::sample::select(vec![Board::SseMain, Board::Star, Board::SzseMain, Board::Chinext, Board::Bse, Board::Hk])
}

fn side() -> impl Strategy<Value = Side> {
    proptest::sample::select(vec![Side::Buy, Side::Sell])
}

static FILES: LazyLock<Vec<(String, String)>> = LazyLock::new(Rulebook::embedded_files);

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_are_on_the_tick_and_round_half_up(board in board(), ticks in 1i64..500_000, st in any::<bool>()) {
        let prev = Price(ticks * 100);
        let query = LimitQuery {
            board, class: InstrumentClass::Stock, st, listing_day: None, delisting_day: None, prev, date: date("2026-07-03"),
        };
        if let Some((up, down)) = book().price_limits(query).expect("in force") {
            let percent = match (board, st) {
                (Board::SseMain | Board::SzseMain, true) => 5,
                (Board::SseMain | Board::SzseMain, false) => 10,
                (Board::Bse, _) => 30,
                _ => 20,
            };
            prop_assert_eq!(up.0 % 100, 0);
            prop_assert_eq!(down.0 % 100, 0);
            prop_assert!(down < prev || down.0 == 100);
            prop_assert!(up > prev);
            // Half up: never more than half a tick below the exact value, and never half a tick or more above it.
            for (limit, exact) in [(up.0, ticks * (100 + percent)), (down.0, ticks * (100 - percent))] {
                let distance = limit - exact;
                let one_tick_away = (limit - prev.0).abs() == 100;
                prop_assert!(one_tick_away || (-50 < distance && distance <= 50), "{} {}", limit, exact);
            }
        }
    }

    #[test]
    fn fees_never_fall_when_the_amount_rises(
        board in board(), side in side(), amount in 1i64..2_000_000_000_000, more in 0i64..50_000_000_000, rate in 0i64..1_000_000,
    ) {
        let schedule = book().fee_schedule(board, InstrumentClass::Stock, side, date("2026-07-06")).expect("in force");
        let (less, later) = (schedule.charge(Money(amount), Rate(rate)), schedule.charge(Money(amount + more), Rate(rate)));
        for kind in FeeKind::ALL {
            prop_assert!(less.of(kind) <= later.of(kind), "{}", kind.name());
            prop_assert_eq!(less.of(kind).0 % 100, 0, "client cash moves in cents");
        }
        prop_assert!(less.total <= later.total);
        let inside: i64 = schedule.components().iter().filter(|c| c.inside_commission).map(|c| less.of(c.kind).0).sum();
        prop_assert!(less.of(FeeKind::Commission).0 >= inside);
        let beside: i64 = schedule.components().iter().filter(|c| !c.inside_commission).map(|c| less.of(c.kind).0).sum();
        prop_assert_eq!(less.total.0, less.of(FeeKind::Commission).0 + beside);
    }

    #[test]
    fn each_fee_is_the_exact_product_rounded_its_own_way(board in board(), side in side(), amount in 1i64..i64::MAX / 1_000) {
        let schedule = book().fee_schedule(board, InstrumentClass::Stock, side, date("2026-07-06")).expect("in force");
        let charges = schedule.charge(Money(amount), Rate(0));
        for component in schedule.components() {
            let exact = i128::from(amount) * i128::from(component.rate.0);
            let unit = i128::from(component.unit.0) * 100_000_000;
            let found = i128::from(charges.of(component.kind).0) * 100_000_000;
            if component.unit.0 == 100 {
                prop_assert!(-unit < 2 * (found - exact) - unit + 1 || 2 * (exact - found) < unit);
                prop_assert!(2 * (found - exact) <= unit && 2 * (exact - found) < unit, "half up, not half even");
            } else {
                prop_assert!(found >= exact && found - exact < unit, "up to the next dollar");
            }
        }
    }

    #[test]
    fn bundles_round_trip_and_ignore_order(swap in 0usize..13, with in 0usize..13) {
        let mut files = FILES.clone();
        files.swap(swap, with);
        let bytes = bundle(&files);
        prop_assert_eq!(&bytes, &bundle(&FILES));
        prop_assert_eq!(bundle_hash(&bytes), book().hash());
        prop_assert_eq!(&parse_bundle(&bytes).expect("our own"), &*FILES);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_never_panic(
        file in 0usize..13, cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let (name, text) = &FILES[file];
        let mut bytes = text.clone().into_bytes();
        for (index, byte, action) in cuts {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match action {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..(at + usize::from(byte)).min(bytes.len()))),
                _ => { let copy = bytes[at..].to_vec(); bytes.extend_from_slice(&copy[..copy.len().min(4_000)]); }
            }
        }
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        match Rulebook::parse(&[(name.clone(), text)]) {
            Ok(_) => {}
            Err(problems) => prop_assert!(!problems.is_empty() && problems.iter().all(|p| !p.reason.is_empty())),
        }
    }

    #[test]
    fn random_bytes_are_no_bundle(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
        prop_assert!(Rulebook::from_bundle(&bytes).is_err());
        let whole = bundle(&FILES);
        let part = &whole[..cut.index(whole.len())];
        if part.len() < whole.len() {
            // A cut at the end of a file is a bundle of fewer files, and then not this book.
            prop_assert!(Rulebook::from_bundle(part).map_or(true, |book| book.hash() != bundle_hash(&whole)));
        }
    }
}
