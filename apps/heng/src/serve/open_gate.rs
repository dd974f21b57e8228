//! Lets everybody do everything. Stands here until the identity role is wired, and nowhere else.

use std::sync::Arc;

use heng_ports::{Accounts, AuthFailure, Credentials, Decision, Gatekeeper, Later, Principal, PrincipalKind, Resource};

pub(crate) struct OpenGate;

impl Gatekeeper for OpenGate {
    fn identify<'a>(&'a self, _: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        Box::pin(async {
            Ok(Arc::new(Principal {
                id: 0,
                kind: PrincipalKind::Service,
                name: "anybody".into(),
                accounts: Accounts::All,
                roles: Vec::new(),
                scopes: Vec::new(),
                credential: "none".into(),
            }))
        })
    }

    fn decide(&self, _: &Principal, _: &'static str, _: Resource) -> Decision {
        Decision::Allow
    }
}
