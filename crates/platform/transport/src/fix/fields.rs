//! A message as a list of fields, without copying a byte.

use super::dictionary::ApplVersion;
use super::value::parse_u64;

const SOH: u8 = 1;

/// One `tag=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Negative tags exist only in bad messages, which name them in the refusal.
    pub(crate) tag: i32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// In how many groups it stands.
    pub(crate) depth: u8,
}

impl Field {
    pub(crate) fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// Why bytes with a right checksum are no list of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A tag is not a number.
    Tag,
    /// There is a delimiter inside the value of this tag.
    Delimiter(i32),
    /// The data field of this tag is not as long as its length says.
    DataLength(i32),
}

/// Lists the fields of a message. Bad ones are left out, so that the header can be read in any case.
///
/// # Errors
/// The first fault.
pub(crate) fn list(bytes: &[u8], is_data: impl Fn(u32) -> bool, out: &mut Vec<Field>) -> Result<(), Fault> {
    out.clear();
    let mut fault = Ok(());
    let mut at = 0;
    while at < bytes.len() {
        let last = out.last().map_or(0, |field| field.tag);
        let rest = &bytes[at..];
        let (tag, value) = match tag(rest) {
            Ok(found) => found,
            Err(skip) => {
                let reason = if skip.has_sign { Fault::Tag } else { Fault::Delimiter(last) };
                fault = fault.and(Err(reason));
                at += skip.length;
                continue;
            }
        };
        let mut length = rest[value..].iter().position(|byte| *byte == SOH).unwrap_or(rest.len() - value);
        if let Some(told) = told_length(tag, &is_data, out.last(), bytes) {
            if rest.get(value + told) == Some(&SOH) {
                length = told;
            } else {
                fault = fault.and(Err(Fault::DataLength(tag)));
            }
        }
        let place = |offset: usize| u32::try_from(at + offset).expect("a message is shorter than 4 GiB");
        out.push(Field { tag, start: place(value), end: place(value + length), depth: 0 });
        at += value + length + 1;
    }
    fault
}

/// A stretch to its delimiter that is no field.
struct NoField {
    length: usize,
    has_sign: bool,
}

/// The tag and where its value begins.
fn tag(rest: &[u8]) -> Result<(i32, usize), NoField> {
    let (negative, digits) = rest.strip_prefix(b"-").map_or((false, rest), |digits| (true, digits));
    let count = digits.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    let tag = parse_u64(&digits[..count]).and_then(|tag| i32::try_from(tag).ok());
    match tag {
        Some(tag) if digits.get(count) == Some(&b'=') => {
            Ok((if negative { -tag } else { tag }, usize::from(negative) + count + 1))
        }
        _ => {
            let stretch = rest.split(|byte| *byte == SOH).next().unwrap_or(rest);
            Err(NoField { length: stretch.len() + 1, has_sign: stretch.contains(&b'=') })
        }
    }
}

/// The length of a data field, which the field before tells (Volume 1, "Data types", data).
fn told_length(tag: i32, is_data: &impl Fn(u32) -> bool, before: Option<&Field>, bytes: &[u8]) -> Option<usize> {
    let length_tag = if tag == 89 { 93 } else { tag - 1 };
    let before = before.filter(|before| before.tag == length_tag)?;
    if !is_data(u32::try_from(tag).ok()?) {
        return None;
    }
    parse_u64(before.value(bytes)).and_then(|length| usize::try_from(length).ok())
}

/// A message that was received and found valid.
#[derive(Clone, Copy, Debug)]
pub struct FixMessage<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) fields: &'a [Field],
    /// How many fields before the body, and how many to its end.
    pub(crate) body: (usize, usize),
    pub(crate) kind: &'a [u8],
    pub(crate) version: ApplVersion,
    pub(crate) sequence: u64,
    pub(crate) sending_time_ns: u64,
}

impl<'a> FixMessage<'a> {
    /// MsgType (35).
    #[must_use]
    pub const fn kind(&self) -> &'a [u8] {
        self.kind
    }

    /// The version whose dictionary the message was checked with.
    #[must_use]
    pub const fn version(&self) -> ApplVersion {
        self.version
    }

    /// MsgSeqNum (34).
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// SendingTime (52), UTC nanoseconds since 1970.
    #[must_use]
    pub const fn sending_time_ns(&self) -> u64 {
        self.sending_time_ns
    }

    /// PossDupFlag (43): these bytes may have been received before under this number.
    #[must_use]
    pub fn possible_duplicate(&self) -> bool {
        self.get(43) == Some(b"Y")
    }

    /// PossResend (97): the content may have been received before under another number.
    #[must_use]
    pub fn possible_resend(&self) -> bool {
        self.get(97) == Some(b"Y")
    }

    /// All bytes, from BeginString to CheckSum.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The value of a field of the header or the body that stands in no group.
    #[must_use]
    pub fn get(&self, tag: u32) -> Option<&'a [u8]> {
        value_of(self.bytes, self.fields, tag, 0)
    }

    /// The same as text; nothing if it is not UTF-8.
    #[must_use]
    pub fn text(&self, tag: u32) -> Option<&'a str> {
        std::str::from_utf8(self.get(tag)?).ok()
    }

    /// The same as a number without a sign.
    #[must_use]
    pub fn number(&self, tag: u32) -> Option<u64> {
        parse_u64(self.get(tag)?)
    }

    /// The fields of the body with their depth: 0, or in how many groups a field stands.
    pub fn body(&self) -> impl Iterator<Item = (u32, &'a [u8], u8)> + use<'a> {
        let bytes = self.bytes;
        let tag = |tag: i32| u32::try_from(tag).expect("a valid message has no negative tags");
        self.fields[self.body.0..self.body.1].iter().map(move |field| (tag(field.tag), field.value(bytes), field.depth))
    }

    /// The instances of the group that this tag counts.
    pub fn group(&self, count_tag: u32) -> impl Iterator<Item = FixGroup<'a>> + use<'a> {
        instances(self.bytes, self.fields, count_tag, 0)
    }
}

