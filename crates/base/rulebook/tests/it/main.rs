//! Tests of the rule book through its public face, with the rule files of this repository.

mod calendars;
mod files;
mod golden;
mod properties;
mod sessions;
mod sizes;

use heng_model::{Price, TradeDate};
use heng_rulebook::Rulebook;
use std::sync::LazyLock;

static BOOK: LazyLock<Rulebook> = LazyLock::new(|| match Rulebook::parse(&Rulebook::embedded_files()) {
    Ok(book) => book,
    Err(problems) => {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("the rule files are wrong:\n{}", lines.join("\n"))
    }
});

fn book() -> &'static Rulebook {
    &BOOK
}

fn date(text: &str) -> TradeDate {
    text.parse().expect("a test date")
}

fn price(text: &str) -> Price {
    text.parse().expect("a test price")
}
