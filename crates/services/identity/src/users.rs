//! People and programs: what they are called, what they may be, and how they become a [`Principal`].

use heng_model::AccountId;
use heng_ports::{Accounts, PRINCIPAL_ACCOUNTS_MAX, Principal, PrincipalKind};

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::password::check_length;
use crate::policy::{ACTIONS, ROLES};
use crate::repeats::{Once, RepeatKey, known, remember};
use crate::secret::Secret;
use crate::store::{self, PrincipalRow};

/// Characters of a name at most.
pub(crate) const NAME_MAX: usize = 64;

/// A user to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// Sign-in name: 1 to 64 letters, digits, `.`, `_`, `-`, `@`; unique.
    pub name: String,
    /// Client or staff.
    pub kind: PrincipalKind,
    /// At least one, each of this kind.
    pub roles: Vec<String>,
    /// Accounts they may act for.
    pub accounts: Accounts,
}

/// A user that was made. The password is shown here and never again.
#[derive(Clone, Debug)]
pub struct MadeUser {
    /// Stable id.
    pub id: u64,
    /// A fresh password, or the one that was asked for.
    pub password: Secret,
}

/// The kind of a stored name.
pub(crate) fn kind_of(name: &str) -> PrincipalKind {
    match name {
        "client" => PrincipalKind::Client,
        "staff" => PrincipalKind::Staff,
        "partner" => PrincipalKind::Partner,
        _ => PrincipalKind::Service,
    }
}

/// A list as it is stored.
pub(crate) fn list_of(text: &str) -> Vec<String> {
    text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A list to be stored: ascending, each once.
pub(crate) fn text_of(words: &[String]) -> String {
    let mut words = words.to_vec();
    words.sort();
    words.dedup();
    words.join(",")
}

pub(crate) fn accounts_of(text: &str) -> Accounts {
    if text == "*" {
        return Accounts::All;
    }
    Accounts::These(text.split(',').filter_map(|number| number.parse().ok().map(AccountId)).collect())
}

pub(crate) fn accounts_text(accounts: &Accounts) -> String {
    match accounts {
        Accounts::All => "*".to_owned(),
        Accounts::These(list) => list.iter().map(|account| account.0.to_string()).collect::<Vec<_>>().join(","),
    }
}

/// Who this is, with the scopes of what they came with.
pub(crate) fn principal_of(row: &PrincipalRow, scopes: &str, credential: String) -> Principal {
    Principal {
        id: row.id,
        kind: kind_of(&row.kind),
        name: row.name.clone(),
        accounts: accounts_of(&row.accounts),
        roles: list_of(&row.roles),
        scopes: list_of(scopes),
        credential,
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), IdentityError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
    if !(1..=NAME_MAX).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(IdentityError::field("/name", "must be 1 to 64 letters, digits, '.', '_', '-' or '@'"));
    }
    Ok(())
}

pub(crate) fn check_scopes(scopes: &[String], pointer: &'static str) -> Result<(), IdentityError> {
    match scopes.iter().find(|scope| !ACTIONS.contains(&scope.as_str())) {
        Some(unknown) => Err(IdentityError::field(pointer, format!("there is no action {unknown}"))),
        None => Ok(()),
    }
}

pub(crate) fn check_accounts(accounts: &Accounts, kind: PrincipalKind) -> Result<(), IdentityError> {
    match accounts {
        Accounts::All if kind == PrincipalKind::Client => {
            Err(IdentityError::Clash("a client acts for accounts of their own, not for all".to_owned()))
        }
        Accounts::These(list) if list.len() > PRINCIPAL_ACCOUNTS_MAX => {
            Err(IdentityError::field("/accounts", format!("are more than {PRINCIPAL_ACCOUNTS_MAX}")))
        }
        _ => Ok(()),
    }
}

