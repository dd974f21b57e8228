//! The policy: Cedar decides, and every decision is kept, because there are few different questions.
//!
//! A decision depends on the kind of the principal, its roles, the action, whether the account is its own, whether the
//! scopes name the action, and what it came with. It does not depend on which account it is. So the question is put to
//! Cedar once in that reduced form, and afterwards answered from a table.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, RwLock};

use cedar_policy::{
    Authorizer, Context, Decision as Verdict, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use heng_ports::{Decision, Principal, PrincipalKind, Resource};

use crate::error::IdentityError;

const POLICIES: &str = include_str!("../policies/heng.cedar");
const SCHEMA: &str = include_str!("../policies/heng.cedarschema");
/// Different questions whose answers are kept. There are far fewer; the bound is against a flaw, not for use.
const KEPT_MAX: usize = 50_000;

/// Every action that the policy knows.
pub const ACTIONS: [&str; 33] = [
    "order.place",
    "order.cancel",
    "order.read",
    "parent.place",
    "parent.control",
    "account.read",
    "fill.read",
    "market.read",
    "market.stream",
    "dropcopy.read",
    "system.read",
    "system.logs",
    "audit.read",
    "user.read",
    "user.write",
    "key.read",
    "key.write",
    "session.read",
    "session.write",
    "partner.read",
    "partner.write",
    "kill.switch",
    "client.read",
    "evidence.read",
    "evidence.destroy",
    "role.propose",
    "role.decide",
    "review.write",
    "personal.read",
    "export.request",
    "export.decide",
    "export.reveal",
    "hold.write",
];

/// Every role, with the kind of principal that may have it.
pub const ROLES: [(&str, PrincipalKind); 8] = [
    ("client", PrincipalKind::Client),
    ("trader", PrincipalKind::Staff),
    ("service-desk", PrincipalKind::Staff),
    ("risk-officer", PrincipalKind::Staff),
    ("operator", PrincipalKind::Staff),
    ("admin", PrincipalKind::Staff),
    ("auditor", PrincipalKind::Staff),
    ("partner", PrincipalKind::Partner),
];

/// A question in the form in which it is answered once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Question<'a> {
    kind: PrincipalKind,
    roles: &'a [String],
    action: &'a str,
    on_account: bool,
    held: bool,
    in_scope: bool,
    credential: &'a str,
    own: bool,
}

/// A question that was answered.
struct Answered {
    kind: PrincipalKind,
    roles: Vec<String>,
    action: String,
    on_account: bool,
    held: bool,
    in_scope: bool,
    credential: String,
    own: bool,
    decision: Decision,
}

impl Answered {
    fn question(&self) -> Question<'_> {
        let Self { kind, roles, action, on_account, held, in_scope, credential, own, .. } = self;
        let (kind, on_account, held, in_scope, own) = (*kind, *on_account, *held, *in_scope, *own);
        Question { kind, roles, action, on_account, held, in_scope, credential, own }
    }
}

/// The names that Cedar is asked with, made once.
struct Names {
    kinds: HashMap<PrincipalKind, EntityTypeName>,
    role: EntityTypeName,
    action: EntityTypeName,
    broker: EntityUid,
    account: EntityUid,
}

/// The policy engine: who may do what.
pub struct Policy {
    policies: PolicySet,
    schema: Schema,
    names: Names,
    hasher: RandomState,
    answered: RwLock<HashMap<u64, Vec<Arc<Answered>>>>,
}

fn bad(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Policy(error.to_string())
}

fn type_name(name: &str) -> Result<EntityTypeName, IdentityError> {
    format!("Heng::{name}").parse().map_err(bad)
}

fn names() -> Result<Names, IdentityError> {
    let kinds = [
        (PrincipalKind::Client, "Client"),
        (PrincipalKind::Staff, "Staff"),
        (PrincipalKind::Partner, "Partner"),
        (PrincipalKind::Service, "Service"),
    ];
    let mut named = HashMap::new();
    for (kind, name) in kinds {
        named.insert(kind, type_name(name)?);
    }
    let one =
        |name: &str| Ok::<_, IdentityError>(EntityUid::from_type_name_and_id(type_name(name)?, EntityId::new("any")));
    Ok(Names {
        kinds: named,
        role: type_name("Role")?,
        action: type_name("Action")?,
        broker: one("Broker")?,
        account: one("Account")?,
    })
}

