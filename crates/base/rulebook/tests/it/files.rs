//! What the loader says about wrong files, and that every unverified entry is told to the reader.

use std::collections::BTreeSet;

use heng_rulebook::{Rulebook, parse_bundle};

use crate::book;

const GOOD: &str = r#"
[[tick]]
id = "one"
boards = ["star"]
classes = ["stock"]
tick = "0.01"
from = "2019-07-22"
to = "2020-01-01"
source = "a rule"
"#;

fn problems(text: &str) -> Vec<String> {
    match Rulebook::parse(&[("x.toml".to_owned(), text.to_owned())]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn check(text: &str, expected: &[&str]) {
    let found = problems(text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "found {found}\nexpected {expected}");
    }
}

fn second(changes: &[(&str, &str)]) -> String {
    let mut text = GOOD.replace("\"one\"", "\"two\"");
    for (from, to) in changes {
        text = text.replace(from, to);
    }
    format!("{GOOD}{text}")
}

#[test]
fn a_good_file_has_no_problems() {
    check(GOOD, &[]);
    check(&second(&[("2020-01-01", "2021-01-01"), ("2019-07-22", "2020-01-01")]), &[]);
}

#[test]
fn overlaps_and_gaps_name_both_places() {
    let overlap = second(&[("2019-07-22", "2019-12-31"), ("to = \"2020-01-01\"\n", "")]);
    check(
        &overlap,
        &["x.toml:11: overlap: \"two\" from 2019-12-31 is in force for (Star, Stock) together with x.toml:2 (one)"],
    );
    let gap = second(&[("2020-01-01", "2021-01-01"), ("2019-07-22", "2020-01-02")]);
    check(&gap, &["x.toml:11: gap: no entry for (Star, Stock) from 2020-01-01 until 2020-01-02, after x.toml:2 (one)"]);
}

#[test]
fn fields_are_checked_one_by_one() {
    let text =
        GOOD.replace("tick = \"0.01\"", "tick = \"0.01x\"\ncolour = \"red\"").replace("2019-07-22", "2019-02-30");
    check(
        &text,
        &[
            "x.toml:6: \"tick\": \"0.01x\" is not a decimal number",
            "x.toml:7: unknown field \"colour\"; known here: id, from, to, source",
            "x.toml:8: \"from\": \"2019-02-30\" is not a date",
        ],
    );
    check(&GOOD.replace("tick = \"0.01\"", "tick = 0.01"), &["x.toml:6: \"tick\" must be text in quotes, found float"]);
    check(&GOOD.replace("tick = \"0.01\"", "tick = \"-0.01\""), &["x.toml:2: \"tick\" is outside"]);
    check(&GOOD.replace("tick = \"0.01\"\n", ""), &["x.toml:2: the field \"tick\" is missing"]);
    check(&GOOD.replace("\"star\"", "\"moon\""), &["x.toml:4: \"boards\": \"moon\" is \"moon\" is none of: sse-main"]);
    check(&GOOD.replace("source = \"a rule\"", "source = \"\""), &["x.toml:9: \"source\" is empty"]);
    check(&GOOD.replace("source = \"a rule\"\n", ""), &["x.toml:2: the field \"source\" is missing"]);
    check(&GOOD.replace("2020-01-01", "2019-07-22"), &["x.toml:2: \"to\" must be after \"from\""]);
    check(&GOOD.replace("[[tick]]", "[[tock]]"), &["x.toml:2: unknown kind of rule [[tock]]; known: limit,"]);
    check("tick = 1\n", &["x.toml:1: \"tick\" must be a list of entries"]);
    check("[[tick]\n", &["x.toml:1: not TOML"]);
    check(
        &second(&[("2020-01-01", "2021-01-01"), ("2019-07-22", "2020-01-01"), ("\"two\"", "\"one\"")]),
        &["x.toml:11: the id \"one\" is taken by x.toml:2"],
    );
}

#[test]
fn names_and_sizes_of_files_are_bounded() {
    let parse =
        |name: &str, text: String| Rulebook::parse(&[(name.to_owned(), text)]).expect_err("refused")[0].to_string();
    assert!(parse("../x.toml", GOOD.to_owned()).contains("needs a name of its own"));
    assert!(parse("x.toml", "#".repeat(5 << 20)).contains("larger than 4 MiB"));
    assert!(Rulebook::parse(&[]).expect_err("refused")[0].to_string().contains("1 to 64 rule files"));
    let nested = format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!problems(&nested).is_empty());
    let many: String = (0..30_000).map(|n| GOOD.replace("\"one\"", &format!("\"e{n}\""))).collect();
    assert_eq!(problems(&many).len(), 200, "told up to a bound");
}

#[test]
fn calendars_refuse_weekends_and_long_entries() {
    let year = |closed: &str, to: &str| {
        format!(
            "[[calendar]]\nid = \"c\"\nmarkets = [\"mainland\"]\nfrom = \"2026-01-01\"\nto = \"{to}\"\nsource = \"s\"\nclosed = [\"{closed}\"]\n"
        )
    };
    check(&year("01-01", "2027-01-01"), &[]);
    check(&year("01-03", "2027-01-01"), &["x.toml:1: 01-03 is no weekday"]);
    check(&year("02-29", "2027-01-01"), &["x.toml:1: 02-29 is no weekday"]);
    check(&year("01-01", "2028-01-01"), &["x.toml:1: a calendar entry needs \"to\""]);
    check(&year("13-01", "2027-01-01"), &["x.toml:7: \"closed\": \"13-01\" is not a day"]);
}

#[test]
fn bundles_are_canonical() {
    assert!(parse_bundle(b"").is_err());
    assert_eq!(parse_bundle(b"heng-rules 1\n"), Ok(Vec::new()));
    let wrong = |bytes: &[u8]| parse_bundle(bytes).expect_err("refused").to_string();
    assert!(wrong(b"heng-rules 1\nfile a.toml 05\nabcde").contains("bundle:2: expected"));
    assert!(wrong(b"heng-rules 1\nfile a.toml 9\nabcde").contains("shorter than its length"));
    assert!(wrong(b"heng-rules 1\nfile b.toml 1\n#file a.toml 1\n#").contains("in order of name"));
    assert!(wrong(b"heng-rules 1\nfile a.toml 99999999999999999999\n").contains("expected"));
}

/// Ids in the first column of the table rows of a document.
fn ids_of(document: &str) -> BTreeSet<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`')).map(|(id, _)| id.to_owned()).collect()
}

#[test]
fn every_unverified_entry_has_its_row_and_every_row_its_entry() {
    let document = include_str!("../../../../../docs/unverified.md");
    let listed = ids_of(document);
    let unverified: BTreeSet<_> = book().entries().filter(|e| e.unverified.is_some()).map(|e| e.id).collect();
    let missing: Vec<_> = unverified.difference(&listed).collect();
    let superfluous: Vec<_> = listed.difference(&unverified).collect();
    assert!(missing.is_empty(), "no row in docs/unverified.md: {missing:?}");
    assert!(superfluous.is_empty(), "rows without an unverified entry: {superfluous:?}");
}

#[test]
fn embedded_files_are_all_rule_files_of_the_repository() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../rules");
    let on_disk: BTreeSet<_> = std::fs::read_dir(folder)
        .expect("the rules folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    let embedded: BTreeSet<_> = Rulebook::embedded_files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(on_disk, embedded);
}
