-- What is kept by order of a court or an authority, and what left the house as a file. Times are nanoseconds since 1970.

-- While one of an account is not released, nothing of the account is deleted.
CREATE TABLE legal_holds (
    number BIGINT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    reason TEXT NOT NULL,
    -- Who ordered it, and under what reference.
    authority TEXT NOT NULL,
    placed_by BIGINT NOT NULL,
    placed_at BIGINT NOT NULL,
    released_by BIGINT,
    released_at BIGINT,
    release_reason TEXT NOT NULL
);
CREATE INDEX legal_holds_by_account ON legal_holds (account, number);

-- Exports: asked for by one, decided by another. The row stays when the file is gone.
CREATE TABLE exports (
    number BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    from_time BIGINT,
    to_time BIGINT,
    account BIGINT,
    principal BIGINT,
    action TEXT,
    reason TEXT NOT NULL,
    masked BOOLEAN NOT NULL,
    bom BOOLEAN NOT NULL,
    -- requested, running, ready, refused, failed, ended.
    state TEXT NOT NULL,
    requested_by BIGINT NOT NULL,
    -- The mask of the name.
    requested_as TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    decided_by BIGINT,
    decided_as TEXT NOT NULL,
    decided_at BIGINT,
    ready_at BIGINT,
    ends_at BIGINT,
    row_count BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    sm3 TEXT NOT NULL,
    -- The key of the mark that tells from which export a leaked file came.
    mark BYTEA NOT NULL,
    trouble TEXT NOT NULL
);
CREATE INDEX exports_by_asker ON exports (requested_by, number);
CREATE INDEX exports_by_state ON exports (state, number);