/// One instance of a repeating group.
#[derive(Clone, Copy, Debug)]
pub struct FixGroup<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
    depth: u8,
}

impl<'a> FixGroup<'a> {
    /// The value of a field of this instance.
    #[must_use]
    pub fn get(&self, tag: u32) -> Option<&'a [u8]> {
        value_of(self.bytes, self.fields, tag, self.depth)
    }

    /// The same as text; nothing if it is not UTF-8.
    #[must_use]
    pub fn text(&self, tag: u32) -> Option<&'a str> {
        std::str::from_utf8(self.get(tag)?).ok()
    }

    /// The instances of the group inside this one that this tag counts.
    pub fn group(&self, count_tag: u32) -> impl Iterator<Item = FixGroup<'a>> + use<'a> {
        instances(self.bytes, self.fields, count_tag, self.depth)
    }
}

fn value_of<'a>(bytes: &'a [u8], fields: &[Field], tag: u32, depth: u8) -> Option<&'a [u8]> {
    let tag = i32::try_from(tag).ok()?;
    let field = fields.iter().find(|field| field.tag == tag && field.depth == depth)?;
    Some(field.value(bytes))
}

fn instances<'a>(
    bytes: &'a [u8],
    fields: &'a [Field],
    count_tag: u32,
    depth: u8,
) -> impl Iterator<Item = FixGroup<'a>> + use<'a> {
    let count_tag = i32::try_from(count_tag).unwrap_or(0);
    let counted = fields.iter().position(|field| field.tag == count_tag && field.depth == depth);
    let mut rest = counted.map_or(&[][..], |at| {
        let members = &fields[at + 1..];
        &members[..members.iter().position(|field| field.depth <= depth).unwrap_or(members.len())]
    });
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let again = |field: &Field| field.tag == first.tag && field.depth == first.depth;
        let length = rest[1..].iter().position(again).map_or(rest.len(), |at| at + 1);
        let (instance, after) = rest.split_at(length);
        rest = after;
        Some(FixGroup { bytes, fields: instance, depth: depth + 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, fault: Result<(), Fault>) {
        let bytes = text.replace('|', "\x01").into_bytes();
        let mut fields = Vec::new();
        let found = list(&bytes, |tag| [89, 96].contains(&tag), &mut fields);
        let shown: Vec<String> = fields
            .iter()
            .map(|field| format!("{}:{}", field.tag, String::from_utf8_lossy(field.value(&bytes)).replace('\x01', "|")))
            .collect();
        assert_eq!(shown.join(" "), expected, "{text}");
        assert_eq!(found, fault, "{text}");
    }

    #[test]
    fn fields_are_listed_in_order() {
        check("8=FIX.4.4|9=5|35=A|58=a=b|", "8:FIX.4.4 9:5 35:A 58:a=b", Ok(()));
        check("35=0|-1=HI|0=HI|55=|", "35:0 -1:HI 0:HI 55:", Ok(()));
    }

    #[test]
    fn data_fields_hold_delimiters() {
        check("95=6|96=a|10=2|58=x|", "95:6 96:a|10=2 58:x", Ok(()));
        check("93=3|89=|||10=1|", "93:3 89: 10:1", Err(Fault::DataLength(89)));
        check("93=2|89=|||10=1|", "93:2 89:|| 10:1", Ok(()));
        check("95=9|96=abc|58=x|", "95:9 96:abc 58:x", Err(Fault::DataLength(96)));
        check("96=abc|95=3|", "96:abc 95:3", Ok(()));
    }

    #[test]
    fn stretches_that_are_no_fields_are_faults() {
        check("35=D|58=a|b|10=1|", "35:D 58:a 10:1", Err(Fault::Delimiter(58)));
        check("35=D|x5=a|10=1|", "35:D 10:1", Err(Fault::Tag));
        check("35=D|99999999999=a|10=1|", "35:D 10:1", Err(Fault::Tag));
        check("35=D||10=1|", "35:D 10:1", Err(Fault::Delimiter(35)));
    }
}
