//! Forgotten passwords and lost factors: a code that staff make for one person, and with which that person chooses a new
//! password. For staff it takes two people to make one.

use heng_ports::{Principal, PrincipalKind};
use heng_store::{Connection, FromRow, Row, Sql, StoreError};
use subtle::ConstantTimeEq as _;

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::passkeys::{recovery_code, recovery_text};
use crate::password::check_length;
use crate::secret::{Secret, digest};
use crate::security_rows;
use crate::store::{self, PrincipalRow};
use crate::users::{accounts_of, kind_of};

/// How long a code counts: one hour.
const CODE_NANOS: i64 = 3_600 * 1_000_000_000;
/// What a code that is not taken tells, whatever was wrong.
const WRONG: &str = "the user or code is not right, or the code has ended";

/// A reset of somebody's password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ResetRow {
    pub(crate) number: u64,
    pub(crate) principal: u64,
    /// Whether the second factors go as well.
    pub(crate) factors: bool,
    pub(crate) reason: String,
    pub(crate) asked_by: u64,
    pub(crate) asked_at: i64,
    /// `proposed`, `ready`, `declined`, `used`, `replaced`.
    pub(crate) state: String,
    pub(crate) decided_by: Option<u64>,
    pub(crate) decided_at: Option<i64>,
    /// SHA-256 of the code, while it counts.
    code: Option<Vec<u8>>,
    pub(crate) expires_at: Option<i64>,
}

impl FromRow for ResetRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let number = |place| row.get::<i64>(place).map(i64::cast_unsigned);
        Ok(Self {
            number: number(0)?,
            principal: number(1)?,
            factors: row.get(2)?,
            reason: row.get(3)?,
            asked_by: number(4)?,
            asked_at: row.get(5)?,
            state: row.get(6)?,
            decided_by: row.get::<Option<i64>>(7)?.map(i64::cast_unsigned),
            decided_at: row.get(8)?,
            code: row.get(9)?,
            expires_at: row.get(10)?,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT number, principal, factors, reason, asked_by, asked_at, state, decided_by, decided_at, code, \
             expires_at FROM password_resets ",
            $rest
        )
    };
}

async fn insert(connection: &mut Connection, row: &ResetRow) -> Result<(), StoreError> {
    let insert = "INSERT INTO password_resets (number, principal, factors, reason, asked_by, asked_at, state, code,
        expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let insert = Sql::new(insert).bind(row.number).bind(row.principal).bind(row.factors).bind(row.reason.as_str());
    let insert = insert.bind(row.asked_by).bind(row.asked_at).bind(row.state.as_str()).bind(row.code.clone());
    connection.execute(insert.bind(row.expires_at)).await.map(|_| ())
}

/// Resets, newest first, below `before`.
pub(crate) async fn resets(connection: &mut Connection, before: u64, limit: u32) -> Result<Vec<ResetRow>, StoreError> {
    let query = Sql::new(select!("WHERE number < $1 ORDER BY number DESC LIMIT $2"));
    connection.load(query.bind(before).bind(limit)).await
}

async fn reset(connection: &mut Connection, number: u64) -> Result<Option<ResetRow>, StoreError> {
    connection.find(Sql::new(select!("WHERE number = $1")).bind(number)).await
}

async fn ready(connection: &mut Connection, principal: u64) -> Result<Option<ResetRow>, StoreError> {
    let query = Sql::new(select!("WHERE principal = $1 AND state = 'ready' ORDER BY number DESC LIMIT 1"));
    connection.find(query.bind(principal)).await
}

/// Sets the state of a reset that has another one; false if it was not in that one any more.
async fn turn(connection: &mut Connection, number: u64, (from, to): (&str, &str)) -> Result<bool, StoreError> {
    let update = "UPDATE password_resets SET state = $1, code = NULL WHERE number = $2 AND state = $3";
    connection.execute(Sql::new(update).bind(to).bind(number).bind(from)).await.map(|changed| changed == 1)
}

