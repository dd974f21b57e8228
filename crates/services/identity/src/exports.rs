//! What this service hands out as a file: the audit trail and the users.

use heng_ports::{ExportAsk, ExportKind, ExportRows, ExportSource, FeedError, Later};
use heng_security::privacy::{FreeText, Kind, NetworkAddress, Personal, SignInName};

use crate::audit::AuditRow;
use crate::audit_search::{AuditFilter, rows_in, search};
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::shapes::instant;
use crate::store::{self, PrincipalRow};

const AUDIT: &str = "audit";
const USERS: &str = "users";

const KINDS: [ExportKind; 2] = [
    ExportKind {
        name: AUDIT,
        action: "audit.read",
        filters: &["from", "to", "account", "principal", "action"],
        columns: &[
            "number",
            "at",
            "principal",
            "name",
            "credential",
            "action",
            "resource",
            "outcome",
            "detail",
            "address",
            "times",
        ],
    },
    ExportKind {
        name: USERS,
        action: "user.read",
        filters: &["principal"],
        columns: &["id", "name", "kind", "roles", "accounts", "second_factor", "disabled", "created_at", "changed_at"],
    },
];

/// A personal value as the export may tell it.
fn told<K: Kind>(text: &str, ask: &ExportAsk) -> String {
    let value = Personal::<K>::held(text);
    if ask.masked { value.masked() } else { value.expose_plain().to_owned() }
}

fn audit_row((number, row): (u64, AuditRow), ask: &ExportAsk) -> Vec<String> {
    let (name, detail) = (told::<SignInName>(&row.name, ask), told::<FreeText>(&row.detail, ask));
    let address = told::<NetworkAddress>(&row.address, ask);
    let (at, principal, times) = (instant(row.at), row.principal.to_string(), row.times.to_string());
    let (credential, action, resource, outcome) = (row.credential, row.action, row.resource, row.outcome);
    vec![number.to_string(), at, principal, name, credential, action, resource, outcome, detail, address, times]
}

fn user_row(row: PrincipalRow, ask: &ExportAsk) -> Vec<String> {
    let yes_no = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let (id, name) = (row.id.to_string(), told::<SignInName>(&row.name, ask));
    let (made, changed) = (instant(row.created_at), instant(row.changed_at));
    let (factor, disabled) = (yes_no(row.totp.is_some()), yes_no(row.disabled));
    vec![id, name, row.kind, row.roles, row.accounts, factor, disabled, made, changed]
}

/// Where the next rows begin; an empty text is the beginning.
fn place(after: &str) -> Result<Option<u64>, IdentityError> {
    if after.is_empty() {
        return Ok(None);
    }
    after.parse().map(Some).map_err(|_| IdentityError::field("after", "is no place of this export"))
}

fn filter(ask: &ExportAsk, before: Option<u64>, limit: u32) -> AuditFilter {
    AuditFilter {
        before,
        principal: ask.principal,
        action: ask.action.clone(),
        account: ask.account.map(|account| account.0),
        from: ask.from,
        to: ask.to,
        limit,
        ..AuditFilter::default()
    }
}

impl Identity {
    async fn audit_rows(&self, ask: &ExportAsk, after: &str, limit: u32) -> Result<ExportRows, IdentityError> {
        let before = place(after)?;
        if before.is_none() {
            self.audit.flush().await;
        }
        let page = search(&mut self.store.read().await?, &filter(ask, before, limit)).await?;
        let rows = page.rows.into_iter().map(|row| audit_row(row, ask)).collect();
        Ok(ExportRows { rows, next: page.next_before.map(|before| before.to_string()) })
    }

    async fn user_rows(&self, ask: &ExportAsk, after: &str, limit: u32) -> Result<ExportRows, IdentityError> {
        let mut look = self.store.read().await?;
        if let Some(id) = ask.principal {
            let found = store::principal(&mut look, id).await?.filter(|row| row.kind != "partner");
            return Ok(ExportRows { rows: found.into_iter().map(|row| user_row(row, ask)).collect(), next: None });
        }
        let after = place(after)?.unwrap_or(0);
        let found = store::list_principals(&mut look, &["client", "staff"], after, limit).await?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(|row| row.id.to_string());
        Ok(ExportRows { rows: found.into_iter().map(|row| user_row(row, ask)).collect(), next })
    }
}

impl ExportSource for Identity {
    fn kinds(&self) -> &'static [ExportKind] {
        const { &KINDS }
    }

    fn count<'a>(&'a self, ask: &'a ExportAsk) -> Later<'a, Result<Option<u64>, FeedError>> {
        Box::pin(async move {
            // Rows that are filtered by more than time are not counted: that would read them all.
            let by_time = ask.kind == AUDIT && ask.principal.is_none() && ask.account.is_none() && ask.action.is_none();
            if !by_time {
                return Ok(None);
            }
            Ok(Some(rows_in(&mut self.store.read().await?, &filter(ask, None, 1)).await?))
        })
    }

    fn rows<'a>(&'a self, ask: &'a ExportAsk, after: &'a str, limit: u32) -> Later<'a, Result<ExportRows, FeedError>> {
        Box::pin(async move {
            let made = match ask.kind.as_str() {
                AUDIT => self.audit_rows(ask, after, limit).await,
                _ => self.user_rows(ask, after, limit).await,
            };
            Ok(made?)
        })
    }
}
