-- What nobody can rebuild: keys, and what people decided. Times are nanoseconds since 1970, clients are accounts; all
-- 64 bits of a number stand in a signed column.

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Keys that sign checkpoints. A retired one signs no more; its public half stays known.
CREATE TABLE signing_keys (
    number BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    verifier TEXT NOT NULL,
    secret BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);

-- The key of a client for a year, from which the salts of his leaves follow.
CREATE TABLE client_keys (
    client BIGINT NOT NULL,
    period BIGINT NOT NULL,
    secret BYTEA NOT NULL,
    PRIMARY KEY (client, period)
);

-- Keys that were destroyed: no new one may take their place.
CREATE TABLE destroyed_keys (
    client BIGINT NOT NULL,
    period BIGINT NOT NULL,
    destruction BIGINT NOT NULL,
    PRIMARY KEY (client, period)
);

-- Lawful deletions: asked for by one, approved by another.
CREATE TABLE destructions (
    number BIGINT NOT NULL PRIMARY KEY,
    client BIGINT NOT NULL,
    -- The last year whose key is destroyed.
    through_period BIGINT NOT NULL,
    basis TEXT NOT NULL,
    requested_by BIGINT NOT NULL,
    requested_at BIGINT NOT NULL,
    -- 0 = not approved yet.
    approved_by BIGINT NOT NULL,
    approved_at BIGINT NOT NULL,
    keys_destroyed BIGINT NOT NULL
);

-- Behind which command a run of actions stands in the log. Without it the log could not be built again in its order.
CREATE TABLE action_places (
    first_action BIGINT NOT NULL PRIMARY KEY,
    last_action BIGINT NOT NULL,
    after_sequence BIGINT NOT NULL
);
