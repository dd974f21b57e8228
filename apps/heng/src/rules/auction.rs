//! `heng rules auction`: reads orders from CSV and asks the call auction.

use std::path::Path;

use heng_matching::call_auction::{AuctionOrder, AuctionRule, price};
use heng_model::{Exchange, Price, Qty, Side};
use heng_rulebook::{AuctionTie, Rulebook};

use super::output::{Output, Shown};
use super::{AuctionArgs, Trouble};

/// Largest order file, in bytes.
const FILE_MAX: u64 = 64 << 20;

pub(super) fn answer(book: &Rulebook, question: &AuctionArgs) -> Result<Output, Trouble> {
    if question.tick.0 <= 0 || question.reference.0 <= 0 {
        return Err(Trouble::Usage("--tick and --reference must be above 0".to_owned()));
    }
    let latest = book.calendar(Exchange::Sse).and_then(heng_rulebook::Calendar::range).map(|(_, last)| last);
    let date =
        question.date.or(latest).ok_or_else(|| Trouble::Usage("--date is needed: no calendar is known".to_owned()))?;
    let rule = match book.auction_tie(question.exchange, date)? {
        AuctionTie::Midpoint => AuctionRule::Sse,
        AuctionTie::NearestReference => AuctionRule::Szse,
        AuctionTie::HongKong => AuctionRule::Hk,
    };
    let (orders, lines) = read_orders(&question.orders, question.tick)?;
    let found = price(&orders, rule, question.reference, question.tick).map_err(|why| {
        use heng_matching::call_auction::AuctionInputError as Wrong;
        let line = match why {
            Wrong::Tick => None,
            Wrong::Price(at) | Wrong::Quantity(at) => lines.get(at),
        };
        let place = line.map_or_else(String::new, |line| format!(":{line}"));
        Trouble::Usage(format!("{}{place}: {why}", question.orders.display()))
    })?;
    let (price, volume) = found.map_or((None, 0), |(price, volume)| (Some(price.to_string()), volume.0));
    Ok(Output::default().with("price", price).with("volume", Shown::Count(volume)))
}

/// The orders of a file and the line of each.
fn read_orders(path: &Path, tick: Price) -> Result<(Vec<AuctionOrder>, Vec<u64>), Trouble> {
    let shown = path.display();
    let usage = |why: String| Trouble::Usage(why);
    let size = std::fs::metadata(path).map_err(|why| usage(format!("{shown}: {why}")))?.len();
    if size > FILE_MAX {
        return Err(usage(format!("{shown}: larger than 64 MiB")));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|why| usage(format!("{shown}: {why}")))?;
    let (mut orders, mut lines) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|why| usage(format!("{shown}: {why}")))?;
        let line = record.position().map_or(0, csv::Position::line);
        if lines.is_empty() && orders.is_empty() && record.get(0) == Some("side") {
            continue;
        }
        orders.push(read_order(&record, tick).map_err(|why| usage(format!("{shown}:{line}: {why}")))?);
        lines.push(line);
    }
    Ok((orders, lines))
}

fn read_order(record: &csv::StringRecord, tick: Price) -> Result<AuctionOrder, String> {
    if record.len() != 3 {
        return Err(format!("expected side,price,quantity, found {} fields", record.len()));
    }
    let side: Side = record[0].to_ascii_lowercase().parse()?;
    let price: Price = record[1].parse().map_err(|why| format!("price {:?}: {why}", &record[1]))?;
    let qty: Qty = record[2].parse().map_err(|why| format!("quantity {:?}: {why}", &record[2]))?;
    if price.0 <= 0 || price.0 % tick.0 != 0 {
        return Err(format!("price {price} must be above 0 and a multiple of the tick {tick}"));
    }
    if qty.0 <= 0 {
        return Err(format!("quantity {qty} must be above 0"));
    }
    Ok(AuctionOrder { side, price, qty })
}
