//! The answers that come from the rule book alone.

use heng_model::wire::hex;
use heng_model::{Price, Rate, notional};
use heng_rulebook::{CageQuote, ExRights, FeeKind, LimitQuery, Rulebook, cage_limit, ex_rights_reference};

use super::output::{Output, Shown};
use super::{CageArgs, ExRightsArgs, FeesArgs, ListArgs, PriceLimitsArgs, RepoInterestArgs, Trouble};

/// A price above zero, or what is wrong with it.
fn positive(name: &str, price: Price) -> Result<Price, Trouble> {
    if price.0 > 0 && price.0 <= 1_000_000_000_000 {
        return Ok(price);
    }
    Err(Trouble::Usage(format!("--{name} {price}: a price must be above 0 and at most 100000000")))
}

pub(super) fn price_limits(book: &Rulebook, question: &PriceLimitsArgs) -> Result<Output, Trouble> {
    let limits = book.price_limits(LimitQuery {
        board: question.scope.board,
        class: question.scope.class,
        st: question.st,
        listing_day: question.listing_day,
        delisting_day: question.delisting_day,
        prev: positive("prev", question.prev)?,
        date: question.scope.date,
    })?;
    let (up, down) = limits.unzip();
    Ok(Output::default().with("up", up.map(|p| p.to_string())).with("down", down.map(|p| p.to_string())))
}

pub(super) fn fees(book: &Rulebook, question: &FeesArgs) -> Result<Output, Trouble> {
    let scope = question.scope;
    if question.quantity.0 <= 0 {
        return Err(Trouble::Usage(format!("--quantity {}: must be above 0", question.quantity)));
    }
    if !(0..=100_000_000).contains(&question.commission.0) {
        let why =
            format!("--commission {}: a fraction of the amount from 0 to 1, 0.00025 for 0.025%", question.commission);
        return Err(Trouble::Usage(why));
    }
    let quotation = book.quotation(scope.board, scope.class, scope.date)?;
    let amount = notional(quotation, positive("price", question.price)?, question.quantity);
    let amount = amount.ok_or_else(|| Trouble::Usage("--quantity: the amount is out of all bounds".to_owned()))?;
    let charges =
        book.fee_schedule(scope.board, scope.class, question.side, scope.date)?.charge(amount, question.commission);
    let mut output = Output::default();
    for kind in FeeKind::ALL {
        output = output.with(kind.name(), charges.of(kind).to_string());
    }
    Ok(output.with("total", charges.total.to_string()))
}

pub(super) fn cage(book: &Rulebook, question: &CageArgs) -> Result<Output, Trouble> {
    let scope = question.scope;
    let quote = CageQuote {
        best_bid: question.best_bid.map(|p| positive("best-bid", p)).transpose()?,
        best_ask: question.best_ask.map(|p| positive("best-ask", p)).transpose()?,
        last: question.last.map(|p| positive("last", p)).transpose()?,
        previous_close: Some(positive("prev", question.prev)?),
    };
    let rules = book.cage_rules(scope.board, scope.class, scope.date)?;
    let tick = book.tick(scope.board, scope.class, scope.date)?.at(question.prev);
    let limit = rules.and_then(|rules| cage_limit(&rules, question.side, quote, tick));
    Ok(Output::default().with("limit", limit.map(|limit| limit.to_string())))
}

/// An amount for `per` shares as an amount for one.
fn per_share(name: &str, amount: Rate, per: u32) -> Result<Rate, Trouble> {
    let per = i64::from(per);
    if amount.0 >= 0 && amount.0 % per == 0 {
        return Ok(Rate(amount.0 / per));
    }
    Err(Trouble::Usage(format!("--{name} {amount} for {per} shares: negative, or finer than 0.00000001 a share")))
}

pub(super) fn ex_rights(question: &ExRightsArgs) -> Result<Output, Trouble> {
    let action = ExRights {
        cash: per_share("cash", question.cash, question.per)?,
        bonus: per_share("bonus", question.bonus, question.per)?,
        rights: per_share("rights", question.rights, question.per)?,
        rights_price: question.rights_price,
    };
    let (prev, tick) = (positive("prev", question.prev)?, positive("tick", question.tick)?);
    let reference = ex_rights_reference(prev, action, tick)
        .ok_or_else(|| Trouble::Usage("nothing would be left of the price: check --cash against --prev".to_owned()))?;
    Ok(Output::default().with("reference", reference.to_string()))
}

pub(super) fn repo_interest(book: &Rulebook, question: &RepoInterestArgs) -> Result<Output, Trouble> {
    if !(1..=1_000_000_000_000_000).contains(&question.principal.0) {
        return Err(Trouble::Usage(format!(
            "--principal {}: must be above 0 and at most 100 billion",
            question.principal
        )));
    }
    if !(0..=10_000_000).contains(&question.rate.0) {
        return Err(Trouble::Usage(format!("--rate {}: per cent a year from 0 to 1000", question.rate)));
    }
    let exchange = question.board.exchange();
    if !book.is_trading_day(exchange, question.date)? {
        return Err(Trouble::Usage(format!("--date {}: {exchange} does not trade on that day", question.date)));
    }
    let repo = book.repo_interest(question.board, question.principal, question.rate, question.date, question.term)?;
    Ok(Output::default()
        .with("days", Shown::Count(i64::from(repo.days)))
        .with("interest", repo.interest.to_string())
        .with("first_settlement", repo.first_settlement.to_string())
        .with("money_back", repo.money_back.to_string()))
}

pub(super) fn list(book: &Rulebook, question: &ListArgs) -> Output {
    let wanted = |family: &str| question.family.as_deref().is_none_or(|only| only == family);
    let rows: Vec<Output> = book
        .entries()
        .filter(|entry| wanted(&entry.family) && (!question.unverified || entry.unverified.is_some()))
        .map(|entry| {
            Output::default()
                .with("id", entry.id)
                .with("family", entry.family)
                .with("from", entry.from.to_string())
                .with("to", entry.to.map(|to| to.to_string()))
                .with("file", format!("{}:{}", entry.file, entry.line))
                .with("source", entry.source)
                .with("unverified", entry.unverified)
        })
        .collect();
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    Output::default()
        .with("hash", hex(&book.hash()))
        .with("count", Shown::Count(count))
        .with("entries", Shown::Rows(rows))
}
