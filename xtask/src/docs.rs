//! References printed from the code, so that they cannot lie (STYLE section 8).

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use heng_model::{Command, Event, RejectCode};

use crate::asvs;

/// The rows of the security table; its page is printed like a reference, so that they agree.
const ASVS: &str = include_str!("../../docs/security/asvs.csv");
const NOTE: &str = "<!-- Printed from the code by `cargo xtask docs`; edits are overwritten. -->";

const ASVS_NOTE: &str = "<!-- Printed from asvs.csv by `cargo xtask docs`; edits are overwritten. -->";

/// Code, name, meaning and fields of a message, as the model prints them.
type Message = (u8, &'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

/// Every reference: file and content.
fn references() -> Vec<(&'static str, String)> {
    vec![
        ("docs/reference/commands.md", messages("Commands", "All that can change the core.", Command::REFERENCE)),
        (
            "docs/reference/events.md",
            messages(
                "Events",
                "All that the core says. [events.md](../events.md) tells how to read them.",
                Event::REFERENCE,
            ),
        ),
        ("docs/reference/reject-codes.md", reject_codes()),
        (asvs::PAGE, asvs::page(ASVS, ASVS_NOTE)),
    ]
}

fn messages(title: &str, purpose: &str, all: &[Message]) -> String {
    let mut text = format!("# {title}\n\n{NOTE}\n\n{purpose} The number is the stable code in the binary form.\n");
    for (code, name, meaning, fields) in all {
        write!(text, "\n## {code} {name}\n\n{}\n", meaning.trim()).expect("a string takes everything");
        if fields.is_empty() {
            continue;
        }
        text.push_str("\n| field | holds | meaning |\n|---|---|---|\n");
        for (field, kind, meaning) in *fields {
            writeln!(text, "| `{field}` | {} | {} |", cell(kind), cell(meaning)).expect("a string takes everything");
        }
    }
    text
}

fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|")
}

fn reject_codes() -> String {
    let mut text = format!(
        "# Reject codes\n\n{NOTE}\n\nStable numbers in ranges by subsystem; inside a range the lower number is looked at first.\n\n\
         | number | name | English | 中文 |\n|---|---|---|---|\n"
    );
    for code in RejectCode::ALL {
        writeln!(text, "| {} | `{}` | {} | {} |", code.number(), code.name(), code.english(), code.chinese())
            .expect("a string takes everything");
    }
    text
}

/// Writes the references, or with `check` only compares. True if none was stale.
pub(crate) fn run(root: &Path, check: bool) -> Result<bool> {
    let mut fresh = true;
    for (path, wanted) in references() {
        let file = root.join(path);
        if std::fs::read_to_string(&file).is_ok_and(|there| there == wanted) {
            continue;
        }
        fresh = false;
        if check {
            println!("{path} is stale: run `cargo xtask docs`");
        } else {
            std::fs::create_dir_all(file.parent().context("a reference stands in a folder")?)?;
            std::fs::write(&file, wanted).with_context(|| format!("write {path}"))?;
            println!("{path}: written");
        }
    }
    println!("docs: {} references", references().len());
    Ok(fresh || !check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_fresh() {
        assert!(run(&crate::root(), true).expect("the references can be read"), "run `cargo xtask docs`");
    }

    #[test]
    fn a_stale_reference_is_found_and_mended() {
        let folder = std::env::temp_dir().join(format!("heng-xtask-docs-{}", std::process::id()));
        assert!(!run(&folder, true).expect("nothing is there"));
        assert!(run(&folder, false).expect("written"));
        assert!(run(&folder, true).expect("fresh"));
        let file = folder.join("docs/reference/reject-codes.md");
        let text = std::fs::read_to_string(&file).expect("written above");
        assert!(text.contains("| 310 | `TickSize` |"));
        std::fs::write(&file, text.replace("310", "311")).expect("the folder is ours");
        assert!(!run(&folder, true).expect("stale"));
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }

    #[test]
    fn tables_hold_every_field() {
        let text = messages("T", "P.", Event::REFERENCE);
        assert!(
            text.contains("## 44 OrderFilled")
                && text.contains("| `hold_cash` | money, 1/10,000 of the currency unit |")
        );
        assert!(text.contains("## 11 DayOpened"));
    }
}
