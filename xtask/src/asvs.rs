//! OWASP ASVS 5.0, levels 1 and 2: one row for every requirement in `docs/security/asvs.csv`, and the page made of it.
//!
//! The file has a head and then `id,level,subject,verdict,"evidence"`. Pieces of evidence stand between `"; "`:
//! `test PACKAGE::NAME`, `file PATH`, `config KEY`, or a reason in words.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Where the rows stand.
pub(crate) const DATA: &str = "docs/security/asvs.csv";
/// Where the page stands.
pub(crate) const PAGE: &str = "docs/security/asvs.md";
/// First line of the data.
const HEAD: &str = "id,level,subject,verdict,evidence";
/// Words of a subject at most: it names the requirement, it does not repeat it.
const SUBJECT_WORDS_MAX: usize = 8;
/// Chapters of the standard with their requirements of level 1 and of level 2 (5.0.0, May 2025): 70 and 183.
const CHAPTERS: [(&str, usize, usize); 17] = [
    ("Encoding, sanitising", 8, 19),
    ("Validation, business logic", 4, 7),
    ("Web front end", 8, 11),
    ("API, web service", 2, 8),
    ("Files", 4, 5),
    ("Authentication", 13, 22),
    ("Sessions", 6, 12),
    ("Authorisation", 4, 3),
    ("Self-contained tokens", 4, 3),
    ("OAuth, OIDC", 5, 24),
    ("Cryptography", 3, 11),
    ("Secure communication", 3, 6),
    ("Configuration", 1, 12),
    ("Data protection", 2, 7),
    ("Secure coding", 3, 10),
    ("Logging, errors", 0, 16),
    ("WebRTC", 0, 7),
];

