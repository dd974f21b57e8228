//! The view's derived tables: where they are, and the questions that the doors ask them.

use heng_model::event::ParentStatus;
use heng_model::{AccountId, ClientOrderId, OrderId, OrderStatus, ParentId, TradeDate};
use heng_store::{Connection, Schema, Sql, StoreError};

use crate::tables::{
    AccountRow, CashRow, DayRow, FillRow, HoldingRow, InstrumentRow, MarketRow, OrderEventRow, OrderRow, ParentRow,
    PhaseRow, Table,
};

/// The tables of this service.
pub(crate) const SCHEMA: Schema = Schema { view: "trading", version: 3, sql: include_str!("tables.sql") };

/// Orders or parents looked at in one batch, to be removed if they are of a day that is not kept.
const FORGET_MAX: i64 = 1_000;

/// Which orders or parents are asked for, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListFilter {
    pub(crate) account: AccountId,
    pub(crate) client_order: Option<ClientOrderId>,
    pub(crate) trade_date: Option<TradeDate>,
    pub(crate) live_only: bool,
    /// Only those with a smaller id: the next page.
    pub(crate) before: Option<u64>,
    pub(crate) limit: u32,
}

/// Rows of `T` with `condition` (and order and limit) behind the table's name; `$1`, `$2` … are `values`.
async fn select<T: Table>(
    connection: &mut Connection,
    condition: &'static str,
    values: &[i64],
) -> Result<Vec<T>, StoreError> {
    let mut sql = Sql::new(T::SELECT);
    sql.push(" ").push(condition);
    connection.load(values.iter().fold(sql, |sql, value| sql.bind(*value))).await
}

pub(crate) async fn order(connection: &mut Connection, id: OrderId) -> Result<Option<OrderRow>, StoreError> {
    Ok(select(connection, "WHERE order_id = $1", &[id.0.cast_signed()]).await?.pop())
}

/// Fills of an order, oldest first, at most `limit`.
pub(crate) async fn fills(connection: &mut Connection, id: OrderId, limit: u32) -> Result<Vec<FillRow>, StoreError> {
    let values = [id.0.cast_signed(), i64::from(limit)];
    select(connection, "WHERE order_id = $1 ORDER BY trade_id LIMIT $2", &values).await
}

/// Which fills are asked for, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FillFilter {
    pub(crate) account: AccountId,
    pub(crate) order: Option<OrderId>,
    pub(crate) trade_date: Option<TradeDate>,
    /// Only those behind this order and trade, in the order of the list: the next page.
    pub(crate) before: Option<(i64, i64)>,
    pub(crate) limit: u32,
}

/// Fills of an account, by the order's number and the trade's, newest first.
pub(crate) async fn fills_of(connection: &mut Connection, filter: &FillFilter) -> Result<Vec<FillRow>, StoreError> {
    let mut query = Sql::new(FillRow::SELECT);
    query.push(" WHERE account = ").push_bind(filter.account.0.cast_signed());
    if let Some(order) = filter.order {
        query.push(" AND order_id = ").push_bind(order.0.cast_signed());
    }
    if let Some(date) = filter.trade_date {
        query.push(" AND order_id IN (SELECT order_id FROM orders WHERE account = ");
        query.push_bind(filter.account.0.cast_signed());
        query.push(" AND trade_date = ").push_bind(i64::from(date.number())).push(")");
    }
    if let Some((order, trade)) = filter.before {
        query.push(" AND (order_id, trade_id) < (").push_bind(order).push(", ").push_bind(trade).push(")");
    }
    query.push(" ORDER BY order_id DESC, trade_id DESC LIMIT ").push_bind(i64::from(filter.limit));
    connection.load(query).await
}

/// Events of an order, in order, at most `limit`.
pub(crate) async fn order_events(
    connection: &mut Connection,
    id: OrderId,
    limit: u32,
) -> Result<Vec<OrderEventRow>, StoreError> {
    let values = [id.0.cast_signed(), i64::from(limit)];
    select(connection, "WHERE order_id = $1 ORDER BY sequence, number LIMIT $2", &values).await
}

