//! Data of persons: how grave they are, and what of them may be seen.
//!
//! [`Category`] names what a value is, [`Scheme`] grades it after a standard, [`Personal`] holds it: `Debug` and `Display`
//! tell the mask, the text comes out by [`Personal::expose_plain`] alone.
//!
//! *Invariant:* a mask shows at most [`Kind::SHOWN_MAX`] characters of the value, never all of them, and never equals it.
//! *Invariant:* nothing in this module writes plain text anywhere; there is no `Serialize`.
//!
//! Deliberately absent: who may see what (the policy of `identity`).

mod grade;
mod mask;
mod personal;

pub use grade::{Category, Grade, JRT_0158, JRT_0197, Scheme};
pub use personal::{
    Account, BankCard, Email, FreeText, IdNumber, Kind, NetworkAddress, NotPersonal, PersonName, Personal, Phone,
    PostalAddress, SignInName,
};
