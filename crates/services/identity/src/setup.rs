//! Users without anybody who makes them: the first of the staff, and those of a demonstration with tokens for programs
//! that make load.

use std::sync::Arc;

use heng_ports::{Accounts, Principal, PrincipalKind};
use heng_store::Sql;

use crate::api_keys::{MadeKey, NewKey};
use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::oauth::{MadePartner, NewPartner, partner_row};
use crate::seals::seal_code;
use crate::secret::{Secret, base32, random};
use crate::sessions::{Means, Opened, Way};
use crate::store::{self, PrincipalRow};
use crate::users::{MadeUser, NewUser, by_or_system, principal_of, row_of};

/// Sessions that are given in one transaction.
const GIVEN_AT_ONCE: usize = 500;
/// Keys of a start that go on when the next start makes its own.
const KEYS_GO_ON: usize = 8;
/// More than a principal may have.
const ALL_KEYS: u32 = 1_000;
/// The role of the first of the staff: it makes users, and does not trade.
const FIRST_ROLE: &str = "admin";
/// How the start gives a session.
const GIVEN: Way<'static> = Way { scopes: "", address: None, action: "session.given", means: Means::Given, device: "" };

/// The first of the staff. Password and secret are shown here and never again.
#[derive(Clone, Debug)]
pub struct FirstStaff {
    /// Stable id.
    pub id: u64,
    /// A fresh password.
    pub password: Secret,
    /// The secret of the second factor, in base32.
    pub totp_secret: Secret,
}

impl Identity {
    /// Makes the first staff user, an administrator, with a fresh password and a confirmed second factor. Everybody else
    /// is made by somebody.
    ///
    /// # Errors
    /// If there is a staff user, shut out or not, the name is taken or cannot be one, or the tables fail.
    pub async fn make_first_staff(&self, name: &str) -> Result<FirstStaff, IdentityError> {
        let roles = vec![FIRST_ROLE.to_owned()];
        let accounts = Accounts::These(Vec::new());
        let new = NewUser { name: name.to_owned(), kind: PrincipalKind::Staff, roles, accounts };
        let (password, totp) = (Secret::fresh_password(), random::<20>());
        let (row, now) = (row_of(&new, 0, self.clock.now())?, self.clock.now());
        let hash = self.hashing.hash(password.expose()).await?;
        let mut change = self.store.begin().await?;
        // Whoever takes a number holds up others who want one: of two who try at once, one finds the other's user.
        let id = store::next_number(change.connection(), "principal", 1).await?;
        let staff = store::list_principals(change.connection(), &[PrincipalKind::Staff.name()], 0, 1).await?;
        if let Some(found) = staff.first() {
            return Err(IdentityError::Clash(format!(
                "there is a staff user, {}; whoever is one makes others",
                found.name
            )));
        }
        let initial_until = Some(self.initial_end());
        let sealed = Some(seal_code(self.store.seals(), id, &totp)?);
        let row = PrincipalRow { id, password: Some(hash), totp: sealed, initial_until, ..row };
        match store::insert_principals(change.connection(), std::slice::from_ref(&row)).await {
            Err(error) if error.is_taken() => return Err(IdentityError::Clash(format!("the name {name} is taken"))),
            other => other?,
        }
        let note = AuditRow::of(now, "user.created", "done").on(format!("principal:{id}"));
        let note = note.telling(format!("the first staff user {name}, role {FIRST_ROLE}, with a second factor"));
        store::insert_audit(change.connection(), &[by_or_system(note, None)]).await?;
        change.commit().await?;
        Ok(FirstStaff { id, password, totp_secret: Secret::new(base32(&totp)) })
    }

    /// Whether there is a staff user, shut out or not.
    ///
    /// # Errors
    /// If the tables fail.
    pub async fn has_staff(&self) -> Result<bool, IdentityError> {
        let kinds = [PrincipalKind::Staff.name()];
        Ok(!store::list_principals(&mut self.store.read().await?, &kinds, 0, 1).await?.is_empty())
    }

