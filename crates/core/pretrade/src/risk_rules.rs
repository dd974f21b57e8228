//! Configurable risk rules, compiled: hundreds of rules cost a few comparisons.
//!
//! A rule bounds one feature of an order on a board and a side. All rules of one board, side and feature together
//! allow one interval, so an order is compared with at most one interval per feature; only a refusal looks for the
//! rule that it breaks, the one with the lowest number.

use heng_model::command::{RiskFeature, RiskRule};
use heng_model::{Board, Side};

const BOARDS: usize = Board::ALL.len();

/// The measured features of an order, by `RiskFeature`.
pub type Features = [i64; RiskFeature::COUNT];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    least: Features,
    most: Features,
}

const OPEN: Bounds = Bounds { least: [i64::MIN; RiskFeature::COUNT], most: [i64::MAX; RiskFeature::COUNT] };

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskRules {
    rules: Vec<RiskRule>,
    compiled: [[Bounds; 2]; BOARDS],
}

impl Default for RiskRules {
    fn default() -> Self {
        Self { rules: Vec::new(), compiled: [[OPEN; 2]; BOARDS] }
    }
}

const fn holds_for(rule: &RiskRule, board: Board, side: Side) -> bool {
    (rule.board == 0 || rule.board == board as u8) && (rule.side == 0 || rule.side == side as u8)
}

impl RiskRules {
    /// Compiles rules.
    #[must_use]
    pub fn new(rules: Vec<RiskRule>) -> Self {
        let mut compiled = [[OPEN; 2]; BOARDS];
        for board in Board::ALL {
            for side in Side::ALL {
                let bounds = &mut compiled[*board as usize - 1][*side as usize - 1];
                for rule in rules.iter().filter(|rule| holds_for(rule, *board, *side)) {
                    let at = rule.feature as usize - 1;
                    bounds.least[at] = bounds.least[at].max(rule.least);
                    bounds.most[at] = bounds.most[at].min(rule.most);
                }
            }
        }
        Self { rules, compiled }
    }

    /// The rules as they were given.
    #[must_use]
    pub fn rules(&self) -> &[RiskRule] {
        &self.rules
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule with the lowest number that the features break.
    #[must_use]
    #[inline]
    pub fn broken(&self, board: Board, side: Side, features: &Features) -> Option<u32> {
        let bounds = &self.compiled[board as usize - 1][side as usize - 1];
        let mut inside = true;
        for (value, (least, most)) in features.iter().zip(bounds.least.iter().zip(&bounds.most)) {
            // Every interval is compared, without a branch, so that the loop becomes a few vector instructions.
            inside &= value >= least && value <= most;
        }
        if inside { None } else { self.search(board, side, features) }
    }

    /// The slow path and the oracle of the fast one: rule by rule.
    #[cold]
    fn search(&self, board: Board, side: Side, features: &Features) -> Option<u32> {
        self.rules
            .iter()
            .filter(|rule| holds_for(rule, board, side))
            .filter(|rule| {
                let value = features[rule.feature as usize - 1];
                value < rule.least || value > rule.most
            })
            .map(|rule| rule.number)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_bounds_agree_with_rule_by_rule() {
        let mut state = 7u64;
        let mut draw = move |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let rules: Vec<RiskRule> = (0..200)
            .map(|number| RiskRule {
                number,
                board: draw(7) as u8,
                side: draw(3) as u8,
                feature: RiskFeature::ALL[draw(16) as usize],
                least: -(draw(1_000) as i64),
                most: draw(1_000) as i64 + 400,
            })
            .collect();
        let rules = RiskRules::new(rules);
        let mut broken = 0;
        for _ in 0..20_000 {
            let features: Features = core::array::from_fn(|_| draw(900) as i64 - 350);
            let (board, side) = (Board::ALL[draw(6) as usize], Side::ALL[draw(2) as usize]);
            let found = rules.broken(board, side, &features);
            assert_eq!(found, rules.search(board, side, &features));
            broken += u32::from(found.is_some());
        }
        assert!(broken > 1_000 && broken < 20_000, "both outcomes occur: {broken}");
    }
}
