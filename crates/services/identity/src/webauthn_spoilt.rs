//! Four thousand spoilt registrations against the verifier itself, because each would take a password at the door.

use serde_json::{Value, json};

use crate::authenticator::{Authenticator, Dice, PRESENT, VERIFIED};
use crate::webauthn::{PasskeyOptions, Verifier};

const SPOILT: u32 = 4_000;

#[test]
fn spoilt_registrations_make_no_passkey_and_break_nothing() {
    let verifier = Verifier::new(&PasskeyOptions::default()).expect("the defaults fit");
    let (options, state) = verifier.begin_new((1, "alice"), &[]).expect("a challenge");
    let (older, _) = verifier.begin_new((1, "alice"), &[]).expect("a challenge");
    let fields = ["/id", "/rawId", "/response/clientDataJSON", "/response/attestationObject"];
    let mut dice = Dice(0xC0FFEE);
    let mut accepted = 0;
    for round in 0..SPOILT {
        let mut key = Authenticator::new(1 + dice.below(200) as u8);
        let mut answer = key.create(&options);
        let what = match dice.below(8) {
            0 => {
                key.origin =
                    ["https://evil.example", "http://localhost.evil", "https://localhost", ""][dice.below(4)].into();
                answer = key.create(&options);
                "origin".to_owned()
            }
            1 => {
                key.rp_id = ["evil.example", "", "local"][dice.below(3)].into();
                answer = key.create(&options);
                "rp".to_owned()
            }
            2 => {
                key.flags = [PRESENT, VERIFIED, 0][dice.below(3)];
                answer = key.create(&options);
                "flags".to_owned()
            }
            3 => {
                answer = key.create(&older);
                "replay".to_owned()
            }
            4 => {
                key.kind = Some(["webauthn.get", "", "x"][dice.below(3)]);
                answer = key.create(&options);
                "kind".to_owned()
            }
            5 => {
                key.cross_origin = true;
                answer = key.create(&options);
                "frame".to_owned()
            }
            _ => dice.spoil(&mut answer, &fields),
        };
        if what.is_empty() {
            continue;
        }
        // Nobody signs a registration without attestation: a changed key, counter or port is another good one, as long
        // as it says the same of the ceremony. It must then be exactly what was sent.
        if let Ok((id, credential)) = verifier.finish_new(answer.clone(), &state) {
            let attested = what.starts_with("/response/attestationObject");
            assert!(attested || same_ceremony(&answer, &options), "round {round}: {what}");
            assert_eq!(Value::from(id), answer["id"], "round {round}: {what}");
            let credential: Value = serde_json::from_str(&credential).expect("json");
            assert_eq!(credential["cred"]["user_verified"], json!(true), "round {round}: {what}");
            accepted += 1;
        }
    }
    assert!(accepted < SPOILT / 20, "{accepted} of {SPOILT} changed what nobody signs");
    let mut key = Authenticator::new(1);
    assert!(verifier.finish_new(key.create(&options), &state).is_ok(), "the right one is good");
}

/// What the browser tells is still of this ceremony: no frame, and another port at most.
fn same_ceremony(answer: &Value, options: &Value) -> bool {
    let client = crate::authenticator::decode(&answer["response"]["clientDataJSON"]);
    let client: Value = serde_json::from_slice(&client).expect("it was accepted");
    let origin = client["origin"].as_str().expect("text");
    let told = (&client["type"], &client["challenge"]);
    told == (&json!("webauthn.create"), &options["challenge"])
        && (origin == "http://localhost" || origin.starts_with("http://localhost:"))
        && client["crossOrigin"] != json!(true)
}
