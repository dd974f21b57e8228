//! Just enough of Rust's surface to tell code from comments, strings and tests.

/// One Rust file, seen as lines.
#[derive(Debug)]
pub(super) struct Source {
    /// Code by line; comments and the insides of strings are blank.
    pub(super) code: Vec<String>,
    /// Comments by line, without code.
    pub(super) comments: Vec<String>,
    /// Whether the line is compiled for tests only.
    pub(super) test: Vec<bool>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Line of `fn`, from 0.
    pub(super) first: usize,
    /// Line of the closing brace, from 0.
    pub(super) last: usize,
}

impl Function {
    /// Lines from `fn` to the closing brace.
    pub(super) fn lines(&self) -> usize {
        self.last - self.first + 1
    }
}

impl Source {
    pub(super) fn of(path: &str, text: &str) -> Self {
        let (code, comments) = split(text);
        let mut test = vec![is_test_path(path); code.len()];
        for (line, text) in code.iter().enumerate() {
            let squeezed: String = text.split_whitespace().collect();
            let attribute =
                ["#[cfg(test)]", "#[cfg(all(test", "#[cfg(any(test", "#[test]"].iter().any(|a| squeezed.contains(a));
            if attribute {
                let last = item_end(&code, line);
                test[line..=last].fill(true);
            }
        }
        Self { code, comments, test }
    }

    /// Words (identifiers, keywords, numbers) of a line of code.
    pub(super) fn words(&self, line: usize) -> impl Iterator<Item = &str> {
        self.code[line].split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
    }

    /// Functions that have a body, in order of their first line.
    pub(super) fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for line in 0..self.code.len() {
            let words: Vec<&str> = self.words(line).collect();
            for pair in words.windows(2).filter(|pair| pair[0] == "fn") {
                if self.code[line].contains(&format!("fn {}", pair[1])) && has_body(&self.code, line, pair[1]) {
                    let last = item_end(&self.code, line);
                    found.push(Function { name: pair[1].to_owned(), first: line, last });
                }
            }
        }
        found
    }
}

/// Files that only tests compile.
fn is_test_path(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let file = parts.last().copied().unwrap_or_default();
    // `tests/simulator` is a library of the project that happens to stand in `tests`.
    let in_tests =
        parts.iter().enumerate().any(|(i, part)| *part == "tests" && (i > 0 || parts.get(1) != Some(&"simulator")));
    in_tests || file == "tests.rs" || file.ends_with("_tests.rs") || parts.contains(&"benches")
}

/// Whether the `fn` on this line opens a body before a semicolon ends it.
fn has_body(code: &[String], line: usize, name: &str) -> bool {
    let start = code[line].find(&format!("fn {name}")).unwrap_or(0);
    let mut depth = 0i32;
    for (offset, text) in code[line..].iter().enumerate() {
        for c in text[if offset == 0 { start } else { 0 }..].chars() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                '{' => return true,
                ';' if depth == 0 => return false,
                _ => {}
            }
        }
    }
    false
}

/// Last line of the item that starts on `line`: its closing brace, or the semicolon of an item without one.
fn item_end(code: &[String], line: usize) -> usize {
    let mut braces = 0i32;
    let mut others = 0i32;
    for (offset, text) in code[line..].iter().enumerate() {
        for c in text.chars() {
            match c {
                '(' | '[' => others += 1,
                ')' | ']' => others -= 1,
                '{' => braces += 1,
                '}' => {
                    braces -= 1;
                    if braces <= 0 {
                        return line + offset;
                    }
                }
                ';' if braces == 0 && others == 0 => return line + offset,
                _ => {}
            }
        }
    }
    code.len() - 1
}

/// What the scanner stands in.
enum State {
    Code,
    Line,
    Block(u32),
    Text,
    Raw(usize),
}

