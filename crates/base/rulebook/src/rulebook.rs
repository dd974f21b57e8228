//! The rule book itself: reads entries into series, and finds what is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::str::FromStr;

use heng_model::{Board, Exchange, InstrumentClass, Money, Qty, TradeDate};
use toml::de::DeTable;

use crate::bands::AuctionBand;
use crate::bundle::{FILES_MAX, bundle, bundle_hash, is_name, parse_bundle};
use crate::cage::CageRules;
use crate::calendar::{Calendar, Market, YearExceptions};
use crate::document::{ENTRIES_MAX, Entry, FILE_MAX, Head, Lines, PROBLEMS_MAX, Place};
use crate::error::{NoRule, RuleError};
use crate::fees::{CommissionRules, FeeComponent, FeeKey};
use crate::halts::{HaltKey, HaltRules};
use crate::instrument::{GateKey, GateRules, LotRules, OrderTypeRules, TurnRules, UnitRules};
use crate::limits::{Band, BandKey, LimitFloor};
use crate::series::Series;
use crate::sessions::{PlannedStep, SessionKey};
use crate::tick::TickRule;
use crate::{bands, cage, calendar, corporate, fees, halts, instrument, limits, sessions, tick};

/// What most rules hang on.
pub(crate) type Scope = (Board, InstrumentClass);

/// How a call auction chooses among prices of equal volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuctionTie {
    /// Least unmatched volume, then the middle of the tied prices (SSE).
    Midpoint,
    /// Least gap between cumulative buys and sells, then the price nearest to the reference (SZSE, BSE).
    NearestReference,
    /// Least imbalance, then the side of the imbalance, then the price nearest to the reference (HKEX).
    HongKong,
}

impl FromStr for AuctionTie {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "midpoint" => Ok(Self::Midpoint),
            "nearest-reference" => Ok(Self::NearestReference),
            "hong-kong" => Ok(Self::HongKong),
            _ => Err("none of: midpoint, nearest-reference, hong-kong"),
        }
    }
}

/// Nominal prices of which the median is the closing price where no closing auction gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosingNominals {
    /// How many, the last at the end of continuous trading.
    pub prices: u32,
    /// Seconds between two of them.
    pub interval_s: u32,
}

/// For how long a repo uses the money, and what it pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepoUse {
    /// Calendar days for which interest runs.
    pub days: u32,
    /// Interest, in fen.
    pub interest: Money,
    /// Day on which the money is first used.
    pub first_settlement: TradeDate,
    /// Day on which the money can be withdrawn.
    pub money_back: TradeDate,
}

/// One entry of the rule files, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryInfo {
    /// Unique name.
    pub id: String,
    /// Kind of rule, the name of the table.
    pub family: String,
    /// File that holds it.
    pub file: String,
    /// Line of the file.
    pub line: u32,
    /// First day in force.
    pub from: TradeDate,
    /// First day no longer in force; `None` if it has no end.
    pub to: Option<TradeDate>,
    /// Title and article, or `unverified`.
    pub source: String,
    /// What of the entry is not confirmed by its source; `None` if everything is.
    pub unverified: Option<String>,
}

/// All dated rules. Equal files make equal books.
#[derive(Clone, Debug, Default)]
pub struct Rulebook {
    hash: [u8; 32],
    heads: Vec<Head>,
    pub(crate) bands: Series<BandKey, Band>,
    pub(crate) limit_floors: Series<BandKey, LimitFloor>,
    pub(crate) ticks: Series<Scope, TickRule>,
    pub(crate) lots: Series<Scope, LotRules>,
    pub(crate) turns: Series<Scope, TurnRules>,
    pub(crate) order_types: Series<Scope, OrderTypeRules>,
    pub(crate) units: Series<Scope, UnitRules>,
    pub(crate) gates: Series<GateKey, GateRules>,
    pub(crate) buy_caps: Series<Scope, Option<Qty>>,
    pub(crate) cages: Series<Scope, Option<CageRules>>,
    pub(crate) schedules: Series<SessionKey, Vec<PlannedStep>>,
    pub(crate) halts: Series<HaltKey, HaltRules>,
    pub(crate) fees: Series<FeeKey, FeeComponent>,
    pub(crate) commissions: Series<Scope, CommissionRules>,
    pub(crate) repo_years: Series<Scope, u32>,
    pub(crate) auction_bands: Series<Scope, AuctionBand>,
    auction_ties: Series<Exchange, AuctionTie>,
    quotas: Series<Exchange, Money>,
    closing_nominals: Series<Exchange, ClosingNominals>,
    years: Series<Market, YearExceptions>,
    pub(crate) mainland: Calendar,
    pub(crate) hong_kong: Calendar,
}

