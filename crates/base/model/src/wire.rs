//! Bytes of commands, events and state: one codec, written once per type by macro.
//!
//! Integers are stored in a length-prefixed form: values below 248 take one byte, others one byte that tells the
//! count and then that many little-endian bytes. Signed integers are zigzag-coded first. Byte strings are a length
//! and the bytes. A message is its code (one byte) and its fields in order. There is no padding and no pointer, so
//! equal values give equal bytes on every machine.

use core::fmt;

/// What is wrong with bytes that should hold a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The bytes end inside a field.
    Truncated,
    /// A code that no type of this version has.
    UnknownCode {
        /// The type that was expected.
        of: &'static str,
        /// The code found.
        code: u64,
    },
    /// A number beyond its type, or a length beyond its limit.
    OutOfRange {
        /// The type that was expected.
        of: &'static str,
    },
    /// Bytes left over after the last field.
    Trailing,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end inside a field"),
            Self::UnknownCode { of, code } => write!(f, "{of} has no code {code}"),
            Self::OutOfRange { of } => write!(f, "a value of {of} is out of range"),
            Self::Trailing => f.write_str("bytes are left over after the last field"),
        }
    }
}

impl core::error::Error for WireError {}

/// Longest byte string in any message: a whole rule bundle.
pub const BYTES_MAX: usize = 4 << 20;
/// Most items in a list of a message.
pub const LIST_MAX: usize = 100_000;
/// Room that one scalar may need: a prefix and sixteen bytes, written in eight-byte steps.
const SCALAR_ROOM: usize = 32;

/// An append-only buffer that hot code writes without a reallocation check per byte.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    room: Vec<u8>,
    at: usize,
}

impl Writer {
    /// An empty buffer with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { room: vec![0; capacity], at: 0 }
    }

    /// The bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.room[..self.at]
    }

    /// Number of bytes written so far.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.at
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// Forgets what was written and keeps the room.
    pub const fn clear(&mut self) {
        self.at = 0;
    }

    /// Forgets what was written behind the first `length` bytes.
    ///
    /// # Panics
    /// If less was written.
    #[inline]
    pub const fn truncate(&mut self, length: usize) {
        assert!(length <= self.at, "only what was written can be forgotten");
        self.at = length;
    }

    /// Replaces a byte that was written.
    ///
    /// # Panics
    /// If none was written there.
    #[inline]
    pub fn replace_u8(&mut self, at: usize, value: u8) {
        assert!(at < self.at, "only what was written can be replaced");
        self.room[at] = value;
    }

    /// Takes the written bytes out.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.room.truncate(self.at);
        self.room
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let wanted = (self.at + more).max(self.room.len() * 2).max(256);
        self.room.resize(wanted, 0);
    }

    #[inline]
    fn ensure(&mut self, more: usize) {
        if self.at + more > self.room.len() {
            self.grow(more);
        }
    }

    /// One byte.
    #[inline]
    pub fn put_u8(&mut self, value: u8) {
        let Some(place) = self.room.get_mut(self.at) else {
            self.grow(SCALAR_ROOM);
            return self.put_u8(value);
        };
        *place = value;
        self.at += 1;
    }

    /// An unsigned integer, one to nine bytes.
    #[inline]
    pub fn put_u64(&mut self, value: u64) {
        // One check for all: a place of nine bytes, however few are used.
        let Some(place) = self.room.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<9>) else {
            self.grow(SCALAR_ROOM);
            return self.put_u64(value);
        };
        if value < 248 {
            place[0] = value as u8;
            self.at += 1;
            return;
        }
        let count = 8 - (value.leading_zeros() as usize) / 8;
        place[0] = 247 + count as u8;
        place[1..9].copy_from_slice(&value.to_le_bytes());
        self.at += 1 + count;
    }

    /// A byte string, length first.
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= BYTES_MAX, "byte strings are bounded before they are written");
        self.put_u64(bytes.len() as u64);
        self.put_raw(bytes);
    }

    /// Bytes as they are, without a length.
    pub fn put_raw(&mut self, bytes: &[u8]) {
        self.ensure(bytes.len() + SCALAR_ROOM);
        self.room[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

/// Reads fields from bytes, with every bound checked.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Whether all bytes have been read.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// One byte.
    ///
    /// # Errors
    /// At the end of the bytes.
    #[inline]
    pub fn get_u8(&mut self) -> Result<u8, WireError> {
        let byte = *self.bytes.get(self.at).ok_or(WireError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// At the end of the bytes.
    #[inline]
    pub fn get_u64(&mut self) -> Result<u64, WireError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if let Some([first, eight @ ..]) = rest.first_chunk::<9>() {
            if *first < 248 {
                self.at += 1;
                return Ok(u64::from(*first));
            }
            let count = usize::from(first - 247);
            self.at += 1 + count;
            return Ok(u64::from_le_bytes(*eight) & (u64::MAX >> (64 - 8 * count as u32)));
        }
        self.get_u64_near_the_end()
    }

    #[cold]
    fn get_u64_near_the_end(&mut self) -> Result<u64, WireError> {
        let first = self.get_u8()?;
        if first < 248 {
            return Ok(u64::from(first));
        }
        let count = usize::from(first - 247);
        let some = self.bytes.get(self.at..self.at + count).ok_or(WireError::Truncated)?;
        let mut eight = [0u8; 8];
        eight[..count].copy_from_slice(some);
        self.at += count;
        Ok(u64::from_le_bytes(eight))
    }

    /// A byte string.
    ///
    /// # Errors
    /// Beyond [`BYTES_MAX`] or the end of the bytes.
    pub fn get_bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.get_u64()?).unwrap_or(usize::MAX);
        if length > BYTES_MAX {
            return Err(WireError::OutOfRange { of: "byte string" });
        }
        self.get_raw(length)
    }

    /// `length` bytes as they are.
    ///
    /// # Errors
    /// At the end of the bytes.
    pub fn get_raw(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(length).ok_or(WireError::Truncated)?;
        let bytes = self.bytes.get(self.at..end).ok_or(WireError::Truncated)?;
        self.at = end;
        Ok(bytes)
    }
}

