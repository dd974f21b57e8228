//! Values about persons, one type for each category.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use heng_ports::PersonalValue;

use super::grade::Category;
use super::mask;

/// Bytes of any personal value at most.
const BYTES_MAX: usize = 1_024;

/// A text that is no value of its kind. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no {kind}: {expected}")]
pub struct NotPersonal {
    /// The kind that it should have been.
    pub kind: &'static str,
    /// What one looks like.
    pub expected: &'static str,
}

/// A kind of personal value.
pub trait Kind {
    /// What it is.
    const CATEGORY: Category;
    /// Its name, in errors and in `Debug`.
    const NAME: &'static str;
    /// What a value looks like, for people.
    const EXPECTED: &'static str;
    /// Characters of a value that its mask shows at most, the house of an e-mail address not counted.
    const SHOWN_MAX: usize;

    /// Whether `text` can be one.
    fn fits(text: &str) -> bool;
    /// What everybody may see of it.
    fn mask(text: &str) -> String;
}

/// A value about a person.
pub struct Personal<K> {
    text: Box<str>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Personal<K> {
    /// A value that comes from outside.
    ///
    /// # Errors
    /// If it is none of its kind: length, characters, form. No asterisk is taken, so that no value looks like a mask.
    pub fn new(text: &str) -> Result<Self, NotPersonal> {
        let plain = !text.contains(|c: char| c.is_control() || c == '*');
        if text.len() <= BYTES_MAX && plain && text.trim() == text && K::fits(text) {
            return Ok(Self::held(text));
        }
        Err(NotPersonal { kind: K::NAME, expected: K::EXPECTED })
    }

    /// A value that our own tables hold. It was checked when it came in; one that would not pass today is hidden whole.
    #[must_use]
    pub fn held(text: &str) -> Self {
        Self { text: text.into(), kind: PhantomData }
    }

    /// What everybody may see.
    #[must_use]
    pub fn masked(&self) -> String {
        if self.text.is_empty() { String::new() } else { K::mask(&self.text) }
    }

    /// The text itself. Ask for it where the policy has let the reader see it, and nowhere else.
    #[must_use]
    pub fn expose_plain(&self) -> &str {
        &self.text
    }

    /// What it is.
    #[must_use]
    pub const fn category(&self) -> Category {
        K::CATEGORY
    }
}

impl<K: Kind> PersonalValue for Personal<K> {
    fn masked(&self) -> String {
        self.masked()
    }

    fn expose_plain(&self) -> String {
        self.text.to_string()
    }
}

impl<K: Kind> fmt::Display for Personal<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl<K: Kind> fmt::Debug for Personal<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", K::NAME, self.masked())
    }
}

impl<K> Clone for Personal<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), kind: PhantomData }
    }
}

impl<K> Default for Personal<K> {
    fn default() -> Self {
        Self { text: Box::default(), kind: PhantomData }
    }
}

impl<K> PartialEq for Personal<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<K> Eq for Personal<K> {}

fn letters(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count())
}

/// Digits of a text that is made of digits and these others.
fn digits(text: &str, others: &[char]) -> Option<usize> {
    let fits = text.chars().all(|c| c.is_ascii_digit() || others.contains(&c));
    fits.then(|| text.chars().filter(char::is_ascii_digit).count())
}

fn is_email(text: &str) -> bool {
    let Some((local, house)) = text.split_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
    text.len() <= 254 && local.len() <= 64 && plain(local) && plain(house) && house.contains('.')
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident { $shown:literal, $expected:literal, $mask:expr, |$text:ident| $fits:expr })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl Kind for $name {
            const CATEGORY: Category = Category::$name;
            const NAME: &'static str = stringify!($name);
            const EXPECTED: &'static str = $expected;
            const SHOWN_MAX: usize = $shown;

            fn fits($text: &str) -> bool {
                $fits
            }

            fn mask(text: &str) -> String {
                $mask(text)
            }
        }
    )+};
}

