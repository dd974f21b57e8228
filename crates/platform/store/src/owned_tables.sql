-- What every owned store has besides the tables of its service.

-- Changes that others must learn of, in the order of their commits. Rows go when every consumer has acknowledged them.
CREATE TABLE outbox (
    number BIGINT NOT NULL PRIMARY KEY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    payload BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
-- One row: the last number that was given. Numbers are never given twice, also when all rows are gone.
CREATE TABLE outbox_last (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
INSERT INTO outbox_last (id, number) VALUES (1, 0);
CREATE TABLE outbox_consumers (
    name TEXT NOT NULL PRIMARY KEY,
    acknowledged BIGINT NOT NULL
);

-- Writes other than orders, by the key that the caller chose, with the answer they got.
CREATE TABLE write_keys (
    principal BIGINT NOT NULL,
    key TEXT NOT NULL,
    request BYTEA NOT NULL,
    status BIGINT NOT NULL,
    answer BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX write_keys_by_age ON write_keys (created_at);
