//! `heng rules check`: compares with marina-rules, a public package that quotes the official texts. The package is an
//! outside party: a Python process prints its records and the limits it computes, and nothing else of it is used.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use heng_model::wire::hex;
use heng_model::{Board, Exchange, InstrumentClass, Phase, Price, SECOND, Side, TradeDate};
use heng_rulebook::{FeeKind, LimitQuery, NoRule, Rulebook, SessionStep};
use serde::Deserialize;
use serde_json::Value;

use super::explained::{Difference, Explanation, explanations};
use super::output::{Output, Shown};
use super::{CheckArgs, Trouble};

const SCRIPT: &str = include_str!("marina.py");
/// Largest answer of the outside process, in bytes.
const ANSWER_MAX: usize = 256 << 20;

/// What the script prints.
#[derive(Deserialize)]
pub(super) struct Marina {
    version: String,
    digest: String,
    records: Vec<Record>,
    limits: Vec<Sample>,
}

/// Record, market, date, previous close, and the limits that the package computes.
type Sample = (String, String, String, String, Option<(String, String)>);

#[derive(Deserialize)]
struct Record {
    id: String,
    market: String,
    scope: String,
    rule: String,
    value: Value,
    from: String,
    to: Option<String>,
}

/// One kind of security that a scope of the package stands for.
#[derive(Clone, Copy, Debug)]
struct Target {
    board: Board,
    class: InstrumentClass,
    st: bool,
    listing_day: Option<u32>,
    delisting_day: Option<u32>,
    /// Days at the begin of a record that are not compared (a fifth day needs a first one under the same rule).
    skip_days: i64,
}

impl Target {
    const fn of(board: Board, class: InstrumentClass) -> Self {
        Self { board, class, st: false, listing_day: None, delisting_day: None, skip_days: 0 }
    }

    const fn query(self, prev: Price, date: TradeDate) -> LimitQuery {
        LimitQuery {
            board: self.board,
            class: self.class,
            st: self.st,
            listing_day: self.listing_day,
            delisting_day: self.delisting_day,
            prev,
            date,
        }
    }

    fn scope(self) -> String {
        format!("{} {}", self.board, self.class)
    }
}

pub(super) fn answer(book: &Rulebook, question: &CheckArgs) -> Result<Output, Trouble> {
    let marina = ask(&question.python, question.marina.as_deref())?;
    compare(book, &marina, &explanations()?)
}

/// Runs the script. A missing Python or package is named, with how to get it.
fn ask(python: &Path, folder: Option<&Path>) -> Result<Marina, Trouble> {
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).args(folder);
    let done = match command.output() {
        Ok(done) => done,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            let shown = python.display();
            return Err(Trouble::Missing(format!("{shown} is not installed: install the package python3")));
        }
        Err(why) => return Err(Trouble::Failed(anyhow::Error::new(why).context("run Python"))),
    };
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.code() == Some(3) {
        let module = said.trim();
        let package = if module == "yaml" { "PyYAML" } else { "marina-rules" };
        return Err(Trouble::Missing(format!(
            "the Python package {package} is missing: python3 -m pip install {package}"
        )));
    }
    if !done.status.success() || done.stdout.len() > ANSWER_MAX {
        let last = said.lines().last().unwrap_or("no message").to_owned();
        return Err(Trouble::Failed(anyhow::anyhow!("marina-rules could not be read: {last}")));
    }
    Ok(serde_json::from_slice(&done.stdout).context("read the answer of marina-rules")?)
}

/// All differences, those without an explanation first.
pub(super) fn compare(book: &Rulebook, marina: &Marina, explained: &[Explanation]) -> Result<Output, Trouble> {
    let last = book.calendar(Exchange::Sse).and_then(heng_rulebook::Calendar::range).map(|(_, last)| last);
    let last = last.ok_or_else(|| Trouble::Usage("the rule files hold no calendar of the mainland".to_owned()))?;
    let mut found = Found::default();
    for record in &marina.records {
        compare_record(book, record, last, &mut found).with_context(|| format!("compare {}", record.id))?;
    }
    let scopes: BTreeMap<&str, &str> = marina.records.iter().map(|r| (r.id.as_str(), r.scope.as_str())).collect();
    for (id, market, date, prev, limits) in &marina.limits {
        let scope = scopes.get(id.as_str()).copied().unwrap_or_default();
        compare_limits(book, &mut found, (id, market, scope), (date, prev), limits.as_ref())
            .with_context(|| format!("compare limits of {id} on {date}"))?;
    }
    report(book, marina, explained, found)
}