impl Rulebook {
    /// Reads rule files, `(name, text)`. Order does not matter.
    ///
    /// # Errors
    /// Every problem found, in order of file and line, up to 200: syntax, unknown or missing fields, wrong dates
    /// and numbers, overlaps, gaps, sizes.
    pub fn parse(files: &[(String, String)]) -> Result<Self, Vec<RuleError>> {
        let (mut book, mut problems) = (Self::default(), Vec::new());
        let mut names = BTreeSet::new();
        if files.is_empty() || files.len() > FILES_MAX {
            problems.push(RuleError::new(
                "rules",
                0,
                format!("there must be 1 to {FILES_MAX} rule files, found {}", files.len()),
            ));
        }
        let mut sorted: Vec<_> = files.iter().take(FILES_MAX).collect();
        sorted.sort();
        for (name, text) in sorted {
            if !is_name(name) || !names.insert(name) {
                problems.push(RuleError::new(
                    name,
                    0,
                    "a rule file needs a name of its own: letters, digits, \"-\", \".toml\"",
                ));
            } else if text.len() > FILE_MAX {
                problems.push(RuleError::new(name, 0, "the file is larger than 4 MiB"));
            } else {
                let before = (book.heads.len(), problems.len());
                book.read_file(name, text, &mut problems);
                if before == (book.heads.len(), problems.len()) {
                    problems.push(RuleError::new(name, 0, "the file holds no rule; was it cut off?"));
                }
            }
        }
        book.refuse_equal_ids(&mut problems);
        book.check_series(&mut problems);
        problems.sort();
        problems.truncate(PROBLEMS_MAX);
        if !problems.is_empty() {
            return Err(problems);
        }
        book.mainland = Calendar::of(&book.years, Market::Mainland);
        book.hong_kong = Calendar::of(&book.years, Market::HongKong);
        book.hash = bundle_hash(&bundle(files));
        Ok(book)
    }

    /// Reads a canonical bundle, as `ActivateRulebook` carries it.
    ///
    /// # Errors
    /// As [`Self::parse`], or if the bytes are no bundle.
    pub fn from_bundle(bytes: &[u8]) -> Result<Self, Vec<RuleError>> {
        let files = parse_bundle(bytes).map_err(|problem| vec![problem])?;
        Self::parse(&files)
    }