pub(crate) fn check_roles(roles: &[String], kind: PrincipalKind) -> Result<(), IdentityError> {
    if roles.is_empty() {
        return Err(IdentityError::field("/roles", "a user has at least one role"));
    }
    let fits = |role: &String| ROLES.iter().any(|(name, of)| name == role && *of == kind);
    match roles.iter().find(|role| !fits(role)) {
        Some(wrong) => Err(IdentityError::Clash(format!("no {} has the role {wrong}", kind.name()))),
        None => Ok(()),
    }
}

/// What is stored of a user, without a password.
pub(crate) fn row_of(user: &NewUser, id: u64, now: i64) -> Result<PrincipalRow, IdentityError> {
    check_name(&user.name)?;
    if !matches!(user.kind, PrincipalKind::Client | PrincipalKind::Staff) {
        return Err(IdentityError::field("/kind", "a user is a client or staff"));
    }
    check_roles(&user.roles, user.kind)?;
    check_accounts(&user.accounts, user.kind)?;
    Ok(PrincipalRow {
        id,
        kind: user.kind.name().to_owned(),
        name: user.name.clone(),
        roles: text_of(&user.roles),
        accounts: accounts_text(&user.accounts),
        created_at: now,
        changed_at: now,
        ..PrincipalRow::default()
    })
}

impl Identity {
    /// Makes a user, by `by` or at the start of the system (none). Without `password` one is made. A password that comes
    /// from somebody else must be changed at the first sign-in, within seven days; one of the start, which is a
    /// demonstration's, need not.
    ///
    /// # Errors
    /// If the name is taken or a field cannot be that.
    pub async fn make_user(
        &self,
        by: Option<&Principal>,
        new: NewUser,
        password: Option<Secret>,
    ) -> Result<MadeUser, IdentityError> {
        match self.make_user_once(by, new, password, None).await? {
            Once::First(made) => Ok(made),
            Once::Again(_) => unreachable!("nothing is repeated without a key"),
        }
    }

    /// As [`Identity::make_user`]; a repeat of the same write gets the user that the first one made.
    pub(crate) async fn make_user_once(
        &self,
        by: Option<&Principal>,
        new: NewUser,
        password: Option<Secret>,
        key: Option<RepeatKey<'_>>,
    ) -> Result<Once<MadeUser>, IdentityError> {
        let row = row_of(&new, 0, 0)?;
        if let Some(password) = &password {
            self.check_choice((&new.name, &new.accounts), password, "/password").await?;
        }
        let password = password.unwrap_or_else(Secret::fresh_password);
        let hash = self.hashing.hash(password.expose()).await?;
        let initial_until = by.map(|_| self.initial_end());
        let row = PrincipalRow { password: Some(hash), initial_until, ..row };
        let made = self.insert_principal(by, row, "user.created", key).await?;
        Ok(made.map(|id| MadeUser { id, password }))
    }

