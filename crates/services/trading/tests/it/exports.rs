//! Orders and fills as rows of an export.

use heng_model::AccountId;
use heng_ports::{ExportAsk, ExportSource};
use heng_store::StoreOptions;
use heng_trading::{TradingView, ViewOptions, ViewReader};

use crate::record::{piece, record};

async fn all(reader: &ViewReader, ask: &ExportAsk, limit: u32) -> Vec<Vec<String>> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = reader.rows(ask, &after, limit).await.expect("rows");
        assert!(page.rows.len() <= limit as usize);
        rows.extend(page.rows);
        let Some(next) = page.next else { return rows };
        after = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_and_fills_are_handed_out_in_pieces_of_any_size() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = StoreOptions::at(folder.path().join("trading.db"));
    let (mut view, _) = TradingView::open(&file, ViewOptions::default()).await.expect("the view opens");
    let record = record();
    view.take(&piece(&record, 1, record.len() as u64)).await.expect("it is taken");
    let reader = view.reader();
    for kind in reader.kinds() {
        let ask = ExportAsk { kind: kind.name.into(), ..ExportAsk::default() };
        let whole = all(&reader, &ask, 1_000).await;
        assert!(whole.len() > 1, "{whole:?}");
        assert_eq!(reader.count(&ask).await.expect("a count"), Some(whole.len() as u64));
        assert!(whole.iter().all(|row| row.len() == kind.columns.len()));
        for limit in [1, 2] {
            assert_eq!(all(&reader, &ask, limit).await, whole);
        }
        let place = kind.columns.iter().position(|column| *column == "account").expect("a column");
        let own = ExportAsk { account: Some(AccountId(1)), ..ask.clone() };
        let mine: Vec<_> = whole.iter().filter(|row| row[place] == "1").cloned().collect();
        assert!(!mine.is_empty() && mine.len() < whole.len());
        assert_eq!(all(&reader, &own, 1_000).await, mine);
        assert!(all(&reader, &ExportAsk { from: Some(i64::MAX), ..ask.clone() }, 9).await.is_empty());
        assert!(all(&reader, &ExportAsk { to: Some(0), ..ask.clone() }, 9).await.is_empty());
        assert!(reader.rows(&ask, "nowhere", 9).await.is_err());
    }
    let ask = |masked| ExportAsk { kind: "orders".into(), masked, ..ExportAsk::default() };
    let words = |rows: Vec<Vec<String>>| rows.into_iter().map(|row| row[2].clone()).collect::<Vec<_>>();
    assert!(words(all(&reader, &ask(true), 9).await).iter().all(|word| word == "***"));
    assert!(words(all(&reader, &ask(false), 9).await).iter().all(|word| word != "***"));
}