/// What was compared, and what differed.
#[derive(Default)]
struct Found {
    days: i64,
    samples: i64,
    skipped: Vec<String>,
    differences: Vec<Difference>,
    /// Differing samples, merged over dates: the key is the difference without its dates.
    sampled: BTreeMap<(String, String, String, String), (TradeDate, TradeDate)>,
}

fn compare_record(book: &Rulebook, record: &Record, last: TradeDate, found: &mut Found) -> anyhow::Result<()> {
    let from: TradeDate = record.from.parse().context("its first day")?;
    let end: TradeDate = match &record.to {
        Some(to) => to.parse().context("its end")?,
        None => last.plus_days(1).context("the day after the calendar")?,
    };
    let Some(theirs) = theirs(&record.rule, &record.value) else {
        found.skipped.push(format!("{} ({})", record.id, record.rule));
        return Ok(());
    };
    for market in record.market.split('+') {
        for (index, target) in targets(&record.scope, market).into_iter().enumerate() {
            let mut open: Option<Difference> = None;
            for days in from.days() + target.skip_days..end.days() {
                let date = TradeDate::from_days(days).context("a day of the record")?;
                let ours = match ours(book, &record.rule, target, date) {
                    Ok(ours) => ours,
                    // The first board of a scope must have an answer; a younger board need not be open yet.
                    Err(_) if index > 0 => continue,
                    Err(_) => "no rule".to_owned(),
                };
                found.days += 1;
                extend(&mut open, found, ours == theirs, || Difference {
                    record: record.id.clone(),
                    scope: target.scope(),
                    kind: record.rule.clone(),
                    ours,
                    theirs: theirs.clone(),
                    from: date,
                    until: date,
                });
            }
            found.differences.extend(open);
        }
    }
    Ok(())
}

/// Closes or extends the difference that is open, day by day.
fn extend(open: &mut Option<Difference>, found: &mut Found, equal: bool, new: impl FnOnce() -> Difference) {
    if equal {
        found.differences.extend(open.take());
        return;
    }
    let new = new();
    match open {
        Some(before) if before.ours == new.ours => before.until = new.until,
        _ => {
            found.differences.extend(open.take());
            *open = Some(new);
        }
    }
}

fn compare_limits(
    book: &Rulebook,
    found: &mut Found,
    (id, market, scope): (&str, &str, &str),
    (date, prev): (&str, &str),
    limits: Option<&(String, String)>,
) -> anyhow::Result<()> {
    let (date, prev): (TradeDate, Price) = (date.parse()?, prev.parse()?);
    let theirs = match limits {
        Some((up, down)) => format!("{} {}", up.parse::<Price>()?, down.parse::<Price>()?),
        None => "unlimited".to_owned(),
    };
    for target in targets(scope, market).into_iter().filter(|target| target.skip_days == 0).take(1) {
        let ours = match book.price_limits(target.query(prev, date)) {
            Ok(Some((up, down))) => format!("{up} {down}"),
            Ok(None) => "unlimited".to_owned(),
            Err(_) => "no rule".to_owned(),
        };
        found.samples += 1;
        if ours != theirs {
            let key = (id.to_owned(), target.scope(), format!("{prev}: {ours}"), theirs.clone());
            let days = found.sampled.entry(key).or_insert((date, date));
            *days = (days.0.min(date), days.1.max(date));
        }
    }
    Ok(())
}

