//! `heng rules`: asks the rule book, for people and for checks. Arguments and output only; every rule stands in
//! `rules/*.toml` and every computation in `heng-rulebook` and `heng-matching`.

mod answers;
mod auction;
mod check;
mod explained;
mod output;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use heng_model::{Board, Exchange, InstrumentClass, Price, Qty, Rate, Side, TradeDate};
use heng_rulebook::{NoRule, RuleError, Rulebook};

use output::Output;

/// Largest rule file that is read, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Ask the dated rule book: limits, fees, cages, auctions, reference prices.
#[derive(Args, Debug)]
pub struct RulesArgs {
    /// Print exactly one JSON object instead of a table.
    #[arg(long, global = true)]
    pub json: bool,
    /// Read the rule files of this folder instead of those in the binary.
    #[arg(long, global = true, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// The question.
    #[command(subcommand)]
    pub command: RulesCommand,
}

/// The questions of `heng rules`.
#[derive(Subcommand, Debug)]
pub enum RulesCommand {
    /// Upper and lower price limit of a day: up, down (null without limit).
    PriceLimits(PriceLimitsArgs),
    /// Fees of an order that fills completely at one price.
    Fees(FeesArgs),
    /// Highest buy or lowest sell price that the price cage lets through: limit.
    Cage(CageArgs),
    /// Price and volume of a call auction.
    Auction(AuctionArgs),
    /// Reference price of an ex-rights or ex-dividend day: reference.
    ExRights(ExRightsArgs),
    /// Days and interest of an exchange reverse repo: days, interest.
    RepoInterest(RepoInterestArgs),
    /// Every entry of the rule files with its dates and source.
    List(ListArgs),
    /// Compare with the public package marina-rules over its whole date range.
    Check(CheckArgs),
}

/// Which securities, on which day.
#[derive(Args, Debug, Clone, Copy)]
pub struct ScopeArgs {
    /// Board: sse-main, star, szse-main, chinext, bse or hk.
    #[arg(long, value_name = "BOARD")]
    pub board: Board,
    /// Class: stock, b-share, stock-etf, wide-limit-etf, t0-etf, lof, reit, convertible, bond or repo.
    #[arg(long, value_name = "CLASS", default_value = "stock")]
    pub class: InstrumentClass,
    /// Trade date, YYYY-MM-DD.
    #[arg(long, value_name = "DATE")]
    pub date: TradeDate,
}

/// `heng rules price-limits`.
#[derive(Args, Debug)]
pub struct PriceLimitsArgs {
    /// The securities and the day.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// The security is under risk warning (ST, *ST).
    #[arg(long)]
    pub st: bool,
    /// Reference price: the previous close, or the issue price on the listing day.
    #[arg(long, value_name = "PRICE")]
    pub prev: Price,
    /// Trading day since the listing, 1 = the first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub listing_day: Option<u32>,
    /// Trading day of the delisting period, 1 = the first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub delisting_day: Option<u32>,
}

/// `heng rules fees`.
#[derive(Args, Debug)]
pub struct FeesArgs {
    /// The securities and the day.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// buy or sell.
    #[arg(long)]
    pub side: Side,
    /// Price of the fill.
    #[arg(long)]
    pub price: Price,
    /// Quantity of the fill, in the smallest unit (shares).
    #[arg(long)]
    pub quantity: Qty,
    /// The client's commission, a fraction of the amount.
    #[arg(long, value_name = "FRACTION", default_value = "0.00025")]
    pub commission: Rate,
}

/// `heng rules cage`.
#[derive(Args, Debug)]
pub struct CageArgs {
    /// The securities and the day.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// buy or sell.
    #[arg(long)]
    pub side: Side,
    /// Highest displayed buy price.
    #[arg(long, value_name = "PRICE")]
    pub best_bid: Option<Price>,
    /// Lowest displayed sell price.
    #[arg(long, value_name = "PRICE")]
    pub best_ask: Option<Price>,
    /// Last trade price of the day.
    #[arg(long, value_name = "PRICE")]
    pub last: Option<Price>,
    /// Previous close.
    #[arg(long, value_name = "PRICE")]
    pub prev: Price,
}

/// `heng rules auction`.
#[derive(Args, Debug)]
pub struct AuctionArgs {
    /// Whose tie rule: sse, szse, bse or hk.
    #[arg(long)]
    pub exchange: Exchange,
    /// Reference price: previous close at the open, last price at the close.
    #[arg(long, value_name = "PRICE")]
    pub reference: Price,
    /// Orders as CSV, one a line: side,price,quantity. A first line with these words is a heading.
    #[arg(long, value_name = "FILE")]
    pub orders: PathBuf,
    /// Price step.
    #[arg(long, value_name = "PRICE", default_value = "0.01")]
    pub tick: Price,
    /// Trade date of the rule; the latest known rule if left out.
    #[arg(long)]
    pub date: Option<TradeDate>,
}

/// `heng rules ex-rights`. "10 pays 5, gives 3, offers 2 at 8.00" is
/// `--per 10 --cash 5 --bonus 3 --rights 2 --rights-price 8.00`.
#[derive(Args, Debug)]
pub struct ExRightsArgs {
    /// Previous close.
    #[arg(long, value_name = "PRICE")]
    pub prev: Price,
    /// The amounts below are for this many shares held.
    #[arg(long, value_name = "SHARES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub per: u32,
    /// Cash before tax.
    #[arg(long, value_name = "AMOUNT", default_value = "0")]
    pub cash: Rate,
    /// Free shares (bonus and transfer from reserves).
    #[arg(long, value_name = "SHARES", default_value = "0")]
    pub bonus: Rate,
    /// Shares offered for subscription.
    #[arg(long, value_name = "SHARES", default_value = "0")]
    pub rights: Rate,
    /// What an offered share costs.
    #[arg(long, value_name = "PRICE", default_value = "0")]
    pub rights_price: Price,
    /// Price step of the result.
    #[arg(long, value_name = "PRICE", default_value = "0.01")]
    pub tick: Price,
}

