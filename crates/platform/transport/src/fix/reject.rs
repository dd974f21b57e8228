//! Why messages are refused, in the words and numbers of the protocol.

/// Why the session refuses a message (SessionRejectReason, tag 373).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum SessionRefusal {
    InvalidTagNumber = 0,
    RequiredTagMissing = 1,
    TagNotDefinedForMessage = 2,
    TagWithoutValue = 4,
    ValueIncorrect = 5,
    IncorrectDataFormat = 6,
    CompIdProblem = 9,
    SendingTimeAccuracy = 10,
    InvalidMsgType = 11,
    TagMoreThanOnce = 13,
    TagOutOfOrder = 14,
    GroupFieldsOutOfOrder = 15,
    IncorrectNumInGroup = 16,
    DelimiterInValue = 17,
}

impl SessionRefusal {
    pub(crate) const fn code(self) -> u64 {
        self as u64
    }

    /// The protocol's own description of the reason.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::InvalidTagNumber => "Invalid tag number",
            Self::RequiredTagMissing => "Required tag missing",
            Self::TagNotDefinedForMessage => "Tag not defined for this message type",
            Self::TagWithoutValue => "Tag specified without a value",
            Self::ValueIncorrect => "Value is incorrect (out of range) for this tag",
            Self::IncorrectDataFormat => "Incorrect data format for value",
            Self::CompIdProblem => "CompID problem",
            Self::SendingTimeAccuracy => "SendingTime accuracy problem",
            Self::InvalidMsgType => "Invalid MsgType",
            Self::TagMoreThanOnce => "Tag appears more than once",
            Self::TagOutOfOrder => "Tag specified out of required order",
            Self::GroupFieldsOutOfOrder => "Repeating group fields out of order",
            Self::IncorrectNumInGroup => "Incorrect NumInGroup count for repeating group",
            Self::DelimiterInValue => "Non \"data\" value includes field delimiter (SOH character)",
        }
    }
}

/// What is wrong, and with which tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: SessionRefusal,
    pub(crate) tag: Option<i32>,
}

impl SessionRefusal {
    pub(crate) const fn of(self, tag: i32) -> Refused {
        Refused { reason: self, tag: Some(tag) }
    }

    pub(crate) const fn whole(self) -> Refused {
        Refused { reason: self, tag: None }
    }
}

/// Why an application refuses a message that is valid (BusinessRejectReason, tag 380).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FixRefusal {
    /// Something else; say it in the text.
    Other = 0,
    /// The message names something that is not known.
    UnknownId = 1,
    /// The security is not known.
    UnknownSecurity = 2,
    /// The application has no use for messages of this type.
    UnsupportedMessageType = 3,
    /// The application cannot take messages now.
    NotAvailable = 4,
    /// A field is missing that this message needs.
    FieldMissing = 5,
    /// The counterparty may not send this.
    NotAuthorized = 6,
}

impl FixRefusal {
    pub(crate) const fn code(self) -> u64 {
        self as u64
    }

    /// A description for Text (58), where the application gives none.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Other => "Other",
            Self::UnknownId => "Unknown ID",
            Self::UnknownSecurity => "Unknown Security",
            Self::UnsupportedMessageType => "Unsupported Message Type",
            Self::NotAvailable => "Application not available",
            Self::FieldMissing => "Conditionally Required Field Missing",
            Self::NotAuthorized => "Not authorized",
        }
    }
}
