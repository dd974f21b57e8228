//! Masks. Each takes any text, also one that no constructor would let through, and shows less of it the shorter it is.

use std::net::IpAddr;

use unicode_segmentation::UnicodeSegmentation as _;

/// What stands for everything that is hidden.
pub(super) const HIDDEN: &str = "***";

/// Chinese family names of two characters that are in use; others lose their second character to the mask.
const DOUBLE_SURNAMES: [&str; 34] = [
    "欧阳", "歐陽", "司马", "司馬", "上官", "诸葛", "諸葛", "司徒", "令狐", "皇甫", "尉迟", "尉遲", "公孙", "公孫",
    "慕容", "长孙", "長孫", "宇文", "夏侯", "东方", "東方", "西门", "西門", "南宫", "南宮", "独孤", "獨孤", "轩辕",
    "端木", "百里", "东郭", "呼延", "赫连", "澹台",
];

/// Graphemes of the first name that a Latin name shows at most.
const GIVEN_MAX: usize = 12;

fn is_han(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{323af}'))
}

/// 张*, 欧阳*; John S***.
pub(super) fn person(text: &str) -> String {
    let text = text.trim();
    let letters: Vec<&str> = text.graphemes(true).collect();
    if is_han(text) {
        let double = letters.len() > 2 && DOUBLE_SURNAMES.iter().any(|surname| text.starts_with(surname));
        return match letters.len() {
            0 | 1 => HIDDEN.to_owned(),
            _ => format!("{}*", letters[..if double { 2 } else { 1 }].concat()),
        };
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [first, .., last] = words.as_slice() {
        let total: usize = words.iter().map(|word| word.graphemes(true).count()).sum();
        let shown = first.graphemes(true).count() + 1;
        if shown <= GIVEN_MAX + 1 && shown * 3 <= total * 2 {
            return format!("{first} {}{HIDDEN}", last.graphemes(true).next().unwrap_or_default());
        }
    }
    match letters.as_slice() {
        [first, _, _, ..] => format!("{first}{HIDDEN}"),
        _ => HIDDEN.to_owned(),
    }
}

/// 138****5678 of a mainland mobile, with +86 before it if it was there; the last four of any other number.
pub(super) fn phone(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let foreign = text.trim_start().starts_with('+');
    let (country, own) = match digits.strip_prefix("86") {
        Some(own) if foreign && own.len() == 11 => ("+86 ", own),
        _ => ("", digits.as_str()),
    };
    match own.len() {
        11 if own.starts_with('1') && (!foreign || !country.is_empty()) => {
            format!("{country}{}****{}", &own[..3], &own[7..])
        }
        8.. => format!("****{}", &own[own.len() - 4..]),
        _ => HIDDEN.to_owned(),
    }
}

/// l***@example.com. The house behind the @ stays, because it is what people ask about.
pub(super) fn email(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((local, house)) if !house.is_empty() => {
            let mut letters = local.graphemes(true);
            match (letters.next(), letters.next()) {
                (Some(first), Some(_)) => format!("{first}{HIDDEN}@{house}"),
                _ => format!("{HIDDEN}@{house}"),
            }
        }
        _ => HIDDEN.to_owned(),
    }
}

/// The first three and the last four of a mainland number (15 or 18 places), as banks print it; first and last of
/// other documents.
pub(super) fn id_number(text: &str) -> String {
    let plain: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let (begin, end) = match plain.len() {
        15 | 18 if plain[..14].iter().all(char::is_ascii_digit) => (3, 4),
        6.. => (1, 1),
        _ => return HIDDEN.to_owned(),
    };
    let hidden = "*".repeat(plain.len() - begin - end);
    format!("{}{hidden}{}", plain[..begin].iter().collect::<String>(), {
        plain[plain.len() - end..].iter().collect::<String>()
    })
}

/// The last four digits.
pub(super) fn bank_card(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= 12 { format!("****{}", &digits[digits.len() - 4..]) } else { HIDDEN.to_owned() }
}

