//! What the start of a demonstration needs: users made afresh, tokens for programs that make load.

use std::sync::Arc;

use heng_ports::Principal;
use heng_store::Sql;

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::secret::{Secret, digest};
use crate::sessions::{Opened, SESSION_PREFIX};
use crate::store::{self, PrincipalRow, SessionRow};
use crate::users::{MadeUser, NewUser, accounts_text, check_accounts, check_name, check_roles, principal_of, text_of};

/// Sessions that are given in one transaction.
const GIVEN_AT_ONCE: usize = 500;

impl Identity {
    /// Makes a user; or gives the user of this name a fresh password and these roles and accounts. Sessions, tokens
    /// and keys that were given before go on, so that programs survive a restart.
    ///
    /// # Errors
    /// If a field cannot be that, or the tables fail.
    pub async fn renew_user(&self, new: NewUser) -> Result<MadeUser, IdentityError> {
        let Some(id) = self.user_named(&new.name).await? else { return self.make_user(None, new, None).await };
        check_roles(&new.roles, new.kind)?;
        check_accounts(&new.accounts, new.kind)?;
        let password = Secret::fresh_password();
        let hash = self.hashing.hash(password.expose()).await?;
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let update = "UPDATE principals SET password = $1, roles = $2, accounts = $3, disabled = $4, totp_step = 0,
            changed_at = $5 WHERE id = $6";
        let update = Sql::new(update).bind(Some(hash)).bind(text_of(&new.roles)).bind(accounts_text(&new.accounts));
        change.connection().execute(update.bind(false).bind(now).bind(id)).await?;
        let note = AuditRow::of(now, "user.renewed", "done").on(format!("principal:{id}"));
        store::insert_audit(change.connection(), &[AuditRow { name: "system".to_owned(), ..note }]).await?;
        change.commit().await?;
        self.sessions.forget_principal(id);
        self.keys.forget_principal(id);
        Ok(MadeUser { id, password })
    }

    /// Who this is, without any credential; `None` if there is no such principal.
    ///
    /// # Errors
    /// If the tables fail.
    pub async fn principal_named(&self, name: &str) -> Result<Option<Arc<Principal>>, IdentityError> {
        let row = store::principal_named(&mut self.store.read().await?, name).await?;
        let row = row.filter(|row| !row.disabled);
        Ok(row.map(|row| Arc::new(principal_of(&row, "", "configuration".to_owned()))))
    }

    /// Gives a session to each of these users, who are made without a password where they are not known: nobody can
    /// sign in as them. For programs that make load.
    ///
    /// # Errors
    /// If a field cannot be that, or the tables fail.
    pub async fn give_sessions(&self, users: &[NewUser]) -> Result<Vec<Opened>, IdentityError> {
        let mut given = Vec::with_capacity(users.len());
        for users in users.chunks(GIVEN_AT_ONCE) {
            let now = self.clock.now();
            let mut change = self.store.begin().await?;
            for user in users {
                check_name(&user.name)?;
                check_accounts(&user.accounts, user.kind)?;
                let row = match store::principal_named(change.connection(), &user.name).await? {
                    Some(row) => row,
                    None => make_silent(change.connection(), user, now).await?,
                };
                given.push(self.give(change.connection(), &row, now).await?);
            }
            let note = AuditRow::of(now, "sessions.given", "done").telling(format!("{} sessions", users.len()));
            store::insert_audit(change.connection(), &[AuditRow { name: "system".to_owned(), ..note }]).await?;
            change.commit().await?;
        }
        Ok(given)
    }

    async fn give(
        &self,
        connection: &mut heng_store::Connection,
        row: &PrincipalRow,
        now: i64,
    ) -> Result<Opened, IdentityError> {
        let token = Secret::fresh(SESSION_PREFIX);
        let id = store::next_number(connection, "session", 1).await?;
        let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4);
        let session = SessionRow {
            id,
            principal: row.id,
            kind: "session".to_owned(),
            token: digest(token.expose().as_bytes()).to_vec(),
            scopes: String::new(),
            address: String::new(),
            created_at: now,
            expires_at: now.saturating_add(nanos(self.options.session_age)),
            idle_nanos: nanos(self.options.session_age),
            used_at: now,
            revoked_at: None,
        };
        store::insert_session(connection, &session).await?;
        let principal = principal_of(row, "", format!("session:{id}"));
        Ok(Opened { token, expires_at: session.expires_at, principal })
    }
}

async fn make_silent(
    connection: &mut heng_store::Connection,
    user: &NewUser,
    now: i64,
) -> Result<PrincipalRow, IdentityError> {
    let row = PrincipalRow {
        id: store::next_number(connection, "principal", 1).await?,
        kind: user.kind.name().to_owned(),
        name: user.name.clone(),
        roles: text_of(&user.roles),
        accounts: accounts_text(&user.accounts),
        created_at: now,
        changed_at: now,
        ..PrincipalRow::default()
    };
    store::insert_principal(connection, &row).await?;
    Ok(row)
}
