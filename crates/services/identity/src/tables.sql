-- The system of record of who may come in. Times are nanoseconds since 1970; lists are text with commas between.

-- Last numbers that were given; a number is never given twice, so that the audit trail stays unambiguous.
CREATE TABLE numbers (
    name TEXT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO numbers (name, last) VALUES ('principal', 0), ('session', 0), ('key', 0), ('audit', 0);

-- People and programs.
CREATE TABLE principals (
    id BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    -- Numbers of accounts, or * for all.
    accounts TEXT NOT NULL,
    -- What a partner may ask for; empty = whatever its role allows.
    scopes TEXT NOT NULL,
    -- argon2id of a person's password; SHA-256 of a partner's secret, which is 256 random bits.
    password TEXT,
    secret BYTEA,
    -- The confirmed second factor, the one that waits to be confirmed, and the last time step that was used.
    totp BYTEA,
    totp_pending BYTEA,
    totp_step BIGINT NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX principals_by_name ON principals (name);

-- Sessions of people and access tokens of partners. The token itself is nowhere.
CREATE TABLE sessions (
    id BIGINT NOT NULL PRIMARY KEY,
    principal BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- SHA-256 of the token.
    token BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- Ends when it was not used for this long; 0 = never for that reason.
    idle_nanos BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX sessions_by_token ON sessions (token);
CREATE INDEX sessions_by_principal ON sessions (principal, id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    principal BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- hmac-sha256 or ed25519.
    kind TEXT NOT NULL,
    -- The shared secret of an HMAC key, or the public key.
    secret BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    -- Addresses and networks that it may come from; empty = any.
    networks TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_by_principal ON api_keys (principal, number);

-- What was asked, decided and changed.
CREATE TABLE audit (
    number BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    -- 0 = nobody was identified.
    principal BIGINT NOT NULL,
    name TEXT NOT NULL,
    credential TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    address TEXT NOT NULL,
    -- How often, since the row before for the same; 1 for all but allowed decisions.
    times BIGINT NOT NULL
);
CREATE INDEX audit_by_principal ON audit (principal, number);
