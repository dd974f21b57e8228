//! What a session looks at before it knows whether a message is valid.

use crate::fix::fields::Field;
use crate::fix::value::parse_u64;

/// Fields of the header and a few others; empty ones count as absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head<'a> {
    pub(crate) begin: &'a [u8],
    pub(crate) kind: &'a [u8],
    pub(crate) number: Option<u64>,
    pub(crate) sender: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) sending_time: &'a [u8],
    pub(crate) original_time: &'a [u8],
    pub(crate) appl_version: &'a [u8],
    pub(crate) possible_duplicate: bool,
    /// DefaultApplVerID of a Logon.
    pub(crate) default_version: &'a [u8],
    /// OnBehalfOf and DeliverTo, each CompID, SubID and LocationID.
    pub(crate) routing: [&'a [u8]; 6],
}

/// No session comes this far; beyond, numbers could not be counted on.
pub(crate) const NUMBER_MAX: u64 = 1 << 53;

/// The tags of [`Head::routing`]; the second half answers the first.
pub(crate) const ROUTING: [i32; 6] = [115, 116, 144, 128, 129, 145];

impl<'a> Head<'a> {
    /// Reads all that is there, wherever it stands; of doubled fields the first counts.
    pub(crate) fn read(bytes: &'a [u8], fields: &[Field]) -> Self {
        let mut head = Self::default();
        for field in fields {
            let value = field.value(bytes);
            let slot = match field.tag {
                8 => &mut head.begin,
                35 => &mut head.kind,
                49 => &mut head.sender,
                52 => &mut head.sending_time,
                56 => &mut head.target,
                122 => &mut head.original_time,
                1128 => &mut head.appl_version,
                1137 => &mut head.default_version,
                34 => {
                    head.number = head.number.or(parse_u64(value).filter(|number| *number <= NUMBER_MAX));
                    continue;
                }
                43 => {
                    head.possible_duplicate |= value == b"Y";
                    continue;
                }
                tag => match ROUTING.iter().position(|known| *known == tag) {
                    Some(at) => &mut head.routing[at],
                    None => continue,
                },
            };
            if slot.is_empty() {
                *slot = value;
            }
        }
        head
    }
}
