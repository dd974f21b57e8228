//! No secret stands in the tree: private keys, tokens by their shape, random values under names of secrets.
//!
//! What is looked at are the text files that git knows or would add; keys in binary forms are beyond this rule.

use super::{Finding, tree::Tree};

const RULE: &str = "secrets";

/// Files that may hold what looks like a secret, and why. One that holds nothing of the kind is a finding.
const ALLOWED: &[(&str, &str)] = &[];

/// Shapes of tokens that their makers document: what they begin with, how many letters of which kind follow at least,
/// and whose they are. The beginnings are written in halves, so that they do not find themselves.
const SHAPES: &[(&str, usize, Letters, &str)] = &[
    (concat!("AK", "IA"), 16, Letters::UpperOrDigit, "an access key of Amazon"),
    (concat!("AS", "IA"), 16, Letters::UpperOrDigit, "an access key of Amazon"),
    (concat!("LT", "AI"), 12, Letters::Word, "an access key of Alibaba Cloud"),
    (concat!("AK", "ID"), 32, Letters::Word, "an access key of Tencent Cloud"),
    (concat!("AI", "za"), 35, Letters::Base64, "a key of Google"),
    (concat!("gh", "p_"), 36, Letters::Word, "a token of GitHub"),
    (concat!("gh", "o_"), 36, Letters::Word, "a token of GitHub"),
    (concat!("gh", "s_"), 36, Letters::Word, "a token of GitHub"),
    (concat!("github", "_pat_"), 36, Letters::Base64, "a token of GitHub"),
    (concat!("gl", "pat-"), 20, Letters::Base64, "a token of GitLab"),
    (concat!("xo", "xb-"), 24, Letters::Base64, "a token of Slack"),
    (concat!("xo", "xp-"), 24, Letters::Base64, "a token of Slack"),
    (concat!("np", "m_"), 36, Letters::Word, "a token of npm"),
    (concat!("py", "pi-AgEI"), 40, Letters::Base64, "a token of the Python index"),
    (concat!("sk_", "live_"), 24, Letters::Word, "a key of Stripe"),
    (concat!("ey", "J"), 60, Letters::Jwt, "a signed token (JWT)"),
    (concat!("hs", "t_"), 43, Letters::Base64, "a session of Heng"),
    (concat!("ha", "t_"), 43, Letters::Base64, "an access token of Heng"),
    (concat!("hp", "s_"), 52, Letters::Word, "a partner's secret of Heng"),
];

/// Parts of names under which secrets are kept, in lower case without `_` and `-`.
const NAMES: &[&str] =
    &["secret", "password", "passwd", "passphrase", "token", "apikey", "accesskey", "privatekey", "credential"];
/// A value shorter than this is no secret of a program.
const VALUE_LEN_MIN: usize = 20;
/// Bits of entropy a letter from which a value counts as random: words have less than 3.5, random base64 of this length
/// nearly always more.
const ENTROPY_MIN: f64 = 3.5;

/// What a token is made of behind its beginning.
#[derive(Clone, Copy)]
enum Letters {
    UpperOrDigit,
    Word,
    Base64,
    /// Base64 in parts between dots.
    Jwt,
}

impl Letters {
    const fn hold(self, byte: u8) -> bool {
        match self {
            Self::UpperOrDigit => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Word => byte.is_ascii_alphanumeric(),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Jwt => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
        }
    }
}

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    check_with(tree, ALLOWED, findings);
}

fn check_with(tree: &Tree, allowed: &[(&str, &str)], findings: &mut Vec<Finding>) {
    let mut needless: Vec<&str> = allowed.iter().map(|(path, _)| *path).collect();
    for (path, text) in tree.iter().filter(|(path, _)| !is_lock(path)) {
        for (number, line) in text.lines().enumerate() {
            let Some(what) = secret_of(line, is_setting(path)) else { continue };
            if allowed.iter().any(|(file, _)| *file == path) {
                needless.retain(|file| *file != path);
                continue;
            }
            findings.push(Finding::new(RULE, path, number + 1, format!("{what}; make it when the program runs")));
        }
    }
    for path in needless {
        findings.push(Finding::new(RULE, path, 0, "may hold a secret and holds none: take it off the list"));
    }
}

/// Lock files are full of hashes, which are no secrets.
fn is_lock(path: &str) -> bool {
    path.ends_with("Cargo.lock") || path.ends_with("package-lock.json")
}

/// Whether values stand without quotation marks in this file.
fn is_setting(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    [".env", ".ini", ".properties", ".yaml", ".yml", ".conf", ".sh"].iter().any(|end| file.ends_with(end))
}

fn secret_of(line: &str, unquoted: bool) -> Option<String> {
    let block = line.contains(concat!("-----", "BEGIN ")) && line.contains(concat!("PRIVATE", " KEY-----"));
    if block {
        return Some("a private key".to_owned());
    }
    if let Some((.., whose)) = SHAPES.iter().find(|(begin, least, letters, _)| shaped(line, begin, *least, *letters)) {
        return Some((*whose).to_owned());
    }
    named(line, unquoted).map(|name| format!("a random value under the name {name}"))
}

/// Whether a token of this shape stands in the line, as a word of its own.
fn shaped(line: &str, begin: &str, least: usize, letters: Letters) -> bool {
    line.match_indices(begin).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let parted = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let body = &line.as_bytes()[at + begin.len()..];
        let length = body.iter().take_while(|byte| letters.hold(**byte)).count();
        let dots = body[..length].iter().filter(|byte| **byte == b'.').count();
        parted && length >= least && (!matches!(letters, Letters::Jwt) || dots >= 1)
    })
}

