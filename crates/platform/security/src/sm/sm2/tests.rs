#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use ::sm2::elliptic_curve::PrimeField as _;
use ::sm2::elliptic_curve::array::Array;
use proptest::prelude::*;

use super::*;
use crate::hexadecimal::{bytes, hex};

const D: &str = "3945208F 7B2144B1 3F36E38A C6D39F95 88939369 2860B51A 42FB81EF 4DF7C5B8";
const K: &str = "59276E27 D506861A 16680F3A D9C02DCC EF3CC1FA 3CDBE4CE 6D54B80D EAC1BC21";

fn secret(text: &str) -> SecretKey {
    SecretKey::from_bytes(&bytes(text)).unwrap()
}

fn scalar(text: &str) -> NonZeroScalar {
    NonZeroScalar::from_repr(Array(bytes(text))).unwrap()
}

fn signing_key() -> SigningKey {
    SigningKey::new(secret(D), DEFAULT_ID).unwrap()
}

/// Both ways to verify.
fn verifying_keys() -> [VerifyingKey; 2] {
    let public = *secret(D).public_key();
    [VerifyingKey::new(public, DEFAULT_ID).unwrap(), VerifyingKey::prepared(public, DEFAULT_ID).unwrap()]
}

/// GB/T 32918.5-2017, A.2.
#[test]
fn the_example_of_a_signature() {
    let key = signing_key();
    let point = "04 09F9DF31 1E5421A1 50DD7D16 1E4BC5C6 72179FAD 1833FC07 6BB08FF3 56F35020
                 CCEA490C E26775A5 2DC6EA71 8CC1AA60 0AED05FB F35E084A 6632F607 2DA9AD13";
    assert_eq!(key.public_key().to_point().to_vec(), hex(point));
    let z = "B2E14C5C 79C6DF5B 85F4FE7E D8DB7A26 2B9DA7E0 7CCB0EA9 F4747B8C CDA8A4F3";
    assert_eq!(key.public_key().identity_hash(DEFAULT_ID).unwrap().to_vec(), hex(z));
    let e = reduced(&sm3::hash(&[&hex(z), b"message digest"]));
    let e_told = "F0B43E94 BA45ACCA ACE692ED 534382EB 17E6AB5A 19CE7B31 F4486FDF C0D28640";
    assert_eq!(e.to_repr().to_vec(), hex(e_told));
    let signature = key.sign_with(e, &scalar(K)).unwrap();
    let told = "F5A03B06 48D2C463 0EEAC513 E1BB81A1 5944DA38 27D5B741 43AC7EAC EEE720B3
                B1B6AA29 DF212FD8 763182BC 0D421CA1 BB9038FD 1F7F42D4 840B69C4 85BBC1AA";
    assert_eq!(signature.to_raw().to_vec(), hex(told));
    for verifying in verifying_keys() {
        assert_eq!(verifying.verify(b"message digest", &signature), Ok(()));
        assert_eq!(verifying.verify(b"message digesT", &signature), Err(CryptoError::Refused));
    }
}

const CIPHERTEXT: &str = "04 04EBFC71 8E8D1798 62043226 8E77FEB6 415E2EDE 0E073C0F 4F640ECD 2E149A73
    E858F9D8 1E5430A5 7B36DAAB 8F950A3C 64E6EE6A 63094D99 283AFF76 7E124DF0
    59983C18 F809E262 923C53AE C295D303 83B54E39 D609D160 AFCB1908 D0BD8766 21886CA9 89CA9C7D 58087307 CA93092D 651EFA";

/// GB/T 32918.5-2017, C.2.
#[test]
fn the_example_of_encryption() {
    let key = secret(D);
    let ciphertext = encryption::encrypt_with(key.public_key(), b"encryption standard", &scalar(K)).unwrap();
    assert_eq!(ciphertext, hex(CIPHERTEXT));
    assert_eq!(decrypt(&key, &ciphertext).unwrap().as_slice(), b"encryption standard");
}

