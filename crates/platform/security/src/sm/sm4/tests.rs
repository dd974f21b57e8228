#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use sm4::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};

use super::*;
use crate::hexadecimal::{bytes, hex};
use crate::provider::{Nonce, Tag};

fn both(key: &[u8; KEY]) -> Vec<Sm4> {
    let (fast, portable) = (Sm4::new(key), Sm4::portable(key));
    if fast.path() == Path::Portable { vec![portable] } else { vec![fast, portable] }
}

#[test]
fn the_example_of_the_standard() {
    let key = bytes("01234567 89abcdef fedcba98 76543210");
    for cipher in both(&key) {
        let mut block = [key];
        cipher.encrypt_blocks(&mut block);
        assert_eq!(block[0], bytes("681edf34 d206965e 86b3e94f 536e4246"), "{:?}", cipher.path());
        cipher.decrypt_blocks(&mut block);
        assert_eq!(block[0], key);
    }
}

/// GB/T 32907-2016, A.2: a million times.
#[test]
fn the_example_of_a_million_rounds() {
    let key = bytes("01234567 89abcdef fedcba98 76543210");
    for cipher in both(&key) {
        let mut block = key;
        for _ in 0..1_000_000 {
            block = cipher.encrypt(&block);
        }
        assert_eq!(block, bytes("595298c7 c6fd271f 0402f804 c33d3f66"), "{:?}", cipher.path());
    }
}

/// RFC 8998, appendix A.
const KEY_TOLD: &str = "01234567 89ABCDEF FEDCBA98 76543210";
const NONCE: &str = "00001234 56780000 0000ABCD";
const AAD: &str = "FEEDFACE DEADBEEF FEEDFACE DEADBEEF ABADDAD2";
const PLAINTEXT: &str = "AAAAAAAA AAAAAAAA BBBBBBBB BBBBBBBB CCCCCCCC CCCCCCCC DDDDDDDD DDDDDDDD
    EEEEEEEE EEEEEEEE FFFFFFFF FFFFFFFF EEEEEEEE EEEEEEEE AAAAAAAA AAAAAAAA";

#[test]
fn the_examples_of_rfc_8998() {
    let gcm = "17F399F0 8C67D5EE 19D0DC99 69C4BB7D 5FD46FD3 75648906 9157B282 BB200735
        D82710CA 5C22F0CC FA7CBF93 D496AC15 A56834CB CF98C397 B4024A26 91233B8D";
    let ccm = "48AF9350 1FA62ADB CD414CCE 6034D895 DDA1BF8F 132F0420 98661572 E7483094
        FD12E518 CE062C98 ACEE28D9 5DF4416B ED31A2F0 4476C18B B40C84A7 4B97DC5B";
    let (nonce, aad, plaintext): (Nonce, _, _) = (bytes(NONCE), hex(AAD), hex(PLAINTEXT));
    for cipher in both(&bytes(KEY_TOLD)) {
        let mut data = plaintext.clone();
        let tag = Sm4Gcm::with(cipher.clone()).seal_in_place(&nonce, &aad, &mut data).unwrap();
        assert_eq!(data, hex(gcm));
        assert_eq!(tag, bytes("83DE3541 E4C2B581 77E065A9 BF7B62EC"));
        let mut data = plaintext.clone();
        let tag = Sm4Ccm::with(cipher).seal_in_place(&nonce, &aad, &mut data).unwrap();
        assert_eq!(data, hex(ccm));
        assert_eq!(tag, bytes("16842D4F A186F56A B33256971FA110F4"));
    }
}

/// Seals, opens, and gives whatever bits are asked to be changed.
trait Mode {
    fn seal(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Tag;
    fn open(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8], tag: &Tag) -> Result<(), crate::CryptoError>;
}

macro_rules! mode {
    ($name:ty) => {
        impl Mode for $name {
            fn seal(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8]) -> Tag {
                self.seal_in_place(nonce, aad, data).unwrap()
            }
            fn open(&self, nonce: &Nonce, aad: &[u8], data: &mut [u8], tag: &Tag) -> Result<(), crate::CryptoError> {
                self.open_in_place(nonce, aad, data, tag)
            }
        }
    };
}
mode!(Sm4Gcm);
mode!(Sm4Ccm);