fn report(book: &Rulebook, marina: &Marina, explained: &[Explanation], found: Found) -> Result<Output, Trouble> {
    let sampled = found.sampled.into_iter().map(|((record, scope, ours, theirs), (from, until))| Difference {
        record,
        scope,
        kind: "limits".to_owned(),
        ours,
        theirs,
        from,
        until,
    });
    let mut used = vec![false; explained.len()];
    let mut rows: Vec<(bool, Output)> = Vec::new();
    for difference in found.differences.into_iter().chain(sampled) {
        let at = explained.iter().position(|row| row.explains(&difference));
        if let Some(at) = at {
            used[at] = true;
        }
        rows.push((at.is_some(), shown(&difference, at.map(|at| explained[at].why.clone()))));
    }
    rows.sort_by_key(|(explained, _)| *explained);
    let open = rows.iter().filter(|(explained, _)| !explained).count();
    let stale = explained.iter().zip(&used).filter(|(_, used)| !**used);
    let stale: Vec<Output> = stale.map(|(row, _)| Output::default().with("row", row.title())).collect();
    let skipped: Vec<Output> = found.skipped.into_iter().map(|id| Output::default().with("record", id)).collect();
    let count = |n: usize| Shown::Count(i64::try_from(n).unwrap_or(i64::MAX));
    let output = Output::default()
        .with("marina_version", marina.version.clone())
        .with("marina_digest", marina.digest.clone())
        .with("rules_hash", hex(&book.hash()))
        .with("records", count(marina.records.len()))
        .with("days_compared", Shown::Count(found.days))
        .with("limits_compared", Shown::Count(found.samples))
        .with("unexplained", count(open))
        .with("differences", Shown::Rows(rows.into_iter().map(|(_, row)| row).collect()))
        .with("not_compared", Shown::Rows(skipped))
        .with("stale_explanations", Shown::Rows(stale));
    if open == 0 { Ok(output) } else { Err(Trouble::Differs(output)) }
}

fn shown(difference: &Difference, why: Option<String>) -> Output {
    Output::default()
        .with("record", difference.record.clone())
        .with("scope", difference.scope.clone())
        .with("rule", difference.kind.clone())
        .with("from", difference.from.to_string())
        .with("until", difference.until.to_string())
        .with("ours", difference.ours.clone())
        .with("theirs", difference.theirs.clone())
        .with("explained", Shown::Flag(why.is_some()))
        .with("why", why)
}

/// Our answer in the same words as [`theirs`].
fn ours(book: &Rulebook, rule: &str, target: Target, date: TradeDate) -> Result<String, NoRule> {
    let (board, class) = (target.board, target.class);
    let fee =
        |side, kind| -> Result<String, NoRule> { book.fee_rate(board, class, side, kind, date).map(|r| r.to_string()) };
    Ok(match rule {
        "price_limit_pct" | "price_limit_pct_of_issue_price" => {
            match book.limit_ratios(target.query(Price(1), date))? {
                Some((up, down)) => format!("+{up} -{down}"),
                None => "unlimited".to_owned(),
            }
        }
        "tick_size" => book.tick(board, class, date)?.finest().to_string(),
        "min_holding_days" => if book.same_day_sell(board, class, date)? { "0" } else { "1" }.to_owned(),
        "session_schedule" => schedule(&book.sessions(board, class, date, false)?),
        "stamp_duty_sell" => fee(Side::Sell, FeeKind::Stamp)?,
        "transfer_fee_each_side" => {
            let (buy, sell) = (fee(Side::Buy, FeeKind::Transfer)?, fee(Side::Sell, FeeKind::Transfer)?);
            if buy == sell { buy } else { format!("buy {buy} sell {sell}") }
        }
        "commission_cap" => {
            book.commission_bounds(board, class, date)?.1.map_or_else(|| "none".to_owned(), |cap| cap.to_string())
        }
        "commission_min_per_order_cny" => book.commission_bounds(board, class, date)?.0.to_string(),
        _ => String::new(),
    })
}

/// The package's value in our words; `None` if the rule is compared by its computed prices only.
fn theirs(rule: &str, value: &Value) -> Option<String> {
    let text = value.as_str();
    match rule {
        "price_limit_pct" | "price_limit_pct_of_issue_price" => Some(match (text, value.as_object()) {
            (Some("unlimited"), _) => "unlimited".to_owned(),
            (Some(both), _) => format!("+{both} -{both}"),
            (None, Some(sides)) => format!("+{} -{}", sides.get("up")?.as_str()?, sides.get("down")?.as_str()?),
            (None, None) => return None,
        }),
        "tick_size" => text.and_then(|t| t.parse::<Price>().ok()).map(|tick| tick.to_string()),
        "commission_min_per_order_cny" => {
            text.and_then(|t| t.parse::<heng_model::Money>().ok()).map(|min| min.to_string())
        }
        "min_holding_days" | "stamp_duty_sell" | "transfer_fee_each_side" | "commission_cap" => text.map(str::to_owned),
        "session_schedule" => their_schedule(value),
        _ => None,
    }
}

