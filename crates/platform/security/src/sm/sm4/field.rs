//! The S-box of SM4 as algebra: an affine map, the inverse in GF(2^8), the same affine map again.
//!
//! The inverse may be taken in any field with 256 elements if one maps there and back. The tower field serves code that
//! works on single bits, the field of AES serves processors that invert in it. All maps are found by the compiler from
//! the three facts of the first section, so there is no table to mistype.

/// The polynomial x⁸ + x⁷ + x⁶ + x⁵ + x⁴ + x² + 1 of the field of SM4.
const SM4_POLYNOMIAL: u16 = 0x1f5;
/// Row 0 of the affine map; row i is this one rotated left by i.
const AFFINE_ROW: u8 = 0xa7;
/// The constant of the affine map.
pub(crate) const AFFINE_CONSTANT: u8 = 0xd3;
/// The polynomial of the field of AES.
#[cfg(target_arch = "x86_64")]
const AES_POLYNOMIAL: u16 = 0x11b;

/// A linear map of eight bits: the images of the bits.
pub(crate) type Map = [u8; 8];

/// How two elements of some field with 256 elements are multiplied.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(any(target_arch = "x86_64", test)),
    allow(dead_code, reason = "the portable path needs the tower alone")
)]
enum Field {
    Polynomial(u16),
    Tower,
}

const fn multiply_polynomial(mut left: u8, mut right: u8, polynomial: u16) -> u8 {
    let mut product = 0;
    while right != 0 {
        if right & 1 == 1 {
            product ^= left;
        }
        let carry = left >> 7 == 1;
        left <<= 1;
        if carry {
            left ^= (polynomial & 0xff) as u8;
        }
        right >>= 1;
    }
    product
}

/// GF(4) = GF(2)[w] / (w² + w + 1).
const fn multiply_4(left: u8, right: u8) -> u8 {
    let high = (left >> 1) & (right >> 1);
    let low = left & right & 1;
    let both = ((left >> 1) ^ (left & 1)) & ((right >> 1) ^ (right & 1));
    (both ^ low) << 1 | (low ^ high)
}

/// GF(16) = GF(4)[v] / (v² + v + w).
pub(crate) const fn multiply_16(left: u8, right: u8) -> u8 {
    let high = multiply_4(left >> 2, right >> 2);
    let low = multiply_4(left & 3, right & 3);
    let both = multiply_4(left >> 2 ^ left & 3, right >> 2 ^ right & 3);
    (both ^ low) << 2 | (low ^ multiply_4(high, 2))
}

/// The λ of GF(256) = GF(16)[u] / (u² + u + λ): the first one for which the polynomial has no root.
pub(crate) const LAMBDA: u8 = {
    let mut lambda = 1;
    while has_root(lambda) {
        lambda += 1;
    }
    lambda
};

const fn has_root(lambda: u8) -> bool {
    let mut root = 0;
    while root < 16 {
        if multiply_16(root, root) ^ root == lambda {
            return true;
        }
        root += 1;
    }
    false
}

const fn multiply_tower(left: u8, right: u8) -> u8 {
    let high = multiply_16(left >> 4, right >> 4);
    let low = multiply_16(left & 15, right & 15);
    let both = multiply_16(left >> 4 ^ left & 15, right >> 4 ^ right & 15);
    (both ^ low) << 4 | (low ^ multiply_16(high, LAMBDA))
}

const fn multiply(left: u8, right: u8, field: Field) -> u8 {
    match field {
        Field::Polynomial(polynomial) => multiply_polynomial(left, right, polynomial),
        Field::Tower => multiply_tower(left, right),
    }
}

/// The image of a byte.
const fn apply(map: Map, byte: u8) -> u8 {
    let (mut image, mut bit) = (0, 0);
    while bit < 8 {
        if byte >> bit & 1 == 1 {
            image ^= map[bit];
        }
        bit += 1;
    }
    image
}

