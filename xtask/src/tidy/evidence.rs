//! What the security documents say of the code is there: tests, files, settings, and the columns of every table.

use std::collections::BTreeMap;

use super::manifests::manifests;
use super::{Finding, tree::Tree};
use crate::asvs::{DATA, Evidence, PAGE, lacks, rows};

const RULE: &str = "security";
/// Documents that name tests as `package::test`.
const DOCUMENTS: &str = "docs/security/";
/// The inventory of data.
const INVENTORY: &str = "docs/security/personal-data.md";
/// Where the settings of `heng serve` are declared.
const SETTINGS: &str = "apps/heng/src/serve/config.rs";

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let Some(data) = tree.get(DATA) else { return };
    let (rows, wrong) = rows(data);
    let mut find = |line: usize, message: String| findings.push(Finding::new(RULE, DATA, line, message));
    for (line, message) in wrong.into_iter().chain(lacks(&rows)) {
        find(line, message);
    }
    let folders: BTreeMap<String, String> =
        manifests(tree, &mut Vec::new()).into_iter().map(|manifest| (manifest.name, manifest.folder)).collect();
    check_documents(tree, &folders, findings);
    check_inventory(tree, findings);
    let mut find = |line: usize, message: String| findings.push(Finding::new(RULE, DATA, line, message));
    for row in &rows {
        for piece in row.evidence() {
            let there = match piece {
                Evidence::Test(package, name) => folders.get(package).is_some_and(|folder| test(tree, folder, name)),
                // The page cannot stand for itself.
                Evidence::File(path) => path != PAGE && path != DATA && tree.get(path).is_some(),
                Evidence::Config(key) => setting(tree, key),
                Evidence::Reason(_) => true,
            };
            if !there {
                find(row.line, format!("there is no such evidence: {piece:?}"));
            }
        }
    }
}

/// Tests that the pages beside the table name.
fn check_documents(tree: &Tree, folders: &BTreeMap<String, String>, findings: &mut Vec<Finding>) {
    let pages = tree.iter().filter(|(path, _)| path.starts_with(DOCUMENTS) && path.ends_with(".md") && *path != PAGE);
    for (path, text) in pages {
        for (number, line) in text.lines().enumerate() {
            let named = line.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::"));
            for (package, name) in named {
                if folders.get(package).is_some_and(|folder| !test(tree, folder, name)) {
                    let message = format!("there is no test {package}::{name}");
                    findings.push(Finding::new(RULE, path, number + 1, message));
                }
            }
        }
    }
}

