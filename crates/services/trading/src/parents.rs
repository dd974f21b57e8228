//! Parents become rows: what the client asked, what the driver did, and what the children filled.

use heng_model::ParentId;
use heng_model::event::{OrderFilled, ParentAccepted, ParentChanged, ParentStatus};

use crate::fold::{Fold, Placed};
use crate::fold_error::{FoldError, Noun};
use crate::tables::ParentRow;

fn touch(row: &mut ParentRow, at: Placed<'_>) {
    row.changed_sequence = at.sequence();
    row.changed_at = at.time();
}

impl Fold {
    fn parent(&mut self, id: ParentId) -> Result<&mut ParentRow, FoldError> {
        self.parents.get_mut(&id.0.cast_signed()).ok_or(FoldError::Missing { what: Noun::PARENT, id: id.0 })
    }

    /// A refused parent has no event of its own, and no row.
    pub(crate) fn accept_parent(&mut self, e: &ParentAccepted, at: Placed<'_>) -> Result<(), FoldError> {
        let parent_id = e.parent.0.cast_signed();
        if self.parents.contains_key(&parent_id) {
            let what = Noun::new("number of acceptances", "母单接受次数");
            return Err(FoldError::Differs { what, id: e.parent.0, told: 2, found: 1 });
        }
        let mut row = ParentRow {
            parent_id,
            sequence: at.sequence(),
            placed_at: at.time(),
            account: e.account.0.cast_signed(),
            client_order: e.client_order.to_text(),
            trade_date: self.market.trade_date,
            instrument: i64::from(e.instrument.0),
            side: i64::from(e.side as u8),
            quantity: e.quantity.0,
            value_max: e.value_max.0,
            status: i64::from(ParentStatus::Accepted as u8),
            ..ParentRow::default()
        };
        touch(&mut row, at);
        self.parents.insert(parent_id, row);
        Ok(())
    }

    pub(crate) fn change_parent(&mut self, e: &ParentChanged, at: Placed<'_>) -> Result<(), FoldError> {
        let row = self.parent(e.parent)?;
        row.status = i64::from(e.status as u8);
        row.epoch = e.epoch.cast_signed();
        row.event = e.event.0.cast_signed();
        touch(row, at);
        Ok(())
    }

    /// An order was placed for `parent`; 0 is none.
    pub(crate) fn add_child(&mut self, parent: ParentId, at: Placed<'_>) -> Result<(), FoldError> {
        if parent == ParentId(0) {
            return Ok(());
        }
        let row = self.parent(parent)?;
        row.children += 1;
        touch(row, at);
        Ok(())
    }

    /// A child filled: its parent never fills more than was asked.
    pub(crate) fn fill_child(&mut self, parent: ParentId, e: &OrderFilled, at: Placed<'_>) -> Result<(), FoldError> {
        if parent == ParentId(0) {
            return Ok(());
        }
        let row = self.parent(parent)?;
        row.filled += e.quantity.0;
        row.value += e.amount.0;
        touch(row, at);
        if row.filled > row.quantity {
            let what = Noun::new("filled quantity of parent", "母单成交数量");
            return Err(FoldError::Differs { what, id: parent.0, told: row.filled, found: row.quantity });
        }
        Ok(())
    }
}