    /// SHA-256 of the canonical bundle of the files that this book was read from.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Every entry, in order of file and place.
    pub fn entries(&self) -> impl Iterator<Item = EntryInfo> + '_ {
        self.heads.iter().map(|head| EntryInfo {
            id: head.id.clone(),
            family: head.family.clone(),
            file: head.file.clone(),
            line: head.line,
            from: head.from,
            to: head.to,
            source: head.source.clone(),
            unverified: head.unverified.clone(),
        })
    }

    /// How ties of a call auction are broken.
    ///
    /// # Errors
    /// If no rule is in force.
    pub fn auction_tie(&self, exchange: Exchange, date: TradeDate) -> Result<AuctionTie, NoRule> {
        self.auction_ties.at(exchange, date).copied().ok_or_else(|| {
            NoRule::exchange("auction tie", exchange, date).known_from(self.auction_ties.earliest(exchange))
        })
    }

    /// Daily southbound quota of the channel through this mainland exchange, in yuan of net buys.
    ///
    /// # Errors
    /// If no rule is in force.
    pub fn southbound_quota(&self, channel: Exchange, date: TradeDate) -> Result<Money, NoRule> {
        self.quotas.at(channel, date).copied().ok_or_else(|| {
            NoRule::exchange("southbound quota", channel, date).known_from(self.quotas.earliest(channel))
        })
    }

    /// How the closing price is found where no closing auction gives one, on exchanges that take a median.
    ///
    /// # Errors
    /// If no rule is in force.
    pub fn closing_nominals(&self, exchange: Exchange, date: TradeDate) -> Result<ClosingNominals, NoRule> {
        self.closing_nominals.at(exchange, date).copied().ok_or_else(|| {
            NoRule::exchange("closing price", exchange, date).known_from(self.closing_nominals.earliest(exchange))
        })
    }

    pub(crate) fn find<'a, V: Clone>(
        &self,
        series: &'a Series<Scope, V>,
        rule: &'static str,
        scope: Scope,
        date: TradeDate,
    ) -> Result<&'a V, NoRule> {
        series.at(scope, date).ok_or_else(|| NoRule::security(rule, scope, date).known_from(series.earliest(scope)))
    }

    fn read_file(&mut self, name: &str, text: &str, problems: &mut Vec<RuleError>) {
        let lines = Lines::of(text);
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(why) => {
                let line = why.span().map_or(0, |span| lines.line(span.start));
                problems.push(RuleError::new(name, line, format!("not TOML: {}", why.message())));
                return;
            }
        };
        for (family, value) in document.get_ref() {
            let mut place = Place { file: name, lines: &lines, problems: &mut *problems };
            let Some(entries) = value.get_ref().as_array() else {
                place.problem(
                    &family.span(),
                    format!("\"{}\" must be a list of entries, [[{}]]", family.get_ref(), family.get_ref()),
                );
                continue;
            };
            for item in entries.iter() {
                let place = Place { file: name, lines: &lines, problems: &mut *problems };
                match item.get_ref().as_table() {
                    Some(table) => {
                        self.read_entry(family.get_ref(), Entry::new(table, item.span(), place));
                    }
                    None => problems.push(RuleError::new(name, lines.line(item.span().start), "expected an entry")),
                }
            }
        }
    }

    fn read_entry(&mut self, family: &str, mut entry: Entry<'_, '_>) {
        if self.heads.len() >= ENTRIES_MAX {
            return entry.problem(format!("more than {ENTRIES_MAX} entries"));
        }
        let head = entry.head(family, self.heads.len());
        let dates = head.as_ref().map(|head| (head.from, head.to));
        let known = self.read_rule(family, &mut entry, head.as_ref(), dates);
        if known {
            entry.refuse_unknown();
        } else {
            entry.problem(format!("unknown kind of rule [[{family}]]; known: {}", FAMILIES.join(", ")));
        }
        self.heads.extend(head);
    }

    fn read_rule(
        &mut self,
        family: &str,
        entry: &mut Entry<'_, '_>,
        head: Option<&Head>,
        dates: Option<(TradeDate, Option<TradeDate>)>,
    ) -> bool {
        match family {
            "limit" => add(&mut self.bands, head, limits::read_band(entry)),
            "limit-floor" => add(&mut self.limit_floors, head, limits::read_floor(entry)),
            "tick" => add(&mut self.ticks, head, tick::read(entry)),
            "lot" => add(&mut self.lots, head, instrument::read_lot(entry)),
            "turn" => add(&mut self.turns, head, instrument::read_turn(entry)),
            "order-type" => add(&mut self.order_types, head, instrument::read_order_types(entry)),
            "unit" => add(&mut self.units, head, instrument::read_unit(entry)),
            "client-gate" => add(&mut self.gates, head, instrument::read_gate(entry)),
            "buy-cap" => add(&mut self.buy_caps, head, instrument::read_cap(entry)),
            "cage" => add(&mut self.cages, head, cage::read(entry)),
            "session" => add(&mut self.schedules, head, sessions::read(entry)),
            "halt" => add(&mut self.halts, head, halts::read(entry)),
            "fee" => add(&mut self.fees, head, fees::read_fee(entry)),
            "commission" => add(&mut self.commissions, head, fees::read_commission(entry)),
            "repo-interest" => add(&mut self.repo_years, head, corporate::read_repo(entry)),
            "auction-band" => add(&mut self.auction_bands, head, bands::read(entry)),
            "auction-tie" => add(&mut self.auction_ties, head, read_tie(entry)),
            "southbound-quota" => add(&mut self.quotas, head, read_quota(entry)),
            "closing-nominals" => add(&mut self.closing_nominals, head, read_nominals(entry)),
            "calendar" => {
                let (from, to) = dates.unwrap_or((TradeDate::NONE, None));
                let read = if from == TradeDate::NONE { None } else { calendar::read(entry, from, to) };
                add(&mut self.years, head, read);
            }
            _ => return false,
        }
        true
    }

    fn refuse_equal_ids(&self, problems: &mut Vec<RuleError>) {
        let mut seen: BTreeMap<&str, &Head> = BTreeMap::new();
        for head in &self.heads {
            if let Some(first) = seen.insert(&head.id, head) {
                let reason = format!("the id \"{}\" is taken by {}:{}", head.id, first.file, first.line);
                problems.push(RuleError::new(&head.file, head.line, reason));
            }
        }
    }

    fn check_series(&mut self, problems: &mut Vec<RuleError>) {
        let heads = &self.heads;
        self.bands.problems(heads, problems);
        self.limit_floors.problems(heads, problems);
        self.ticks.problems(heads, problems);
        self.lots.problems(heads, problems);
        self.turns.problems(heads, problems);
        self.order_types.problems(heads, problems);
        self.units.problems(heads, problems);
        self.gates.problems(heads, problems);
        self.buy_caps.problems(heads, problems);
        self.cages.problems(heads, problems);
        self.schedules.problems(heads, problems);
        self.halts.problems(heads, problems);
        self.fees.problems(heads, problems);
        self.commissions.problems(heads, problems);
        self.repo_years.problems(heads, problems);
        self.auction_bands.problems(heads, problems);
        self.auction_ties.problems(heads, problems);
        self.quotas.problems(heads, problems);
        self.closing_nominals.problems(heads, problems);
        self.years.problems(heads, problems);
    }
}

