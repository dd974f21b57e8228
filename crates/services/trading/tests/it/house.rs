//! What stands around the doors in a test: who asks, and a record that is written by hand.

use std::sync::Arc;
use std::time::Duration;

use heng_model::{AccountId, Event, Seq};
use heng_ports::{
    Accounts, Answered, AuthFailure, CoreQueries, Credentials, Decision, EventBlock, EventFeed, EventSource, FeedError,
    Gatekeeper, Later, NoAnswer, Principal, PrincipalKind, Question, Resource,
};

use crate::record::piece;

/// A bearer token `client-N` is a client with account N; whoever brings nothing is staff. Those of `ended` and `moved`
/// count for the request that brings them and not, or otherwise, afterwards.
pub(crate) struct Gate;

impl Gatekeeper for Gate {
    fn identify<'a>(&'a self, credentials: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let client = credentials.authorization.and_then(|text| text.strip_prefix("Bearer client-"));
        let account: Option<u64> = client.and_then(|text| text.parse().ok());
        let accounts = account.map_or(Accounts::All, |account| Accounts::These(vec![AccountId(account)]));
        let kind = if account.is_some() { PrincipalKind::Client } else { PrincipalKind::Staff };
        let bearer = credentials.authorization.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or("t");
        let (id, name, credential) = (1, "t".into(), format!("token:{bearer}"));
        let principal = Principal { id, kind, name, accounts, roles: Vec::new(), scopes: Vec::new(), credential };
        Box::pin(async { Ok(Arc::new(principal)) })
    }

    fn again<'a>(&'a self, principal: &'a Arc<Principal>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let now = match principal.credential.as_str() {
            "token:ended" => Err(AuthFailure::Ended),
            "token:moved" => {
                Ok(Arc::new(Principal { scopes: vec!["order.read".into()], ..Principal::clone(principal) }))
            }
            _ => Ok(Arc::clone(principal)),
        };
        Box::pin(async { now })
    }

    fn step_up<'a>(
        &'a self,
        _: &'a Arc<Principal>,
        _: heng_ports::StepUpAsk<'a>,
    ) -> Later<'a, Result<(), heng_ports::StepUpFailure>> {
        Box::pin(async { Ok(()) })
    }

    fn decide(&self, principal: &Principal, action: &'static str, resource: Resource) -> Decision {
        let staff = principal.kind == PrincipalKind::Staff;
        let allowed = match resource {
            Resource::Any => staff || !matches!(action, "kill.switch" | "dropcopy.read"),
            Resource::Account(account) => principal.accounts.hold(account),
        };
        if allowed { Decision::Allow } else { Decision::Deny("no policy permits it".into()) }
    }
}

/// Nobody answers questions.
pub(crate) struct NoReplica;

impl CoreQueries for NoReplica {
    fn ask(&self, _: Question, _: Duration) -> Result<Answered, NoAnswer> {
        Err(NoAnswer::Stopped)
    }
}

/// A record in memory, told in pieces of three commands.
pub(crate) struct Recorded(pub(crate) Vec<Vec<Event>>);

struct Feed {
    record: Vec<Vec<Event>>,
    next: u64,
}

impl EventFeed for Feed {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        let last = self.record.len() as u64;
        if self.next > last {
            return Ok(None);
        }
        let through = (self.next + 2).min(last);
        let block = piece(&self.record, self.next, through);
        self.next = through + 1;
        Ok(Some(block))
    }
}

impl EventSource for Recorded {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        // As the record does, it may begin earlier, inside the same piece.
        let next = (from.0.max(1) - 1) / 3 * 3 + 1;
        Ok(Box::new(Feed { record: self.0.clone(), next }))
    }

    fn head(&self) -> Seq {
        Seq(self.0.len() as u64)
    }
}