/// A value for people and outside programs: what the JSON export is printed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An unsigned number.
    Unsigned(u64),
    /// A signed number.
    Signed(i64),
    /// Text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A list.
    List(Vec<Value>),
    /// Named fields in order.
    Object(Vec<(&'static str, Value)>),
}

/// A type with one byte form.
pub trait Wire: Sized {
    /// What the field holds, for the reference that is printed from code.
    const KIND: &'static str;
    /// Appends the value.
    fn put(&self, out: &mut Writer);
    /// Reads a value.
    ///
    /// # Errors
    /// If the bytes do not hold one.
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError>;
    /// The value for people and outside programs.
    fn show(&self) -> Value;
}

/// One message of an enum of messages `E`, by itself.
pub trait Message<E>: Wire + Into<E> {
    /// Its stable code, which comes before its fields.
    const CODE: u8;
}

/// Decodes exactly one value from all of `bytes`.
///
/// # Errors
/// If the bytes hold something else, less, or more.
pub fn decode_all<T: Wire>(bytes: &[u8]) -> Result<T, WireError> {
    let mut reader = Reader::new(bytes);
    let value = T::get(&mut reader)?;
    if reader.is_done() { Ok(value) } else { Err(WireError::Trailing) }
}

/// The byte form of one value.
#[must_use]
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Writer::default();
    value.put(&mut out);
    out.into_bytes()
}

#[inline]
const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
const fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            const KIND: &'static str = stringify!($type);
            #[inline]
            fn put(&self, out: &mut Writer) {
                out.put_u64(u64::from(*self));
            }
            #[inline]
            fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
                <$type>::try_from(from.get_u64()?).map_err(|_| WireError::OutOfRange { of: stringify!($type) })
            }
            fn show(&self) -> Value {
                Value::Unsigned(u64::from(*self))
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

impl Wire for i64 {
    const KIND: &'static str = "i64";
    #[inline]
    fn put(&self, out: &mut Writer) {
        out.put_u64(zigzag(*self));
    }
    #[inline]
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        from.get_u64().map(unzigzag)
    }
    fn show(&self) -> Value {
        Value::Signed(*self)
    }
}