/// The accounts of orders, of those that are known.
pub(crate) async fn accounts_of_orders(
    connection: &mut Connection,
    ids: &[i64],
) -> Result<Vec<(i64, i64)>, StoreError> {
    let select = ("SELECT order_id, account FROM orders", "order_id");
    heng_store::load_rows::<i64, (i64, i64)>(connection, select, 1, ids, |values, id| {
        values.push_bind(*id);
    })
    .await
}

/// The accounts of parents, of those that are known.
pub(crate) async fn accounts_of_parents(
    connection: &mut Connection,
    ids: &[i64],
) -> Result<Vec<(i64, i64)>, StoreError> {
    let select = ("SELECT parent_id, account FROM parents", "parent_id");
    heng_store::load_rows::<i64, (i64, i64)>(connection, select, 1, ids, |values, id| {
        values.push_bind(*id);
    })
    .await
}

/// The smallest number of an order that is kept; 0 = there is none.
pub(crate) async fn oldest_order(connection: &mut Connection) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = connection.find("SELECT COALESCE(MIN(order_id), 0) FROM orders").await?;
    Ok(found.map_or(0, |(oldest,)| oldest))
}

/// The command that opened the last trade date at or before `sequence`; 1 = there was none.
pub(crate) async fn day_of_sequence(connection: &mut Connection, sequence: u64) -> Result<u64, StoreError> {
    let values = [sequence.cast_signed()];
    let condition = "WHERE opened_sequence <= $1 ORDER BY opened_sequence DESC LIMIT 1";
    let found: Vec<DayRow> = select(connection, condition, &values).await?;
    Ok(found.first().map_or(1, |day| day.opened_sequence.cast_unsigned()))
}

/// Accounts with a number above `after`, with their yuan and their live orders, at most `limit`; of `only`, if given.
pub(crate) async fn accounts(
    connection: &mut Connection,
    after: u64,
    only: Option<&[AccountId]>,
    limit: u32,
) -> Result<Vec<(AccountRow, i64, i64)>, StoreError> {
    let mut query = Sql::new(AccountRow::SELECT);
    query.push(" WHERE account > ").push_bind(after.cast_signed());
    if let Some(only) = only {
        query.push(" AND account IN (0");
        for account in only {
            query.push(", ").push_bind(account.0.cast_signed());
        }
        query.push(")");
    }
    query.push(" ORDER BY account LIMIT ").push_bind(i64::from(limit));
    let rows: Vec<AccountRow> = connection.load(query).await?;
    let mut told = Vec::with_capacity(rows.len());
    for row in rows {
        let one = |text: &'static str| Sql::new(text).bind(row.account);
        let balance = one("SELECT balance FROM cash WHERE account = $1 AND currency = 1");
        let balance: Option<(i64,)> = connection.find(balance).await?;
        let open = one("SELECT COUNT(*) FROM orders WHERE account = $1 AND status <= 5");
        let open: Option<(i64,)> = connection.find(open).await?;
        told.push((row, balance.map_or(0, |(balance,)| balance), open.map_or(0, |(open,)| open)));
    }
    Ok(told)
}

/// An instrument by its symbol.
pub(crate) async fn instrument_of(
    connection: &mut Connection,
    symbol: &str,
) -> Result<Option<InstrumentRow>, StoreError> {
    let mut query = Sql::new(InstrumentRow::SELECT);
    query.push(" WHERE symbol = ").push_bind(symbol);
    connection.find(query).await
}

/// A table that is listed by account, newest first.
pub(crate) trait Listed: Table {
    /// The column of its id.
    const ID: &'static str;
    /// The last status that is live.
    const LIVE_MAX: i64;
}

impl Listed for OrderRow {
    const ID: &'static str = "order_id";
    const LIVE_MAX: i64 = OrderStatus::PendingCancel as i64;
}

impl Listed for ParentRow {
    const ID: &'static str = "parent_id";
    const LIVE_MAX: i64 = ParentStatus::Paused as i64;
}

