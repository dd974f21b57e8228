//! A limit on everything (design rule 10), with the relations among limits asserted at compile time.

/// Most instruments of a venue partition.
pub const INSTRUMENTS_MAX: u32 = 65_536;
/// Most accounts of a partition.
pub const ACCOUNTS_MAX: u32 = 16_000_000;
/// Most orders of a partition on one trade date.
pub const ORDERS_PER_DAY_MAX: u32 = 200_000_000;
/// Most orders of a bulk or basket command.
pub const BATCH_ORDERS_MAX: usize = 500;
/// Most marks of one `MarkPrices` command.
pub const MARKS_MAX: usize = 5_000;
/// Most parents alive in a partition.
pub const PARENTS_MAX: usize = 1_000_000;
/// Most configurable risk rules.
pub const RISK_RULES_MAX: usize = 10_000;
/// Longest symbol.
pub const SYMBOL_MAX: usize = 16;
/// Longest memo of an operator.
pub const MEMO_MAX: usize = 4_096;
/// Largest quantity of one order, before the board's own limit: keeps every product inside `i64`.
pub const QUANTITY_MAX: i64 = 1_000_000_000;
/// Highest price, in 1/10,000: 900,000 yuan.
pub const PRICE_MAX: i64 = 900_000 * 10_000;
/// Largest single deposit, withdrawal or balance, in 1/10,000 yuan: 90 trillion yuan.
pub const MONEY_MAX: i64 = 900_000_000_000_000_000;
/// Most partitions of each kind.
pub const PARTITIONS_MAX: u16 = 1_024;
/// Orders per second of one account unless it is told otherwise (programme-trading line: 300).
pub const ORDERS_PER_SECOND_DEFAULT: u32 = 300;

/// Trade dates for which a reference that posted is known, that of the posting included: longer than the 7 days for
/// which the doors answer a repeated write, in every month of the calendar.
pub const REFERENCE_DAYS: u8 = 10;
/// Trade dates for which the state of a settled date is known.
pub const SETTLEMENT_DAYS: usize = 10;

// An order's value at the largest quantity and price must leave room for fees and for the book's sums.
const _: () = assert!((PRICE_MAX as i128) * (QUANTITY_MAX as i128) < i64::MAX as i128);
const _: () = assert!(BATCH_ORDERS_MAX <= crate::wire::LIST_MAX && MARKS_MAX <= crate::wire::LIST_MAX);
const _: () = assert!(RISK_RULES_MAX <= crate::wire::LIST_MAX);
const _: () = assert!(MEMO_MAX <= crate::wire::BYTES_MAX);
