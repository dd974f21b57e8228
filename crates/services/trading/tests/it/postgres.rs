//! The view on PostgreSQL makes the same rows as on SQLite, value by value.

use heng_store::{Opened, Position, StoreUrl};
use heng_trading::{TradingView, ViewOptions};
use sqlx::{Column as _, Row as _};

use crate::record::{piece, record};
use crate::server::PostgresServer;
use crate::view::{TABLES, taken_at_once};

/// Every value of every table, as text, in the words of the SQLite test.
async fn dump(url: &str) -> Vec<String> {
    let pool = sqlx::PgPool::connect(url).await.expect("the server answers");
    let mut lines = Vec::new();
    for table in TABLES {
        let text = sqlx::AssertSqlSafe(format!("SELECT * FROM heng_trading.{table} ORDER BY 1, 2, 3"));
        for row in sqlx::query(text).fetch_all(&pool).await.expect("rows") {
            let values = row.columns().iter().map(|column| {
                let at = column.ordinal();
                let number = row.try_get::<i64, _>(at).or_else(|_| row.try_get::<bool, _>(at).map(i64::from));
                let text = number.map(|number| number.to_string()).or_else(|_| row.try_get::<String, _>(at));
                let text = text.or_else(|_| row.try_get::<Vec<u8>, _>(at).map(|bytes| format!("{bytes:02x?}")));
                format!("{}={}", column.name(), text.expect("a number, a truth value, text or bytes"))
            });
            lines.push(format!("{table}: {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    pool.close().await;
    lines
}

#[tokio::test]
async fn the_view_makes_the_same_rows_on_postgresql() {
    let Some(server) = PostgresServer::start("the trading view on PostgreSQL") else { return };
    let place = server.url.parse::<StoreUrl>().expect("an address").store("trading");
    let (record, expected) = (record(), taken_at_once().await);
    let last = record.len() as u64;
    let (mut view, opened) = TradingView::open(&place, ViewOptions::default()).await.expect("the view opens");
    assert_eq!(opened, Opened::New);
    view.take(&piece(&record, 1, 9)).await.expect("a piece is taken");
    drop(view);
    let (mut view, opened) = TradingView::open(&place, ViewOptions::default()).await.expect("the view opens");
    assert_eq!(opened, Opened::Resumed(Position::after(9)));
    view.take(&piece(&record, 8, last)).await.expect("what was taken before is passed over");
    assert_eq!(dump(&server.url).await, expected);
    let mut view = TradingView::rebuild(&place, ViewOptions::default()).await.expect("the view is made again");
    view.take(&piece(&record, 1, last)).await.expect("the record is taken");
    assert_eq!(dump(&server.url).await, expected);
}
