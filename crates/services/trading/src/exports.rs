//! What this service hands out as a file: orders and fills of the trade dates that the view keeps.

use heng_model::{Money, Price};
use heng_ports::{ExportAsk, ExportKind, ExportRows, ExportSource, FeedError, Later};
use heng_store::{Sql, StoreError};

use crate::directory::Directory;
use crate::shapes::{self, OrderShown};
use crate::tables::{FillRow, OrderRow, Table as _};
use crate::view::ViewReader;

const ORDERS: &str = "orders";
const FILLS: &str = "fills";

/// Filters that both take.
const FILTERS: &[&str] = &["from", "to", "account"];

const KINDS: [ExportKind; 2] = [
    ExportKind {
        name: ORDERS,
        action: "order.read",
        filters: FILTERS,
        columns: &[
            "order_id",
            "account",
            "client_order_id",
            "trade_date",
            "symbol",
            "side",
            "order_type",
            "price",
            "quantity",
            "filled",
            "value",
            "fees",
            "status",
            "placed_at",
            "changed_at",
        ],
    },
    ExportKind {
        name: FILLS,
        action: "fill.read",
        filters: FILTERS,
        columns: &[
            "fill",
            "order_id",
            "trade_id",
            "account",
            "symbol",
            "side",
            "price",
            "quantity",
            "amount",
            "commission",
            "stamp",
            "transfer",
            "cash",
            "filled_at",
        ],
    },
];

/// Puts the filters that both kinds take behind a question; `time` is the column of their time.
fn filtered(sql: &mut Sql, ask: &ExportAsk, time: &str) {
    if let Some(account) = ask.account {
        sql.push(" AND account = ").push_bind(account.0.cast_signed());
    }
    if let Some(from) = ask.from {
        sql.push(" AND ").push(time).push(" >= ").push_bind(from);
    }
    if let Some(to) = ask.to {
        sql.push(" AND ").push(time).push(" <= ").push_bind(to);
    }
}

/// The client's own words stand in a masked export as stars; everything else is numbers and codes.
fn order_row(row: &OrderRow, directory: &Directory, ask: &ExportAsk) -> Vec<String> {
    let OrderShown {
        order_id,
        account,
        client_order_id,
        trade_date,
        symbol,
        side,
        order_type,
        price,
        quantity,
        filled,
        value,
        fees,
        status,
        placed_at,
        changed_at,
        ..
    } = shapes::order(row, directory);
    let client_order_id = if ask.masked { "***".to_owned() } else { client_order_id };
    vec![
        order_id,
        account,
        client_order_id,
        trade_date,
        symbol,
        side,
        order_type,
        price,
        quantity,
        filled,
        value,
        fees,
        status,
        placed_at,
        changed_at,
    ]
}

fn fill_row(row: &FillRow, directory: &Directory) -> Vec<String> {
    let (order, trade) = (shapes::id(row.order_id), shapes::id(row.trade_id));
    let money = |value: i64| Money(value).to_string();
    vec![
        format!("{order}-{trade}"),
        order,
        trade,
        shapes::id(row.account),
        directory.symbol(row.instrument),
        shapes::fill(row).side,
        Price(row.price).to_string(),
        row.quantity.to_string(),
        money(row.amount),
        money(row.commission),
        money(row.stamp),
        money(row.transfer),
        money(row.cash),
        shapes::instant(row.filled_at),
    ]
}

/// The pair that a place is made of; the beginning is before all.
fn place(after: &str) -> Result<(i64, i64), FeedError> {
    if after.is_empty() {
        return Ok((i64::MIN, i64::MIN));
    }
    let numbers = after.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    numbers.ok_or_else(|| FeedError::from("this is no place of this export"))
}

impl ViewReader {
    async fn order_rows(&self, ask: &ExportAsk, after: &str, limit: u32) -> Result<ExportRows, FeedError> {
        let (last, _) = place(after)?;
        let mut sql = Sql::new(OrderRow::SELECT);
        sql.push(" WHERE order_id > ").push_bind(last);
        filtered(&mut sql, ask, "placed_at");
        sql.push(" ORDER BY order_id LIMIT ").push_bind(i64::from(limit));
        let found: Vec<OrderRow> = self.load(sql).await?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(|row| format!("{} 0", row.order_id));
        let rows = found.iter().map(|row| order_row(row, &self.directory, ask)).collect();
        Ok(ExportRows { rows, next })
    }

    async fn fill_rows(&self, ask: &ExportAsk, after: &str, limit: u32) -> Result<ExportRows, FeedError> {
        let (order, trade) = place(after)?;
        let mut sql = Sql::new(FillRow::SELECT);
        sql.push(" WHERE (order_id, trade_id) > (").push_bind(order).push(", ").push_bind(trade).push(")");
        filtered(&mut sql, ask, "filled_at");
        sql.push(" ORDER BY order_id, trade_id LIMIT ").push_bind(i64::from(limit));
        let found: Vec<FillRow> = self.load(sql).await?;
        let last = found.last().filter(|_| found.len() == limit as usize);
        let next = last.map(|row| format!("{} {}", row.order_id, row.trade_id));
        Ok(ExportRows { rows: found.iter().map(|row| fill_row(row, &self.directory)).collect(), next })
    }

    async fn load<T: heng_store::FromRow>(&self, sql: Sql) -> Result<Vec<T>, StoreError> {
        self.snapshot().await?.connection().load(sql).await
    }
}

impl ExportSource for ViewReader {
    fn kinds(&self) -> &'static [ExportKind] {
        const { &KINDS }
    }

    fn count<'a>(&'a self, ask: &'a ExportAsk) -> Later<'a, Result<Option<u64>, FeedError>> {
        Box::pin(async move {
            let (head, time) = match ask.kind.as_str() {
                ORDERS => ("SELECT COUNT(*) FROM orders WHERE order_id IS NOT NULL", "placed_at"),
                _ => ("SELECT COUNT(*) FROM fills WHERE order_id IS NOT NULL", "filled_at"),
            };
            let mut sql = Sql::new(head);
            filtered(&mut sql, ask, time);
            let found: Vec<(i64,)> = self.load(sql).await?;
            Ok(found.first().map(|(count,)| count.cast_unsigned()))
        })
    }

    fn rows<'a>(&'a self, ask: &'a ExportAsk, after: &'a str, limit: u32) -> Later<'a, Result<ExportRows, FeedError>> {
        Box::pin(async move {
            match ask.kind.as_str() {
                ORDERS => self.order_rows(ask, after, limit).await,
                _ => self.fill_rows(ask, after, limit).await,
            }
        })
    }
}