/// The name of a secret to which the line gives a random value. A type may stand between them.
fn named(line: &str, unquoted: bool) -> Option<&str> {
    line.match_indices(['=', ':']).find_map(|(at, _)| {
        let value = value_of(line[at + 1..].trim_start_matches([' ', '=', ':', '>', '&', 'b', 'r', '#']), unquoted)?;
        let before = &line[..at];
        let names = [Some(before), before.rsplit_once(':').map(|(name, _)| name)].into_iter().flatten();
        names.filter_map(last_name).find(|name| is_secret(name)).filter(|_| is_random(value))
    })
}

fn last_name(text: &str) -> Option<&str> {
    let text = text.trim_end().trim_end_matches(['"', '\'', '`']);
    text.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').next()
}

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    NAMES.iter().any(|part| plain.contains(part))
}

fn value_of(text: &str, unquoted: bool) -> Option<&str> {
    let quoted = ['"', '\'', '`'].into_iter().find_map(|mark| text.strip_prefix(mark));
    let text = if unquoted { quoted.or(Some(text)) } else { quoted }?;
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"+/_=-.".contains(c)).unwrap_or(text.len());
    Some(&text[..end])
}

fn is_random(value: &str) -> bool {
    let digits = value.bytes().any(|byte| byte.is_ascii_digit());
    let letters = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    // Examples of documents count up.
    let counts = value.contains("0123456789");
    value.len() >= VALUE_LEN_MIN && digits && letters && !counts && entropy(value.as_bytes()) >= ENTROPY_MIN
}

/// Shannon's entropy in bits a letter.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let length = value.len() as f64;
    let part = |count: &u32| f64::from(*count) / length;
    counts.iter().filter(|count| **count > 0).map(part).map(|part| -part * part.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters that look random, made here, so that no secret stands in this file.
    fn letters(count: usize) -> String {
        const ALL: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..count).map(|at| char::from(ALL[(at * at * 7 + at * 31 + 5) % ALL.len()])).collect()
    }

    fn check(path: &str, line: &str, expected: &str) {
        let mut findings = Vec::new();
        super::check(&Tree::of(&[(path, &format!("first\n{line}\n"))]), &mut findings);
        let shown: Vec<String> = findings.iter().map(|f| format!("{}: {}", f.line, f.message)).collect();
        let good = if expected.is_empty() { shown.is_empty() } else { shown.len() == 1 && shown[0].contains(expected) };
        assert!(good, "{line}: {shown:?}, not {expected:?}");
    }

    #[test]
    fn private_keys_are_found() {
        for kind in ["", "EC ", "RSA ", "ENCRYPTED ", "OPENSSH "] {
            check("docs/a.md", &format!("-----{} {kind}{} KEY-----", "BEGIN", "PRIVATE"), "2: a private key");
        }
        check("docs/a.md", "-----BEGIN PUBLIC KEY-----", "");
        check("docs/a.md", "-----BEGIN CERTIFICATE-----", "");
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        for (begin, least, kind, whose) in SHAPES {
            let body = match kind {
                Letters::UpperOrDigit => letters(*least).to_ascii_uppercase(),
                Letters::Jwt => format!("{}.{}", letters(40), letters(*least)),
                Letters::Word | Letters::Base64 => letters(*least),
            };
            check("a.rs", &format!("let x = \"{begin}{body}\";"), whose);
            check("a.rs", &format!("let x = \"{begin}{}\";", &body[..least / 2]), "");
            check("a.rs", &format!("let x = \"some{begin}{body}\";"), "");
        }
    }

    #[test]
    fn random_values_under_names_of_secrets_are_found() {
        let value = letters(32);
        for line in [
            format!("let api_secret = \"{value}\";"),
            format!("  \"client-secret\": \"{value}\","),
            format!("PASSWORD='{value}'"),
            format!("const accessKey = `{value}`"),
            format!("token => b\"{value}\""),
            format!("const API_TOKEN: &str = \"{value}\";"),
        ] {
            check("a.rs", &line, "a random value under the name");
        }
        check("deploy/a.yaml", &format!("password: {value}"), "under the name password");
        check("a.rs", &format!("password: {value}"), "");
        check("a.rs", &format!("let digest = \"{value}\";"), "");
        check("Cargo.lock", &format!("secret = \"{value}\""), "");
    }

    #[test]
    fn words_are_no_secrets() {
        for line in [
            "let password = \"correct horse battery\";",
            "secret: \"12345678901234567890\",",
            "json!({ \"token\": \"hst_0123456789abcdef\" })",
            "let token_name = \"a_session_that_was_signed_out\";",
            "password = config.secret_of_the_second_factor_1()",
        ] {
            check("a.rs", line, "");
        }
    }

    #[test]
    fn exceptions_are_by_file_and_needed() {
        let line = format!("let secret = \"{}\";", letters(32));
        let check = |path: &str| {
            let mut findings = Vec::new();
            check_with(&Tree::of(&[(path, &line)]), &[("a.rs", "a sample of the standard")], &mut findings);
            findings.iter().map(|f| f.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(check("a.rs"), Vec::<String>::new());
        assert_eq!(check("b.rs"), ["b.rs", "a.rs"], "one found, one exception without need");
    }

    #[test]
    fn no_secret_stands_in_the_tree() {
        let tree = Tree::read(&crate::root()).expect("the tree can be read");
        let mut findings = Vec::new();
        super::check(&tree, &mut findings);
        assert_eq!(findings, []);
    }
}
