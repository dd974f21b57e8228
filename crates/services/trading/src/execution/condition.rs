//! Condition orders: the market event that fulfils a condition fires it; the core lets the first one win.

use heng_model::command::TriggerParent;
use heng_ports::ParentNow;

use super::market::Quote;

/// The trigger, if the last trade of the watched instrument fulfils the condition and came behind the parent.
pub(super) fn fired(parent: &ParentNow, watched: &Quote) -> Option<TriggerParent> {
    let reached = if parent.at_or_above { watched.last >= parent.trigger } else { watched.last <= parent.trigger };
    let known = watched.last.0 > 0 && watched.last_at > parent.seq;
    (known && reached).then_some(TriggerParent { parent: parent.parent, event: watched.last_at, price: watched.last })
}
