//! What a data key serves for.

use super::KeysError;

/// Longest part of a scope, in bytes.
const PART_MAX: usize = 64;

/// What a data key serves for: one table or log, of one tenant, in one period.
///
/// A part has 1 to 64 letters, digits and `.`, `_`, `-`; `/` in the first one as well. Ordered by store, tenant, period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    store: Box<str>,
    tenant: Box<str>,
    period: Box<str>,
}

impl Scope {
    /// The scope of a table or log (`journal`, `clients/accounts`), a tenant (`house`) and a period (`2026-11`).
    ///
    /// # Errors
    /// [`KeysError::Invalid`].
    pub fn new(store: &str, tenant: &str, period: &str) -> Result<Self, KeysError> {
        let part = |what, text: &str, slash: bool| {
            let fits = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c) || (slash && c == b'/');
            if text.is_empty() || text.len() > PART_MAX || !text.bytes().all(fits) {
                return Err(KeysError::invalid(what, text, "1 to 64 letters, digits, '.', '_' and '-' are allowed"));
            }
            Ok(text.into())
        };
        Ok(Self {
            store: part("store", store, true)?,
            tenant: part("tenant", tenant, false)?,
            period: part("period", period, false)?,
        })
    }

    /// The table or log.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The period.
    #[must_use]
    pub fn period(&self) -> &str {
        &self.period
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.store, self.tenant, self.period)
    }
}

impl std::str::FromStr for Scope {
    type Err = KeysError;

    /// Reads `store:tenant:period`.
    fn from_str(text: &str) -> Result<Self, KeysError> {
        let mut parts = text.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(store), Some(tenant), Some(period), None) => Self::new(store, tenant, period),
            _ => Err(KeysError::invalid("scope", text, "it must be STORE:TENANT:PERIOD")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_told_and_read() {
        let scope = Scope::new("clients/accounts", "house", "2026-11").expect("good parts");
        assert_eq!(scope.to_string(), "clients/accounts:house:2026-11");
        assert_eq!(scope.to_string().parse::<Scope>().expect("what was told"), scope);
        for wrong in ["", "a", "a:b", "a:b:c:d", "a::c", "a:b/c:d", "a:b:c\n", "a:\u{8861}:c"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong:?}");
        }
        assert!(Scope::new(&"a".repeat(65), "b", "c").is_err());
    }
}