/// GB/T 32918.5-2017, B.2.
#[test]
fn the_example_of_a_key_exchange() {
    let a = secret("81EB26E9 41BB5AF1 6DF11649 5F906952 72AE2CD6 3D6C4AE1 678418BE 48230029");
    let b = secret("78512991 7D45A9EA 5437A593 56B82338 EAADDA6C EB199088 F14AE10D EFA229B5");
    let a_short =
        Ephemeral::from_scalar(scalar("D4DE1547 4DB74D06 491C440D 305E0124 00990F3E 390C7E87 153C12DB 2EA60BB3"));
    let b_short =
        Ephemeral::from_scalar(scalar("7E071248 14B30948 9125EAED 10111316 4EBF0F34 58C5BD88 335C1F9D 596243D6"));
    let of_b = Party { key: b.public_key(), id: DEFAULT_ID, point: b_short.point() };
    let of_a = Party { key: a.public_key(), id: DEFAULT_ID, point: a_short.point() };
    let at_a = agree(Role::Initiator, &a, DEFAULT_ID, &a_short, of_b, 16).unwrap();
    let at_b = agree(Role::Responder, &b, DEFAULT_ID, &b_short, of_a, 16).unwrap();
    for agreement in [at_a, at_b] {
        assert_eq!(agreement.key.to_vec(), hex("6C893473 54DE2484 C60B4AB1 FDE4C6E5"));
        let responder = "D3A0FE15 DEE185CE AE907A6B 595CC32A 266ED7B3 367E9983 A896DC32 FA20F8EB";
        assert_eq!(agreement.of_responder.to_vec(), hex(responder));
        let initiator = "18C7894B 3816DF16 CF07B05C 5EC0BEF5 D655D58F 779CC1B4 00A4F388 4644DB88";
        assert_eq!(agreement.of_initiator.to_vec(), hex(initiator));
    }
}

const N: &str = "FFFFFFFE FFFFFFFF FFFFFFFF FFFFFFFF 7203DF6B 21C6052B 53BBF409 39D54123";
const N_LESS_1: &str = "FFFFFFFE FFFFFFFF FFFFFFFF FFFFFFFF 7203DF6B 21C6052B 53BBF409 39D54122";
const N_LESS_2: &str = "FFFFFFFE FFFFFFFF FFFFFFFF FFFFFFFF 7203DF6B 21C6052B 53BBF409 39D54121";

#[test]
fn secret_keys_are_from_one_to_n_less_two() {
    for text in [N, N_LESS_1, &"00".repeat(32), &"FF".repeat(32)] {
        assert!(matches!(SecretKey::from_bytes(&bytes(text)), Err(CryptoError::Malformed { .. })), "{text}");
    }
    for text in [N_LESS_2, &format!("{}01", "00".repeat(31))] {
        assert!(SecretKey::from_bytes(&bytes(text)).is_ok(), "{text}");
    }
}

#[test]
fn signature_numbers_are_from_one_to_n_less_one() {
    let one = format!("{}01", "00".repeat(31));
    let zero = "00".repeat(32);
    for (r, s) in [(&zero[..], &one[..]), (&one, &zero), (N, &one), (&one, N), (&"FF".repeat(32), &one)] {
        assert!(Signature::from_raw(&bytes(&format!("{r}{s}"))).is_err(), "{r} {s}");
    }
    let largest = Signature::from_raw(&bytes(&format!("{N_LESS_1}{N_LESS_1}"))).unwrap();
    assert_eq!(Signature::from_der(&largest.to_der()).unwrap(), largest);
    // r + s = n is refused by verification (step B5).
    let opposite = Signature::from_raw(&bytes(&format!("{one}{N_LESS_1}"))).unwrap();
    for key in verifying_keys() {
        assert_eq!(key.verify(b"message digest", &opposite), Err(CryptoError::Refused));
    }
}

