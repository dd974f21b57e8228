//! Which passwords may be chosen: long enough, hard enough to guess, and not built around words that everybody who knows
//! the user or the firm would try.

use heng_ports::Accounts;
use zxcvbn::{Score, zxcvbn};

use crate::error::IdentityError;
use crate::identity::Identity;
use crate::password::check_length;
use crate::secret::Secret;

/// Characters that must be left when the firm's words and the user's accounts are taken out.
const LEFT_MIN: usize = 8;
/// Shorter words stand in too many other ones.
const WORD_MIN: usize = 3;
/// Shorter sign-in names do not bar every password that holds them: `eve` stands in `seven`.
const NAME_MIN: usize = 4;
/// How hard it must be to guess: 10^8 tries and more, as zxcvbn counts them with its lists of common passwords, words
/// and names, of keys beside one another, dates, repeats and letters that stand for others.
const SCORE_MIN: Score = Score::Three;
const EASY: &str = "is too easy to guess";

/// What others know about the owner of a password.
struct Known {
    /// Sign-in name, in lower case.
    name: String,
    /// The firm's words and the user's accounts, in lower case.
    words: Vec<String>,
}

impl Known {
    fn of((name, accounts): (&str, &Accounts), firm: &[String]) -> Self {
        let mut words: Vec<String> = firm.iter().map(|word| word.to_lowercase()).collect();
        if let Accounts::These(list) = accounts {
            words.extend(list.iter().map(|account| account.0.to_string()));
        }
        words.retain(|word| word.chars().count() >= WORD_MIN);
        // The longest first, so that no shorter one tears it apart.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self { name: name.to_lowercase(), words }
    }

    /// Why this password may not be chosen.
    fn objects(&self, password: &str) -> Option<&'static str> {
        let lower = password.to_lowercase();
        if self.name.len() >= NAME_MIN && lower.contains(&self.name) {
            return Some("holds the sign-in name");
        }
        let mut left = lower;
        for word in &self.words {
            left = left.replace(word.as_str(), "");
        }
        if left.chars().count() < LEFT_MIN {
            return Some("holds little beyond words of the firm or an account number");
        }
        let known: Vec<&str> = self.words.iter().map(String::as_str).chain([self.name.as_str()]).collect();
        (zxcvbn(password, &known).score() < SCORE_MIN).then_some(EASY)
    }
}

impl Identity {
    /// Whether a user with this name and these accounts may choose this password. It takes a moment, so it is asked only
    /// for those who have proven who they are.
    pub(crate) async fn check_choice(
        &self,
        owner: (&str, &Accounts),
        password: &Secret,
        pointer: &'static str,
    ) -> Result<(), IdentityError> {
        check_length(password.expose(), pointer)?;
        let (known, password) = (Known::of(owner, &self.options.firm_words), password.clone());
        let objection = tokio::task::spawn_blocking(move || known.objects(password.expose())).await;
        // A judge that fails must not let anything pass.
        match objection.unwrap_or(Some(EASY)) {
            None => Ok(()),
            Some(why) => Err(IdentityError::field(pointer, why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use heng_model::AccountId;

    use super::*;

    fn check(password: &str) -> Option<&'static str> {
        let accounts = Accounts::These(vec![AccountId(7), AccountId(620_114)]);
        let firm = ["Hengdesk".to_owned(), "衡证券".to_owned()];
        Known::of(("alice", &accounts), &firm).objects(password)
    }

    #[test]
    fn common_passwords_are_refused() {
        for easy in [
            "password1234",
            "qwertyuiop12",
            "123456789012",
            "letmeinletmein",
            "iloveyou1234",
            "P@ssw0rd1234",
            "abcdefghijkl",
            "aaaabbbbaaaabbbb",
            "1q2w3e4r5t6y",
            "passwordpassword",
            "zaq12wsxcde3",
            "qazwsxedcrfv",
            "sunshine2024",
            "dragonmonkey",
            "01/01/19901990",
        ] {
            assert_eq!(check(easy), Some(EASY), "{easy}");
        }
        for good in
            ["correct horse battery", "another good password", "短短短短短短短短短短一二三四五六", "x7#kQ-vm2!Lp"]
        {
            assert_eq!(check(good), None, "{good}");
        }
    }

    #[test]
    fn words_of_the_user_and_the_firm_are_refused() {
        assert_eq!(check("my name is ALICE!"), Some("holds the sign-in name"));
        for built in ["hengdesk-2026", "HengDesk620114x", "620114620114!?", "衡证券衡证券衡证券2026"] {
            assert_eq!(check(built), Some("holds little beyond words of the firm or an account number"), "{built}");
        }
        assert_eq!(check("hengdesk and seven green kites"), None, "a word of the firm among others");
        assert_eq!(check("seven7 green7 kites7"), None, "one digit is no word");
        let eve = |password| Known::of(("eve", &Accounts::All), &[]).objects(password);
        assert_eq!(eve("seven green kites over water"), None, "short names stand in other words");
        assert_eq!(eve("eveeveeveeve"), Some(EASY));
    }

    #[test]
    fn the_longest_password_is_judged_in_time() {
        // What has most ways to be read: letters that stand for others, over the whole length.
        let began = std::time::Instant::now();
        for unit in ["4@8({3691!|0$5+7%2", "qwerty1990", "aA1!"] {
            let long: String = unit.chars().cycle().take(128).collect();
            let _ = check(&long);
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
