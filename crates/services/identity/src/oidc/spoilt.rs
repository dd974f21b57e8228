//! Tokens that are not what they should be: none counts, and none does harm.

use openidconnect::core::CoreJsonWebKeySet;
use serde_json::{Value, json};

use super::SECOND;
use super::logout;
use super::test_keys::{ACCESS, Issuer, NONCE, NOW_S, at_hash, claims, encoded, options};
use super::token::{Expected, Proven, TokenRefused, verify};

const SPOILT: usize = 10_000;

fn expected(keys: &CoreJsonWebKeySet) -> Expected<'_> {
    Expected { keys, nonce: NONCE, access_token: Some(ACCESS), now: NOW_S * SECOND }
}

fn with(changes: &Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            all.as_object_mut().expect("an object").remove(name);
        } else {
            all[name] = value.clone();
        }
    }
    all
}

/// What becomes of a token with these claims, well signed on both curves.
fn check(changes: &Value) -> Result<Proven, TokenRefused> {
    let issuer = Issuer::new(7);
    let (keys, claims) = (issuer.keys(), with(changes));
    let told = verify(&issuer.weierstrass(&claims), &options(), expected(&keys));
    if changes.get("at_hash").is_none() {
        assert_eq!(told, verify(&issuer.edwards(&claims), &options(), expected(&keys)), "{changes}");
    }
    told
}

#[test]
fn a_good_token_proves_who_somebody_is() {
    let proven = check(&json!({})).expect("a good token");
    assert_eq!((proven.subject.as_str(), proven.sid.as_str()), ("248289761001", "s-1"));
    assert_eq!((proven.name.as_deref(), proven.second_factor), (Some("tina"), true));
    assert!(!check(&json!({ "amr": ["pwd"] })).expect("it counts").second_factor);
    assert!(!check(&json!({ "amr": null })).expect("it counts").second_factor);
    check(&json!({ "aud": ["heng"], "azp": "heng" })).expect("the audience as a list");
    check(&json!({ "at_hash": at_hash(ACCESS) })).expect("the access token's hash");
    // Clocks may differ by a minute.
    check(&json!({ "iat": NOW_S + 59 })).expect("a clock ahead");
    check(&json!({ "exp": NOW_S - 59, "iat": NOW_S - 300 })).expect("a clock behind");
}

#[test]
fn the_strength_is_read_as_the_configuration_says() {
    let issuer = Issuer::new(7);
    let keys = issuer.keys();
    let strong = |acr: &[&str], amr: &[&str], told: &Value| {
        let own = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let options = super::OidcOptions { second_factor_acr: own(acr), second_factor_amr: own(amr), ..options() };
        verify(&issuer.edwards(&with(told)), &options, expected(&keys)).expect("it counts").second_factor
    };
    let told = json!({ "acr": "urn:strong", "amr": ["pwd", "otp"] });
    assert!(strong(&["urn:strong"], &[], &told) && strong(&[], &["otp", "hwk"], &told));
    assert!(strong(&["urn:strong"], &["otp"], &told), "both say so");
    assert!(!strong(&["urn:strong"], &["hwk"], &told) && !strong(&["urn:other"], &["otp"], &told));
    assert!(!strong(&[], &[], &told), "nothing is configured, so nothing is believed");
}

#[test]
fn names_come_from_the_claim_that_is_configured() {
    let issuer = Issuer::new(7);
    let keys = issuer.keys();
    let named = |claim: &str, told: &Value| {
        let options = super::OidcOptions { claim: claim.to_owned(), ..options() };
        verify(&issuer.edwards(&with(told)), &options, expected(&keys)).expect("it counts").name
    };
    let mail = json!({ "email": "tina@broker.example", "email_verified": true });
    assert_eq!(named("email", &mail).as_deref(), Some("tina@broker.example"));
    assert_eq!(named("email", &json!({ "email": "tina@broker.example" })), None, "nobody verified it");
    assert_eq!(named("employee", &json!({ "employee": "e-17" })).as_deref(), Some("e-17"));
    assert_eq!(named("employee", &json!({ "employee": 17 })), None);
    assert_eq!(named("preferred_username", &json!({ "preferred_username": "x".repeat(65) })), None);
}