/// `heng rules repo-interest`.
#[derive(Args, Debug)]
pub struct RepoInterestArgs {
    /// Principal in yuan.
    #[arg(long, value_name = "AMOUNT")]
    pub principal: heng_model::Money,
    /// Quote in per cent a year: 1.80.
    #[arg(long, value_name = "PERCENT")]
    pub rate: Price,
    /// Term in calendar days: 1 for 204001.
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub term: u32,
    /// Trade date, YYYY-MM-DD.
    #[arg(long)]
    pub date: TradeDate,
    /// Board: sse-main or szse-main.
    #[arg(long, default_value = "sse-main")]
    pub board: Board,
}

/// `heng rules list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only this kind of rule: limit, fee, session, …
    #[arg(long)]
    pub family: Option<String>,
    /// Only entries that no official text has confirmed.
    #[arg(long)]
    pub unverified: bool,
}

/// `heng rules check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Folder that holds the package marina_rules; the installed one if left out.
    #[arg(long, value_name = "DIR")]
    pub marina: Option<PathBuf>,
    /// Python that reads the package.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    pub python: PathBuf,
}

/// Why a question has no answer, and the exit code that goes with it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The question is wrong: exit 2.
    Usage(String),
    /// The rule files are wrong: exit 1.
    Files(Vec<RuleError>),
    /// An outside program or package is missing: exit 3.
    Missing(String),
    /// The comparison found differences without an explanation: exit 1, after the output.
    Differs(Output),
    /// Reading or running failed: exit 1.
    Failed(anyhow::Error),
}

impl From<NoRule> for Trouble {
    fn from(why: NoRule) -> Self {
        Self::Usage(format!("{why}. `heng rules list` shows which days are covered"))
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(why: anyhow::Error) -> Self {
        Self::Failed(why)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Missing(why) => f.write_str(why),
            Self::Files(problems) => {
                writeln!(f, "the rule files have {} problems:", problems.len())?;
                problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))
            }
            Self::Differs(_) => f.write_str("differences without an explanation in docs/rules-differences.md"),
            Self::Failed(why) => write!(f, "{why:#}"),
        }
    }
}

/// Answers one question: output on stdout, trouble on stderr. Exit 0 answered, 1 differences or wrong rule files,
/// 2 wrong question, 3 a missing outside program.
///
/// # Errors
/// If stdout cannot be written.
pub fn run(args: &RulesArgs) -> anyhow::Result<ExitCode> {
    let (code, output) = match answer(args) {
        Ok(output) => (0, Some(output)),
        Err(Trouble::Differs(output)) => (1, Some(output)),
        Err(why) => {
            eprintln!("heng rules: {why}");
            let code = match why {
                Trouble::Usage(_) => 2,
                Trouble::Missing(_) => 3,
                _ => 1,
            };
            (code, None)
        }
    };
    if let Some(output) = output {
        output.print(args.json).context("write the answer")?;
    }
    Ok(ExitCode::from(code))
}

/// The answer to one question, for [`run`] and for tests.
pub(crate) fn answer(args: &RulesArgs) -> Result<Output, Trouble> {
    let book = load(args.rules.as_deref())?;
    match &args.command {
        RulesCommand::PriceLimits(question) => answers::price_limits(&book, question),
        RulesCommand::Fees(question) => answers::fees(&book, question),
        RulesCommand::Cage(question) => answers::cage(&book, question),
        RulesCommand::Auction(question) => auction::answer(&book, question),
        RulesCommand::ExRights(question) => answers::ex_rights(question),
        RulesCommand::RepoInterest(question) => answers::repo_interest(&book, question),
        RulesCommand::List(question) => Ok(answers::list(&book, question)),
        RulesCommand::Check(question) => check::answer(&book, question),
    }
}

/// The rule files of a folder, `(name, text)`; those in the binary if there is no folder.
///
/// # Errors
/// If the folder or a file cannot be read or is larger than 4 MiB.
pub fn rule_files(folder: Option<&Path>) -> anyhow::Result<Vec<(String, String)>> {
    let Some(folder) = folder else { return Ok(Rulebook::embedded_files()) };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read the rules folder {}", folder.display()))? {
        let path = entry.context("read the rules folder")?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.ends_with(".toml") {
            continue;
        }
        let size = std::fs::metadata(&path).with_context(|| format!("read {}", path.display()))?.len();
        anyhow::ensure!(size <= FILE_MAX, "{} is larger than 4 MiB", path.display());
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        files.push((name, text));
    }
    anyhow::ensure!(!files.is_empty(), "the folder {} holds no rule files (*.toml)", folder.display());
    files.sort();
    Ok(files)
}

fn load(folder: Option<&Path>) -> Result<Rulebook, Trouble> {
    let files = rule_files(folder).map_err(|why| Trouble::Usage(format!("{why:#}")))?;
    Rulebook::parse(&files).map_err(Trouble::Files)
}

#[cfg(test)]
mod tests;
