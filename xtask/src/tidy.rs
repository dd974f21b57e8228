//! Checks that the compiler does not make: the floors, the sizes, the names, the documents.
//!
//! A rule is a function from the [`Tree`] to findings; it reads no files, so each is tested with a bad snippet.

mod documents;
mod evidence;
mod floors;
mod manifests;
mod secrets;
mod shape;
mod source;
mod text;
mod tree;

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use tree::Tree;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Finding {
    /// File, from the root.
    path: String,
    /// Line from 1; 0 = the whole file.
    line: usize,
    /// Name of the rule.
    rule: &'static str,
    /// What is wrong and what would be right.
    message: String,
}

impl Finding {
    fn new(rule: &'static str, path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, message: message.into() }
    }
}

/// What all rules found. Warnings do not fail.
#[derive(Debug, Default, Serialize)]
struct Report {
    files: usize,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
}

fn check(tree: &Tree) -> Report {
    let mut findings = Vec::new();
    let mut warnings = Vec::new();
    floors::check(tree, &mut findings);
    manifests::check(tree, &mut findings);
    shape::check(tree, &mut findings, &mut warnings);
    text::check(tree, &mut findings);
    documents::check(tree, &mut findings);
    evidence::check(tree, &mut findings);
    secrets::check(tree, &mut findings);
    findings.sort();
    warnings.sort();
    Report { files: tree.len(), findings, warnings }
}

/// What is wrong with the packages that are built; unlike the rules above it asks cargo.
fn packages(root: &Path) -> Result<Vec<Finding>> {
    let wrong = crate::supply::check(root)?;
    Ok(wrong.into_iter().map(|(path, message)| Finding::new("packages", path, 0, message)).collect())
}

/// Prints what is wrong. True if nothing is.
pub(crate) fn run(root: &Path, json: bool) -> Result<bool> {
    let mut report = check(&Tree::read(root)?);
    report.findings.extend(packages(root)?);
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        for warning in &report.warnings {
            println!("warning: {}:{}: [{}] {}", warning.path, warning.line, warning.rule, warning.message);
        }
        for finding in &report.findings {
            println!("{}:{}: [{}] {}", finding.path, finding.line, finding.rule, finding.message);
        }
        println!(
            "tidy: {} files, {} findings, {} warnings",
            report.files,
            report.findings.len(),
            report.warnings.len()
        );
    }
    Ok(report.findings.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let report = check(&Tree::read(&crate::root()).expect("the tree can be read"));
        assert!(report.files > 50, "the whole tree was read, not {} files", report.files);
        assert_eq!(report.findings, [], "`cargo xtask tidy` prints them one by one");
    }
}
