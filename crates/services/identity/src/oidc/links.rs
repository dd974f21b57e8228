//! Who a provider's subject is here: linked once by an administrator, or by the name at the first sign-on.

use heng_ports::{Principal, PrincipalKind};

use super::rows::{self, LinkRow};
use super::token::plain_id;
use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::store;
use crate::users::{by_or_system, kind_of};

pub(crate) use super::rows::LinkRow as LinkShownRow;

const NO_PROVIDER: &str = "no OpenID provider is configured";

impl Identity {
    /// The link of a user; none if there is none.
    ///
    /// # Errors
    /// If the tables fail.
    pub(crate) async fn provider_link(&self, user: u64) -> Result<Option<LinkRow>, IdentityError> {
        Ok(rows::link_of(&mut self.store.read().await?, user).await?)
    }

    /// Links a staff user to a subject of the configured issuer.
    ///
    /// # Errors
    /// If there is no such staff user, they or the subject are linked already, or no provider is configured.
    pub(crate) async fn link_provider(
        &self,
        by: &Principal,
        user: u64,
        (issuer, subject): (&str, &str),
    ) -> Result<LinkRow, IdentityError> {
        let oidc = self.oidc.as_ref().ok_or_else(|| IdentityError::Clash(NO_PROVIDER.to_owned()))?;
        if issuer != oidc.options.issuer {
            return Err(IdentityError::field("/issuer", "is not that of the configured provider"));
        }
        if !plain_id(subject) {
            return Err(IdentityError::field("/subject", "must be 1 to 255 printable ASCII characters"));
        }
        let row = LinkRow {
            principal: user,
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            linked_by: by.id,
            linked_at: self.clock.now(),
            confirmed_at: None,
        };
        self.insert_provider_link(row, Some(by)).await
    }

    /// Writes a link with its row of the audit trail.
    pub(super) async fn insert_provider_link(
        &self,
        row: LinkRow,
        by: Option<&Principal>,
    ) -> Result<LinkRow, IdentityError> {
        let mut change = self.store.begin().await?;
        let found = store::principal(change.connection(), row.principal).await?;
        let user = found.filter(|found| kind_of(&found.kind) == PrincipalKind::Staff);
        let user = user.ok_or(IdentityError::Absent("staff user"))?;
        match rows::insert_link(change.connection(), &row).await {
            Err(error) if error.is_taken() => {
                let told = "the user or the subject is linked already; take that link away first";
                return Err(IdentityError::Clash(told.to_owned()));
            }
            other => other?,
        }
        let note = AuditRow::of(row.linked_at, "provider.linked", "done").on(format!("principal:{}", row.principal));
        let how = if by.is_none() { ", by the name at the first sign-on" } else { "" };
        let note = note.telling(format!("{} is {} at {}{how}", user.name, row.subject, row.issuer));
        store::insert_audit(change.connection(), &[by_or_system(note, by)]).await?;
        change.commit().await?;
        Ok(row)
    }

    /// Takes a link away, and ends the sessions that began by it.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn unlink_provider(&self, by: &Principal, user: u64) -> Result<u64, IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let found = rows::link_of(change.connection(), user).await?;
        let row = found.ok_or(IdentityError::Absent("link to the provider"))?;
        rows::remove_link(change.connection(), user).await?;
        let named = (row.subject.as_str(), "");
        let sessions = rows::sessions_named(change.connection(), &row.issuer, named).await?;
        let mut ended = 0;
        for session in &sessions {
            ended += u64::from(store::revoke_session(change.connection(), *session, now).await?);
        }
        let note = AuditRow::of(now, "provider.unlinked", "done").by(by).on(format!("principal:{user}"));
        let note = note.telling(format!("{} at {}, {ended} sessions ended", row.subject, row.issuer));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        self.sessions.forget_principal(user);
        Ok(ended)
    }
}