kinds! {
    /// A name that somebody signs in with.
    SignInName { 2, "1 to 64 letters, digits, '.', '_', '-' or '@'", mask::sign_in_name, |text| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b))
    } }
    /// The name of a person.
    PersonName { 13, "1 to 64 letters", mask::person, |text| {
        letters(text, 1, 64) && text.chars().all(|c| c.is_alphabetic() || " .'-·’\u{300}\u{301}\u{308}".contains(c))
    } }
    /// A telephone number.
    Phone { 9, "5 to 15 digits, with + before the country, blanks and hyphens between", mask::phone, |text| {
        let own = text.strip_prefix('+').unwrap_or(text);
        digits(own, &[' ', '-']).is_some_and(|count| (5..=15).contains(&count)) && text.len() <= 32
    } }
    /// An e-mail address.
    Email { 1, "name@house.example", mask::email, |text| is_email(text) }
    /// The number of an identity document.
    IdNumber { 7, "5 to 32 letters and digits", mask::id_number, |text| {
        letters(text, 5, 32) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"()-".contains(&b))
    } }
    /// The number of a bank card.
    BankCard { 4, "12 to 19 digits", mask::bank_card, |text| {
        digits(text, &[' ']).is_some_and(|count| (12..=19).contains(&count)) && text.len() <= 24
    } }
    /// Where somebody lives.
    PostalAddress { 3, "1 to 256 characters", mask::postal_address, |text| letters(text, 1, 256) }
    /// A network address that somebody came from.
    NetworkAddress { 12, "an IPv4 or IPv6 address", mask::network_address, |text| text.parse::<IpAddr>().is_ok() }
    /// Number of an account or a principal.
    Account { 2, "1 to 18 digits", mask::account, |text| {
        (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    } }
    /// Words that people wrote.
    FreeText { 0, "up to 1,024 bytes", |_: &str| mask::HIDDEN.to_owned(), |_text| true }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::*;

    /// What the mask shows of the text: its longest common beginning and end, which is how every mask is built.
    fn shown(text: &str, mask: &str) -> usize {
        let mask = mask.split_once('@').map_or(mask, |(local, _)| local);
        mask.chars().filter(|c| *c != '*' && text.contains(*c) && c.is_alphanumeric()).count()
    }

    fn holds<K: Kind>(text: &str) {
        let Ok(value) = Personal::<K>::new(text) else { return };
        let mask = value.masked();
        assert_ne!(mask, text, "{}", K::NAME);
        assert!(mask.contains('*'), "{} {text}: {mask}", K::NAME);
        assert!(shown(text, &mask) <= K::SHOWN_MAX, "{} {text}: {mask}", K::NAME);
        assert_eq!((format!("{value}"), format!("{value:?}")), (mask.clone(), format!("{}({mask})", K::NAME)));
        assert_eq!(value.expose_plain(), text);
        let hidden = text.graphemes(true).count();
        assert!(hidden > 3 || !mask.contains(text), "{}: {mask}", K::NAME);
    }

    proptest! {
        #[test]
        fn a_mask_never_shows_all(text in "[\\PC]{1,40}") {
            holds::<SignInName>(&text);
            holds::<PersonName>(&text);
            holds::<PostalAddress>(&text);
            holds::<FreeText>(&text);
        }

        #[test]
        fn names_in_han_and_latin(text in "[张王欧阳司马诸葛修伟丽]{1,5}|[A-Z][a-z]{0,20}( [A-Z][a-z]{0,20}){0,3}") {
            holds::<PersonName>(&text);
        }

        #[test]
        fn numbers(text in "\\+?[0-9]{3,19}|[0-9]{17}[0-9X]|[A-Z][0-9]{6}\\([0-9A]\\)|1[3-9][0-9]{9}") {
            holds::<Phone>(&text);
            holds::<IdNumber>(&text);
            holds::<BankCard>(&text);
            holds::<Account>(&text);
        }

        #[test]
        fn addresses(local in "[a-z.]{1,12}", a in any::<[u8; 4]>(), b in any::<[u8; 16]>()) {
            holds::<Email>(&format!("{local}@example.com"));
            holds::<SignInName>(&format!("{local}@example.com"));
            holds::<NetworkAddress>(&IpAddr::from(a).to_string());
            holds::<NetworkAddress>(&IpAddr::from(b).to_string());
        }
    }

    #[test]
    fn what_is_none_of_its_kind_is_refused_without_repeating_it() {
        fn refused<K: Kind>(texts: &[&str]) {
            for text in texts {
                let error = Personal::<K>::new(text).expect_err(text);
                assert!(text.len() < 3 || !error.to_string().contains(text), "{error}");
            }
        }
        refused::<SignInName>(&["", "a b", "a*b", "名字"]);
        refused::<Phone>(&["1234", "138****5678", "call me", "+", "1234567890123456"]);
        refused::<Email>(&["lee", "@example.com", "lee@", "lee@house", "a@b@c.d"]);
        refused::<IdNumber>(&["1234", "110105 1949"]);
        refused::<BankCard>(&["12345678901", "6222x21234567890"]);
        refused::<NetworkAddress>(&["203.0.113", "host"]);
        refused::<PersonName>(&["", " 张", "R2D2", "a\nb"]);
        refused::<FreeText>(&["a\u{0}b"]);
        assert!(Personal::<FreeText>::new(&"x".repeat(1_025)).is_err());
    }

    #[test]
    fn nothing_stays_nothing() {
        assert_eq!(Personal::<NetworkAddress>::held("").masked(), "");
        assert_eq!(Personal::<NetworkAddress>::default(), Personal::held(""));
    }
}