fn modes(cipher: &Sm4) -> [Box<dyn Mode>; 2] {
    [Box::new(Sm4Gcm::with(cipher.clone())), Box::new(Sm4Ccm::with(cipher.clone()))]
}

fn changed<const N: usize>(bytes: &[u8; N], bit: usize) -> [u8; N] {
    let mut changed = *bytes;
    changed[bit / 8] ^= 1 << (bit % 8);
    changed
}

#[test]
fn every_changed_bit_is_refused_and_leaves_the_data_alone() {
    let (nonce, aad, plaintext): (Nonce, [u8; 20], [u8; 64]) = (bytes(NONCE), bytes(AAD), bytes(PLAINTEXT));
    for mode in both(&bytes(KEY_TOLD)).iter().flat_map(modes) {
        let mut sealed = plaintext;
        let tag = mode.seal(&nonce, &aad, &mut sealed);
        let refused = |nonce: &Nonce, aad: &[u8], sealed: &[u8; 64], tag: &Tag| {
            let mut data = *sealed;
            assert_eq!(mode.open(nonce, aad, &mut data, tag), Err(crate::CryptoError::Refused));
            assert_eq!(data, *sealed);
        };
        (0..128).for_each(|bit| refused(&nonce, &aad, &sealed, &changed(&tag, bit)));
        (0..512).for_each(|bit| refused(&nonce, &aad, &changed(&sealed, bit), &tag));
        (0..160).for_each(|bit| refused(&nonce, &changed(&aad, bit), &sealed, &tag));
        (0..96).for_each(|bit| refused(&changed(&nonce, bit), &aad, &sealed, &tag));
        refused(&nonce, &aad[..19], &sealed, &tag);
        refused(&nonce, &[&aad[..], &[0]].concat(), &sealed, &tag);
        assert_eq!(mode.open(&nonce, &aad, &mut sealed[..63], &tag), Err(crate::CryptoError::Refused));
        assert_eq!(mode.open(&nonce, &aad, &mut sealed, &tag), Ok(()));
        assert_eq!(sealed, plaintext);
    }
}

#[test]
fn counters_carry_beyond_32_bits_and_wrap() {
    let key = bytes(KEY_TOLD);
    for cipher in both(&key) {
        for start in ["00000000 00000000 FFFFFFFF FFFFFFFE", &"FF".repeat(16), "00000000 00000000 00000000 FFFFFFF0"] {
            let first = bytes(start);
            let mut stream = [0; 40 * BLOCK];
            Sm4Ctr::with(cipher.clone()).apply(&first, &mut stream);
            let counters = (0..40).map(|at| u128::from_be_bytes(first).wrapping_add(at).to_be_bytes());
            let expected: Vec<u8> = counters.flat_map(|counter| cipher.encrypt(&counter)).collect();
            assert_eq!(stream.to_vec(), expected, "{start}");
        }
    }
}

#[test]
fn a_message_too_long_for_ccm_is_refused() {
    let ccm = Sm4Ccm::new(&[1; KEY]);
    let mut data = vec![0; 1 << 24];
    let too_long = crate::CryptoError::TooLong { what: "message", got: 1 << 24, most: (1 << 24) - 1 };
    assert_eq!(ccm.seal_in_place(&[0; 12], &[], &mut data), Err(too_long));
    assert_eq!(ccm.open_in_place(&[0; 12], &[], &mut data, &[0; 16]), Err(too_long));
}

#[test]
fn wrong_paddings_and_lengths_are_one_and_the_same_error() {
    let cbc = Sm4Cbc::new(&[1; KEY]);
    let start = [9; BLOCK];
    let encrypt_raw = |plain: [u8; BLOCK]| {
        let chained = std::array::from_fn(|at| plain[at] ^ start[at]);
        Sm4::new(&[1; KEY]).encrypt(&chained)
    };
    for length in 0..50 {
        let plain: Vec<u8> = (0..length).collect();
        let sealed = cbc.encrypt(&start, &plain);
        assert_eq!(sealed.len(), (plain.len() / BLOCK + 1) * BLOCK);
        assert_eq!(cbc.decrypt(&start, &sealed), Ok(plain));
        assert_eq!(cbc.decrypt(&start, &sealed[..sealed.len() - 1]), Err(crate::CryptoError::Refused));
    }
    let mut long = [16; BLOCK];
    long[0] = 15;
    for plain in [[0; BLOCK], [17; BLOCK], [255; BLOCK], long, [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3, 3]] {
        assert_eq!(cbc.decrypt(&start, &encrypt_raw(plain)), Err(crate::CryptoError::Refused), "{plain:?}");
    }
    assert_eq!(cbc.decrypt(&start, &encrypt_raw([16; BLOCK])), Ok(vec![]));
    assert_eq!(cbc.decrypt(&start, &[]), Err(crate::CryptoError::Refused));
}