/// First `inner`, then `outer`.
const fn compose(outer: Map, inner: Map) -> Map {
    let (mut map, mut bit) = ([0; 8], 0);
    while bit < 8 {
        map[bit] = apply(outer, inner[bit]);
        bit += 1;
    }
    map
}

/// The inverse of a map that has one.
const fn inverse(map: Map) -> Map {
    let (mut inverse, mut byte) = ([0; 8], 0_u16);
    while byte < 256 {
        let image = apply(map, byte as u8);
        if image.is_power_of_two() {
            inverse[image.trailing_zeros() as usize] = byte as u8;
        }
        byte += 1;
    }
    inverse
}

/// The powers 1, r, r², … r⁷ of an element.
const fn powers(element: u8, field: Field) -> Map {
    let (mut map, mut bit) = ([1; 8], 1);
    while bit < 8 {
        map[bit] = multiply(map[bit - 1], element, field);
        bit += 1;
    }
    map
}

/// The map that carries the field of SM4 into another one: x goes to a root of the polynomial there.
const fn isomorphism(field: Field) -> Map {
    let mut root = 2;
    loop {
        let map = powers(root, field);
        let eighth = multiply(map[7], root, field);
        if eighth ^ apply(map, (SM4_POLYNOMIAL & 0xff) as u8) == 0 {
            return map;
        }
        root += 1;
    }
}

const AFFINE: Map = {
    let (mut map, mut row) = ([0; 8], 0);
    while row < 8 {
        let bits = AFFINE_ROW.rotate_left(row);
        let mut bit = 0;
        while bit < 8 {
            map[bit] |= (bits >> bit & 1) << row;
            bit += 1;
        }
        row += 1;
    }
    map
};

/// Into another field, after the affine map: a linear map and a constant to add.
const fn way_in(field: Field) -> (Map, u8) {
    let there = isomorphism(field);
    (compose(there, AFFINE), apply(there, AFFINE_CONSTANT))
}

/// Back, and through the affine map; [`AFFINE_CONSTANT`] is added afterwards.
const fn way_out(field: Field) -> Map {
    compose(AFFINE, inverse(isomorphism(field)))
}

/// Into the tower field.
pub(crate) const TOWER_IN: (Map, u8) = way_in(Field::Tower);
/// Back from the tower field.
pub(crate) const TOWER_OUT: Map = way_out(Field::Tower);

/// A map as the instruction GF2P8AFFINEQB wants it: byte 7 − i holds row i.
#[cfg(target_arch = "x86_64")]
const fn rows(map: Map) -> i64 {
    let (mut rows, mut row) = (0_u64, 0);
    while row < 8 {
        let mut bit = 0;
        while bit < 8 {
            rows |= ((map[bit] >> row & 1) as u64) << (8 * (7 - row) + bit);
            bit += 1;
        }
        row += 1;
    }
    rows.cast_signed()
}

/// Into the field of AES: the matrix and the constant.
#[cfg(target_arch = "x86_64")]
pub(crate) const AES_IN: (i64, i32) = {
    let (map, constant) = way_in(Field::Polynomial(AES_POLYNOMIAL));
    (rows(map), constant as i32)
};
/// Back from the field of AES; [`AFFINE_CONSTANT`] is added afterwards.
#[cfg(target_arch = "x86_64")]
pub(crate) const AES_OUT: i64 = rows(way_out(Field::Polynomial(AES_POLYNOMIAL)));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maps_are_isomorphisms_of_fields() {
        for field in [Field::Tower, Field::Polynomial(0x11b)] {
            let there = isomorphism(field);
            assert_eq!(compose(inverse(there), there), [1, 2, 4, 8, 16, 32, 64, 128]);
            for (left, right) in (0..=255).flat_map(|left| [(left, 0x53), (left, 0xca), (left, left)]) {
                let product = multiply(left, right, Field::Polynomial(SM4_POLYNOMIAL));
                assert_eq!(apply(there, product), multiply(apply(there, left), apply(there, right), field));
            }
        }
    }
}