#[test]
fn only_the_shortest_der_of_a_signature_is_read() {
    let signature = signing_key().sign(b"order").unwrap();
    let der = signature.to_der();
    assert_eq!(Signature::from_der(&der), Ok(signature));
    for length in 0..der.len() {
        assert!(Signature::from_der(&der[..length]).is_err(), "{length}");
    }
    let longer = [&der[..], &[0]].concat();
    let small = |body: &[u8]| [&[0x30, body.len() as u8], body].concat();
    let one = [2, 1, 1];
    for wrong in [
        longer,
        small(&[&one[..], &[2, 2, 0, 1]].concat()),
        small(&[&one[..], &[2, 1, 0x81]].concat()),
        small(&[&one[..], &[2, 0]].concat()),
        small(&one),
        small(&[one, one, one].concat()),
        [&[0x30, 0x81, 6][..], &one, &one].concat(),
        [&[0x30, 0x80][..], &one, &one, &[0, 0]].concat(),
        [&[0x31, 6][..], &one, &one].concat(),
        [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], &one, &one].concat(),
        small(&[&[2, 33][..], &[1; 33], &one].concat()),
    ] {
        assert!(Signature::from_der(&wrong).is_err(), "{wrong:02x?}");
    }
    assert!(Signature::from_der(&small(&[one, one].concat())).is_ok());
}

#[test]
fn points_off_the_curve_are_refused() {
    let good = secret(D).public_key().to_point();
    let mut off = good;
    off[POINT - 1] ^= 1;
    let hybrid = [&[6][..], &good[1..]].concat();
    let beyond = [&[4][..], &[0xff; 64]].concat();
    for wrong in [&off[..], &good[..64], &[], &[0], &[4; POINT], &hybrid, &beyond, &[good.as_slice(), &[0]].concat()] {
        assert!(PublicKey::from_point(wrong).is_err(), "{wrong:02x?}");
    }
    let compressed = [&[2 | good[64] & 1][..], &good[1..33]].concat();
    assert_eq!(PublicKey::from_point(&compressed).unwrap().to_point(), good);
    let (key, short) = (secret(D), Ephemeral::generate().unwrap());
    let party = Party { key: key.public_key(), id: DEFAULT_ID, point: &off };
    assert!(agree(Role::Initiator, &key, DEFAULT_ID, &short, party, 16).is_err());
    let mut ciphertext = hex(CIPHERTEXT);
    ciphertext[..POINT].copy_from_slice(&off);
    assert!(matches!(decrypt(&key, &ciphertext), Err(CryptoError::Malformed { .. })));
}

#[test]
fn every_changed_bit_of_a_ciphertext_is_refused() {
    let (key, good) = (secret(D), hex(CIPHERTEXT));
    for bit in 0..8 * good.len() {
        let mut changed = good.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(decrypt(&key, &changed).is_err(), "bit {bit}");
    }
    for length in 0..good.len() {
        assert!(decrypt(&key, &good[..length]).is_err(), "{length}");
    }
    let der = encrypt_der(key.public_key(), b"a data key").unwrap();
    assert_eq!(decrypt_der(&key, &der).unwrap().as_slice(), b"a data key");
    for bit in 0..8 * der.len() {
        let mut changed = der.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(decrypt_der(&key, &changed).is_err(), "bit {bit}");
    }
    assert!(encrypt(key.public_key(), b"").is_err());
}

#[test]
fn every_changed_bit_of_a_signature_is_refused() {
    let key = signing_key();
    let good = key.sign(b"sell 100").unwrap();
    let [once, prepared] = verifying_keys();
    for bit in 0..512 {
        let mut changed = good.to_raw();
        changed[bit / 8] ^= 1 << (bit % 8);
        // Some are no numbers of the range any more.
        if let Ok(changed) = Signature::from_raw(&changed) {
            assert!(prepared.verify(b"sell 100", &changed).is_err(), "bit {bit}");
            assert!(bit % 16 != 0 || once.verify(b"sell 100", &changed).is_err(), "bit {bit}");
        }
    }
    let other_id = VerifyingKey::new(*key.public_key(), b"broker@example").unwrap();
    assert!(other_id.verify(b"sell 100", &good).is_err());
    let stranger = SecretKey::generate().unwrap();
    assert!(VerifyingKey::new(*stranger.public_key(), DEFAULT_ID).unwrap().verify(b"sell 100", &good).is_err());
    assert!(VerifyingKey::new(*key.public_key(), &[b'x'; LONGEST_ID + 1]).is_err());
}