#[test]
fn a_well_signed_token_for_something_else_does_not_count() {
    let wrong = [
        json!({ "iss": "https://login.example/realms/other" }),
        json!({ "iss": "https://login.example/realms/broker/" }),
        json!({ "aud": "other" }),
        json!({ "aud": [] }),
        json!({ "aud": ["heng", "other"] }),
        json!({ "azp": "other" }),
        json!({ "nonce": "of another sign-on" }),
        json!({ "nonce": null }),
        json!({ "exp": NOW_S - 61, "iat": NOW_S - 300 }),
        json!({ "iat": NOW_S + 61 }),
        json!({ "iat": NOW_S - 601 }),
        json!({ "exp": NOW_S + 10, "iat": NOW_S + 20 }),
        json!({ "nbf": NOW_S + 61 }),
        json!({ "nbf": "soon" }),
        json!({ "at_hash": at_hash("another access token") }),
        json!({ "at_hash": "" }),
        json!({ "sub": "" }),
        json!({ "sub": "x".repeat(256) }),
        json!({ "sub": "丁" }),
        json!({ "sub": "a\nb" }),
        json!({ "sub": null }),
        json!({ "exp": null }),
        json!({ "iat": null }),
        json!({ "aud": null }),
        json!({ "iss": null }),
    ];
    for changes in wrong {
        let told = check(&changes);
        assert!(matches!(told, Err(TokenRefused::Wrong(_))), "{changes}: {told:?}");
    }
}

#[test]
fn only_a_key_of_the_issuer_counts_and_only_for_its_own_algorithm() {
    let (issuer, keys) = (Issuer::new(7), Issuer::new(7).keys());
    let refused = |token: &str| verify(token, &options(), expected(&keys)).expect_err(token);
    let stranger = Issuer::new(8);
    assert!(matches!(refused(&stranger.edwards(&claims())), TokenRefused::Wrong(_)), "the same id, another key");
    let unknown = issuer.sign(&json!({ "alg": "EdDSA", "kid": "new" }), &claims());
    assert_eq!(refused(&unknown), TokenRefused::UnknownKey);
    let unsigned = format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(&claims()));
    assert!(matches!(refused(&unsigned), TokenRefused::Wrong(_)));
    let headers = [
        json!({ "alg": "HS256", "kid": "e" }),
        json!({ "alg": "ES256", "kid": "e" }),
        json!({ "alg": "RS256", "kid": "e" }),
        json!({ "alg": "ES512", "kid": "e" }),
        json!({ "alg": "EdDSA", "kid": "e", "crit": ["exp"] }),
        json!({ "alg": "EdDSA", "kid": "e", "typ": "logout+jwt" }),
        json!({ "alg": "EdDSA", "kid": "e", "cty": "JWT" }),
        json!({ "alg": "none", "kid": "e" }),
        json!({ "kid": "e" }),
    ];
    for header in headers {
        verify(&issuer.sign(&header, &claims()), &options(), expected(&keys)).expect_err(&header.to_string());
    }
    // A key that the token brings itself is nobody's.
    let own = serde_json::to_value(stranger.keys()).expect("keys")["keys"][0].clone();
    let brings = stranger.sign(&json!({ "alg": "EdDSA", "jwk": own }), &claims());
    verify(&brings, &options(), expected(&keys)).expect_err("its own key");
    verify(&"x".repeat(20_000), &options(), expected(&keys)).expect_err("too long");
}

/// A small generator (SplitMix64), so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a bound")
    }
}

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \"{}\x00";

/// A token that differs from `good` in one to four places, or in its whole make.
fn spoil(good: &str, other: &str, dice: &mut Dice) -> String {
    let mut bytes = good.as_bytes().to_vec();
    let parts: Vec<&str> = good.split('.').collect();
    let others: Vec<&str> = other.split('.').collect();
    match dice.below(8) {
        0 => return good[..dice.below(good.len())].to_owned(),
        1 => return format!("{}.{}.{}", parts[0], others[1], parts[2]),
        2 => return format!("{}.{}.{}", parts[0], parts[1], others[2]),
        3 => {
            let (from, length) = (dice.below(bytes.len()), dice.below(40));
            let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
            let at = dice.below(bytes.len());
            bytes.splice(at..at, piece);
        }
        _ => {
            for _ in 0..=dice.below(4) {
                let at = dice.below(bytes.len());
                bytes[at] = LETTERS[dice.below(LETTERS.len())];
            }
        }
    }
    String::from_utf8(bytes).expect("ASCII")
}

