-- What more a person proves, and who looks over whom. Times are nanoseconds since 1970; lists are text with commas.

INSERT INTO numbers (name, last) VALUES ('passkey', 0), ('consent', 0), ('role-change', 0), ('review', 0), ('step-up', 0);

-- How a session was proven (given, password, totp, passkey, recovery), and on what device.
ALTER TABLE sessions ADD COLUMN means TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';
UPDATE sessions SET means = 'given' WHERE idle_nanos = 0 AND kind = 'session';

CREATE TABLE passkeys (
    -- Base64url of the credential's id, which is unique among all principals.
    id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    principal BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- The public key and its terms, as JSON.
    credential TEXT NOT NULL,
    -- The last counter that was seen; 0 = the authenticator does not count.
    counter BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX passkeys_by_principal ON passkeys (principal, number);

CREATE TABLE recovery_codes (
    principal BIGINT NOT NULL,
    place BIGINT NOT NULL,
    -- argon2id.
    code TEXT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (principal, place)
);

-- Who agreed to which text. Nothing here is ever changed or removed.
CREATE TABLE consents (
    number BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    principal BIGINT NOT NULL,
    document TEXT NOT NULL,
    version TEXT NOT NULL,
    language TEXT NOT NULL,
    -- SHA-256 of the text that was shown.
    text BYTEA NOT NULL,
    agreed BOOLEAN NOT NULL,
    credential TEXT NOT NULL,
    address TEXT NOT NULL
);
CREATE INDEX consents_by_principal ON consents (principal, number);

-- Roles and accounts of a user, asked for by one and decided by another.
CREATE TABLE role_changes (
    number BIGINT NOT NULL PRIMARY KEY,
    principal BIGINT NOT NULL,
    roles TEXT NOT NULL,
    accounts TEXT NOT NULL,
    reason TEXT NOT NULL,
    proposed_by BIGINT NOT NULL,
    proposed_at BIGINT NOT NULL,
    -- proposed, approved, declined.
    state TEXT NOT NULL,
    decided_by BIGINT,
    decided_at BIGINT
);

-- A look over who may still come in; each item is one user as they were when the review began.
CREATE TABLE reviews (
    number BIGINT NOT NULL PRIMARY KEY,
    begun_by BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);
CREATE TABLE review_items (
    review BIGINT NOT NULL,
    principal BIGINT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    roles TEXT NOT NULL,
    accounts TEXT NOT NULL,
    last_used_at BIGINT,
    -- open, confirmed, revoked.
    state TEXT NOT NULL,
    decided_by BIGINT,
    decided_at BIGINT,
    PRIMARY KEY (review, principal)
);

-- What a person confirmed with a fresh proof, with the words that they saw. Nothing here is ever changed or removed.
CREATE TABLE step_ups (
    number BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    principal BIGINT NOT NULL,
    session BIGINT NOT NULL,
    operation TEXT NOT NULL,
    method TEXT NOT NULL,
    target TEXT NOT NULL,
    -- SHA-256 of the body.
    body BYTEA NOT NULL,
    english TEXT NOT NULL,
    chinese TEXT NOT NULL,
    -- passkey, totp, password.
    means TEXT NOT NULL,
    -- The passkey and what it signed, as JSON with the 32 random bytes before the hash of the words; empty for others.
    passkey TEXT NOT NULL,
    assertion TEXT NOT NULL
);
CREATE INDEX step_ups_by_principal ON step_ups (principal, number);
