//! Documents that the code makes true: glossary, links, rule files, case files, changelog, decisions.

use std::collections::BTreeSet;

use heng_model::RejectCode;

use super::source::Source;
use super::{Finding, tree::Tree};

const GLOSSARY: &str = "docs/glossary.md";
const CASES: &str = "fixtures/cases/";
const CHANGELOG_KINDS: &[&str] = &["safety", "performance", "feature", "fix", "breaking", "docs"];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    check_glossary(tree, findings);
    check_links(tree, findings);
    check_rules(tree, findings);
    check_cases(tree, findings);
    check_changelog(tree, findings);
    check_decisions(tree, findings);
}

/// Public types of the model and of the core façades stand in the glossary.
fn check_glossary(tree: &Tree, findings: &mut Vec<Finding>) {
    let glossary = tree.get(GLOSSARY).unwrap_or_default();
    let listed: BTreeSet<&str> = glossary.split('`').skip(1).step_by(2).collect();
    for (path, text) in tree.rust() {
        let facade = path.starts_with("crates/core/") && path.ends_with("/src/lib.rs");
        if !facade && !path.starts_with("crates/base/model/src/") {
            continue;
        }
        for (line, name) in public_types(&Source::of(path, text), facade) {
            if !listed.contains(name.as_str()) {
                findings.push(Finding::new("glossary", path, line + 1, format!("{name} is not in {GLOSSARY}")));
            }
        }
    }
}

/// Types that the file declares, and, in a façade, types that it re-exports. Lines from 0.
fn public_types(source: &Source, facade: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut reexport = false;
    for line in 0..source.code.len() {
        if source.test[line] {
            continue;
        }
        let words: Vec<&str> = source.words(line).collect();
        for three in words.windows(3) {
            if three[0] == "pub"
                && matches!(three[1], "struct" | "enum" | "trait" | "union")
                && three[2].starts_with(char::is_uppercase)
            {
                found.push((line, three[2].to_owned()));
            }
        }
        reexport |= facade && words.windows(2).any(|pair| pair == ["pub", "use"]);
        if reexport {
            let types =
                words.iter().filter(|word| word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase));
            found.extend(types.map(|word| (line, (*word).to_owned())));
            reexport = !source.code[line].contains(';');
        }
    }
    found
}

/// Relative links of Markdown files lead to something.
fn check_links(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".md")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut fenced = false;
        for (number, line) in text.lines().enumerate() {
            fenced ^= line.trim_start().starts_with("```");
            if fenced {
                continue;
            }
            for target in links(line) {
                if !leads_somewhere(tree, folder, target) {
                    findings.push(Finding::new("links", path, number + 1, format!("{target} is not there")));
                }
            }
        }
    }
}

fn links(line: &str) -> Vec<&str> {
    line.match_indices("](")
        .filter_map(|(at, _)| line[at + 2..].split_once(')').map(|(target, _)| target))
        .filter_map(|target| target.split_whitespace().next())
        .collect()
}

fn leads_somewhere(tree: &Tree, folder: &str, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") || target.starts_with('#') {
        return true;
    }
    let file = target.split('#').next().unwrap_or(target);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return false,
            ".." => {}
            part => parts.push(part),
        }
    }
    tree.has(&parts.join("/"))
}

/// Every file of dated rules is mentioned by some document.
fn check_rules(tree: &Tree, findings: &mut Vec<Finding>) {
    let documents: Vec<&str> = tree.iter().filter(|(path, _)| path.ends_with(".md")).map(|(_, text)| text).collect();
    for (path, _) in tree.iter().filter(|(path, _)| path.starts_with("rules/") && path.ends_with(".toml")) {
        if !documents.iter().any(|text| text.contains(path)) {
            findings.push(Finding::new("rules", path, 0, format!("no document mentions {path}")));
        }
    }
}

/// Every reject code has a case that shows it.
fn check_cases(tree: &Tree, findings: &mut Vec<Finding>) {
    let decides = tree.has("crates/core/engine/src/pipeline.rs");
    let cases: Vec<&str> =
        tree.iter().filter(|(path, _)| path.starts_with(CASES) && path.ends_with(".txt")).map(|(_, t)| t).collect();
    // Without an engine there is nothing that a case could be run against.
    if !decides && cases.is_empty() {
        return;
    }
    let shown: BTreeSet<&str> = cases
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split('#').next())
        .flat_map(|line| line.split(|c: char| !c.is_alphanumeric()))
        .collect();
    for code in RejectCode::ALL {
        if !shown.contains(code.name()) {
            let message = format!("no case in {CASES}*.txt expects {} {}", code.number(), code.name());
            findings.push(Finding::new("cases", "crates/base/model/src/reject.rs", 0, message));
        }
    }
}