#[test]
fn key_files_are_read_back() {
    let key = secret(D);
    let digits: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let point: String = key.public_key().to_point().iter().map(|byte| format!("{byte:02X}")).collect();
    let public = key.public_key().to_pem();
    let with_parameters =
        format!("-----BEGIN EC PARAMETERS-----\nBggqgRzPVQGCLQ==\n-----END EC PARAMETERS-----\n{}", *key.to_pem());
    for file in [key.to_pem().as_bytes(), &key.to_der(), format!("{digits}\n").as_bytes(), with_parameters.as_bytes()] {
        let read = key_from_file(file).unwrap();
        assert!(matches!(&read, AnyKey::Secret(read) if *read.to_bytes() == *key.to_bytes()), "{read:?}");
    }
    for file in [public.as_bytes(), &key.public_key().to_der(), point.as_bytes()] {
        let read = key_from_file(file).unwrap();
        assert!(matches!(&read, AnyKey::Public(read) if read == key.public_key()), "{read:?}");
    }
}

#[test]
fn bad_key_files_are_refused() {
    let key = secret(D);
    let pem = key.to_pem();
    // The curve prime256v1 (1.2.840.10045.3.1.7) in place of SM2's.
    let mut other_curve = key.to_der().to_vec();
    let oid = [0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];
    let at = other_curve.windows(oid.len()).position(|some| some == oid).unwrap();
    other_curve[at..at + oid.len()].copy_from_slice(&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    let mut other_public = key.to_der().to_vec();
    *other_public.last_mut().unwrap() ^= 1;
    let encrypted = pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for wrong in [
        &other_curve[..],
        &other_public,
        encrypted.as_bytes(),
        b"",
        b"12",
        b"not a key",
        &[0x30; 100],
        b"-----BEGIN ",
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        &pem.as_bytes()[..pem.len() - 40],
        &vec![b'0'; (64 << 10) + 1],
    ] {
        assert!(key_from_file(wrong).is_err(), "{:?}", String::from_utf8_lossy(&wrong[..wrong.len().min(60)]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_one_signs_all_verify(message: Vec<u8>, id in proptest::collection::vec(any::<u8>(), 0..40)) {
        let secret = SecretKey::generate().unwrap();
        let key = SigningKey::new(secret.clone(), &id).unwrap();
        let signature = key.sign(&message).unwrap();
        let once = VerifyingKey::new(*secret.public_key(), &id).unwrap();
        let prepared = VerifyingKey::prepared(*secret.public_key(), &id).unwrap();
        prop_assert_eq!(once.verify(&message, &signature), Ok(()));
        prop_assert_eq!(prepared.verify(&message, &signature), Ok(()));
        prop_assert_eq!(Signature::from_der(&signature.to_der()), Ok(signature));
        let changed = [&message[..], &[0]].concat();
        prop_assert!(once.verify(&changed, &signature).is_err());
        prop_assert!(prepared.verify(&changed, &signature).is_err());
    }

    #[test]
    fn what_is_enciphered_is_deciphered(plaintext in proptest::collection::vec(any::<u8>(), 1..200)) {
        let secret = SecretKey::generate().unwrap();
        let ciphertext = encrypt(secret.public_key(), &plaintext).unwrap();
        prop_assert_eq!(ciphertext.len(), plaintext.len() + 97);
        prop_assert_eq!(decrypt(&secret, &ciphertext).unwrap().to_vec(), plaintext);
    }

    #[test]
    fn garbage_is_no_key_no_signature_and_no_ciphertext(garbage: Vec<u8>) {
        let _ = Signature::from_der(&garbage);
        let _ = decrypt_der(&secret(D), &garbage);
        prop_assert!(key_from_file(&garbage).is_err());
    }
}
