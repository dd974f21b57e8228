//! What fuzz targets call: whatever comes, a passkey's answer proves nothing, and the policy permits nothing that the
//! roles do not.

use std::sync::OnceLock;

use heng_ports::{Accounts, Principal, PrincipalKind, Resource};
use serde_json::Value;
use webauthn_rs::prelude::{PasskeyAuthentication, PasskeyRegistration};

use crate::policy::{ACTIONS, Policy, ROLES};
use crate::webauthn::{PasskeyOptions, Verifier};

/// A passkey as it is stored: ES256 with the generator of P-256 as its point, so that nobody made it.
const STORED: &str = r#"{"cred":{"cred_id":"ZnV6eg","cred":{"type_":"ES256","key":{"EC_EC2":{"curve":"SECP256R1",
    "x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}}},
    "counter":0,"transports":null,"user_verified":true,"backup_eligible":false,"backup_state":false,
    "registration_policy":"required","extensions":{"cred_protect":"NotRequested","hmac_create_secret":"NotRequested",
    "appid":"NotRequested","cred_props":"NotRequested"},"attestation":{"data":"None","metadata":"None"},
    "attestation_format":"none"}}"#;

struct Waiting {
    verifier: Verifier,
    registration: PasskeyRegistration,
    proof: PasskeyAuthentication,
}

fn waiting() -> &'static Waiting {
    static WAITING: OnceLock<Waiting> = OnceLock::new();
    WAITING.get_or_init(|| {
        let verifier = Verifier::new(&PasskeyOptions::default()).expect("the usual options are good");
        let (_, registration) = verifier.begin_new((1, "alice"), &[]).expect("a registration begins");
        let stored = [STORED.replace("\n    ", "")];
        let (_, proof) = verifier.begin_proof(&stored, Some([7; 32])).expect("a proof begins");
        Waiting { verifier, registration, proof }
    })
}

/// Takes bytes as the answer of a passkey to a registration and to a challenge that wait.
///
/// # Panics
/// If it is good: nobody knows the challenge.
pub fn passkey_answer(bytes: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<Value>(bytes) else { return };
    let waiting = waiting();
    assert!(waiting.verifier.finish_new(answer.clone(), &waiting.registration).is_err(), "nobody knows the challenge");
    assert!(waiting.verifier.finish_proof(1, answer, &waiting.proof).is_err(), "nobody knows the challenge");
}

/// Takes bytes as a question to the policy: kind and action by number, then lines of roles, and scopes behind an empty
/// line.
///
/// # Panics
/// If something is permitted without a role that is known, or beyond the scopes.
pub fn policy_question(bytes: &[u8]) {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    let ([kind, action, credential], text) = match bytes.split_first_chunk::<3>() {
        Some((head, text)) => (*head, String::from_utf8_lossy(text)),
        None => return,
    };
    let policy = POLICY.get_or_init(|| Policy::new().expect("the policies are those of this program"));
    let kinds = [PrincipalKind::Client, PrincipalKind::Staff, PrincipalKind::Partner, PrincipalKind::Service];
    let (roles, scopes) = text.split_once("\n\n").unwrap_or((&text, ""));
    let list = |text: &str| text.lines().take(8).map(str::to_owned).collect::<Vec<_>>();
    let (roles, scopes) = (list(roles), list(scopes));
    let known = roles.iter().any(|role| ROLES.iter().any(|(name, _)| name == role));
    let kind = kinds[usize::from(kind) % kinds.len()];
    let action = ACTIONS.get(usize::from(action)).copied().unwrap_or("no.such.action");
    let principal = Principal {
        id: 1,
        kind,
        name: "fuzz".to_owned(),
        accounts: Accounts::All,
        roles,
        scopes,
        credential: ["session:1", "key:1", "token:1", ":"][usize::from(credential) % 4].to_owned(),
    };
    if policy.decide(&principal, action, Resource::Any).is_allowed() {
        let of_people = action.starts_with("session.") || action.starts_with("key.");
        let of_staff = ["market.read", "market.stream", "system.read"].contains(&action);
        let by_kind = match kind {
            PrincipalKind::Client => of_people,
            PrincipalKind::Staff => of_people || of_staff,
            PrincipalKind::Partner | PrincipalKind::Service => false,
        };
        assert!(known || by_kind, "{action} without a role");
        assert!(
            principal.scopes.is_empty() || principal.scopes.iter().any(|scope| scope == action),
            "{action} without its scope"
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_good_or_permitted_beyond_the_roles() {
        for answer in ["", "{}", r#"{"id":"ZnV6eg","rawId":"ZnV6eg","type":"public-key","response":{}}"#, "[[[["] {
            super::passkey_answer(answer.as_bytes());
        }
        for kind in 0..4_u8 {
            for action in 0..30_u8 {
                for text in ["", "admin", "client\n\norder.read", "root\nadmin\" || true", "trader\n\n\u{0}"] {
                    super::policy_question(&[&[kind, action, kind][..], text.as_bytes()].concat());
                }
            }
        }
    }
}