proptest! {
    #[test]
    fn blocks_equal_those_of_another_crate(key: [u8; 16], data in proptest::collection::vec(any::<[u8; 16]>(), 0..200)) {
        let peer = sm4::Sm4::new(&key.into());
        let expected: Vec<[u8; 16]> = data.iter().map(|block| {
            let mut block = (*block).into();
            peer.encrypt_block(&mut block);
            block.into()
        }).collect();
        for cipher in both(&key) {
            let mut blocks = data.clone();
            cipher.encrypt_blocks(&mut blocks);
            prop_assert_eq!(&blocks, &expected);
            cipher.decrypt_blocks(&mut blocks);
            prop_assert_eq!(&blocks, &data);
        }
        let mut block = key.into();
        peer.decrypt_block(&mut block);
    }

    /// The fast path, where there is one, equals the portable one for every length and alignment.
    #[test]
    fn both_paths_are_equal(
        key: [u8; 16], nonce: Nonce, counter: [u8; 16], shift in 0_usize..64,
        data in proptest::collection::vec(any::<u8>(), 0..6000), aad in proptest::collection::vec(any::<u8>(), 0..1500),
    ) {
        let (fast, portable) = (Sm4::new(&key), Sm4::portable(&key));
        let shifted = |data: &[u8]| [&vec![0; shift], data].concat();
        let (mut one, mut other) = (shifted(&data), shifted(&data));
        Sm4Ctr::with(fast.clone()).apply(&counter, &mut one[shift..]);
        Sm4Ctr::with(portable.clone()).apply(&counter, &mut other[shift..]);
        prop_assert_eq!(&one, &other);
        for (fast, portable) in modes(&fast).into_iter().zip(modes(&portable)) {
            let (mut one, mut other) = (shifted(&data), data.clone());
            let (tag, other_tag) = (fast.seal(&nonce, &aad, &mut one[shift..]), portable.seal(&nonce, &aad, &mut other));
            prop_assert_eq!(&one[shift..], &other[..]);
            prop_assert_eq!(tag, other_tag);
            prop_assert_eq!(portable.open(&nonce, &aad, &mut one[shift..], &tag), Ok(()));
            prop_assert_eq!(fast.open(&nonce, &aad, &mut other, &tag), Ok(()));
            prop_assert_eq!(&one[shift..], &data[..]);
            prop_assert_eq!(&other, &data);
        }
    }
}

/// A length around every border of the pieces and groups, with a counter that wraps inside.
#[test]
fn both_paths_are_equal_at_the_borders() {
    let key = bytes(KEY_TOLD);
    let (fast, portable) = (Sm4::new(&key), Sm4::portable(&key));
    let counter = bytes("00000000 00000000 00000000 FFFFFFF9");
    let data: Vec<u8> = (0..9000_u32).map(|at| ((at * 7) >> 3) as u8).collect();
    let borders = [0, 16, 256, 512, 768, 1024, 2048, 4096, 5120, 8192];
    for length in borders.into_iter().flat_map(|border: usize| border.saturating_sub(17)..border + 18) {
        let (mut one, mut other) = (data[..length].to_vec(), data[..length].to_vec());
        fast.add_stream_32(&counter, &mut one);
        portable.add_stream_32(&counter, &mut other);
        assert_eq!(one, other, "{length}");
        let (fast, portable) = (Sm4Gcm::with(fast.clone()), Sm4Gcm::with(portable.clone()));
        let aad = &data[..length % 40];
        let tags = (fast.seal(&[3; 12], aad, &mut one), portable.seal(&[3; 12], aad, &mut other));
        assert_eq!((&one, tags.0), (&other, tags.1), "{length}");
    }
}
