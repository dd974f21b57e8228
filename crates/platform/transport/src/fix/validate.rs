//! A message against the dictionaries: the first thing that is wrong with it.

use super::dictionary::{Dictionary, Layout};
use super::fields::Field;
use super::reject::{Refused, SessionRefusal};
use super::value::Kind;

/// Groups within groups; no dictionary has more.
const DEPTH_MAX: u8 = 16;

/// Checks messages; keeps what it needs between them, so that a check allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Validator {
    /// The number of the check that last saw this tag outside groups.
    seen: Vec<u32>,
    check: u32,
}

/// What the parts of a message are checked with.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// Header and trailer.
    pub(crate) session: &'a Dictionary,
    /// The body.
    pub(crate) body: &'a Dictionary,
    pub(crate) layout: &'a Layout,
}

/// Where the parts begin: the body at `.0`, the trailer at `.1`.
type Parts = (usize, usize);

impl Validator {
    /// Checks the fields and sets their depth. Returns where the body begins and ends.
    ///
    /// # Errors
    /// With the reason that a Reject must name.
    pub(crate) fn check(&mut self, bytes: &[u8], fields: &mut [Field], rules: Rules<'_>) -> Result<Parts, Refused> {
        let parts = self.parts(fields, rules)?;
        self.required(rules)?;
        let (header, rest) = fields.split_at_mut(parts.0);
        let (body, trailer) = rest.split_at_mut(parts.1 - parts.0);
        let session = Part { bytes, dictionary: rules.session };
        session.check(header, rules.session.header())?;
        session.check(trailer, rules.session.trailer())?;
        Part { bytes, dictionary: rules.body }.check(body, rules.layout)?;
        Ok(parts)
    }

    /// Header, body, trailer, in this order (session test 14g), and each tag once outside groups (14h).
    fn parts(&mut self, fields: &mut [Field], rules: Rules<'_>) -> Result<Parts, Refused> {
        self.check = self.check.wrapping_add(1);
        let (mut body, mut trailer) = (None, None);
        let (mut doubled, mut misplaced) = (None, None);
        let mut at = 0;
        while at < fields.len() {
            let tag = fields[at].tag;
            let place = u32::try_from(tag).unwrap_or(0);
            if !self.see(place) {
                doubled = doubled.or(Some(tag));
            }
            let (dictionary, layout) = if rules.session.header().member(place).is_some() {
                misplaced = misplaced.or((body.is_some() || trailer.is_some()).then_some(tag));
                (rules.session, rules.session.header())
            } else if rules.session.trailer().member(place).is_some() {
                trailer = trailer.or(Some(at));
                (rules.session, rules.session.trailer())
            } else {
                misplaced = misplaced.or(trailer.is_some().then_some(tag));
                body = body.or(Some(at));
                (rules.body, rules.layout)
            };
            let group = layout.member(place).and_then(|member| member.group);
            at += 1 + group.map_or(0, |group| span(dictionary, group, &mut fields[at + 1..], 1));
        }
        if let Some(tag) = misplaced {
            return Err(SessionRefusal::TagOutOfOrder.of(tag));
        }
        if let Some(tag) = doubled {
            return Err(SessionRefusal::TagMoreThanOnce.of(tag));
        }
        let trailer = trailer.unwrap_or(fields.len());
        Ok((body.unwrap_or(trailer), trailer))
    }

    /// Notes a tag; false if this check saw it before.
    fn see(&mut self, tag: u32) -> bool {
        // Tags beyond are in no dictionary and are refused for that.
        const TAGS: usize = 65_536;
        if self.seen.is_empty() {
            self.seen.resize(TAGS, 0);
        }
        let Some(last) = self.seen.get_mut(tag as usize) else { return true };
        std::mem::replace(last, self.check) != self.check
    }

    fn required(&self, rules: Rules<'_>) -> Result<(), Refused> {
        let lists = [&rules.session.header().required, &rules.session.trailer().required, &rules.layout.required];
        let mut tags = lists.into_iter().flatten();
        match tags.find(|tag| self.seen.get(**tag as usize) != Some(&self.check)) {
            Some(tag) => Err(SessionRefusal::RequiredTagMissing.of(signed(*tag))),
            None => Ok(()),
        }
    }
}

fn signed(tag: u32) -> i32 {
    i32::try_from(tag).expect("the tags of a dictionary are small")
}