pub(crate) async fn list<T: Listed>(connection: &mut Connection, filter: &ListFilter) -> Result<Vec<T>, StoreError> {
    let mut query = Sql::new(T::SELECT);
    query.push(" WHERE account = ").push_bind(filter.account.0.cast_signed());
    if let Some(id) = filter.client_order {
        query.push(" AND client_order = ").push_bind(id.to_text());
    }
    if let Some(date) = filter.trade_date {
        query.push(" AND trade_date = ").push_bind(i64::from(date.number()));
    }
    if filter.live_only {
        query.push(" AND status <= ").push_bind(T::LIVE_MAX);
    }
    if let Some(before) = filter.before {
        query.push(" AND ").push(T::ID).push(" < ").push_bind(before.cast_signed());
    }
    query.push(" ORDER BY ").push(T::ID).push(" DESC LIMIT ").push_bind(i64::from(filter.limit));
    connection.load(query).await
}

pub(crate) async fn parent(connection: &mut Connection, id: ParentId) -> Result<Option<ParentRow>, StoreError> {
    Ok(select(connection, "WHERE parent_id = $1", &[id.0.cast_signed()]).await?.pop())
}

/// Orders placed for a parent, oldest first, at most `limit`.
pub(crate) async fn children(
    connection: &mut Connection,
    id: ParentId,
    limit: u32,
) -> Result<Vec<OrderRow>, StoreError> {
    let values = [id.0.cast_signed(), i64::from(limit)];
    select(connection, "WHERE parent = $1 AND parent <> 0 ORDER BY order_id LIMIT $2", &values).await
}

pub(crate) async fn day(connection: &mut Connection, trade_date: i64) -> Result<Option<DayRow>, StoreError> {
    Ok(select(connection, "WHERE trade_date = $1", &[trade_date]).await?.pop())
}

/// Trade dates, newest first, at most `limit`.
pub(crate) async fn days(connection: &mut Connection, limit: u32) -> Result<Vec<DayRow>, StoreError> {
    select(connection, "ORDER BY trade_date DESC LIMIT $1", &[i64::from(limit)]).await
}

/// The oldest trade date whose orders are kept when `trade_date` opens and `keep_days` are kept, this one included;
/// 0 while there are not that many.
pub(crate) async fn oldest_kept(
    connection: &mut Connection,
    trade_date: i64,
    keep_days: u32,
) -> Result<i64, StoreError> {
    let earlier = i64::from(keep_days.max(2)) - 2;
    let condition = "WHERE trade_date < $1 ORDER BY trade_date DESC LIMIT 1 OFFSET $2";
    let found: Vec<DayRow> = select(connection, condition, &[trade_date, earlier]).await?;
    Ok(found.first().map_or(0, |day| day.trade_date))
}

/// Removes some orders with their fills, and some parents, of trade dates before `kept_from`, the oldest first. What is
/// live stays. Returns whether anything was removed, so that there may be more.
pub(crate) async fn forget(connection: &mut Connection, kept_from: i64) -> Result<bool, StoreError> {
    // Ids grow from day to day, so the lowest are the oldest: no row of a kept day is looked at twice.
    const FILLS: &str = "DELETE FROM fills WHERE order_id IN (SELECT order_id FROM
        (SELECT order_id, trade_date, status FROM orders ORDER BY order_id LIMIT $2) AS oldest
        WHERE trade_date < $1 AND status > 5)";
    const EVENTS: &str = "DELETE FROM order_events WHERE order_id IN (SELECT order_id FROM
        (SELECT order_id, trade_date, status FROM orders ORDER BY order_id LIMIT $2) AS oldest
        WHERE trade_date < $1 AND status > 5)";
    const ORDERS: &str = "DELETE FROM orders WHERE order_id IN (SELECT order_id FROM
        (SELECT order_id, trade_date, status FROM orders ORDER BY order_id LIMIT $2) AS oldest
        WHERE trade_date < $1 AND status > 5)";
    const PARENTS: &str = "DELETE FROM parents WHERE parent_id IN (SELECT parent_id FROM
        (SELECT parent_id, trade_date, status FROM parents ORDER BY parent_id LIMIT $2) AS oldest
        WHERE trade_date < $1 AND status > 3)";
    let mut removed = 0;
    for text in [FILLS, EVENTS, ORDERS, PARENTS] {
        removed += connection.execute(Sql::new(text).bind(kept_from).bind(FORGET_MAX)).await?;
    }
    Ok(removed > 0)
}

