//! Sizes and the form of code: files, functions, façades, names, `unsafe`, floats, `unwrap`.

use std::collections::BTreeMap;

use super::source::Source;
use super::{Finding, tree::Tree};

/// Lines above which a file is listed, and above which it must say why.
const FILE_LISTED: usize = 400;
const FILE_MAX: usize = 800;
/// How a longer file starts its reason, in its first lines.
const LONG_REASON: &str = "Long because:";
const FACADE_MAX: usize = 150;
const FUNCTION_MAX: usize = 70;
/// Functions that were longer than the limit when they came: `path name lines`. The list may only shrink.
const LONG_FUNCTIONS: &str = "xtask/long_functions.txt";

/// Names that say that the thought is unfinished.
const BANNED_NAMES: &[&str] = &["utils", "util", "common", "misc", "manager", "managers"];
/// Where `unsafe` may stand (STYLE section 7).
const UNSAFE_ALLOWED: &[&str] = &[
    "crates/platform/journal/",
    "crates/core/matching/",
    "crates/platform/security/src/vector",
    "crates/services/marketdata/src/decode/vector",
];

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>, warnings: &mut Vec<Finding>) {
    let mut long = read_long_functions(tree, findings);
    for (path, text) in tree.rust() {
        let source = Source::of(path, text);
        check_functions(path, &source, &mut long, findings);
        check_words(path, &source, findings);
        check_facade(path, text, findings);
    }
    for ((path, name), lines) in long {
        let message = format!("{path} {name} {lines}: no function of this length is there; take the line out");
        findings.push(Finding::new("function-length", LONG_FUNCTIONS, 0, message));
    }
    for (path, text) in tree.iter() {
        check_length(path, text, findings, warnings);
        check_name(path, findings);
    }
}

fn check_length(path: &str, text: &str, findings: &mut Vec<Finding>, warnings: &mut Vec<Finding>) {
    let code = [".rs", ".py", ".sh", ".ts", ".tsx"].iter().any(|end| path.ends_with(end));
    let lines = text.lines().count();
    if !code || lines <= FILE_LISTED || path.starts_with("fixtures/") {
        return;
    }
    let reason = text.lines().take(5).any(|line| line.contains(LONG_REASON));
    if lines > FILE_MAX && !reason {
        let message = format!("{lines} lines; split it, or start it with `// {LONG_REASON} …`");
        findings.push(Finding::new("file-length", path, 0, message));
    } else {
        warnings.push(Finding::new("file-length", path, 0, format!("{lines} lines")));
    }
}

fn check_name(path: &str, findings: &mut Vec<Finding>) {
    for part in path.split('/') {
        let stem = part.split('.').next().unwrap_or(part);
        if stem.split(['_', '-']).any(|word| BANNED_NAMES.contains(&word.to_ascii_lowercase().as_str())) {
            findings.push(Finding::new("names", path, 0, format!("\"{part}\" says nothing: name what it does")));
        }
    }
}

/// Lengths by path and name.
type LongFunctions = BTreeMap<(String, String), usize>;

fn read_long_functions(tree: &Tree, findings: &mut Vec<Finding>) -> LongFunctions {
    let mut long = LongFunctions::new();
    for (number, line) in tree.get(LONG_FUNCTIONS).unwrap_or_default().lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            [path, name, lines] if lines.parse::<usize>().is_ok() => {
                long.insert(((*path).to_owned(), (*name).to_owned()), lines.parse().unwrap_or_default());
            }
            _ => findings.push(Finding::new("function-length", LONG_FUNCTIONS, number + 1, "must be: path name lines")),
        }
    }
    long
}

/// A ratchet: no function above the limit that is not listed, none longer than listed, none listed for nothing.
fn check_functions(path: &str, source: &Source, long: &mut LongFunctions, findings: &mut Vec<Finding>) {
    for function in source.functions() {
        let lines = function.lines();
        if lines <= FUNCTION_MAX {
            continue;
        }
        let message = match long.remove(&(path.to_owned(), function.name.clone())) {
            Some(listed) if listed == lines => continue,
            Some(listed) if lines > listed => {
                format!("{} grew from {listed} to {lines} lines", function.name)
            }
            Some(listed) => {
                format!("{} shrank from {listed} to {lines} lines: lower the number in {LONG_FUNCTIONS}", function.name)
            }
            None => format!("{} has {lines} lines, {FUNCTION_MAX} is the most", function.name),
        };
        findings.push(Finding::new("function-length", path, function.first + 1, message));
    }
}

