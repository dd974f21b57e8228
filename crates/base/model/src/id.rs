//! Identifiers. Ids that one partition hands out carry its number in their high 16 bits.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// Position of a command in a partition's log: 1, 2, 3 … without gaps. 0 = before the first.
    Seq(u64)
}
id! {
    /// Index of an account or venue partition.
    PartitionId(u16)
}
id! {
    /// An account: partition in the high 16 bits, number below. Opaque: it says nothing about a person.
    AccountId(u64)
}
id! {
    /// The owner whose orders must not meet each other; several accounts may share one. Opaque.
    OwnerId(u32)
}
id! {
    /// An instrument: its number is dense, from 0, and at most `limits::INSTRUMENTS_MAX`.
    InstrumentId(u32)
}
id! {
    /// An order: account partition in the high 16 bits, then a number that grows by one an order.
    OrderId(u64)
}
id! {
    /// A trade: venue partition in the high 16 bits, then a number that grows by one a trade.
    TradeId(u64)
}
id! {
    /// A parent (algorithmic or condition) order.
    ParentId(u64)
}
id! {
    /// A client's own order id. Text of up to 15 bytes is held as it is, longer text as 128 bits of its hash.
    ClientOrderId(u128)
}

/// Bits below the partition in an id.
pub const PARTITION_SHIFT: u32 = 48;

macro_rules! partitioned {
    ($name:ident) => {
        impl $name {
            /// The id with this partition and number; numbers use 48 bits.
            #[must_use]
            #[inline]
            pub const fn of(partition: PartitionId, number: u64) -> Self {
                debug_assert!(number >> PARTITION_SHIFT == 0);
                Self(((partition.0 as u64) << PARTITION_SHIFT) | number)
            }
            /// The partition that owns it.
            #[must_use]
            #[inline]
            pub const fn partition(self) -> PartitionId {
                PartitionId((self.0 >> PARTITION_SHIFT) as u16)
            }
            /// The number inside its partition.
            #[must_use]
            #[inline]
            pub const fn number(self) -> u64 {
                self.0 & ((1 << PARTITION_SHIFT) - 1)
            }
        }
    };
}
partitioned!(AccountId);
partitioned!(OrderId);
partitioned!(TradeId);
partitioned!(ParentId);

impl Seq {
    /// The next one.
    #[must_use]
    #[inline]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl AccountId {
    /// Clients live in 1,024 slots; a slot is what a move between partitions carries.
    #[must_use]
    pub const fn slot(self) -> u16 {
        (self.number() % 1024) as u16
    }
}

impl ClientOrderId {
    /// From text. Up to 15 bytes of printable ASCII stay readable; longer text is hashed (SHA-256, first 15 bytes,
    /// marked in the top byte so that it never equals readable text).
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut bytes = [0u8; 16];
        if text.len() <= 15 && text.bytes().all(|b| b.is_ascii_graphic()) {
            bytes[16 - text.len()..].copy_from_slice(text.as_bytes());
        } else {
            use sha2::Digest as _;
            bytes[1..].copy_from_slice(&sha2::Sha256::digest(text.as_bytes())[..15]);
            bytes[0] = 0xff;
        }
        Self(u128::from_be_bytes(bytes))
    }

    /// The text, if it is held as it was; else `#` and the hash in hexadecimal.
    #[must_use]
    pub fn to_text(self) -> String {
        let bytes = self.0.to_be_bytes();
        let start = bytes.iter().position(|b| *b != 0).unwrap_or(16);
        match core::str::from_utf8(&bytes[start..]) {
            Ok(text) if text.bytes().all(|b| b.is_ascii_graphic()) => text.to_owned(),
            _ => format!("#{:032x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_order_ids_keep_short_text_and_hash_long() {
        for text in ["", "a", "order-000000001"] {
            assert_eq!(ClientOrderId::from_text(text).to_text(), text);
        }
        let long = ClientOrderId::from_text("a-client-order-id-of-many-bytes");
        assert!(long.to_text().starts_with("#ff"));
        assert_ne!(long, ClientOrderId::from_text("a-client-order-id-of-many-byteS"));
        assert!(ClientOrderId::from_text("空").to_text().starts_with("#ff"));
    }

    #[test]
    fn ids_carry_their_partition() {
        let id = OrderId::of(PartitionId(7), 123);
        assert_eq!((id.partition(), id.number()), (PartitionId(7), 123));
    }
}
