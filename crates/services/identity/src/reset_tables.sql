-- Passwords that somebody else knows, and codes to choose a new one. Times are nanoseconds since 1970.

INSERT INTO numbers (name, last) VALUES ('password-reset', 0);

-- Until when a password that its owner did not choose lets them in to choose one; NULL = they chose it.
ALTER TABLE principals ADD COLUMN initial_until BIGINT;

-- A code with which somebody who has forgotten the password chooses a new one. The code itself is nowhere.
CREATE TABLE password_resets (
    number BIGINT NOT NULL PRIMARY KEY,
    principal BIGINT NOT NULL,
    -- Whether passkeys, one-time codes and recovery codes go as well, because they are lost.
    factors BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    asked_by BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    -- proposed, ready, declined, used, replaced.
    state TEXT NOT NULL,
    decided_by BIGINT,
    decided_at BIGINT,
    -- SHA-256 of the code, and when it ends.
    code BYTEA,
    expires_at BIGINT
);
CREATE INDEX password_resets_by_principal ON password_resets (principal, number);