fn check_facade(path: &str, text: &str, findings: &mut Vec<Finding>) {
    if !path.ends_with("/src/lib.rs") {
        return;
    }
    let lines = text.lines().count();
    if lines > FACADE_MAX {
        findings.push(Finding::new("facade", path, 0, format!("{lines} lines; a façade has {FACADE_MAX} at most")));
    }
    let has_code = text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
    // A crate without code yet has nothing that could stay invariant.
    if path.starts_with("crates/") && has_code && !text.contains("*Invariant:*") {
        findings.push(Finding::new("facade", path, 0, "no line says an *Invariant:* of the crate"));
    }
}

fn floor(path: &str) -> Option<u8> {
    let floors =
        [("crates/base/", 0), ("crates/core/", 1), ("crates/platform/", 2), ("crates/services/", 3), ("apps/", 4)];
    floors.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, floor)| *floor)
}

fn check_words(path: &str, source: &Source, findings: &mut Vec<Finding>) {
    let floor = floor(path);
    for line in 0..source.code.len() {
        let mut find = |rule, message: String| findings.push(Finding::new(rule, path, line + 1, message));
        for word in source.words(line) {
            if is_float(word) && floor.is_some_and(|floor| floor <= 1) {
                find("floats", format!("{word} on floor {}", floor.unwrap_or_default()));
            }
            if matches!(word, "HashMap" | "HashSet") && floor == Some(1) {
                find("determinism", format!("{word} on floor 1: use model::IdMap or an ordered map"));
            }
            if names_badly(source, line, word) {
                find("names", format!("{word} says nothing: name what it does"));
            }
        }
        if source.words(line).any(|word| word == "unsafe") {
            check_unsafe(path, source, line, &mut find);
        }
        let code = &source.code[line];
        if code.contains(".unwrap()") && !source.test[line] && floor.is_some_and(|floor| floor <= 2) {
            find("unwrap", "unwrap outside tests: expect(\"why it cannot fail\") or an error".to_owned());
        }
        if source.test[line] && code.contains("thread::sleep(") {
            find("tests", "a test does not sleep: wait for the thing itself".to_owned());
        }
    }
}

fn is_float(word: &str) -> bool {
    ["f32", "f64"].iter().any(|float| {
        word == *float
            || word.strip_suffix(float).is_some_and(|number| {
                number.starts_with(|c: char| c.is_ascii_digit())
                    && number.bytes().all(|b| b.is_ascii_digit() || b == b'_')
            })
    })
}

/// Whether the line defines a type or module with a name that says nothing.
fn names_badly(source: &Source, line: usize, word: &str) -> bool {
    let words: Vec<&str> = source.words(line).collect();
    let defined =
        words.windows(2).any(|pair| matches!(pair[0], "struct" | "enum" | "trait" | "mod" | "type") && pair[1] == word);
    defined && camel_words(word).iter().any(|part| BANNED_NAMES.contains(&part.as_str()))
}

/// `OrderManager` and `order_manager` are both order and manager.
fn camel_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("one at least").extend(c.to_lowercase());
        }
    }
    words
}