pub(crate) async fn account(connection: &mut Connection, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
    Ok(select(connection, "WHERE account = $1", &[id.0.cast_signed()]).await?.pop())
}

pub(crate) async fn cash(connection: &mut Connection, id: AccountId) -> Result<Vec<CashRow>, StoreError> {
    select(connection, "WHERE account = $1 ORDER BY currency", &[id.0.cast_signed()]).await
}

pub(crate) async fn holdings(
    connection: &mut Connection,
    id: AccountId,
    limit: u32,
) -> Result<Vec<HoldingRow>, StoreError> {
    let values = [id.0.cast_signed(), i64::from(limit)];
    select(connection, "WHERE account = $1 AND settled + unsellable <> 0 ORDER BY instrument LIMIT $2", &values).await
}

/// What live orders of an account hold: (currency, cash), (currency, cash of Stock Connect buys), (instrument, shares).
pub(crate) async fn holds(connection: &mut Connection, id: AccountId) -> Result<[Vec<(i64, i64)>; 3], StoreError> {
    let cash = "SELECT hold_currency, CAST(SUM(hold_cash) AS BIGINT) FROM orders
        WHERE account = $1 AND status <= 5 GROUP BY hold_currency";
    let connect = "SELECT hold_currency, CAST(SUM(hold_cash) AS BIGINT) FROM orders
        WHERE account = $1 AND status <= 5 AND connect GROUP BY hold_currency";
    let shares = "SELECT instrument, CAST(SUM(hold_quantity) AS BIGINT) FROM orders
        WHERE account = $1 AND status <= 5 GROUP BY instrument";
    let cash = pairs(connection, cash, id).await?;
    let connect = pairs(connection, connect, id).await?;
    Ok([cash, connect, pairs(connection, shares, id).await?])
}

async fn pairs(connection: &mut Connection, text: &'static str, id: AccountId) -> Result<Vec<(i64, i64)>, StoreError> {
    connection.load(Sql::new(text).bind(id.0.cast_signed())).await
}

pub(crate) async fn all_instruments(connection: &mut Connection) -> Result<Vec<InstrumentRow>, StoreError> {
    select(connection, "ORDER BY instrument", &[]).await
}

/// Instruments with a number above `after`, at most `limit`.
pub(crate) async fn instruments(
    connection: &mut Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<InstrumentRow>, StoreError> {
    select(connection, "WHERE instrument > $1 ORDER BY instrument LIMIT $2", &[after, i64::from(limit)]).await
}

pub(crate) async fn phases(connection: &mut Connection) -> Result<Vec<PhaseRow>, StoreError> {
    select(connection, "", &[]).await
}

pub(crate) async fn market(connection: &mut Connection) -> Result<MarketRow, StoreError> {
    let row = select(connection, "WHERE number = 1", &[]).await?.pop();
    row.ok_or(StoreError::Missing("the market's row"))
}

/// T+1 shares become sellable and due cash comes a day closer; that of Stock Connect only where Hong Kong settles too.
pub(crate) async fn roll(connection: &mut Connection, hk_settles: bool) -> Result<(), StoreError> {
    let holdings = "UPDATE holdings SET settled = settled + unsellable, unsellable = 0 WHERE unsellable <> 0";
    let cash = "UPDATE cash SET due_1 = due_2, due_2 = due_3, due_3 = 0 WHERE due_1 <> 0 OR due_2 <> 0 OR due_3 <> 0";
    let connect = "UPDATE cash SET hk_due_1 = hk_due_2, hk_due_2 = 0 WHERE hk_due_1 <> 0 OR hk_due_2 <> 0";
    for text in [holdings, cash].into_iter().chain(hk_settles.then_some(connect)) {
        connection.execute(text).await?;
    }
    Ok(())
}
