//! What each version of FIX knows: fields, permitted values, messages, groups.
//!
//! The text files beside this one are written by `convert.py` from the public dictionaries; each is read once, when
//! the first session of its version is opened.

mod parse;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use crate::fix::value::Kind;

/// The protocol that carries a session's messages (BeginString, tag 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Begin {
    /// `FIX.4.2`
    Fix42,
    /// `FIX.4.3`
    Fix43,
    /// `FIX.4.4`
    Fix44,
    /// `FIXT.1.1`, the transport of FIX 5.0 and later.
    Fixt11,
}

impl Begin {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fix42, Self::Fix43, Self::Fix44, Self::Fixt11];

    /// As in tag 8.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Fix42 => "FIX.4.2",
            Self::Fix43 => "FIX.4.3",
            Self::Fix44 => "FIX.4.4",
            Self::Fixt11 => "FIXT.1.1",
        }
    }

    /// From tag 8 or a configuration.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|begin| begin.text().as_bytes() == text)
    }

    /// The version of the messages, where the transport alone decides it.
    #[must_use]
    pub const fn application(self) -> Option<ApplVersion> {
        match self {
            Self::Fix42 => Some(ApplVersion::Fix42),
            Self::Fix43 => Some(ApplVersion::Fix43),
            Self::Fix44 => Some(ApplVersion::Fix44),
            Self::Fixt11 => None,
        }
    }

    /// Of the session's own messages.
    pub(crate) fn dictionary(self) -> &'static Dictionary {
        static FIXT11: OnceLock<Dictionary> = OnceLock::new();
        match self.application() {
            Some(version) => version.dictionary(),
            None => FIXT11.get_or_init(|| parse::read(include_str!("fixt11.txt"))),
        }
    }
}

/// The version of application messages (ApplVerID, tag 1128).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApplVersion {
    /// FIX 4.2
    Fix42,
    /// FIX 4.3
    Fix43,
    /// FIX 4.4
    Fix44,
    /// FIX 5.0
    Fix50,
    /// FIX 5.0 SP1
    Fix50Sp1,
    /// FIX 5.0 SP2
    Fix50Sp2,
}

impl ApplVersion {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Fix42, Self::Fix43, Self::Fix44, Self::Fix50, Self::Fix50Sp1, Self::Fix50Sp2];

    /// As a configuration names it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Fix42 => "FIX.4.2",
            Self::Fix43 => "FIX.4.3",
            Self::Fix44 => "FIX.4.4",
            Self::Fix50 => "FIX.5.0",
            Self::Fix50Sp1 => "FIX.5.0SP1",
            Self::Fix50Sp2 => "FIX.5.0SP2",
        }
    }

    /// As in tags 1128 and 1137.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Fix42 => "4",
            Self::Fix43 => "5",
            Self::Fix44 => "6",
            Self::Fix50 => "7",
            Self::Fix50Sp1 => "8",
            Self::Fix50Sp2 => "9",
        }
    }

    /// From tags 1128 and 1137, or from a configuration's name.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.id().as_bytes() == text || version.text().as_bytes() == text)
    }

    pub(crate) fn dictionary(self) -> &'static Dictionary {
        static READ: [OnceLock<Dictionary>; 6] = [const { OnceLock::new() }; 6];
        let text = match self {
            Self::Fix42 => include_str!("fix42.txt"),
            Self::Fix43 => include_str!("fix43.txt"),
            Self::Fix44 => include_str!("fix44.txt"),
            Self::Fix50 => include_str!("fix50.txt"),
            Self::Fix50Sp1 => include_str!("fix50sp1.txt"),
            Self::Fix50Sp2 => include_str!("fix50sp2.txt"),
        };
        READ[self as usize].get_or_init(|| parse::read(text))
    }
}

/// One version's knowledge.
#[derive(Debug)]
pub(crate) struct Dictionary {
    pub(crate) version: &'static str,
    fields: Vec<FieldRule>,
    /// Place in `fields` by tag; [`Self::NONE`] where there is no such field.
    places: Vec<u16>,
    /// Ordered by type.
    messages: Vec<(&'static [u8], MessageRule)>,
    header: Layout,
    trailer: Layout,
    groups: Vec<Layout>,
}

/// A field, wherever it stands.
#[derive(Debug)]
pub(crate) struct FieldRule {
    pub(crate) tag: u32,
    #[cfg_attr(not(test), expect(dead_code, reason = "compared in tests"))]
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The permitted values in order; none if any will do.
    pub(crate) values: Vec<&'static str>,
}

/// A message.
#[derive(Debug)]
pub(crate) struct MessageRule {
    #[cfg_attr(not(test), expect(dead_code, reason = "compared in tests"))]
    pub(crate) name: &'static str,
    /// Belongs to the session, not to the application.
    pub(crate) admin: bool,
    pub(crate) body: Layout,
}

/// The fields of a message, a header, a trailer or a group.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Ordered by tag.
    members: Vec<Member>,
    /// Ordered by tag.
    pub(crate) required: Vec<u32>,
    /// What begins each instance of a group.
    pub(crate) first: u32,
}

/// A field in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) tag: u32,
    /// The how-manieth it is.
    pub(crate) place: u32,
    /// The group that it counts.
    pub(crate) group: Option<u16>,
}

impl Layout {
    pub(crate) fn member(&self, tag: u32) -> Option<Member> {
        let at = self.members.binary_search_by_key(&tag, |member| member.tag).ok()?;
        Some(self.members[at])
    }
}

impl Dictionary {
    const NONE: u16 = u16::MAX;

    pub(crate) fn field(&self, tag: u32) -> Option<&FieldRule> {
        let place = *self.places.get(tag as usize)?;
        (place != Self::NONE).then(|| &self.fields[place as usize])
    }

    pub(crate) fn message(&self, kind: &[u8]) -> Option<&MessageRule> {
        let at = self.messages.binary_search_by_key(&kind, |(kind, _)| kind).ok()?;
        Some(&self.messages[at].1)
    }

    pub(crate) fn group(&self, group: u16) -> &Layout {
        &self.groups[group as usize]
    }

    pub(crate) const fn header(&self) -> &Layout {
        &self.header
    }

    pub(crate) const fn trailer(&self) -> &Layout {
        &self.trailer
    }

    pub(crate) fn kind(&self, tag: u32) -> Option<Kind> {
        self.field(tag).map(|field| field.kind)
    }
}