fn their_schedule(value: &Value) -> Option<String> {
    let span = |pair: &Value| Some(format!("{}-{}", pair.get(0)?.as_str()?, pair.get(1)?.as_str()?));
    let continuous: Option<Vec<String>> = value.get("continuous")?.as_array()?.iter().map(span).collect();
    let close = value.get("close_call").filter(|close| !close.is_null());
    let close = close.map_or_else(|| Some("none".to_owned()), span)?;
    Some(format!("open {} continuous {} close {close}", span(value.get("open_call")?)?, continuous?.join(" ")))
}

fn schedule(steps: &[SessionStep]) -> String {
    let clock = |time: i64| format!("{:02}:{:02}", time / (3_600 * SECOND), time / (60 * SECOND) % 60);
    let (mut open, mut continuous, mut close) = ((0, 0), Vec::new(), "none".to_owned());
    for pair in steps.windows(2) {
        let (begin, end) = (pair[0].time_of_day, pair[1].time_of_day);
        match pair[0].phase {
            Phase::OpenAuction => open = (begin, end),
            Phase::OpenAuctionNoCancel => open.1 = end,
            Phase::Continuous => continuous.push(format!("{}-{}", clock(begin), clock(end))),
            Phase::CloseAuction => close = format!("{}-{}", clock(begin), clock(end)),
            _ => {}
        }
    }
    format!("open {}-{} continuous {} close {close}", clock(open.0), clock(open.1), continuous.join(" "))
}

/// The securities of ours that a scope stands for on one market; the first must have an answer on every day.
fn targets(scope: &str, market: &str) -> Vec<Target> {
    use InstrumentClass as Class;
    let (main, young) = match market {
        "XSHG" => (Board::SseMain, Some(Board::Star)),
        "XSHE" => (Board::SzseMain, Some(Board::Chinext)),
        "BJSE" => (Board::Bse, None),
        _ => return Vec::new(),
    };
    let stock = |board| Target::of(board, Class::Stock);
    let classes = |list: &[Class]| list.iter().map(|class| Target::of(main, *class)).collect();
    let listing = |target: Target| Target { listing_day: Some(1), ..target };
    let first_five =
        |board| vec![listing(stock(board)), Target { listing_day: Some(5), skip_days: 30, ..stock(board) }];
    let delisting = |board, day| vec![Target { delisting_day: Some(day), ..stock(board) }];
    let st = |target: Target| vec![Target { st: true, ..target }];
    match scope {
        "stock" => std::iter::once(main).chain(young).map(stock).collect(),
        "main_board" | "bse" => vec![stock(main)],
        "chinext" => vec![stock(Board::Chinext)],
        "star" => vec![stock(Board::Star)],
        "st_main" | "st_bse" => st(stock(main)),
        "st_chinext" => st(stock(Board::Chinext)),
        "st_star" => st(stock(Board::Star)),
        "ipo_day1_main" | "ipo_day1_bse" => vec![listing(stock(main))],
        "ipo_first5_main" => first_five(main),
        "ipo_first5_chinext" => first_five(Board::Chinext),
        "ipo_first5_star" => first_five(Board::Star),
        "b_share" => vec![Target::of(main, Class::BShare)],
        "st_b_share" => st(Target::of(main, Class::BShare)),
        "etf" => classes(&[Class::StockEtf, Class::Lof]),
        "etf_20pct" => classes(&[Class::WideLimitEtf]),
        "etf_bond" | "etf_money" | "etf_gold" | "etf_commodity" | "etf_crossborder" => classes(&[Class::T0Etf]),
        "convertible" => classes(&[Class::Convertible]),
        "convertible_day1" => vec![listing(Target::of(main, Class::Convertible))],
        "reits" => classes(&[Class::Reit]),
        "reits_day1" => vec![listing(Target::of(main, Class::Reit))],
        "delisting" | "delisting_bse" => delisting(main, 2),
        // One scope of the package holds the first day of both Shenzhen boards.
        "delisting_day1" if main == Board::SzseMain => [delisting(main, 1), delisting(Board::Chinext, 1)].concat(),
        "delisting_day1" | "delisting_day1_bse" => delisting(main, 1),
        "delisting_chinext" => delisting(Board::Chinext, 2),
        "delisting_star" => delisting(Board::Star, 2),
        "delisting_day1_star" => delisting(Board::Star, 1),
        _ => Vec::new(),
    }
}
