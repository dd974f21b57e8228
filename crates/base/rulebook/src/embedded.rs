//! The rule files of this build.

use crate::rulebook::Rulebook;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../rules/", $name)))),+]
    };
}

const FILES: &[(&str, &str)] = files![
    "auctions.toml",
    "cage.toml",
    "calendar-hong-kong.toml",
    "calendar-mainland.toml",
    "client-gates.toml",
    "fees.toml",
    "halts.toml",
    "lots.toml",
    "order-types.toml",
    "price-limits.toml",
    "sessions.toml",
    "settlement.toml",
    "ticks.toml",
];

impl Rulebook {
    /// The rule files that were compiled in, `(name, text)`, in order of name.
    #[must_use]
    pub fn embedded_files() -> Vec<(String, String)> {
        FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }
}