/// The policies and `more`, each under the name that its `@id` gives.
fn read_policies(more: &str) -> Result<PolicySet, IdentityError> {
    let parsed: PolicySet = format!("{POLICIES}\n{more}").parse().map_err(bad)?;
    let mut named = PolicySet::new();
    for policy in parsed.policies() {
        let id = policy.annotation("id").ok_or_else(|| bad(format!("policy {} has no @id", policy.id())))?;
        named.add(policy.new_id(PolicyId::new(id))).map_err(bad)?;
    }
    Ok(named)
}

/// What a principal came with, in the words of the policy.
fn credential_kind(credential: &str) -> &str {
    credential.split(':').next().unwrap_or_default()
}

impl Policy {
    /// Reads the policies of this program and checks them against their schema.
    ///
    /// # Errors
    /// [`IdentityError::Policy`] if they do not fit it.
    pub fn new() -> Result<Self, IdentityError> {
        Self::with("")
    }

    /// How many policies this program has.
    #[must_use]
    pub fn count() -> usize {
        Self::texts().len()
    }

    /// The policies of this program and `more`, in Cedar's language, each with an `@id`.
    ///
    /// # Errors
    /// [`IdentityError::Policy`] if one cannot be read, has no name or does not fit the schema.
    pub fn with(more: &str) -> Result<Self, IdentityError> {
        let (schema, warnings) = Schema::from_cedarschema_str(SCHEMA).map_err(bad)?;
        if let Some(warning) = warnings.into_iter().next() {
            return Err(bad(warning));
        }
        let policies = read_policies(more)?;
        let checked = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if !checked.validation_passed_without_warnings() {
            return Err(bad(checked));
        }
        Ok(Self {
            policies,
            schema,
            names: names()?,
            hasher: RandomState::new(),
            answered: RwLock::new(HashMap::new()),
        })
    }

    /// Whether `principal` may do `action` to `resource`.
    #[must_use]
    pub fn decide(&self, principal: &Principal, action: &str, resource: Resource) -> Decision {
        self.decide_about(principal, action, resource, false)
    }

    /// The same of something that is the principal's own: what they asked for, or what is about themselves.
    pub(crate) fn decide_about(&self, principal: &Principal, action: &str, resource: Resource, own: bool) -> Decision {
        let (on_account, held) = match resource {
            Resource::Any => (false, true),
            Resource::Account(account) => (true, principal.accounts.hold(account)),
        };
        let question = Question {
            kind: principal.kind,
            roles: &principal.roles,
            action,
            on_account,
            held,
            in_scope: principal.scopes.is_empty() || principal.scopes.iter().any(|scope| scope == action),
            credential: credential_kind(&principal.credential),
            own,
        };
        let hash = self.hasher.hash_one(question);
        if let Ok(answered) = self.answered.read()
            && let Some(known) = answered.get(&hash).and_then(|list| list.iter().find(|a| a.question() == question))
        {
            return known.decision.clone();
        }
        let decision = self.ask(question);
        self.keep(hash, question, &decision);
        decision
    }

    fn keep(&self, hash: u64, question: Question<'_>, decision: &Decision) {
        let Ok(mut answered) = self.answered.write() else { return };
        if answered.len() >= KEPT_MAX {
            answered.clear();
        }
        answered.entry(hash).or_default().push(Arc::new(Answered {
            kind: question.kind,
            roles: question.roles.to_vec(),
            action: question.action.to_owned(),
            on_account: question.on_account,
            held: question.held,
            in_scope: question.in_scope,
            credential: question.credential.to_owned(),
            own: question.own,
            decision: decision.clone(),
        }));
    }

    /// Asks Cedar.
    fn ask(&self, question: Question<'_>) -> Decision {
        if !ACTIONS.contains(&question.action) {
            return Decision::Deny(format!("the policy knows no action {}", question.action));
        }
        let asked = self.request(question).and_then(|(request, entities)| {
            let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
            if let Some(error) = response.diagnostics().errors().next() {
                return Err(bad(error));
            }
            Ok(response)
        });
        match asked {
            Ok(response) if response.decision() == Verdict::Allow => Decision::Allow,
            Ok(response) => {
                let forbids: Vec<String> = response.diagnostics().reason().map(|id| format!("“{id}”")).collect();
                let who = question.roles.join(", ");
                Decision::Deny(match (forbids.is_empty(), question.held) {
                    (false, _) => format!("the policy forbids {}: {}", question.action, forbids.join(", ")),
                    (true, true) => format!("no policy permits {} for the role {who}", question.action),
                    (true, false) => format!("no policy permits {} on an account that is not yours", question.action),
                })
            }
            // A flaw of ours must never let anybody in.
            Err(error) => {
                tracing::error!(%error, action = question.action, "decide by the policy");
                Decision::Deny("the policy could not be asked".to_owned())
            }
        }
    }