/// Splits a file into code and comments, line by line and column by column.
fn split(text: &str) -> (Vec<String>, Vec<String>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (vec![String::new()], vec![String::new()]);
    let mut state = State::Code;
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        if c == '\n' {
            if matches!(state, State::Line) {
                state = State::Code;
            }
            code.push(String::new());
            comments.push(String::new());
            i += 1;
            continue;
        }
        let (taken, shown, next) = step(&chars, i, &state);
        let comment = matches!(state, State::Line | State::Block(_)) || matches!(next, State::Line | State::Block(_));
        for c in &chars[i..(i + taken).min(chars.len())] {
            let (a, b) = match (comment, shown) {
                (true, _) => (' ', *c),
                (false, true) => (*c, ' '),
                (false, false) => (' ', ' '),
            };
            code.last_mut().expect("one line at least").push(a);
            comments.last_mut().expect("one line at least").push(b);
        }
        state = next;
        i += taken;
    }
    (code, comments)
}

/// One step of the scanner: how many characters, whether they are shown as code, and what follows.
fn step(chars: &[char], i: usize, state: &State) -> (usize, bool, State) {
    let c = chars[i];
    let next = chars.get(i + 1).copied();
    match state {
        State::Line => (1, false, State::Line),
        State::Block(depth) => match (c, next) {
            ('*', Some('/')) if *depth == 1 => (2, false, State::Code),
            ('*', Some('/')) => (2, false, State::Block(depth - 1)),
            ('/', Some('*')) => (2, false, State::Block(depth + 1)),
            _ => (1, false, State::Block(*depth)),
        },
        State::Text => match (c, next) {
            // An escaped line end keeps its line.
            ('\\', Some(n)) if n != '\n' => (2, false, State::Text),
            ('"', _) => (1, true, State::Code),
            _ => (1, false, State::Text),
        },
        State::Raw(hashes) => {
            let closed = c == '"' && chars[i + 1..].iter().take(*hashes).filter(|c| **c == '#').count() == *hashes;
            if closed { (1 + hashes, true, State::Code) } else { (1, false, State::Raw(*hashes)) }
        }
        State::Code => step_code(chars, i),
    }
}

fn step_code(chars: &[char], i: usize) -> (usize, bool, State) {
    let (c, next) = (chars[i], chars.get(i + 1).copied());
    match (c, next) {
        ('/', Some('/')) => (2, false, State::Line),
        ('/', Some('*')) => (2, false, State::Block(1)),
        ('"', _) => (1, true, State::Text),
        ('r', Some('"' | '#')) if i == 0 || !is_word(chars[i - 1]) || chars[i - 1] == 'b' => {
            let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
            if chars.get(i + 1 + hashes) == Some(&'"') {
                (2 + hashes, true, State::Raw(hashes))
            } else {
                (1, true, State::Code)
            }
        }
        // A character literal, not a lifetime.
        ('\'', Some('\\')) => {
            let end = chars[i + 3..].iter().take(12).position(|c| *c == '\'').map_or(2, |at| at + 4);
            (end, false, State::Code)
        }
        ('\'', Some(_)) if chars.get(i + 2) == Some(&'\'') => (3, false, State::Code),
        _ => (1, true, State::Code),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let source = Source::of(
            "a.rs",
            "let a = \"f64 // {\"; // f32 {\nlet b = r#\"unsafe \"x\" {\"#; /* a\n f64 */ let c = '{';\nlet d = b'\\'';",
        );
        let code = source.code.join("\n");
        for word in ["f64", "f32", "unsafe", "{"] {
            assert!(!code.contains(word), "{word} in {code}");
        }
        assert!(code.contains("let a") && code.contains("let b") && code.contains("let c") && code.contains("let d"));
        assert!(source.comments[0].contains("f32") && source.comments[2].contains("f64"));
    }

    #[test]
    fn tests_are_known_by_attribute_and_by_path() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        assert_eq!(Source::of("crates/x/y/src/a.rs", text).test, [false, true, true, true, true, true, false, false]);
        assert!(Source::of("crates/x/y/tests/it/main.rs", text).test.iter().all(|t| *t));
        assert!(!Source::of("tests/simulator/src/lib.rs", "fn a() {}").test[0]);
    }

    #[test]
    fn functions_end_at_their_brace() {
        let text = "trait T {\n    fn declared(&self, a: [u8; 2]);\n}\npub fn long<'a>(\n    a: &'a str,\n) -> u8\n{\n    if a == \"}\" { 1 } else { 2 }\n}\n";
        let functions = Source::of("a.rs", text).functions();
        assert_eq!(functions, [Function { name: "long".to_owned(), first: 3, last: 8 }]);
        assert_eq!(functions[0].lines(), 6);
    }
}