/// `changelog.d/<slug>.<kind>.md`; a breaking one tells how to migrate.
fn check_changelog(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.iter() {
        let Some(name) = path.strip_prefix("changelog.d/").filter(|name| *name != "README.md") else {
            continue;
        };
        let parts: Vec<&str> = name.split('.').collect();
        let good = match parts.as_slice() {
            [slug, kind, "md"] => is_slug(slug) && CHANGELOG_KINDS.contains(kind),
            _ => false,
        };
        if !good {
            let message = format!("must be called <slug>.<{}>.md", CHANGELOG_KINDS.join("|"));
            findings.push(Finding::new("changelog", path, 0, message));
        } else if parts[1] == "breaking" && !(text.contains("Summary") && text.contains("Migration")) {
            findings.push(Finding::new("changelog", path, 0, "a breaking change has a Summary and a Migration"));
        } else if text.trim().is_empty() {
            findings.push(Finding::new("changelog", path, 0, "says nothing"));
        }
    }
}

fn is_slug(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `docs/decisions/NNNN-title.md`, numbered without repeats, ending in its definition of done.
fn check_decisions(tree: &Tree, findings: &mut Vec<Finding>) {
    let mut numbers = BTreeSet::new();
    for (path, text) in tree.iter() {
        let Some(name) = path.strip_prefix("docs/decisions/") else {
            continue;
        };
        let number = name.get(..4).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let title = name.get(4..).and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.strip_suffix(".md"));
        match (number, title) {
            (Some(number), Some(title)) if is_slug(title) => {
                if !numbers.insert(number) {
                    findings.push(Finding::new("decisions", path, 0, format!("{number} is used twice")));
                }
            }
            _ => findings.push(Finding::new("decisions", path, 0, "must be called NNNN-title.md")),
        }
        let last = text.lines().rfind(|line| line.starts_with("## ")).unwrap_or_default();
        if last != "## Definition of done" {
            findings.push(Finding::new("decisions", path, 0, "must end in \"## Definition of done\""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let mut findings = Vec::new();
        super::check(&Tree::of(files), &mut findings);
        let shown: Vec<String> = findings.iter().map(|f| format!("{}:{} {}", f.path, f.line, f.message)).collect();
        assert_eq!(shown.len(), expected.len(), "{shown:?}");
        for (message, part) in shown.iter().zip(expected) {
            assert!(message.contains(part), "{message} does not say {part}");
        }
    }

    #[test]
    fn public_core_types_stand_in_the_glossary() {
        let model =
            ("crates/base/model/src/x.rs", "pub struct Price(i64);\n#[cfg(test)]\nmod tests { pub struct T; }\n");
        check(&[model], &["x.rs:1 Price is not in"]);
        check(&[model, (GLOSSARY, "| 价格 | `Price` |")], &[]);
        let facade = ("crates/core/ledger/src/lib.rs", "mod a;\npub use a::{\n    Holding, post, MAX_ROWS,\n};\n");
        check(&[facade], &["lib.rs:3 Holding is not in"]);
        check(&[("crates/core/ledger/src/a.rs", "pub struct Inner;")], &[]);
    }

    #[test]
    fn links_lead_somewhere() {
        check(
            &[
                ("docs/a.md", "x\n[b](b.md#top) [c](../c.md) [web](https://x.y) [top](#top)\n"),
                ("docs/b.md", ""),
                ("c.md", ""),
            ],
            &[],
        );
        check(&[("docs/a.md", "x\n[b](b.md)\n[up](../../x)"), ("b.md", "")], &["docs/a.md:2 b.md", "docs/a.md:3"]);
        check(&[("docs/a.md", "```\n[b](b.md)\n```\n[folder](../docs/)")], &[]);
    }

    #[test]
    fn rule_files_are_documented() {
        check(&[("rules/fees.toml", "")], &["no document mentions rules/fees.toml"]);
        check(&[("rules/fees.toml", ""), ("docs/a.md", "see `rules/fees.toml`")], &[]);
    }

    #[test]
    fn reject_codes_have_cases() {
        let all: String = RejectCode::ALL.iter().map(|code| format!("buy 100 -> {}\n", code.name())).collect();
        check(&[("fixtures/cases/all.txt", &all)], &[]);
        let without = all.replace("TickSize", "# TickSize");
        check(&[("fixtures/cases/all.txt", &without)], &["310 TickSize"]);
        let mut findings = Vec::new();
        check_cases(&Tree::of(&[("crates/core/engine/src/pipeline.rs", "")]), &mut findings);
        assert_eq!(findings.len(), RejectCode::ALL.len(), "an engine without cases lacks them all");
    }

    #[test]
    fn changelog_names_say_the_kind() {
        check(&[("changelog.d/first-day.feature.md", "x"), ("changelog.d/README.md", "")], &[]);
        check(&[("changelog.d/First.feature.md", "x")], &["must be called"]);
        check(&[("changelog.d/first.news.md", "x")], &["must be called"]);
        check(&[("changelog.d/first.breaking.md", "x")], &["Summary and a Migration"]);
    }

    #[test]
    fn decisions_are_numbered_and_can_be_done() {
        let good = "# T\n## Context\n## Definition of done\nx\n";
        check(&[("docs/decisions/0001-a-thing.md", good)], &[]);
        check(&[("docs/decisions/0001-a.md", good), ("docs/decisions/0001-b.md", good)], &["0001 is used twice"]);
        check(&[("docs/decisions/1-a.md", good)], &["NNNN-title"]);
        check(&[("docs/decisions/0001-a.md", "# T\n## Definition of done\n## More\n")], &["must end in"]);
    }
}
