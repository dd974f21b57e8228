//! What a decision of the policy costs, in process, with 200 policies: the ones of the program and generated ones that
//! ask for the same things.

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Write as _;
use std::time::Instant;

use heng_identity::{ACTIONS, Policy, ROLES};
use heng_model::AccountId;
use heng_ports::{Accounts, Principal, PrincipalKind, Resource};
use serde::Serialize;

/// Policies in all.
const POLICIES: usize = 200;
/// Clients whose requests are decided: as many as one process remembers sessions of in a busy minute.
const CLIENTS: u64 = 1_000;

/// Microseconds of wall time on one thread.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct PolicyFigures {
    /// Policies that decide.
    policies: usize,
    /// Decisions as requests bring them: a question that was met before is answered from the table.
    policy_p50_us: f64,
    policy_p99_us: f64,
    /// Questions that Cedar was asked, each met for the first time.
    policy_first_questions: usize,
    policy_first_p50_us: f64,
    policy_first_p99_us: f64,
}

impl std::fmt::Display for PolicyFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { policies, policy_p50_us, policy_p99_us, .. } = self;
        let (count, first, worst) = (self.policy_first_questions, self.policy_first_p50_us, self.policy_first_p99_us);
        write!(
            f,
            "policy: a decision with {policies} policies {policy_p50_us:.2} µs (p99 {policy_p99_us:.2}); each of {count} \
             questions when it was new {first:.0} µs (p99 {worst:.0})"
        )
    }
}

/// Policies that look at role, action, account and credential, as written ones do; none of them permits anything new.
fn more(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let (role, kind) = ROLES[number % ROLES.len()];
        let action = ACTIONS[number * 7 % ACTIONS.len()];
        let effect = if kind == PrincipalKind::Staff && number % 3 == 0 { "forbid" } else { "permit" };
        write!(
            text,
            "@id(\"generated {number}\")\n{effect} (principal in Heng::Role::\"{role}\", \
             action == Heng::Action::\"{action}\", resource)\nwhen {{ context.held && context.credential == \"kind-{number}\" }};\n"
        )
        .expect("writing to a string cannot fail");
    }
    text
}

fn principals() -> Vec<Principal> {
    let of = |id: u64| {
        let (role, kind) = ROLES[usize::try_from(id).expect("a small number") % ROLES.len()];
        let accounts = match kind {
            PrincipalKind::Staff => Accounts::All,
            _ => Accounts::These(vec![AccountId(id)]),
        };
        let credential = if kind == PrincipalKind::Partner { "token:1" } else { "session:1" };
        Principal {
            id,
            kind,
            name: format!("user-{id}"),
            accounts,
            roles: vec![role.to_owned()],
            scopes: Vec::new(),
            credential: credential.into(),
        }
    };
    (1..=CLIENTS).map(of).collect()
}

fn percentile(sorted: &[f64], of_100: usize) -> f64 {
    sorted[(sorted.len() - 1) * of_100 / 100]
}

/// Times decisions, each by itself.
pub(super) fn measure(quick: bool) -> Result<PolicyFigures, Box<dyn Error>> {
    let own = Policy::count();
    let policy = Policy::with(&more(POLICIES - own))?;
    let (principals, mut asked) = (principals(), HashSet::new());
    let (mut first, mut all) = (Vec::new(), Vec::new());
    let decisions = if quick { 200_000 } else { 2_000_000 };
    let mut random = 1_u64;
    for _ in 0..decisions {
        // A linear congruential sequence (Knuth's constants): which request comes next does not matter much.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = |bits: u32, of: usize| usize::try_from((random >> bits) & 0xFFFF).expect("16 bits") % of;
        let who = &principals[pick(16, principals.len())];
        let action = ACTIONS[pick(32, ACTIONS.len())];
        let own = AccountId(who.id);
        let (place, resource) =
            [(0, Resource::Any), (1, Resource::Account(own)), (2, Resource::Account(AccountId(who.id + CLIENTS)))]
                [pick(48, 3)];
        let began = Instant::now();
        let decision = policy.decide(who, action, resource);
        let took = began.elapsed().as_secs_f64() * 1e6;
        std::hint::black_box(decision);
        if asked.insert((who.roles[0].clone(), action, place)) {
            first.push(took);
        }
        all.push(took);
    }
    first.sort_by(f64::total_cmp);
    all.sort_by(f64::total_cmp);
    Ok(PolicyFigures {
        policies: POLICIES,
        policy_p50_us: percentile(&all, 50),
        policy_p99_us: percentile(&all, 99),
        policy_first_questions: first.len(),
        policy_first_p50_us: percentile(&first, 50),
        policy_first_p99_us: percentile(&first, 99),
    })
}