#[test]
fn ten_thousand_spoilt_tokens_prove_nothing() {
    let (issuer, keys) = (Issuer::new(7), Issuer::new(7).keys());
    let other = with(&json!({ "sub": "1", "preferred_username": "boss", "nonce": "x" }));
    let pairs = [
        (issuer.edwards(&claims()), issuer.edwards(&other)),
        (issuer.weierstrass(&claims()), issuer.weierstrass(&other)),
    ];
    let mut dice = Dice(20_261_123);
    let mut tried = 0;
    while tried < SPOILT {
        let (good, other) = &pairs[tried % 2];
        let spoilt = spoil(good, other, &mut dice);
        if spoilt == *good {
            continue;
        }
        tried += 1;
        let told = verify(&spoilt, &options(), expected(&keys));
        assert!(told.is_err(), "{spoilt} counts: {told:?}");
    }
}

fn logout_claims(changes: &Value) -> Value {
    let mut all = json!({
        "iss": options().issuer, "aud": "heng", "iat": NOW_S, "exp": NOW_S + 120, "jti": "j-1", "sub": "248289761001",
        "sid": "s-1", "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            all.as_object_mut().expect("an object").remove(name);
        } else {
            all[name] = value.clone();
        }
    }
    all
}

#[test]
fn a_logout_token_counts_once_and_only_as_one() {
    let (issuer, keys) = (Issuer::new(7), Issuer::new(7).keys());
    let check = |changes: &Value| {
        let header = json!({ "alg": "EdDSA", "kid": "e", "typ": "logout+jwt" });
        logout::verify(&issuer.sign(&header, &logout_claims(changes)), &options(), &keys, NOW_S * SECOND)
    };
    let good = check(&json!({})).expect("a good logout token");
    assert_eq!((good.subject.as_deref(), good.sid.as_deref()), (Some("248289761001"), Some("s-1")));
    check(&json!({ "sub": null })).expect("a session alone");
    check(&json!({ "sid": null })).expect("a person alone");
    let seen = logout::Logouts::default();
    assert!(seen.take(&good, NOW_S * SECOND) && !seen.take(&good, NOW_S * SECOND), "once");
    let wrong = [
        json!({ "iss": "https://other.example" }),
        json!({ "aud": "other" }),
        json!({ "aud": ["heng", "other"] }),
        json!({ "iat": NOW_S - 400 }),
        json!({ "iat": NOW_S + 100 }),
        json!({ "exp": NOW_S - 61 }),
        json!({ "exp": null }),
        json!({ "exp": i64::MAX }),
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "events": null }),
        json!({ "events": { "other": {} } }),
        json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": "x" } }),
        json!({ "nonce": "n" }),
        json!({ "sub": null, "sid": null }),
        json!({ "sid": "" }),
    ];
    for changes in wrong {
        check(&changes).expect_err(&changes.to_string());
    }
    // An ID token is no logout token. The other way round the kind in its head tells them apart, and where that is missing
    // the nonce, which no logout token has.
    logout::verify(&issuer.edwards(&claims()), &options(), &keys, NOW_S * SECOND).expect_err("an ID token");
    verify(&issuer.edwards(&logout_claims(&json!({}))), &options(), expected(&keys)).expect_err("a logout token");
    let stranger = Issuer::new(8).edwards(&logout_claims(&json!({})));
    logout::verify(&stranger, &options(), &keys, NOW_S * SECOND).expect_err("another's key");
}

#[test]
fn spoilt_logout_tokens_end_nothing() {
    let (issuer, keys) = (Issuer::new(7), Issuer::new(7).keys());
    let (good, other) = (logout_claims(&json!({})), logout_claims(&json!({ "sub": "1", "jti": "j-2" })));
    let (good, other) = (issuer.weierstrass(&good), issuer.weierstrass(&other));
    let mut dice = Dice(7);
    let mut tried = 0;
    while tried < SPOILT / 4 {
        let spoilt = spoil(&good, &other, &mut dice);
        if spoilt == good {
            continue;
        }
        tried += 1;
        let told = logout::verify(&spoilt, &options(), &keys, NOW_S * SECOND);
        assert!(told.is_err(), "{spoilt} counts: {told:?}");
    }
}