async fn decide(
    connection: &mut Connection,
    number: u64,
    (state, by, now): (&str, u64, i64),
) -> Result<bool, StoreError> {
    let update = "UPDATE password_resets SET state = $1, decided_by = $2, decided_at = $3
        WHERE number = $4 AND state = 'proposed'";
    let update = Sql::new(update).bind(state).bind(by).bind(now).bind(number);
    connection.execute(update).await.map(|changed| changed == 1)
}

/// Gives a reset its code; the codes that the user had before count no more.
async fn arm(connection: &mut Connection, row: &ResetRow) -> Result<(), StoreError> {
    let replace = "UPDATE password_resets SET state = 'replaced', code = NULL
        WHERE principal = $1 AND state = 'ready' AND number <> $2";
    connection.execute(Sql::new(replace).bind(row.principal).bind(row.number)).await?;
    let arm = "UPDATE password_resets SET code = $1, expires_at = $2 WHERE number = $3";
    let arm = Sql::new(arm).bind(row.code.clone()).bind(row.expires_at).bind(row.number);
    connection.execute(arm).await.map(|_| ())
}

/// What somebody asks for.
pub(crate) struct ResetWish {
    pub(crate) user: u64,
    pub(crate) factors: bool,
    pub(crate) reason: String,
}

impl Identity {
    /// Asks that a user may choose a new password with a code. For a client the code is made at once; for staff another
    /// person decides.
    ///
    /// # Errors
    /// If there is no such user, or it is the caller.
    pub(crate) async fn ask_reset(
        &self,
        by: &Principal,
        wish: ResetWish,
    ) -> Result<(ResetRow, Option<Secret>), IdentityError> {
        if by.id == wish.user {
            return Err(IdentityError::Clash("another one resets yours".to_owned()));
        }
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let user = self.user_in(&mut change, wish.user).await?;
        let staff = kind_of(&user.kind) == PrincipalKind::Staff;
        let number = store::next_number(change.connection(), "password-reset", 1).await?;
        let mut row = ResetRow {
            number,
            principal: wish.user,
            factors: wish.factors,
            reason: wish.reason,
            asked_by: by.id,
            asked_at: now,
            state: if staff { "proposed" } else { "ready" }.to_owned(),
            decided_by: None,
            decided_at: None,
            code: None,
            expires_at: None,
        };
        insert(change.connection(), &row).await?;
        let code = if staff { None } else { Some(self.give_code(&mut change, &mut row).await?) };
        let note = AuditRow::of(now, "reset.asked", "done").by(by).on(format!("principal:{}", row.principal));
        let with = if row.factors { ", with the second factors" } else { "" };
        store::insert_audit(change.connection(), &[note.telling(format!("reset {number}{with}"))]).await?;
        change.commit().await?;
        Ok((row, code))
    }

    async fn give_code(&self, change: &mut heng_store::Change, row: &mut ResetRow) -> Result<Secret, IdentityError> {
        let code = recovery_code();
        row.code = Some(digest(recovery_text(code.expose()).as_bytes()).to_vec());
        row.expires_at = Some(self.clock.now().saturating_add(CODE_NANOS));
        arm(change.connection(), row).await?;
        Ok(code)
    }

