//! Fund flow 资金流向: what active orders bought and sold, by the size of the order.
//!
//! An order is active in the trades that it makes on arrival; its turnover in them decides its class. What trades in an
//! auction, or at the fixed price after hours, has no active side and is left out, as terminals do.

use heng_model::quantity::SCALE;
use heng_model::{Money, Side};

/// From which turnover an order counts as medium or large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowThresholds {
    /// From here on an order is medium 中单.
    pub medium: Money,
    /// From here on an order is large 大单.
    pub large: Money,
    /// Where the figures come from.
    pub source: &'static str,
}

impl FlowThresholds {
    /// 40,000 and 200,000 yuan. There is no official definition; large mainland terminals publish these two steps (and
    /// split "large" once more at a million), so they are a choice, and it can be replaced.
    pub const CUSTOMARY: Self = Self {
        medium: Money(40_000 * SCALE),
        large: Money(200_000 * SCALE),
        source: "unverified: steps customary in mainland terminals, no official definition",
    };
}

/// Bought and sold actively.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InOut {
    /// Value bought by active orders 流入.
    pub bought: Money,
    /// Value sold by active orders 流出.
    pub sold: Money,
}

impl InOut {
    /// What flowed in on balance.
    #[must_use]
    pub const fn net(self) -> Money {
        Money(self.bought.0.saturating_sub(self.sold.0))
    }
}

/// The flow by size of order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Large orders.
    pub large: InOut,
    /// Medium orders.
    pub medium: InOut,
    /// Small orders.
    pub small: InOut,
}

impl Flow {
    /// An active order of this turnover.
    pub fn put(&mut self, side: Side, amount: Money, thresholds: &FlowThresholds) {
        let cell = self.cell(side, amount, thresholds);
        cell.0 = cell.0.saturating_add(amount.0);
    }

    /// Takes it out again.
    pub fn remove(&mut self, side: Side, amount: Money, thresholds: &FlowThresholds) {
        let cell = self.cell(side, amount, thresholds);
        cell.0 = cell.0.saturating_sub(amount.0);
    }

    /// Both.
    pub fn join(&mut self, other: &Self) {
        let pairs = [(&mut self.large, other.large), (&mut self.medium, other.medium), (&mut self.small, other.small)];
        for (to, from) in pairs {
            to.bought.0 = to.bought.0.saturating_add(from.bought.0);
            to.sold.0 = to.sold.0.saturating_add(from.sold.0);
        }
    }

    fn cell(&mut self, side: Side, amount: Money, thresholds: &FlowThresholds) -> &mut Money {
        let class = if amount >= thresholds.large {
            &mut self.large
        } else if amount >= thresholds.medium {
            &mut self.medium
        } else {
            &mut self.small
        };
        match side {
            Side::Buy => &mut class.bought,
            Side::Sell => &mut class.sold,
        }
    }
}