impl Wire for bool {
    const KIND: &'static str = "bool";
    #[inline]
    fn put(&self, out: &mut Writer) {
        out.put_u8(u8::from(*self));
    }
    #[inline]
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        match from.get_u8()? {
            0 => Ok(false),
            1 => Ok(true),
            code => Err(WireError::UnknownCode { of: "bool", code: u64::from(code) }),
        }
    }
    fn show(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Wire for Vec<u8> {
    const KIND: &'static str = "bytes (hexadecimal)";
    fn put(&self, out: &mut Writer) {
        out.put_bytes(self);
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        from.get_bytes().map(<[u8]>::to_vec)
    }
    fn show(&self) -> Value {
        Value::Text(hex(self))
    }
}

impl Wire for String {
    const KIND: &'static str = "text";
    fn put(&self, out: &mut Writer) {
        out.put_bytes(self.as_bytes());
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        String::from_utf8(from.get_bytes()?.to_vec()).map_err(|_| WireError::OutOfRange { of: "text" })
    }
    fn show(&self) -> Value {
        Value::Text(self.clone())
    }
}

impl Wire for [u8; 32] {
    const KIND: &'static str = "32 bytes (hexadecimal)";
    fn put(&self, out: &mut Writer) {
        out.put_raw(self);
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(from.get_raw(32)?.try_into().expect("32 bytes were asked for"))
    }
    fn show(&self) -> Value {
        Value::Text(hex(self))
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

/// A list, its length first. Lists of bytes have their own form.
impl<T: WireItem> Wire for Vec<T> {
    const KIND: &'static str = T::LIST_KIND;
    fn put(&self, out: &mut Writer) {
        assert!(self.len() <= LIST_MAX, "lists are bounded before they are written");
        out.put_u64(self.len() as u64);
        for item in self {
            item.put(out);
        }
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let length = usize::try_from(from.get_u64()?).unwrap_or(usize::MAX);
        if length > LIST_MAX {
            return Err(WireError::OutOfRange { of: T::LIST_KIND });
        }
        // The length is not trusted with memory: items are pushed as they are read.
        let mut items = Vec::with_capacity(length.min(1024));
        for _ in 0..length {
            items.push(T::get(from)?);
        }
        Ok(items)
    }
    fn show(&self) -> Value {
        Value::List(self.iter().map(Wire::show).collect())
    }
}

/// A struct that may stand in a list.
pub trait WireItem: Wire {
    /// What a list of it holds.
    const LIST_KIND: &'static str;
}

macro_rules! newtype {
    ($($type:path, $inner:ty, $kind:literal;)*) => {$(
        impl Wire for $type {
            const KIND: &'static str = $kind;
            #[inline]
            fn put(&self, out: &mut Writer) {
                self.0.put(out);
            }
            #[inline]
            fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
                <$inner as Wire>::get(from).map($type)
            }
            fn show(&self) -> Value {
                self.0.show()
            }
        }
    )*};
}
newtype! {
    crate::quantity::Price, i64, "price, 1/10,000 of the currency unit";
    crate::quantity::Money, i64, "money, 1/10,000 of the currency unit";
    crate::quantity::Rate, i64, "rate, 1e-8";
    crate::quantity::Qty, i64, "quantity, the instrument's smallest unit";
    crate::date::UnixNanos, i64, "nanoseconds since 1970-01-01T00:00Z";
    crate::id::Seq, u64, "command sequence";
    crate::id::PartitionId, u16, "partition";
    crate::id::AccountId, u64, "account id";
    crate::id::OwnerId, u32, "owner id";
    crate::id::InstrumentId, u32, "instrument id";
    crate::id::OrderId, u64, "order id";
    crate::id::TradeId, u64, "trade id";
    crate::id::ParentId, u64, "parent order id";
}

impl Wire for crate::id::ClientOrderId {
    const KIND: &'static str = "client order id (text)";
    #[inline]
    fn put(&self, out: &mut Writer) {
        out.put_u64(self.0 as u64);
        out.put_u64((self.0 >> 64) as u64);
    }
    #[inline]
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let low = from.get_u64()?;
        Ok(Self(u128::from(from.get_u64()?) << 64 | u128::from(low)))
    }
    fn show(&self) -> Value {
        Value::Text(self.to_text())
    }
}

impl Wire for crate::date::TradeDate {
    const KIND: &'static str = "date (YYYY-MM-DD)";
    #[inline]
    fn put(&self, out: &mut Writer) {
        self.number().put(out);
    }
    #[inline]
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Self::from_number(u32::get(from)?).ok_or(WireError::OutOfRange { of: "date" })
    }
    fn show(&self) -> Value {
        Value::Text(self.to_string())
    }
}

