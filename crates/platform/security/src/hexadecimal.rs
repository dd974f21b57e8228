//! Hexadecimal digits of the standards' examples.

/// The bytes; white space is passed over.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("a hexadecimal digit")).collect();
    assert_eq!(digits.len() % 2, 0, "{text}");
    digits.chunks(2).map(|two| (two[0] << 4 | two[1]) as u8).collect()
}

/// The same for a known number of bytes.
pub(crate) fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().expect("as many bytes as the test asks for")
}
