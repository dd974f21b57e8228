//! Dual control: two officers, each with a password of their own.

use std::collections::BTreeMap;

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::KeysError;
use super::bytes::{Fields, put};
use super::master::Cost;

/// Shortest and longest password of an officer, in characters.
const PASSWORD: std::ops::RangeInclusive<usize> = 12..=256;
/// Longest name in bytes.
pub(crate) const NAME_MAX: usize = 32;
/// Most officers of a ring.
pub(crate) const OFFICERS_MAX: usize = 64;

/// Who an officer says to be.
#[derive(Clone)]
pub struct Credential {
    name: Box<str>,
    password: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credential {
    /// A name of 1 to 32 lower-case letters, digits, `.`, `_`, `-`, and a password of 12 to 256 characters.
    ///
    /// # Errors
    /// [`KeysError::Invalid`] for the name, [`KeysError::Secret`] for the password.
    pub fn new(name: &str, password: &[u8]) -> Result<Self, KeysError> {
        let secret = |reason: &str| KeysError::Secret { from: format!("of officer {name}"), reason: reason.to_owned() };
        check_name(name)?;
        let text = std::str::from_utf8(password).map_err(|_| secret("it is not UTF-8"))?;
        if !PASSWORD.contains(&text.chars().count()) {
            return Err(secret("it needs 12 to 256 characters"));
        }
        Ok(Self { name: name.into(), password: Zeroizing::new(password.to_vec()) })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Two officers who ask for an operation. Whether they are officers is checked by the ring.
#[derive(Clone, Debug)]
pub struct Approval(pub [Credential; 2]);

impl Approval {
    /// The names, for the record.
    pub(crate) fn names(&self) -> [&str; 2] {
        [self.0[0].name(), self.0[1].name()]
    }
}

fn check_name(name: &str) -> Result<(), KeysError> {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c);
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(fits) {
        let reason = "1 to 32 lower-case letters, digits, '.', '_' and '-' are allowed";
        return Err(KeysError::invalid("officer", name, reason));
    }
    Ok(())
}

/// Argon2id of a password.
pub(crate) fn stretch(cost: Cost, salt: &[u8; 16], password: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let wrong = |_| KeysError::Limit { what: "cost of argon2id", most: Cost::MEMORY_MAX_KIB.into() };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(wrong)?;
    let mut out = Zeroizing::new([0; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password, salt, &mut *out).map_err(wrong)?;
    Ok(out)
}

/// What the ring keeps of an officer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Officer {
    pub(crate) name: Box<str>,
    pub(crate) added_unix_s: u64,
    cost: Cost,
    salt: [u8; 16],
    verifier: [u8; 32],
}

impl Officer {
    pub(crate) fn new(credential: &Credential, cost: Cost, added_unix_s: u64) -> Result<Self, KeysError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        let verifier = *stretch(cost, &salt, &credential.password)?;
        Ok(Self { name: credential.name.clone(), added_unix_s, cost, salt, verifier })
    }

    fn knows(&self, password: &[u8]) -> Result<bool, KeysError> {
        Ok(stretch(self.cost, &self.salt, password)?.ct_eq(&self.verifier).into())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.name.as_bytes());
        out.extend_from_slice(&self.added_unix_s.to_le_bytes());
        self.cost.encode(out);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.verifier);
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.text(NAME_MAX)?;
        check_name(name).ok()?;
        Some(Self {
            name: name.into(),
            added_unix_s: fields.u64()?,
            cost: Cost::decode(fields)?,
            salt: fields.array()?,
            verifier: fields.array()?,
        })
    }
}

/// Checks that both are different officers of the ring and know their passwords. Both passwords are always tried.
pub(crate) fn check(officers: &BTreeMap<Box<str>, Officer>, approval: &Approval) -> Result<(), KeysError> {
    let [first, second] = approval.names();
    if first == second {
        return Err(KeysError::Approval("two different officers are needed"));
    }
    let mut good = true;
    for credential in &approval.0 {
        good &= match officers.get(&credential.name) {
            Some(officer) => officer.knows(&credential.password)?,
            None => false,
        };
    }
    if good { Ok(()) } else { Err(KeysError::Approval("a name or a password is not that of an officer")) }
}