const FAMILIES: [&str; 20] = [
    "limit",
    "limit-floor",
    "tick",
    "lot",
    "turn",
    "order-type",
    "unit",
    "client-gate",
    "buy-cap",
    "cage",
    "session",
    "halt",
    "fee",
    "commission",
    "repo-interest",
    "auction-band",
    "auction-tie",
    "southbound-quota",
    "closing-nominals",
    "calendar",
];

fn add<K: Ord + Copy + Debug, V: Clone>(series: &mut Series<K, V>, head: Option<&Head>, read: Option<(Vec<K>, V)>) {
    if let Some((head, (keys, value))) = head.zip(read) {
        series.insert(keys, head, &value);
    }
}

fn read_tie(entry: &mut Entry<'_, '_>) -> Option<(Vec<Exchange>, AuctionTie)> {
    let (exchanges, tie) = (entry.full_list::<Exchange>("exchanges"), entry.parsed::<AuctionTie>("tie"));
    exchanges.zip(tie)
}

fn read_quota(entry: &mut Entry<'_, '_>) -> Option<(Vec<Exchange>, Money)> {
    let (exchanges, quota) = (entry.full_list::<Exchange>("exchanges"), entry.money("quota"));
    exchanges.zip(quota)
}

fn read_nominals(entry: &mut Entry<'_, '_>) -> Option<(Vec<Exchange>, ClosingNominals)> {
    let exchanges = entry.full_list::<Exchange>("exchanges");
    let (prices, seconds) = (entry.integer("prices", 1, 99), entry.integer("interval_s", 1, 600));
    let (prices, interval_s) = (u32::try_from(prices?).ok()?, u32::try_from(seconds?).ok()?);
    Some((exchanges?, ClosingNominals { prices, interval_s }))
}