/// How many fields belong to the group whose count was read; sets their depth.
fn span(dictionary: &Dictionary, group: u16, fields: &mut [Field], depth: u8) -> usize {
    let layout = dictionary.group(group);
    let mut at = 0;
    while at < fields.len() && depth < DEPTH_MAX {
        let Some(member) = u32::try_from(fields[at].tag).ok().and_then(|tag| layout.member(tag)) else { break };
        fields[at].depth = depth;
        at += 1;
        if let Some(inner) = member.group {
            at += span(dictionary, inner, &mut fields[at..], depth + 1);
        }
    }
    at
}

/// A header, a body, a trailer or an instance of a group.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    dictionary: &'a Dictionary,
}

impl Part<'_> {
    fn check(self, fields: &[Field], layout: &Layout) -> Result<(), Refused> {
        let mut at = 0;
        while at < fields.len() {
            let field = fields[at];
            let group = self.field(field, layout)?;
            at += 1;
            if let Some(group) = group {
                let members = &fields[at..];
                let length = members.iter().position(|member| member.depth <= field.depth).unwrap_or(members.len());
                self.group(field, &members[..length], self.dictionary.group(group))?;
                at += length;
            }
        }
        Ok(())
    }

    /// One field for itself. Returns the group that it counts.
    fn field(self, field: Field, layout: &Layout) -> Result<Option<u16>, Refused> {
        let value = field.value(self.bytes);
        if value.is_empty() {
            return Err(SessionRefusal::TagWithoutValue.of(field.tag));
        }
        let tag = u32::try_from(field.tag).ok();
        let Some((tag, rule)) = tag.and_then(|tag| Some((tag, self.dictionary.field(tag)?))) else {
            return Err(SessionRefusal::InvalidTagNumber.of(field.tag));
        };
        if !rule.kind.fits(value) {
            return Err(SessionRefusal::IncorrectDataFormat.of(field.tag));
        }
        if !rule.values.is_empty() && rule.tag != 35 && !is_permitted(rule.kind, &rule.values, value) {
            return Err(SessionRefusal::ValueIncorrect.of(field.tag));
        }
        match layout.member(tag) {
            Some(member) => Ok(member.group),
            None => Err(SessionRefusal::TagNotDefinedForMessage.of(field.tag)),
        }
    }

    /// As many instances as told, each begun by the first field, in the order of the dictionary (14i, 14j).
    fn group(self, count: Field, members: &[Field], layout: &Layout) -> Result<(), Refused> {
        let depth = count.depth + 1;
        let first = signed(layout.first);
        let begins = |member: &Field| member.depth == depth && member.tag == first;
        if let Some(member) = members.first().filter(|member| !begins(member)) {
            return Err(SessionRefusal::GroupFieldsOutOfOrder.of(member.tag));
        }
        let told = super::value::parse_u64(count.value(self.bytes));
        if told != u64::try_from(members.iter().filter(|member| begins(member)).count()).ok() {
            return Err(SessionRefusal::IncorrectNumInGroup.of(count.tag));
        }
        let mut rest = members;
        while !rest.is_empty() {
            let length = rest[1..].iter().position(begins).map_or(rest.len(), |at| at + 1);
            let (instance, after) = rest.split_at(length);
            self.instance(instance, depth, layout)?;
            rest = after;
        }
        Ok(())
    }

    fn instance(self, instance: &[Field], depth: u8, layout: &Layout) -> Result<(), Refused> {
        let mut last = None;
        let own = || instance.iter().filter(|member| member.depth == depth);
        for member in own() {
            let place = u32::try_from(member.tag).ok().and_then(|tag| layout.member(tag)).map(|found| found.place);
            if place == last {
                return Err(SessionRefusal::TagMoreThanOnce.of(member.tag));
            }
            if place < last {
                return Err(SessionRefusal::GroupFieldsOutOfOrder.of(member.tag));
            }
            last = place;
        }
        if let Some(tag) = layout.required.iter().find(|tag| own().all(|member| member.tag != signed(**tag))) {
            return Err(SessionRefusal::RequiredTagMissing.of(signed(*tag)));
        }
        self.check(instance, layout)
    }
}

fn is_permitted(kind: Kind, values: &[&str], value: &[u8]) -> bool {
    let known = |value: &[u8]| values.binary_search_by(|known| known.as_bytes().cmp(value)).is_ok();
    match kind {
        Kind::Several => value.split(|byte| *byte == b' ').all(known),
        _ => known(value),
    }
}