/// Defines a one-byte enum with stable codes, names and byte form.
#[macro_export]
macro_rules! wire_enum {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        $vis enum $name { $($(#[$vdoc])* $variant = $code,)+ }

        impl $name {
            /// Every value, by code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The stable name used in files, on the command line and in exports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
            /// The value with this stable code.
            #[must_use]
            #[inline]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
        impl core::str::FromStr for $name {
            type Err = String;
            /// Accepts the stable name only; the error lists the names.
            fn from_str(text: &str) -> Result<Self, String> {
                $(if text == $text { return Ok(Self::$variant); })+
                Err(format!("\"{text}\" is none of: {}", [$($text),+].join(", ")))
            }
        }
        impl $crate::wire::Wire for $name {
            const KIND: &'static str = concat!("one of" $(, " ", $text)+);
            #[inline]
            fn put(&self, out: &mut $crate::wire::Writer) {
                out.put_u8(*self as u8);
            }
            #[inline]
            fn get(from: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::WireError> {
                let code = from.get_u8()?;
                Self::from_code(code)
                    .ok_or($crate::wire::WireError::UnknownCode { of: stringify!($name), code: u64::from(code) })
            }
            fn show(&self) -> $crate::wire::Value {
                $crate::wire::Value::Text(self.name().to_owned())
            }
        }
    };
}

/// Defines a struct of public fields with a byte form and a printable reference.
#[macro_export]
macro_rules! wire_struct {
    ($($(#[doc = $doc:literal])* $(#[derive($($derive:ident),*)])? pub struct $name:ident { $($(#[doc = $fdoc:literal])* pub $field:ident: $type:ty,)* })+) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq $($(, $derive)*)?)]
        pub struct $name { $($(#[doc = $fdoc])* pub $field: $type,)* }

        impl $name {
            /// Name, kind and meaning of each field, for the printed reference.
            pub const FIELDS: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($field), <$type as $crate::wire::Wire>::KIND, concat!($($fdoc),*)),)*];
            /// What the message means, for the printed reference.
            pub const MEANING: &'static str = concat!($($doc),*);
        }
        impl $crate::wire::Wire for $name {
            const KIND: &'static str = stringify!($name);
            #[inline]
            fn put(&self, _out: &mut $crate::wire::Writer) {
                $($crate::wire::Wire::put(&self.$field, _out);)*
            }
            #[inline]
            fn get(_from: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::WireError> {
                Ok(Self { $($field: $crate::wire::Wire::get(_from)?,)* })
            }
            fn show(&self) -> $crate::wire::Value {
                $crate::wire::Value::Object(vec![$((stringify!($field), $crate::wire::Wire::show(&self.$field)),)*])
            }
        }
        impl $crate::wire::WireItem for $name {
            const LIST_KIND: &'static str = concat!("list of ", stringify!($name));
        }
    )+};
}

/// Defines an enum of messages: one stable code and one struct each.
#[macro_export]
macro_rules! wire_messages {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($code:literal => $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, clippy::large_enum_variant, reason = "each struct has its own text; hot variants are the large ones")]
        $vis enum $name { $($variant($variant),)+ }

        impl $name {
            /// The stable code.
            #[must_use]
            #[inline]
            pub const fn code(&self) -> u8 {
                match self { $(Self::$variant(_) => $code,)+ }
            }
            /// The stable name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant),)+ }
            }
            /// Code, name, meaning and fields of every message, for the printed reference.
            #[allow(clippy::type_complexity, reason = "a table row")]
            pub const REFERENCE: &'static [(u8, &'static str, &'static str, &'static [(&'static str, &'static str, &'static str)])] =
                &[$(($code, stringify!($variant), $variant::MEANING, $variant::FIELDS),)+];
        }
        impl $crate::wire::Wire for $name {
            const KIND: &'static str = stringify!($name);
            #[inline]
            fn put(&self, out: &mut $crate::wire::Writer) {
                match self {
                    $(Self::$variant(message) => { out.put_u8($code); $crate::wire::Wire::put(message, out); })+
                }
            }
            #[inline]
            fn get(from: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::WireError> {
                match from.get_u8()? {
                    $($code => $crate::wire::Wire::get(from).map(Self::$variant),)+
                    code => Err($crate::wire::WireError::UnknownCode { of: stringify!($name), code: u64::from(code) }),
                }
            }
            fn show(&self) -> $crate::wire::Value {
                match self { $(Self::$variant(message) => $crate::wire::Wire::show(message),)+ }
            }
        }
        $(impl $crate::wire::Message<$name> for $variant {
            const CODE: u8 = $code;
        })+
        $(impl From<$variant> for $name {
            #[inline]
            fn from(message: $variant) -> Self {
                Self::$variant(message)
            }
        })+
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: u64, length: usize) {
        let bytes = encode(&value);
        assert_eq!(bytes.len(), length, "{value}");
        assert_eq!(decode_all::<u64>(&bytes), Ok(value));
        let mut padded = bytes.clone();
        padded.extend_from_slice(&[0xee; 9]);
        assert_eq!(Reader::new(&padded).get_u64(), Ok(value), "the same behind the fast path");
        for cut in 0..length {
            assert_eq!(decode_all::<u64>(&bytes[..cut]), Err(WireError::Truncated));
        }
    }

    #[test]
    fn integers_take_the_bytes_they_need() {
        check(0, 1);
        check(247, 1);
        check(248, 2);
        check(65_535, 3);
        check(65_536, 4);
        check(u64::from(u32::MAX), 5);
        check(u64::MAX, 9);
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(decode_all::<i64>(&encode(&value)), Ok(value));
        }
    }

    #[test]
    fn hostile_lengths_do_not_allocate() {
        let mut out = Writer::default();
        out.put_u64(u64::MAX);
        assert!(matches!(decode_all::<Vec<u8>>(out.bytes()), Err(WireError::OutOfRange { .. })));
        assert!(matches!(decode_all::<String>(&[2, 0xff, 0xfe]), Err(WireError::OutOfRange { .. })));
    }
}
