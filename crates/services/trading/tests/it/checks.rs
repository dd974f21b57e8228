//! What the checks of orders looked at is kept without gaps.

use std::sync::Arc;
use std::time::Duration;

use heng_model::{OrderId, Seq};
use heng_ports::{About, Answered, CoreQueries, Explained, ExplainedNow, NoAnswer, Question};
use heng_store::StoreOptions;
use heng_trading::{CheckLog, TradingView, ViewOptions};
use sqlx::Connection as _;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::view::execute;

/// Explains one order of each of six commands, three at once. The first time that it is asked for the second half, the
/// file loses the first.
struct SetBack {
    file: StoreOptions,
    asked: mpsc::UnboundedSender<u64>,
    lost: std::sync::atomic::AtomicBool,
}

impl CoreQueries for SetBack {
    fn ask(&self, question: Question, _: Duration) -> Result<Answered, NoAnswer> {
        let About::ExplainedAfter(ask) = question.about else { return Err(NoAnswer::Stopped) };
        let _ = self.asked.send(ask.after.0);
        if ask.after == Seq(3) && !self.lost.swap(true, std::sync::atomic::Ordering::SeqCst) {
            let lose = "DELETE FROM checks; UPDATE view_position SET sequence = 1, event = 0";
            Handle::current().block_on(execute(&self.file, lose));
        }
        let through = (ask.after.0 + 3).min(6);
        let explained = |seq| Explained { seq: Seq(seq), order: OrderId(100 + seq), bytes: vec![0] };
        let explained = (ask.after.0 + 1..=through).map(explained).collect();
        let reply = ExplainedNow { explained, held_from: Seq(1), through: Seq(through) };
        Ok(Answered { as_of: Seq(6), reply: reply.into() })
    }
}

async fn kept(file: &StoreOptions) -> Vec<i64> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file.file().expect("a file")).read_only(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("the file opens");
    let orders = sqlx::query_scalar("SELECT order_id FROM checks ORDER BY order_id").fetch_all(&mut connection).await;
    orders.expect("rows")
}

/// A file that is set back while the replica is asked gets again what it lost.
#[tokio::test]
async fn a_file_that_was_set_back_is_filled_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let view = StoreOptions::at(folder.path().join("trading.db"));
    let view = TradingView::open(&view, ViewOptions::default()).await.expect("the view opens").0;
    let file = StoreOptions::at(folder.path().join("checks.db"));
    let (log, _) = CheckLog::open(&file).await.expect("a file");
    let ((asked, mut asks), (stop, stopped)) = (mpsc::unbounded_channel(), watch::channel(false));
    let queries = Arc::new(SetBack { file: file.clone(), asked, lost: false.into() });
    let following = tokio::spawn(log.follow(queries, view.reader(), stopped));
    for expected in [0, 3, 0, 3, 6] {
        let after = tokio::time::timeout(Duration::from_secs(30), asks.recv()).await.expect("the replica is asked");
        assert_eq!(after, Some(expected));
    }
    stop.send_replace(true);
    following.await.expect("it ends when it is told");
    assert_eq!(kept(&file).await, [101, 102, 103, 104, 105, 106]);
}