/// How a requirement is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Partly,
    NotYet,
    NotApplicable,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Met, Self::Partly, Self::NotYet, Self::NotApplicable];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Partly => "partly",
            Self::NotYet => "not yet",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence<'a> {
    /// A test by package and name.
    Test(&'a str, &'a str),
    /// A file from the root.
    File(&'a str),
    /// A key of the configuration file of `heng serve`.
    Config(&'a str),
    /// Words.
    Reason(&'a str),
}

/// One requirement.
#[derive(Debug)]
pub(crate) struct Row {
    /// Line in the data, from 1.
    pub(crate) line: usize,
    /// Chapter, section, number.
    id: [usize; 3],
    level: u8,
    subject: String,
    pub(crate) verdict: Verdict,
    evidence: String,
}

impl Row {
    /// The pieces of evidence, in their order.
    pub(crate) fn evidence(&self) -> impl Iterator<Item = Evidence<'_>> {
        self.evidence.split("; ").filter(|piece| !piece.is_empty()).map(|piece| {
            if let Some((package, name)) = piece.strip_prefix("test ").and_then(|test| test.split_once("::")) {
                Evidence::Test(package, name)
            } else if let Some(path) = piece.strip_prefix("file ") {
                Evidence::File(path)
            } else if let Some(key) = piece.strip_prefix("config ") {
                Evidence::Config(key)
            } else {
                Evidence::Reason(piece)
            }
        })
    }
}

fn id_of(text: &str) -> Option<[usize; 3]> {
    let numbers: Option<Vec<usize>> = text.strip_prefix('V')?.split('.').map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn row_of(line: usize, text: &str) -> Result<Row, String> {
    let cells: Vec<&str> = text.splitn(5, ',').collect();
    let [id, level, subject, verdict, evidence] = cells.as_slice() else {
        return Err("must have five cells".to_owned());
    };
    let id = id_of(id).ok_or("the id is not like V1.2.3")?;
    let level = level.parse().ok().filter(|level| (1..=2).contains(level)).ok_or("the level is 1 or 2")?;
    let verdict = Verdict::ALL.into_iter().find(|known| known.name() == *verdict).ok_or("there is no such verdict")?;
    let evidence = evidence.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let evidence = evidence.ok_or("the evidence stands in quotation marks")?.replace("\"\"", "\"");
    if subject.split_whitespace().count() > SUBJECT_WORDS_MAX || subject.is_empty() {
        return Err(format!("a subject has 1 to {SUBJECT_WORDS_MAX} words"));
    }
    Ok(Row { line, id, level, subject: (*subject).to_owned(), verdict, evidence })
}

/// Reads the data; what cannot be read is told with its line.
pub(crate) fn rows(text: &str) -> (Vec<Row>, Vec<(usize, String)>) {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    if text.lines().next() != Some(HEAD) {
        wrong.push((1, format!("the first line must be {HEAD}")));
    }
    for (number, line) in text.lines().enumerate().skip(1) {
        match row_of(number + 1, line) {
            Ok(row) => rows.push(row),
            Err(reason) => wrong.push((number + 1, reason)),
        }
    }
    (rows, wrong)
}

/// What the rows as a whole lack: order, a requirement, evidence that fits the verdict.
pub(crate) fn lacks(rows: &[Row]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for pair in rows.windows(2).filter(|pair| pair[0].id >= pair[1].id) {
        found.push((pair[1].line, "ids ascend, each once".to_owned()));
    }
    for (number, (name, first, second)) in (1..).zip(CHAPTERS) {
        let count = |level| rows.iter().filter(|row| row.id[0] == number && row.level == level).count();
        if (count(1), count(2)) != (first, second) {
            found.push((0, format!("V{number} {name} has {first} rows of level 1 and {second} of level 2")));
        }
    }
    for row in rows {
        let shown = row.evidence().any(|piece| !matches!(piece, Evidence::Reason(_)));
        let told = row.evidence().any(|piece| matches!(piece, Evidence::Reason(_)));
        match row.verdict {
            Verdict::Met if !shown => found.push((row.line, "what is met names a test, a file or a key".to_owned())),
            Verdict::Met => {}
            _ if !told => found.push((row.line, format!("{} needs a reason", row.verdict.name()))),
            _ => {}
        }
    }
    found
}

fn summary(rows: &[Row]) -> String {
    let mut text =
        "| chapter | rows | met | partly | not yet | not applicable |\n|---|---|---|---|---|---|\n".to_owned();
    let mut line = |name: &str, of: &dyn Fn(&Row) -> bool| {
        let of: Vec<&Row> = rows.iter().filter(|row| of(row)).collect();
        let counts = Verdict::ALL.map(|verdict| of.iter().filter(|row| row.verdict == verdict).count().to_string());
        writeln!(text, "| {name} | {} | {} |", of.len(), counts.join(" | ")).expect("a string takes everything");
    };
    for (number, (name, ..)) in (1..).zip(CHAPTERS) {
        line(&format!("V{number} {name}"), &|row| row.id[0] == number);
    }
    for level in 1..=2 {
        line(&format!("**level {level}**"), &|row| row.level == level);
    }
    line("**both**", &|_| true);
    text
}

fn shown(piece: Evidence<'_>) -> String {
    match piece {
        Evidence::Test(package, name) => format!("`{package}::{name}`"),
        Evidence::File(path) => format!("[{}](../../{path})", path.rsplit('/').next().unwrap_or(path)),
        Evidence::Config(key) => format!("setting `{key}`"),
        Evidence::Reason(words) => words.replace('|', "\\|"),
    }
}

/// The page.
pub(crate) fn page(data: &str, note: &str) -> String {
    let (rows, _) = rows(data);
    let mut text = format!(
        "# OWASP ASVS 5.0, levels 1 and 2\n\n{note}\n\nEvery requirement of the Application Security Verification \
         Standard 5.0.0 at levels 1 and 2, by its number; subjects are in our words, the standard's own text decides. \
         Made from [asvs.csv](asvs.csv); `cargo xtask tidy` checks that every test, file and setting named here \
         exists. *Not applicable* names a thing that Heng does not have; where that thing is planned, the row says \
         when to answer again. Beside this page: [threat model](threat-model.md), [controls](controls.md), \
         [personal data](personal-data.md), [supply chain](supply-chain.md).\n\n{}",
        summary(&rows)
    );
    let mut chapters = BTreeSet::new();
    for row in &rows {
        let [chapter, section, number] = row.id;
        if chapters.insert(chapter) {
            let name = CHAPTERS.get(chapter.wrapping_sub(1)).map_or("", |(name, ..)| name);
            write!(
                text,
                "\n## V{chapter} {name}\n\n| id | level | subject | verdict | evidence |\n|---|---|---|---|---|\n"
            )
            .expect("a string takes everything");
        }
        let evidence: Vec<String> = row.evidence().map(shown).collect();
        let (level, subject, verdict) = (row.level, &row.subject, row.verdict.name());
        let evidence = evidence.join("; ");
        writeln!(text, "| V{chapter}.{section}.{number} | {level} | {subject} | {verdict} | {evidence} |")
            .expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "id,level,subject,verdict,evidence\nV1.1.1,2,a thing,met,\"test heng-x::holds; file a/b.rs\"\n\
                       V1.1.2,1,another,not yet,\"because, \"\"so\"\"\"\n";

    #[test]
    fn the_numbers_are_those_of_the_standard() {
        let (first, second) = CHAPTERS.iter().fold((0, 0), |sum, chapter| (sum.0 + chapter.1, sum.1 + chapter.2));
        assert_eq!((first, second, first + second), (70, 183, 253));
    }

    #[test]
    fn rows_are_read_or_refused_with_their_line() {
        let (found, wrong) = rows(TWO);
        assert_eq!(wrong, []);
        let pieces: Vec<Evidence<'_>> = found[0].evidence().collect();
        assert_eq!(pieces, [Evidence::Test("heng-x", "holds"), Evidence::File("a/b.rs")]);
        assert_eq!(found[1].evidence().collect::<Vec<_>>(), [Evidence::Reason("because, \"so\"")]);
        for bad in ["V1.1,2,s,met,\"x\"", "V1.1.1,3,s,met,\"x\"", "V1.1.1,1,s,good,\"x\"", "V1.1.1,1,s,met,x", "V1"] {
            assert_eq!(rows(&format!("{HEAD}\n{bad}\n")).1.len(), 1, "{bad}");
        }
        assert_eq!(rows("id\n").1.len(), 1);
        let long = format!("{HEAD}\nV1.1.1,1,{},met,\"x\"\n", "word ".repeat(9).trim());
        assert!(rows(&long).1[0].1.contains("1 to 8 words"));
    }

    #[test]
    fn what_is_missing_is_told() {
        let told = |text: &str| lacks(&rows(text).0).into_iter().map(|(_, what)| what).collect::<Vec<_>>();
        assert!(told(TWO).contains(&"V1 Encoding, sanitising has 8 rows of level 1 and 19 of level 2".to_owned()));
        let doubled = TWO.replace("V1.1.2", "V1.1.1");
        assert!(told(&doubled).contains(&"ids ascend, each once".to_owned()));
        let bare = TWO.replace("test heng-x::holds; file a/b.rs", "believe us");
        assert!(told(&bare).contains(&"what is met names a test, a file or a key".to_owned()));
        let silent = TWO.replace("because, \"\"so\"\"", "file a.rs");
        assert!(told(&silent).contains(&"not yet needs a reason".to_owned()));
    }

    #[test]
    fn the_page_counts_and_links() {
        let page = page(TWO, "NOTE");
        assert!(page.contains("| V1 Encoding, sanitising | 2 | 1 | 0 | 1 | 0 |"), "{page}");
        assert!(page.contains("| V1.1.1 | 2 | a thing | met | `heng-x::holds`; [b.rs](../../a/b.rs) |"), "{page}");
        assert_eq!(page.matches("\n## V").count(), 1);
    }
}