    /// Approves or declines a reset of one of the staff. Who approves gets the code, and hands it to the person.
    ///
    /// # Errors
    /// If there is none, it was decided, or the policy forbids it: nobody decides what they asked for or what is about
    /// themselves.
    pub(crate) async fn decide_reset(
        &self,
        by: &Principal,
        number: u64,
        approve: bool,
    ) -> Result<(ResetRow, Option<Secret>), IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let found = reset(change.connection(), number).await?;
        let mut row = found.ok_or(IdentityError::Absent("password reset"))?;
        self.may_decide(by, "role.decide", row.asked_by == by.id || row.principal == by.id)?;
        let state = if approve { "ready" } else { "declined" };
        if !decide(change.connection(), number, (state, by.id, now)).await? {
            return Err(IdentityError::Clash("this was decided before".to_owned()));
        }
        let code = if approve { Some(self.give_code(&mut change, &mut row).await?) } else { None };
        let note = AuditRow::of(now, "reset.decided", "done").by(by).on(format!("principal:{}", row.principal));
        store::insert_audit(change.connection(), &[note.telling(format!("reset {number} {state}"))]).await?;
        change.commit().await?;
        Ok((ResetRow { state: state.to_owned(), decided_by: Some(by.id), decided_at: Some(now), ..row }, code))
    }

    /// Sets a new password by a code, ends all sessions of the user, and takes their second factors away if the reset
    /// says so. The code counts once.
    ///
    /// # Errors
    /// If the user or code is not right, the password may not be chosen, or after too many failures.
    pub(crate) async fn use_reset(
        &self,
        (name, address): (&str, Option<std::net::IpAddr>),
        code: &Secret,
        password: &Secret,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        self.may_try((name, address), now)?;
        // What is too short or too long for anybody tells nothing about the code.
        check_length(password.expose(), "/new_password")?;
        let Some((user, row)) = self.reset_of(name, code, now).await? else {
            self.attempts.failed(name, address, now);
            let note = AuditRow::of(now, "reset.used", "failed").from(address).telling("wrong user or code");
            self.audit.note(AuditRow { name: name.chars().take(64).collect(), ..note });
            return Err(IdentityError::Unproven(WRONG));
        };
        let owner = (user.name.as_str(), &accounts_of(&user.accounts));
        self.check_choice(owner, password, "/new_password").await?;
        let hash = self.hashing.hash(password.expose()).await?;
        self.finish_reset(user.id, &row, hash, address).await
    }

    /// The user and the reset that waits for this code.
    async fn reset_of(
        &self,
        name: &str,
        code: &Secret,
        now: i64,
    ) -> Result<Option<(PrincipalRow, ResetRow)>, IdentityError> {
        let mut look = self.store.read().await?;
        let user = store::principal_named(&mut look, name).await?.filter(|row| !row.disabled);
        // The same questions for a name that nobody has.
        let row = ready(&mut look, user.as_ref().map_or(0, |user| user.id)).await?;
        let found = digest(recovery_text(code.expose()).as_bytes());
        let counts = |row: &ResetRow| {
            let same = row.code.as_deref().is_some_and(|stored| stored.ct_eq(&found).into());
            same && row.expires_at.is_some_and(|end| now < end)
        };
        Ok(user.zip(row.filter(counts)))
    }

    async fn finish_reset(
        &self,
        id: u64,
        row: &ResetRow,
        hash: String,
        address: Option<std::net::IpAddr>,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        if !turn(change.connection(), row.number, ("ready", "used")).await? {
            return Err(IdentityError::Unproven(WRONG));
        }
        let found = store::principal(change.connection(), id).await?.filter(|user| !user.disabled);
        let mut user = found.ok_or(IdentityError::Unproven(WRONG))?;
        (user.password, user.initial_until, user.changed_at) = (Some(hash), None, now);
        if row.factors {
            (user.totp, user.totp_pending) = (None, None);
            security_rows::remove_passkeys_of(change.connection(), id).await?;
            security_rows::set_recovery_codes(change.connection(), id, &[]).await?;
        }
        store::update_principal(change.connection(), &user).await?;
        let ended = store::revoke_sessions_of(change.connection(), id, 0, now).await?;
        let note = AuditRow::of(now, "reset.used", "done").on(format!("principal:{id}")).from(address);
        let note = note.telling(format!("reset {}, {ended} sessions ended", row.number));
        store::insert_audit(change.connection(), &[AuditRow { principal: id, name: user.name, ..note }]).await?;
        change.commit().await?;
        self.sessions.forget_principal(id);
        Ok(())
    }
}