    fn request(&self, question: Question<'_>) -> Result<(Request, Entities), IdentityError> {
        let names = &self.names;
        let kind = names.kinds.get(&question.kind).ok_or_else(|| bad("a kind without a name"))?;
        let principal = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new("any"));
        let action = EntityUid::from_type_name_and_id(names.action.clone(), EntityId::new(question.action));
        let resource = if question.on_account { &names.account } else { &names.broker };
        let context = Context::from_pairs([
            ("held".to_owned(), RestrictedExpression::new_bool(question.held)),
            ("in_scope".to_owned(), RestrictedExpression::new_bool(question.in_scope)),
            ("credential".to_owned(), RestrictedExpression::new_string(question.credential.to_owned())),
            ("own".to_owned(), RestrictedExpression::new_bool(question.own)),
        ]);
        let context = context.map_err(bad)?;
        let request = Request::new(principal.clone(), action, resource.clone(), context, Some(&self.schema));
        let role = |role: &String| EntityUid::from_type_name_and_id(names.role.clone(), EntityId::new(role));
        let roles = question.roles.iter().map(role).collect();
        let entity = Entity::new_no_attrs(principal, roles);
        let entities = Entities::from_entities([entity], None).map_err(bad)?;
        Ok((request.map_err(bad)?, entities))
    }

    /// Name and text of every policy, in the order of the file.
    pub(crate) fn texts() -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for part in POLICIES.split("@id(\"").skip(1) {
            if let Some((name, text)) = part.split_once("\")\n") {
                texts.push((name.to_owned(), text.trim().to_owned()));
            }
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use heng_model::AccountId;
    use heng_ports::Accounts;

    use super::*;

    fn principal(kind: PrincipalKind, role: &str) -> Principal {
        let accounts = if kind == PrincipalKind::Staff { Accounts::All } else { Accounts::These(vec![AccountId(1)]) };
        let credential = if kind == PrincipalKind::Partner { "token:1" } else { "session:1" };
        Principal {
            id: 1,
            kind,
            name: "n".into(),
            accounts,
            roles: vec![role.to_owned()],
            scopes: Vec::new(),
            credential: credential.into(),
        }
    }

    fn allowed(policy: &Policy, role: &str, kind: PrincipalKind) -> Vec<&'static str> {
        let who = principal(kind, role);
        ACTIONS.into_iter().filter(|action| policy.decide(&who, action, Resource::Any).is_allowed()).collect()
    }

    #[test]
    fn who_can_do_what() {
        let policy = Policy::new().expect("the policies fit their schema");
        let own = "key.read key.write session.read session.write";
        let market = "market.read market.stream";
        let trading = "order.place order.cancel order.read parent.place parent.control account.read fill.read";
        let table = [
            ("client", format!("{trading} {market} {own} evidence.read")),
            ("partner", format!("{trading} {market} dropcopy.read evidence.read")),
            ("trader", format!("{trading} {market} dropcopy.read system.read {own} client.read export.request")),
            (
                "service-desk",
                format!(
                    "order.read account.read fill.read {market} system.read user.read {own} client.read evidence.read \
                     export.request"
                ),
            ),
            (
                "risk-officer",
                format!(
                    "order.cancel order.read parent.control account.read fill.read {market} dropcopy.read system.read \
                     audit.read {own} kill.switch client.read evidence.read evidence.destroy role.decide \
                     review.write personal.read export.request export.decide export.reveal hold.write"
                ),
            ),
            ("operator", format!("{market} system.read system.logs {own} kill.switch")),
            (
                "admin",
                format!(
                    "{market} system.read system.logs audit.read user.read user.write {own} partner.read \
                     partner.write evidence.destroy role.propose role.decide review.write personal.read \
                     export.request export.decide hold.write"
                ),
            ),
            (
                "auditor",
                format!(
                    "order.read account.read fill.read {market} dropcopy.read system.read system.logs audit.read \
                     user.read {own} partner.read client.read evidence.read personal.read export.request \
                     export.decide export.reveal"
                ),
            ),
        ];
        for (role, expected) in table {
            let kind = ROLES.iter().find(|(name, _)| *name == role).expect("a role").1;
            let mut expected: Vec<&str> = expected.split_whitespace().collect();
            let place = |action: &&str| ACTIONS.iter().position(|a| a == action).expect("a known action");
            expected.sort_by_key(place);
            assert_eq!(allowed(&policy, role, kind), expected, "{role}");
        }
        assert_eq!(ROLES.len(), 8);
    }

    #[test]
    fn an_account_must_be_held() {
        let policy = Policy::new().expect("the policies fit their schema");
        for (role, kind) in [("client", PrincipalKind::Client), ("partner", PrincipalKind::Partner)] {
            let who = principal(kind, role);
            let on = |number| policy.decide(&who, "order.place", Resource::Account(AccountId(number)));
            assert!(on(1).is_allowed(), "{role}");
            assert_eq!(on(2), Decision::Deny("no policy permits order.place on an account that is not yours".into()));
        }
        let mut trader = principal(PrincipalKind::Staff, "trader");
        assert!(policy.decide(&trader, "order.place", Resource::Account(AccountId(9))).is_allowed());
        trader.accounts = Accounts::These(vec![AccountId(1)]);
        assert!(!policy.decide(&trader, "order.place", Resource::Account(AccountId(9))).is_allowed());
    }

    #[test]
    fn scopes_and_credentials_only_narrow() {
        let policy = Policy::new().expect("the policies fit their schema");
        let mut who = principal(PrincipalKind::Client, "client");
        who.scopes = vec!["order.read".into(), "user.write".into()];
        let decide = |who: &Principal, action| policy.decide(who, action, Resource::Any);
        assert!(decide(&who, "order.read").is_allowed());
        let why = "the policy forbids order.place: “a credential reaches no further than its scopes”";
        assert_eq!(decide(&who, "order.place"), Decision::Deny(why.into()));
        assert!(!decide(&who, "user.write").is_allowed(), "a scope gives nothing that the role has not");
        who.scopes.clear();
        who.credential = "key:hk-1".into();
        assert!(decide(&who, "order.place").is_allowed());
        assert!(!decide(&who, "key.write").is_allowed(), "a key makes no keys");
        assert!(!decide(&who, "no.such").is_allowed());
    }

    #[test]
    fn nobody_decides_alone() {
        let policy = Policy::new().expect("the policies fit their schema");
        for role in ["admin", "risk-officer"] {
            let who = principal(PrincipalKind::Staff, role);
            for action in ["role.decide", "review.write"] {
                let about = |own| policy.decide_about(&who, action, Resource::Any, own);
                assert!(about(false).is_allowed(), "{role} {action}");
                let why = "“nobody decides what they asked for or what is about themselves”";
                assert_eq!(about(true), Decision::Deny(format!("the policy forbids {action}: {why}")));
            }
        }
        // Whoever may change who comes in does not trade, and whoever trades changes nothing of that.
        let changing = ["user.write", "partner.write", "role.propose", "role.decide", "review.write"];
        let trading = ["order.place", "parent.place", "order.cancel"];
        for (role, kind) in ROLES {
            let may = |list: &[&str]| allowed(&policy, role, kind).iter().any(|action| list.contains(action));
            let both = may(&changing) && may(&trading[..2]);
            assert!(!both, "{role}");
        }
        let auditor = allowed(&policy, "auditor", PrincipalKind::Staff);
        let own = ["key.write", "session.write"];
        assert!(auditor.iter().all(|action| !action.ends_with(".write") || own.contains(action)), "{auditor:?}");
    }

    #[test]
    fn no_role_no_right_whatever_the_kind() {
        let policy = Policy::new().expect("the policies fit their schema");
        let nobody = principal(PrincipalKind::Service, "nobody");
        assert!(ACTIONS.iter().all(|action| !policy.decide(&nobody, action, Resource::Any).is_allowed()));
    }

    #[test]
    fn every_policy_has_a_name_and_a_text() {
        let texts = Policy::texts();
        assert_eq!(texts.len(), read_policies("").expect("they are read").policies().count());
        assert!(texts.iter().all(|(name, text)| !name.is_empty() && text.ends_with(';')), "{texts:?}");
    }
}