    /// Makes a user; or gives the user of this name a fresh password and these roles and accounts. Sessions, tokens
    /// and keys that were given before go on, so that programs survive a restart. The password need not be changed: this
    /// is for demonstrations.
    ///
    /// # Errors
    /// If a field cannot be that, or the tables fail.
    pub async fn renew_user(&self, new: NewUser) -> Result<MadeUser, IdentityError> {
        let Some(id) = self.user_named(&new.name).await? else { return self.make_user(None, new, None).await };
        let fresh = row_of(&new, id, 0)?;
        let password = Secret::fresh_password();
        let hash = self.hashing.hash(password.expose()).await?;
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let update = "UPDATE principals SET password = $1, roles = $2, accounts = $3, disabled = $4, totp_step = 0,
            initial_until = NULL, changed_at = $5 WHERE id = $6";
        let update = Sql::new(update).bind(hash).bind(fresh.roles).bind(fresh.accounts);
        change.connection().execute(update.bind(false).bind(now).bind(id)).await?;
        let note = AuditRow::of(now, "user.renewed", "done").on(format!("principal:{id}"));
        store::insert_audit(change.connection(), &[by_or_system(note, None)]).await?;
        change.commit().await?;
        self.sessions.forget_principal(id);
        self.keys.forget_principal(id);
        Ok(MadeUser { id, password })
    }

