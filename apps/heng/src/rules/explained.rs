//! The explained differences, read from the document that people read.

use heng_model::TradeDate;

/// The document; its table rows begin with a back-quoted record.
const DOCUMENT: &str = include_str!("../../../../docs/rules-differences.md");

/// One row. `*` matches everything; a record may end in `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    record: String,
    scope: String,
    kind: String,
    from: TradeDate,
    until: TradeDate,
    ours: String,
    theirs: String,
    /// Why the two differ.
    pub(super) why: String,
}

/// A difference, as far as an explanation looks at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Difference {
    /// Id of the outside record.
    pub(super) record: String,
    /// Board and class.
    pub(super) scope: String,
    /// Rule, or `limits` for computed prices.
    pub(super) kind: String,
    /// Our answer.
    pub(super) ours: String,
    /// The other answer.
    pub(super) theirs: String,
    /// First day.
    pub(super) from: TradeDate,
    /// Last day.
    pub(super) until: TradeDate,
}

/// Every row of the document.
///
/// # Errors
/// A row that cannot be read, with its line.
pub(super) fn explanations() -> anyhow::Result<Vec<Explanation>> {
    parse(DOCUMENT)
}

pub(super) fn parse(document: &str) -> anyhow::Result<Vec<Explanation>> {
    let rows = document.lines().enumerate().filter(|(_, line)| line.starts_with("| `"));
    rows.map(|(at, line)| {
        row(line).ok_or_else(|| anyhow::anyhow!("docs/rules-differences.md:{}: not a row of 8 cells", at + 1))
    })
    .collect()
}

fn row(line: &str) -> Option<Explanation> {
    let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
    let [record, scope, kind, from, until, ours, theirs, why] = cells[..] else { return None };
    let text = |cell: &str| cell.trim_matches('`').to_owned();
    Some(Explanation {
        record: text(record),
        scope: text(scope),
        kind: text(kind),
        from: from.parse().ok()?,
        until: until.parse().ok()?,
        ours: text(ours),
        theirs: text(theirs),
        why: why.to_owned(),
    })
}

impl Explanation {
    /// Whether the row explains the difference: every cell matches, and its days hold all days of the difference.
    pub(super) fn explains(&self, difference: &Difference) -> bool {
        let matches = |pattern: &str, text: &str| match pattern.strip_suffix('*') {
            Some(begin) => text.starts_with(begin),
            None => pattern == text,
        };
        matches(&self.record, &difference.record)
            && matches(&self.scope, &difference.scope)
            && matches(&self.kind, &difference.kind)
            && matches(&self.ours, &difference.ours)
            && matches(&self.theirs, &difference.theirs)
            && self.from <= difference.from
            && difference.until <= self.until
    }

    /// What the row is about, for a warning.
    pub(super) fn title(&self) -> String {
        format!("{} {} {} {}", self.record, self.scope, self.kind, self.from)
    }
}
