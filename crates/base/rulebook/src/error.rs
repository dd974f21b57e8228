//! What can be wrong: with a rule file, or with a question.

use std::fmt;

use heng_model::{Board, Exchange, InstrumentClass, TradeDate};

/// One thing that is wrong with a rule file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct RuleError {
    /// Name of the file as it was given.
    pub file: String,
    /// Line, from 1; 0 if it concerns the file as a whole.
    pub line: u32,
    /// What is wrong and what to do.
    pub reason: String,
}

impl RuleError {
    pub(crate) fn new(file: &str, line: u32, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, reason: reason.into() }
    }
}

/// What a question was about, for [`NoRule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Security(Board, InstrumentClass),
    Exchange(Exchange),
}

/// No entry of the rule book is in force for this question. There are no defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRule {
    rule: &'static str,
    subject: Subject,
    date: TradeDate,
    earliest: Option<TradeDate>,
}

impl NoRule {
    pub(crate) fn security(rule: &'static str, scope: (Board, InstrumentClass), date: TradeDate) -> Self {
        Self { rule, subject: Subject::Security(scope.0, scope.1), date, earliest: None }
    }

    pub(crate) fn exchange(rule: &'static str, exchange: Exchange, date: TradeDate) -> Self {
        Self { rule, subject: Subject::Exchange(exchange), date, earliest: None }
    }

    pub(crate) fn known_from(mut self, earliest: Option<TradeDate>) -> Self {
        self.earliest = earliest;
        self
    }
}

impl fmt::Display for NoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} rule is in force for ", self.rule)?;
        match self.subject {
            Subject::Security(board, class) => write!(f, "{class} on board {board}")?,
            Subject::Exchange(exchange) => write!(f, "exchange {exchange}")?,
        }
        write!(f, " on {}", self.date)?;
        match self.earliest {
            Some(first) => write!(f, "; the first entry begins {first}"),
            None => f.write_str("; the rule files have no such entry"),
        }
    }
}

impl std::error::Error for NoRule {}
