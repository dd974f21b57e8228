use super::*;

#[test]
fn numbers_and_names_are_stable_and_lead_back() {
    let told: Vec<String> = Algorithm::ALL.map(|algorithm| format!("{:#06x} {algorithm}", algorithm.number())).to_vec();
    let expected = [
        "0x0101 SM4-GCM",
        "0x0102 SM4-CCM",
        "0x0103 AES-128-GCM",
        "0x0104 AES-256-GCM",
        "0x0201 SM4-CBC",
        "0x0202 SM4-CTR",
        "0x0301 SM2-SM3",
        "0x0302 Ed25519",
        "0x0401 SM2-ENC",
        "0x0501 SM3",
        "0x0502 SHA-256",
    ];
    assert_eq!(told, expected);
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::of_number(algorithm.number()), Some(algorithm));
        assert_eq!(Algorithm::of_name(algorithm.name()), Some(algorithm));
    }
    assert_eq!((Algorithm::of_number(0), Algorithm::of_name("RC4")), (None, None));
}

#[test]
fn each_kind_is_made_by_its_own_function_alone() {
    for algorithm in Algorithm::ALL {
        let kind = algorithm.number() >> 8;
        let key = vec![7; algorithm.key_length().unwrap_or(32)];
        assert_eq!(aead(algorithm, &key).is_ok(), kind == 1, "{algorithm}");
        assert_eq!(signer(algorithm, &key).is_ok(), kind == 3, "{algorithm}");
        assert_eq!(digest(algorithm).is_ok(), kind == 5, "{algorithm}");
        assert!(verifier(algorithm, &[7; 5]).is_err() && aead(algorithm, &[7; 5]).is_err(), "{algorithm}");
        assert!(signer(algorithm, &[7; 5]).is_err(), "{algorithm}");
    }
}

#[test]
fn hashes_are_those_of_their_standards() {
    let of = |algorithm| digest(algorithm).unwrap().digest(&[b"a", b"bc"]).map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(of(Algorithm::Sm3), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    assert_eq!(of(Algorithm::Sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn what_is_refused_leaves_the_data_alone() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| algorithm.number() >> 8 == 1) {
        let provider = aead(algorithm, &vec![1; algorithm.key_length().unwrap()]).unwrap();
        let mut data = *b"some words";
        let mut tag = provider.seal_in_place(&[2; 12], b"aad", &mut data).unwrap();
        let sealed = data;
        tag[0] ^= 1;
        assert_eq!(provider.open_in_place(&[2; 12], b"aad", &mut data, &tag), Err(CryptoError::Refused));
        assert_eq!(data, sealed);
        assert!(matches!(provider.open(&[2; 12], b"aad", &[0; 15]), Err(CryptoError::Length { .. })));
    }
}