fn check_unsafe(path: &str, source: &Source, line: usize, find: &mut impl FnMut(&'static str, String)) {
    if !UNSAFE_ALLOWED.iter().any(|allowed| path.starts_with(allowed)) {
        find("unsafe", "unsafe may stand only in journal, matching and the vector modules".to_owned());
        return;
    }
    let code = source.code[line].trim();
    let declares = code.contains("unsafe fn") || code.contains("unsafe extern") || code.contains("unsafe trait");
    let says = |line: usize| source.comments[line].contains("SAFETY:");
    // The sentence stands on the line, or in the comments and the statement that lead to it.
    let near = (line.saturating_sub(12)..line)
        .rev()
        .take_while(|l| !source.comments[*l].trim().is_empty() || starts_statement(source, *l));
    if !declares && !says(line) && !near.into_iter().any(says) {
        find("unsafe", "no SAFETY: sentence says why this is sound".to_owned());
    }
}

/// Whether the line is the unfinished start of a statement that goes on below.
fn starts_statement(source: &Source, line: usize) -> bool {
    let code = source.code[line].trim();
    !code.is_empty() && !code.ends_with([';', '}', '{'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        check_tree(&[(path, text)], expected);
    }

    fn check_tree(files: &[(&str, &str)], expected: &[&str]) {
        let (mut findings, mut warnings) = (Vec::new(), Vec::new());
        super::check(&Tree::of(files), &mut findings, &mut warnings);
        let shown: Vec<String> = findings.iter().map(|f| format!("{}:{} {}", f.line, f.rule, f.message)).collect();
        assert_eq!(shown.len(), expected.len(), "{shown:?}");
        for (message, part) in shown.iter().zip(expected) {
            assert!(message.contains(part), "{message} does not say {part}");
        }
    }

    #[test]
    fn long_files_explain_themselves() {
        let long = "// x\n".repeat(801);
        check("crates/a/b/src/x.rs", &long, &["801 lines"]);
        check("crates/a/b/src/x.rs", &format!("// Long because: one table.\n{long}"), &[]);
        check("docs/x.md", &long, &[]);
        let (mut findings, mut warnings) = (Vec::new(), Vec::new());
        super::check(&Tree::of(&[("x.py", &"# x\n".repeat(401))]), &mut findings, &mut warnings);
        assert_eq!((findings.len(), warnings.len()), (0, 1));
    }

    #[test]
    fn functions_only_shrink() {
        let body = "fn grown() {\n".to_owned() + &"    step();\n".repeat(69) + "}\n";
        check("apps/heng/src/x.rs", &body, &["1:function-length grown has 71 lines"]);
        check("apps/heng/src/x.rs", &body.replacen("    step();\n", "", 1), &[]);
        let listed = |lines: &str| format!("# why\napps/heng/src/x.rs grown {lines}\n");
        check_tree(&[("apps/heng/src/x.rs", &body), (LONG_FUNCTIONS, &listed("71"))], &[]);
        check_tree(&[("apps/heng/src/x.rs", &body), (LONG_FUNCTIONS, &listed("72"))], &["shrank from 72 to 71"]);
        check_tree(&[("apps/heng/src/x.rs", &body), (LONG_FUNCTIONS, &listed("70"))], &["grew from 70 to 71"]);
        check_tree(&[(LONG_FUNCTIONS, &listed("71"))], &["take the line out"]);
        check_tree(&[(LONG_FUNCTIONS, "what is this\nand\n")], &["must be", "must be"]);
    }

    #[test]
    fn facades_are_short_and_say_an_invariant() {
        check("crates/a/b/src/lib.rs", "//! Skeleton.\n", &[]);
        check("crates/a/b/src/lib.rs", "//! Text.\npub mod x;\n", &["no line says an *Invariant:*"]);
        check("crates/a/b/src/lib.rs", "//! *Invariant:* sums are zero.\npub mod x;\n", &[]);
        check("apps/heng/src/lib.rs", &"//! x\n".repeat(151), &["151 lines"]);
    }

    #[test]
    fn names_say_something() {
        check("crates/a/b/src/order_utils.rs", "", &["order_utils.rs"]);
        check("crates/a/b/src/x.rs", "struct OrderManager;\nmod misc {}\n", &["OrderManager", "misc"]);
        check("crates/a/b/src/x.rs", "struct Commonwealth;\nlet manager = 1;\n", &[]);
    }

    #[test]
    fn no_floats_in_decisions() {
        check(
            "crates/core/x/src/x.rs",
            "let a: f64 = 1.0;\nlet b = 2_f32;\n// f64\n",
            &["1:floats f64", "2:floats 2_f32"],
        );
        check("crates/base/x/src/x.rs", "fn f(a: f32) {}\n", &["floats"]);
        check("crates/services/x/src/x.rs", "fn f(a: f32) {}\n", &[]);
        check("crates/core/x/src/x.rs", "let buf32 = 0xf64;\n", &[]);
    }

    #[test]
    fn no_unordered_maps_in_the_core() {
        check("crates/core/x/src/x.rs", "use std::collections::HashMap;\n", &["1:determinism"]);
        check("crates/platform/x/src/x.rs", "use std::collections::HashMap;\n", &[]);
    }

    #[test]
    fn unsafe_stands_in_its_places_and_says_why() {
        check("crates/core/ledger/src/x.rs", "unsafe { x() };\n", &["may stand only"]);
        check("crates/core/matching/src/x.rs", "unsafe { x() };\n", &["no SAFETY"]);
        check("crates/core/matching/src/x.rs", "// SAFETY: the index was checked.\nunsafe { x() };\n", &[]);
        check("crates/core/matching/src/x.rs", "// SAFETY: checked.\nlet a =\n    unsafe { x() };\n", &[]);
        check("crates/core/matching/src/x.rs", "// SAFETY: other.\ny();\nunsafe { x() };\n", &["no SAFETY"]);
        check("crates/core/ledger/src/x.rs", "#![deny(unsafe_code)]\n// unsafe\n", &[]);
    }

    #[test]
    fn unwrap_is_for_tests() {
        check(
            "crates/platform/x/src/x.rs",
            "a.unwrap();\n#[cfg(test)]\nmod tests { fn t() { a.unwrap() } }\n",
            &["1:unwrap"],
        );
        check("crates/services/x/src/x.rs", "a.unwrap();\n", &[]);
    }

    #[test]
    fn tests_do_not_sleep() {
        check("crates/a/b/tests/it/main.rs", "std::thread::sleep(d);\n", &["1:tests"]);
        check("crates/a/b/src/x.rs", "std::thread::sleep(d);\n", &[]);
    }
}
