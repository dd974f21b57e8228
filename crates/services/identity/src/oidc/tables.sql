-- Staff who sign on by an OpenID provider. Times are nanoseconds since 1970.

-- Whom the provider's subject is here.
CREATE TABLE provider_links (
    principal BIGINT NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- Who linked them; 0 = the first sign-on, by the name.
    linked_by BIGINT NOT NULL,
    linked_at BIGINT NOT NULL,
    -- When the user first proved over this link what Heng itself knows of them; until then the provider alone is not enough.
    confirmed_at BIGINT
);
CREATE UNIQUE INDEX provider_links_by_subject ON provider_links (issuer, subject);

-- Sessions that began by the provider, so that it can end them.
CREATE TABLE provider_sessions (
    session BIGINT NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- The session at the provider; empty = it told none.
    sid TEXT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX provider_sessions_by_subject ON provider_sessions (issuer, subject);
CREATE INDEX provider_sessions_by_end ON provider_sessions (until);