/// The first three characters of a Chinese address, which tell the province or city; nothing of others, which begin with
/// the house.
pub(super) fn postal_address(text: &str) -> String {
    let letters: Vec<&str> = text.trim().graphemes(true).collect();
    let plain = |letter: &&str| is_han(letter) && letter.chars().count() == 1;
    match letters.get(..3) {
        Some(first) if letters.len() >= 8 && first.iter().all(plain) => format!("{}{HIDDEN}", first.concat()),
        _ => HIDDEN.to_owned(),
    }
}

/// 203.0.*.* and 2001:db8:1::*: the network, not the house.
pub(super) fn network_address(text: &str) -> String {
    match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, ..] = address.octets();
            format!("{a}.{b}.*.*")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::*")
        }
        Err(_) => HIDDEN.to_owned(),
    }
}

/// First and last character; of one that is an e-mail address, the mask of such.
pub(super) fn sign_in_name(text: &str) -> String {
    if text.contains('@') {
        return email(text);
    }
    let letters: Vec<&str> = text.graphemes(true).collect();
    match letters.as_slice() {
        [first, _, .., _, last] => format!("{first}{HIDDEN}{last}"),
        _ => HIDDEN.to_owned(),
    }
}

/// The last two digits.
pub(super) fn account(text: &str) -> String {
    match text.len() {
        5.. if text.bytes().all(|byte| byte.is_ascii_digit()) => format!("***{}", &text[text.len() - 2..]),
        _ => HIDDEN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mask: fn(&str) -> String, table: &[(&str, &str)]) {
        for (text, expected) in table {
            assert_eq!(mask(text), *expected, "{text}");
        }
    }

    #[test]
    fn names_of_persons() {
        check(
            person,
            &[
                ("张伟", "张*"),
                ("张三丰", "张*"),
                ("欧阳修", "欧阳*"),
                ("欧阳", "欧*"),
                ("司马相如", "司马*"),
                ("张", "***"),
                ("阿卜杜拉·买买提", "阿*"),
                ("John Smith", "John S***"),
                ("John Quincy Adams", "John A***"),
                ("Jo Li", "J***"),
                ("Madonna", "M***"),
                ("Li", "***"),
                ("Wolfeschlegelstein Hausenbergerdorff", "W***"),
                // One character of two code points stays one.
                ("E\u{301}lodie Martin", "E\u{301}lodie M***"),
                ("", "***"),
            ],
        );
    }

    #[test]
    fn telephones() {
        check(
            phone,
            &[
                ("13812345678", "138****5678"),
                ("138-1234-5678", "138****5678"),
                ("+86 138 1234 5678", "+86 138****5678"),
                ("+852 9123 4567", "****4567"),
                ("+12025550123", "****0123"),
                ("91234567", "****4567"),
                ("10086", "***"),
            ],
        );
    }

    #[test]
    fn numbers_of_documents_and_cards() {
        check(
            id_number,
            &[
                ("11010519491231002X", "110***********002X"),
                ("110105491231002", "110********1002"),
                ("A123456(7)", "A******7"),
                ("E12345678", "E*******8"),
                ("A12", "***"),
            ],
        );
        check(
            bank_card,
            &[("6222021234567890123", "****0123"), ("6222 0212 3456 7890", "****7890"), ("1234567", "***")],
        );
        check(account, &[("1234567", "***67"), ("17", "***")]);
    }

    #[test]
    fn addresses() {
        check(
            email,
            &[
                ("lee@example.com", "l***@example.com"),
                ("a@example.com", "***@example.com"),
                ("x", "***"),
                ("@b", "***@b"),
            ],
        );
        check(
            network_address,
            &[
                ("203.0.113.7", "203.0.*.*"),
                ("::ffff:203.0.113.7", "203.0.*.*"),
                ("2001:db8:1:2::7", "2001:db8:1::*"),
                ("::1", "0:0:0::*"),
                ("here", "***"),
            ],
        );
        check(
            postal_address,
            &[("北京市朝阳区建国路1号", "北京市***"), ("北京市", "***"), ("1 Long Street, Leeds", "***")],
        );
    }

    #[test]
    fn names_that_people_sign_in_with() {
        check(
            sign_in_name,
            &[
                ("alice", "a***e"),
                ("anna", "a***a"),
                ("bob", "***"),
                ("", "***"),
                ("lee@example.com", "l***@example.com"),
            ],
        );
    }
}
