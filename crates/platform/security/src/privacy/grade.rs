//! Grades of data by standard. A grade is a pair of standard and level: levels of different standards do not compare.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// What proves or seals: passwords, tokens, second factors, private keys.
    Secret,
    /// A name that somebody signs in with.
    SignInName,
    /// The name of a person.
    PersonName,
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// The number of an identity document.
    IdNumber,
    /// The number of a bank card.
    BankCard,
    /// Where somebody lives.
    PostalAddress,
    /// A network address that somebody came from.
    NetworkAddress,
    /// What somebody came from: a browser and a system.
    Device,
    /// Number of an account or a principal.
    Account,
    /// Orders, fills, money, holdings.
    Order,
    /// Who did what when.
    Trail,
    /// Words that people wrote; they may name anybody.
    FreeText,
    /// Rights, roles, states, limits: how the firm works.
    Internal,
    /// What everybody may know: published data, rules, checkpoints, the API's document.
    Public,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Secret,
        Self::SignInName,
        Self::PersonName,
        Self::Phone,
        Self::Email,
        Self::IdNumber,
        Self::BankCard,
        Self::PostalAddress,
        Self::NetworkAddress,
        Self::Device,
        Self::Account,
        Self::Order,
        Self::Trail,
        Self::FreeText,
        Self::Internal,
        Self::Public,
    ];

    /// Whether values of this kind stand as a mask for whoever may not see them.
    #[must_use]
    pub const fn is_masked(self) -> bool {
        matches!(
            self,
            Self::SignInName
                | Self::PersonName
                | Self::Phone
                | Self::Email
                | Self::IdNumber
                | Self::BankCard
                | Self::PostalAddress
                | Self::NetworkAddress
                | Self::FreeText
        )
    }

    /// Its grade after the standard of this program.
    #[must_use]
    pub const fn grade(self) -> Grade {
        JRT_0158.grade(self)
    }
}

/// How grave the loss of some data would be, after a standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grade {
    /// The standard.
    pub standard: &'static str,
    /// Its level; a greater one is graver.
    pub level: u8,
}

/// A standard with its levels. Another one is another constant of this type.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// Its number and year.
    pub standard: &'static str,
    /// How many levels it has; 1 is the least grave.
    pub levels: u8,
    /// Whether the mapping was compared with the standard's text.
    pub verified: bool,
    /// Levels in the order of [`Category::ALL`].
    table: [u8; Category::ALL.len()],
}

impl Scheme {
    /// A standard of so many `levels`, with the level of each category in the order of [`Category::ALL`].
    ///
    /// # Panics
    /// If a level is none of the standard's: our own bug.
    #[must_use]
    pub const fn new(standard: &'static str, levels: u8, verified: bool, table: [u8; Category::ALL.len()]) -> Self {
        let mut at = 0;
        while at < table.len() {
            assert!(1 <= table[at] && table[at] <= levels, "a level of the standard");
            at += 1;
        }
        Self { standard, levels, verified, table }
    }

    /// The grade of a category.
    #[must_use]
    pub const fn grade(&self, category: Category) -> Grade {
        Grade { standard: self.standard, level: self.table[category as usize] }
    }
}

/// Classification of securities and futures data, four levels. The mapping is ours and unverified: the standard's text
/// was not at hand, and compliance confirms it before a filing.
pub const JRT_0158: Scheme = Scheme::new("JR/T 0158-2018", 4, false, [4, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3, 3, 3, 3, 2, 1]);

/// Grading of financial data, five levels; the fifth is for data of national weight, which a broker's own are not.
/// Unverified as the first.
pub const JRT_0197: Scheme = Scheme::new("JR/T 0197-2020", 5, false, [4, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3, 3, 3, 3, 2, 1]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_has_a_grade_by_every_standard() {
        for scheme in [JRT_0158, JRT_0197] {
            for (at, category) in Category::ALL.into_iter().enumerate() {
                assert_eq!(category as usize, at, "the table is in the order of the list");
                let grade = scheme.grade(category);
                assert!((1..=scheme.levels).contains(&grade.level));
                assert!(!category.is_masked() || grade.level >= 3, "{category:?} is masked and of no weight");
            }
            assert_eq!(scheme.grade(Category::Secret).level, 4);
            assert!(!scheme.verified);
        }
        assert_eq!((JRT_0158.levels, JRT_0197.levels), (4, 5));
        assert_eq!(Category::Phone.grade(), Grade { standard: "JR/T 0158-2018", level: 3 });
    }

    #[test]
    fn another_standard_brings_its_own_levels() {
        const OWN: Scheme = Scheme::new("house rule 1", 9, true, [9; Category::ALL.len()]);
        assert_eq!(OWN.grade(Category::Public), Grade { standard: "house rule 1", level: 9 });
    }
}