    /// Makes a key, and ends those of its name that are older than the latest few: programs survive some restarts, and
    /// starts without end do not use up the keys that a principal may have.
    ///
    /// # Errors
    /// As [`Identity::make_key`].
    pub async fn renew_key(&self, owner: u64, new: NewKey) -> Result<MadeKey, IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let mut held = store::list_keys(change.connection(), owner, i64::MAX.cast_unsigned(), ALL_KEYS).await?;
        held.retain(|key| key.name == new.name);
        for key in held.iter().skip(KEYS_GO_ON) {
            store::revoke_key(change.connection(), &key.id, now).await?;
            let note = AuditRow::of(now, "key.revoked", "done").on(format!("key:{}", key.id));
            let note = note.telling(format!("of principal {owner}: later ones were made at the start"));
            store::insert_audit(change.connection(), &[by_or_system(note, None)]).await?;
        }
        change.commit().await?;
        self.keys.forget_principal(owner);
        self.make_key(None, owner, new).await
    }

    /// Makes a partner; or gives the partner of this name a fresh secret and these scopes and accounts. Tokens that were
    /// given before go on.
    ///
    /// # Errors
    /// If the name is a user's, a field cannot be that, or the tables fail.
    pub async fn renew_partner(&self, new: NewPartner) -> Result<MadePartner, IdentityError> {
        let Some(id) = self.user_named(&new.name).await? else { return self.make_partner(None, new).await };
        let (fresh, secret) = partner_row(&new)?;
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let update = "UPDATE principals SET secret = $1, scopes = $2, accounts = $3, disabled = $4, changed_at = $5
            WHERE id = $6 AND kind = $7";
        let update = Sql::new(update).bind(fresh.secret).bind(fresh.scopes).bind(fresh.accounts);
        let update = update.bind(false).bind(now).bind(id).bind(fresh.kind);
        if change.connection().execute(update).await? == 0 {
            return Err(IdentityError::Clash(format!("the name {} is taken", new.name)));
        }
        let note = AuditRow::of(now, "partner.renewed", "done").on(format!("principal:{id}"));
        store::insert_audit(change.connection(), &[by_or_system(note, None)]).await?;
        change.commit().await?;
        self.sessions.forget_principal(id);
        Ok(MadePartner { id, client_id: new.name, client_secret: secret })
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

    /// Begins a session without a password. It ends when it is old, not for being idle.
    ///
    /// # Errors
    /// If there is no such user, or they are shut out.
    pub async fn open_session_for(&self, user: u64) -> Result<Opened, IdentityError> {
        let row = store::principal(&mut self.store.read().await?, user).await?;
        self.open_session(&row.ok_or(IdentityError::Absent("user"))?, GIVEN).await
    }

    /// Gives a session to each of these users, who are made without a password where they are not known: nobody can
    /// sign in as them. For programs that make load. Hashing thousands of passwords would take minutes.
    ///
    /// # Errors
    /// If a field cannot be that, or the tables fail. Sessions of the batches before are given.
    pub async fn give_sessions(&self, users: &[NewUser]) -> Result<Vec<Opened>, IdentityError> {
        let mut given = Vec::with_capacity(users.len());
        for users in users.chunks(GIVEN_AT_ONCE) {
            given.extend(self.give_batch(users).await?);
        }
        Ok(given)
    }

    async fn give_batch(&self, users: &[NewUser]) -> Result<Vec<Opened>, IdentityError> {
        let (now, count) = (self.clock.now(), users.len() as u64);
        let mut change = self.store.begin().await?;
        let first = store::next_number(change.connection(), "session", count).await? + 1 - count;
        let (mut given, mut sessions) = (Vec::with_capacity(users.len()), Vec::with_capacity(users.len()));
        for (id, user) in (first..).zip(users) {
            let row = match store::principal_named(change.connection(), &user.name).await? {
                Some(row) => row,
                None => make_silent(change.connection(), user, now).await?,
            };
            let (session, token) = self.new_session(&row, id, &GIVEN);
            let principal = principal_of(&row, "", format!("session:{id}"));
            given.push(Opened { token, expires_at: session.expires_at, principal });
            sessions.push(session);
        }
        store::insert_sessions(change.connection(), &sessions).await?;
        let note = AuditRow::of(now, "sessions.given", "done").telling(format!("{count} sessions"));
        store::insert_audit(change.connection(), &[by_or_system(note, None)]).await?;
        change.commit().await?;
        Ok(given)
    }

    /// Gives a user a confirmed second factor, and returns its secret in base32.
    ///
    /// # Errors
    /// If there is no such user.
    pub async fn give_totp(&self, user: u64) -> Result<Secret, IdentityError> {
        let (now, secret) = (self.clock.now(), random::<20>());
        let mut change = self.store.begin().await?;
        let mut row = store::principal(change.connection(), user).await?.ok_or(IdentityError::Absent("user"))?;
        (row.totp, row.totp_step, row.changed_at) = (Some(seal_code(self.store.seals(), user, &secret)?), 0, now);
        store::update_principal(change.connection(), &row).await?;
        let note = AuditRow::of(now, "totp.given", "done").on(format!("principal:{user}"));
        store::insert_audit(change.connection(), &[by_or_system(note, None)]).await?;
        change.commit().await?;
        Ok(Secret::new(base32(&secret)))
    }

    /// Whether nobody is known yet, so that a start must make the first users.
    ///
    /// # Errors
    /// If the tables fail.
    pub async fn is_empty(&self) -> Result<bool, IdentityError> {
        let kinds = ["client", "staff", "partner", "service"];
        Ok(store::list_principals(&mut self.store.read().await?, &kinds, 0, 1).await?.is_empty())
    }

    /// The id of the user or partner of this name.
    ///
    /// # Errors
    /// If the tables fail.
    pub async fn user_named(&self, name: &str) -> Result<Option<u64>, IdentityError> {
        Ok(store::principal_named(&mut self.store.read().await?, name).await?.map(|row| row.id))
    }
}

async fn make_silent(
    connection: &mut heng_store::Connection,
    user: &NewUser,
    now: i64,
) -> Result<PrincipalRow, IdentityError> {
    let id = store::next_number(connection, "principal", 1).await?;
    let row = row_of(user, id, now)?;
    store::insert_principals(connection, std::slice::from_ref(&row)).await?;
    Ok(row)
}
