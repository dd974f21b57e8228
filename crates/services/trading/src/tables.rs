//! The rows of the view's tables, and how many of them are read and written at once.

use heng_store::{Connection, FromRow, Row, RowValues, StoreError, insert_rows, load_rows};

/// A row type whose table is read by key and written whole.
pub(crate) trait Table: FromRow {
    /// `SELECT … FROM …`.
    const SELECT: &'static str;
    /// `INSERT INTO … (…)`.
    const INSERT: &'static str;
    /// `ON CONFLICT … DO UPDATE SET …`, or nothing where a row is written once.
    const REPLACE: &'static str;
    /// Number of columns.
    const COLUMNS: usize;
    /// Binds the values in the order of the columns.
    fn bind(&self, values: &mut RowValues<'_>);
}

macro_rules! comma {
    ($first:ident $($rest:ident)*) => { concat!(stringify!($first) $(, ", ", stringify!($rest))*) };
}

macro_rules! replaced {
    ($first:ident $($rest:ident)*) => {
        concat!(stringify!($first), " = excluded.", stringify!($first)
            $(, ", ", stringify!($rest), " = excluded.", stringify!($rest))*)
    };
}

macro_rules! table {
    // What `asked` names never changes: an index over it is left alone when the row is written again.
    ($(#[$doc:meta])* $name:ident, $table:literal, key ($($key:ident: $key_type:ty),+),
        asked { $($fixed:ident: $fixed_type:ty,)+ }, { $($column:ident: $type:ty,)+ }) => {
        table!(@row $(#[$doc])* $name { $($key: $key_type,)+ $($fixed: $fixed_type,)+ $($column: $type,)+ });
        table!(@table $name, $table, { $($key)+ $($fixed)+ $($column)+ },
            concat!("ON CONFLICT (", comma!($($key)+), ") DO UPDATE SET ", replaced!($($column)+)));
    };
    ($(#[$doc:meta])* $name:ident, $table:literal, key ($($key:ident: $key_type:ty),+), { $($column:ident: $type:ty,)+ }) => {
        table!(@row $(#[$doc])* $name { $($key: $key_type,)+ $($column: $type,)+ });
        table!(@table $name, $table, { $($key)+ $($column)+ },
            concat!("ON CONFLICT (", comma!($($key)+), ") DO UPDATE SET ", replaced!($($column)+)));
    };
    ($(#[$doc:meta])* $name:ident, $table:literal, once, { $($column:ident: $type:ty,)+ }) => {
        table!(@row $(#[$doc])* $name { $($column: $type,)+ });
        table!(@table $name, $table, { $($column)+ }, "");
    };
    (@row $(#[$doc:meta])* $name:ident { $($column:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name { $(pub(crate) $column: $type,)+ }
    };
    (@table $name:ident, $table:literal, { $($column:ident)+ }, $replace:expr) => {
        impl FromRow for $name {
            fn from_row(row: &Row) -> Result<Self, StoreError> {
                let mut places = 0..;
                // Fields are read in the order of the columns, which is the one that they are written in.
                Ok(Self { $($column: row.get(places.next().expect("there is always a next number"))?,)+ })
            }
        }

        impl Table for $name {
            const SELECT: &'static str = concat!("SELECT ", comma!($($column)+), " FROM ", $table);
            const INSERT: &'static str = concat!("INSERT INTO ", $table, " (", comma!($($column)+), ")");
            const REPLACE: &'static str = $replace;
            const COLUMNS: usize = [$(stringify!($column)),+].len();
            fn bind(&self, values: &mut RowValues<'_>) {
                $(values.push_bind(self.$column.clone());)+
            }
        }
    };
}

table! {
    /// An order; codes are those of the model.
    OrderRow, "orders", key (order_id: i64), asked {
        sequence: i64, placed_at: i64, account: i64, client_order: String, trade_date: i64, instrument: i64, side: i64,
        order_type: i64, self_trade: i64, parent: i64,
    }, {
        changed_sequence: i64, changed_at: i64, price: i64, quantity: i64, filled: i64, value: i64, fees: i64,
        status: i64, rests: bool, code: i64, rule: i64, reason: i64, hold_cash: i64, hold_quantity: i64,
        hold_currency: i64, connect: bool,
    }
}

table! {
    /// A parent; what its children filled is counted as it happens.
    ParentRow, "parents", key (parent_id: i64), {
        sequence: i64, changed_sequence: i64, placed_at: i64, changed_at: i64, account: i64, client_order: String,
        trade_date: i64, instrument: i64, side: i64, quantity: i64, value_max: i64, status: i64, epoch: i64,
        event: i64, children: i64, filled: i64, value: i64,
    }
}

table! {
    /// One order's share of a trade. Written once: a second time would break the key.
    FillRow, "fills", once, {
        trade_id: i64, order_id: i64, sequence: i64, filled_at: i64, account: i64, instrument: i64, side: i64,
        price: i64, quantity: i64, amount: i64, commission: i64, stamp: i64, transfer: i64, handling: i64,
        regulatory: i64, hk_levies: i64, rate: i64, cash: i64,
    }
}

table! {
    /// An event of an order. Written once.
    OrderEventRow, "order_events", once, {
        order_id: i64, sequence: i64, number: i64, happened_at: i64, before: i64, after: i64, event: Vec<u8>,
    }
}

table! {
    /// Cash of an account in a currency. What is held follows from live orders.
    CashRow, "cash", key (account: i64, currency: i64), {
        balance: i64, due_1: i64, due_2: i64, due_3: i64, hk_due_1: i64, hk_due_2: i64,
    }
}

table! {
    /// Shares of an account in an instrument: `settled` may be sold or is held by live sells.
    HoldingRow, "holdings", key (account: i64, instrument: i64), { settled: i64, unsellable: i64, }
}

table! {
    /// An account.
    AccountRow, "accounts", key (account: i64), {
        owner: i64, kind: i64, status: i64, rights: i64, commission: i64, orders_per_second: i64,
        order_value_max: i64, credit_line: i64, stopped: bool,
    }
}

table! {
    /// An instrument with the reference data of the last day it was listed on.
    InstrumentRow, "instruments", key (instrument: i64), {
        symbol: String, board: i64, class: i64, board_lot: i64, reference_date: i64, prev_close: i64, limit_up: i64,
        limit_down: i64, tick: i64, currency: i64, settlement_days: i64, same_day_sale: bool, risk_warning: bool,
        suspended: bool, halted: bool, stopped: bool,
    }
}

table! {
    /// The phase of a board and class.
    PhaseRow, "phases", key (board: i64, class: i64), { phase: i64, since: i64, }
}

table! {
    /// The trading day.
    MarketRow, "market", key (number: i64), { trade_date: i64, day_open: bool, stopped: bool, kept_from: i64, }
}

table! {
    /// What happened on a trade date. It stays when the day's orders go.
    DayRow, "days", key (trade_date: i64), {
        opened_sequence: i64, closed: bool, orders: i64, fills: i64, trades: i64,
    }
}

/// What is paid uses proceeds that are not due yet first, the latest before the earlier ones.
fn use_due(due: [&mut i64; 3], cost: i64) {
    due.into_iter().rev().fold(cost, |cost, bucket| {
        let used = cost.min(*bucket);
        *bucket -= used;
        cost - used
    });
}

impl CashRow {
    /// Cash of a fill: what is received is due in `days` trading days, what is paid uses the proceeds that are not due
    /// yet, of its own way: `connect` is Stock Connect, whose proceeds buy only there until they are due.
    pub(crate) fn settle(&mut self, cash: i64, connect: bool, days: i64) {
        self.balance += cash;
        let mut none = 0;
        let due = if connect {
            [&mut self.hk_due_1, &mut self.hk_due_2, &mut none]
        } else {
            [&mut self.due_1, &mut self.due_2, &mut self.due_3]
        };
        if cash <= 0 {
            return use_due(due, -cash);
        }
        let last = if connect { 2 } else { 3 };
        match days.clamp(1, last) {
            1 => *due[0] += cash,
            2 => *due[1] += cash,
            _ => *due[2] += cash,
        }
    }

    /// Mainland proceeds that are not due yet.
    pub(crate) const fn mainland_due(&self) -> i64 {
        self.due_1 + self.due_2 + self.due_3
    }

    /// Stock Connect proceeds that are not due yet.
    pub(crate) const fn connect_due(&self) -> i64 {
        self.hk_due_1 + self.hk_due_2
    }
}

/// Rows by one key column.
pub(crate) async fn load_by_id<T: Table>(
    connection: &mut Connection,
    column: &str,
    ids: &[i64],
) -> Result<Vec<T>, StoreError> {
    load_rows(connection, (T::SELECT, column), 1, ids, |values, id| {
        values.push_bind(*id);
    })
    .await
}

/// Rows by two key columns.
pub(crate) async fn load_by_pair<T: Table>(
    connection: &mut Connection,
    columns: &str,
    pairs: &[(i64, i64)],
) -> Result<Vec<T>, StoreError> {
    load_rows(connection, (T::SELECT, columns), 2, pairs, |values, (a, b)| {
        values.push_bind(*a).push_bind(*b);
    })
    .await
}

/// Writes rows; those that are there are replaced.
pub(crate) async fn save<T: Table>(connection: &mut Connection, rows: &[T]) -> Result<(), StoreError> {
    insert_rows(connection, (T::INSERT, T::REPLACE), T::COLUMNS, rows, |values, row| row.bind(values)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paid_uses_the_latest_proceeds_first() {
        let mut row = CashRow { balance: 100, ..CashRow::default() };
        row.settle(50, false, 1);
        row.settle(30, false, 3);
        row.settle(20, true, 2);
        assert_eq!((row.balance, row.due_1, row.due_2, row.due_3, row.hk_due_2), (200, 50, 0, 30, 20));
        row.settle(-45, false, 1);
        assert_eq!((row.balance, row.due_1, row.due_3, row.hk_due_2), (155, 35, 0, 20));
        row.settle(-25, true, 2);
        assert_eq!((row.balance, row.due_1, row.hk_due_1, row.hk_due_2), (130, 35, 0, 0));
    }
}
