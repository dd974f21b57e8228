//! Runs the case files of `fixtures/cases/`; `UPDATE_EXPECT=1` writes what really happened into them.
//!
//! How to read a case file is told in `fixtures/cases/README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use heng_model::RejectCode;

use crate::parse::run_line;
use crate::world::World;

/// The column at which expectations begin.
const ARROW: usize = 76;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/cases")
}

fn case_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("the case files are in the repository");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "txt") && !path.ends_with("doors.txt"));
    files.sort();
    files
}

/// A line without its comment: the command and what is expected of it.
fn split(line: &str) -> (&str, Option<&str>) {
    match line.split_once("->") {
        Some((command, expected)) => (command.trim_end(), Some(expected.trim())),
        None => (line.trim_end(), None),
    }
}

fn is_silent(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// Runs one line; returns it with what really happened.
fn run(world: &mut World, at: &str, line: &str, wrong: &mut Vec<String>) -> String {
    let (command, expected) = split(line);
    let found = run_line(world, command).unwrap_or_else(|problem| panic!("{at}: {problem}: {line}"));
    if found != expected.unwrap_or("ok") {
        wrong.push(format!("{at}: {command}\n    expected: {}\n    found:    {found}", expected.unwrap_or("ok")));
    }
    if expected.is_none() && found == "ok" { command.to_owned() } else { format!("{command:<ARROW$} -> {found}") }
}

/// Runs a file: lines before the first `case` are done again at the start of every case.
fn run_file(path: &Path, wrong: &mut Vec<String>) -> String {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    // The set-up runs once; every case begins with a copy of what it made.
    let mut setup = World::new();
    let mut world: Option<World> = None;
    let mut out: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let at = format!("{name}:{number}");
        if is_silent(line) {
            out.push(line.to_owned());
        } else if line.starts_with("case ") {
            world = Some(setup.clone());
            out.push(line.to_owned());
        } else {
            out.push(run(world.as_mut().unwrap_or(&mut setup), &at, line, wrong));
        }
    }
    out.join("\n") + "\n"
}

#[test]
fn case_files_hold() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for path in case_files() {
        let found = run_file(&path, &mut wrong);
        if update && fs::read_to_string(&path).unwrap() != found {
            fs::write(&path, found).unwrap();
        }
    }
    assert!(update || wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_code_of_the_core_has_a_case() {
    let mut expected = BTreeSet::new();
    for path in case_files() {
        for line in fs::read_to_string(path).unwrap().lines().filter(|line| !is_silent(line)) {
            expected.extend(split(line).1.map(str::to_owned));
        }
    }
    let doors = fs::read_to_string(folder().join("doors.txt")).unwrap();
    let missing: Vec<String> = RejectCode::ALL
        .iter()
        .map(ToString::to_string)
        .filter(|code| match code.starts_with('9') {
            true => !doors.contains(code.as_str()),
            false => !expected.iter().any(|text| text.starts_with(code.as_str())),
        })
        .collect();
    assert!(missing.is_empty(), "no case expects: {missing:?}");
}

/// A wrong expectation must be found: the runner itself can fail.
#[test]
fn a_wrong_expectation_is_found() {
    let mut wrong = Vec::new();
    run(&mut World::new(), "here", "cash A1 CNY -> 1.00", &mut wrong);
    run(&mut World::new(), "here", "level 1", &mut wrong);
    assert_eq!(wrong.len(), 1);
}