/// Every column of every table stands in the inventory, in a row of its table.
fn check_inventory(tree: &Tree, findings: &mut Vec<Finding>) {
    let Some(inventory) = tree.get(INVENTORY) else { return };
    let rows: Vec<&str> = inventory.lines().collect();
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".sql")) {
        let mut table = "";
        for (number, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["CREATE", "TABLE", name, ..] => table = name,
                [column, "BIGINT" | "TEXT" | "BYTEA" | "BOOLEAN", ..] => {
                    let (row, cell) = (format!("| {table} |"), format!("`{column}`"));
                    if !rows.iter().any(|line| line.starts_with(&row) && line.contains(&cell)) {
                        let message = format!("{table}.{column} stands in no row of {INVENTORY}");
                        findings.push(Finding::new(RULE, path, number + 1, message));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether the package in `folder` has a test of this name: a function behind a test's attribute, or one among its
/// integration tests that a macro runs.
fn test(tree: &Tree, folder: &str, name: &str) -> bool {
    let (folder, declared) = (format!("{folder}/"), format!("fn {name}("));
    let (mut functions, mut mentions) = (0, 0);
    for (path, text) in tree.rust().filter(|(path, _)| path.starts_with(&folder)) {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.contains(&declared) && marked(&lines[..at]) {
                return true;
            }
            if path.contains("/tests/") {
                functions += usize::from(line.contains(&declared));
                mentions += usize::from(names(line, name));
            }
        }
    }
    functions > 0 && mentions > functions
}

/// Whether the lines end in attributes of which one makes a test.
fn marked(before: &[&str]) -> bool {
    let attributes = before.iter().rev().map(|line| line.trim_start()).take_while(|line| line.starts_with("#["));
    attributes.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

fn names(line: &str, name: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

/// Whether the last word of the key is a setting.
fn setting(tree: &Tree, key: &str) -> bool {
    let field = format!("pub {}:", key.rsplit('.').next().unwrap_or(key));
    tree.get(SETTINGS).is_some_and(|text| text.contains(&field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(evidence: &str, expected: &[&str]) {
        let data = format!("id,level,subject,verdict,evidence\nV1.1.1,2,a thing,met,\"{evidence}\"\n");
        let files = [
            (DATA, data.as_str()),
            (PAGE, "made of it"),
            ("crates/a/x/Cargo.toml", "[package]\nname = \"heng-x\"\n"),
            ("crates/a/x/src/lib.rs", "#[test]\nfn holds() {}\nfn helps() {}\n"),
            ("crates/a/x/tests/it/a.rs", "suite!(listed);\nfn listed() {}\nfn lonely() {}\n"),
            ("crates/a/y/Cargo.toml", "[package]\nname = \"heng-y\"\n"),
            (SETTINGS, "pub struct C {\n    pub address: u8,\n}\n"),
        ];
        let mut findings = Vec::new();
        super::check(&Tree::of(&files), &mut findings);
        // A single row lacks nearly every chapter, which is not what this looks at.
        let shown: Vec<&str> = findings.iter().filter(|f| f.line > 0).map(|f| f.message.as_str()).collect();
        assert_eq!(shown.len(), expected.len(), "{shown:?}");
        for (message, part) in shown.iter().zip(expected) {
            assert!(message.contains(part), "{message} does not say {part}");
        }
    }

    #[test]
    fn evidence_exists() {
        check("test heng-x::holds; test heng-x::listed; file crates/a/x/src/lib.rs; config http.address", &[]);
        check("test heng-x::gone", &["Test(\"heng-x\", \"gone\")"]);
        check("test heng-x::helps; test heng-x::lonely; test heng-y::holds", &["helps", "lonely", "heng-y"]);
        check("file crates/a/x/src/gone.rs; config http.colour", &["gone.rs", "http.colour"]);
        check(&format!("file {PAGE}"), &[PAGE]);
    }

    #[test]
    fn pages_name_tests_and_the_inventory_names_columns() {
        let files = [
            (DATA, ""),
            ("crates/a/x/Cargo.toml", "[package]\nname = \"heng-x\"\n"),
            ("crates/a/x/src/lib.rs", "#[test]\nfn holds() {}\n"),
            ("docs/security/a.md", "`heng-x::holds`, `heng-x::gone`\n`other::gone`\n"),
            (
                "crates/a/x/src/t.sql",
                "CREATE TABLE t (\n    a BIGINT,\n    b TEXT NOT NULL,\n    PRIMARY KEY (a)\n);\n",
            ),
            (INVENTORY, "| t | `a` | 1 |\n| u | `b` | 1 |\n"),
        ];
        let mut findings = Vec::new();
        super::check(&Tree::of(&files), &mut findings);
        let told: Vec<String> = findings
            .iter()
            .filter(|f| f.path != DATA)
            .map(|f| format!("{}:{} {}", f.path, f.line, f.message))
            .collect();
        let column = format!("crates/a/x/src/t.sql:3 t.b stands in no row of {INVENTORY}");
        assert_eq!(told, ["docs/security/a.md:1 there is no test heng-x::gone".to_owned(), column]);
    }

    #[test]
    fn whole_chapters_are_missed() {
        let mut findings = Vec::new();
        super::check(&Tree::of(&[(DATA, "id,level,subject,verdict,evidence\n")]), &mut findings);
        assert_eq!(findings.len(), 17, "{findings:?}");
        findings.clear();
        super::check(&Tree::of(&[]), &mut findings);
        assert_eq!(findings, []);
    }
}