    /// Writes a new principal with its row of the audit trail.
    pub(crate) async fn insert_principal(
        &self,
        by: Option<&Principal>,
        mut row: PrincipalRow,
        action: &str,
        key: Option<RepeatKey<'_>>,
    ) -> Result<Once<u64>, IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        if let Some(first) = known(&mut change, by, key, now).await? {
            return Ok(Once::Again(first));
        }
        row.id = store::next_number(change.connection(), "principal", 1).await?;
        (row.created_at, row.changed_at) = (now, now);
        match store::insert_principals(change.connection(), std::slice::from_ref(&row)).await {
            Err(error) if error.is_taken() => {
                return Err(IdentityError::Clash(format!("the name {} is taken", row.name)));
            }
            other => other?,
        }
        let told = format!("{} {}, roles {}, accounts {}", row.kind, row.name, row.roles, row.accounts);
        let note = AuditRow::of(now, action, "done").on(format!("principal:{}", row.id)).telling(told);
        store::insert_audit(change.connection(), &[by_or_system(note, by)]).await?;
        remember(&mut change, by, key, now, &row.id.to_string()).await?;
        change.commit().await?;
        Ok(Once::First(row.id))
    }

    /// Lets a principal in no more, at once: sessions, tokens and keys; or lets it in again with its keys.
    ///
    /// # Errors
    /// If there is none of one of these kinds, or it is the caller.
    pub(crate) async fn set_disabled(
        &self,
        by: &Principal,
        id: u64,
        kinds: &[PrincipalKind],
        disabled: bool,
    ) -> Result<PrincipalRow, IdentityError> {
        if by.id == id && disabled {
            return Err(IdentityError::Clash("nobody shuts themselves out".to_owned()));
        }
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let found = store::principal(change.connection(), id).await?;
        let Some(mut row) = found.filter(|row| kinds.contains(&kind_of(&row.kind))) else {
            return Err(IdentityError::Absent("user or partner"));
        };
        (row.disabled, row.changed_at) = (disabled, now);
        store::update_principal(change.connection(), &row).await?;
        let ended = if disabled { store::revoke_sessions_of(change.connection(), id, 0, now).await? } else { 0 };
        let action = if disabled { "user.disabled" } else { "user.enabled" };
        let note = AuditRow::of(now, action, "done").by(by).on(format!("principal:{id}"));
        let note = note.telling(format!("{}, {ended} sessions ended", row.name));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        self.sessions.forget_principal(id);
        self.keys.forget_principal(id);
        Ok(row)
    }

    /// Changes the caller's password and ends their other sessions.
    pub(crate) async fn change_password(
        &self,
        caller: &Principal,
        session: u64,
        current: &Secret,
        new: &Secret,
    ) -> Result<(), IdentityError> {
        check_length(new.expose(), "/new_password")?;
        if new.expose() == current.expose() {
            return Err(IdentityError::field("/new_password", "is the one that holds now"));
        }
        self.prove_password(caller, current).await?;
        self.check_choice((&caller.name, &caller.accounts), new, "/new_password").await?;
        let protected = self.factors(caller.id).await?.any();
        let hash = self.hashing.hash(new.expose()).await?;
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let mut row = store::principal(change.connection(), caller.id).await?.ok_or(IdentityError::Absent("user"))?;
        (row.password, row.initial_until, row.changed_at) = (Some(hash), None, now);
        self.lift_to(&mut change, caller, session, self.scopes_due(&row, protected)).await?;
        store::update_principal(change.connection(), &row).await?;
        let ended = store::revoke_sessions_of(change.connection(), caller.id, session, now).await?;
        let note = AuditRow::of(now, "password.changed", "done").by(caller).on(format!("principal:{}", caller.id));
        let note = note.telling(format!("{ended} other sessions ended"));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        self.sessions.forget_principal(caller.id);
        Ok(())
    }

    /// Lets the caller prove once more that they know their password; a failure counts as one of a sign-in.
    pub(crate) async fn prove_password(
        &self,
        caller: &Principal,
        password: &Secret,
    ) -> Result<PrincipalRow, IdentityError> {
        let now = self.clock.now();
        self.attempts.check(&caller.name, None, now)?;
        let row = store::principal(&mut self.store.read().await?, caller.id).await?;
        let row = row.ok_or(IdentityError::Absent("user"))?;
        if !self.hashing.matches(password.expose(), row.password.as_deref()).await? {
            self.attempts.failed(&caller.name, None, now);
            self.audit.note(AuditRow::of(now, "password.proven", "failed").by(caller));
            return Err(IdentityError::Forbidden("this is not the caller's password".to_owned()));
        }
        Ok(row)
    }
}

/// A change without a caller is one of the system's own start.
pub(crate) fn by_or_system(note: AuditRow, by: Option<&Principal>) -> AuditRow {
    match by {
        Some(principal) => note.by(principal),
        None => AuditRow { name: "system".to_owned(), ..note },
    }
}
