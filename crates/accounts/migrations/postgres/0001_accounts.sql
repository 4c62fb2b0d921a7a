-- States of a user: 0 active, 1 blocked, 2 erased. An erased one is an id and two times: whatever
-- refers to it stays true, and says nothing about a person.
CREATE TABLE accounts_users (
    id           text COLLATE "C"    NOT NULL PRIMARY KEY,
    login        text COLLATE "C" UNIQUE,
    display_name text,
    password     text COLLATE "C",
    state        bigint NOT NULL CHECK (state BETWEEN 0 AND 2),
    created_ms   bigint NOT NULL,
    signed_in_ms bigint,
    erased_ms    bigint,
    CHECK ((state = 2) = (login IS NULL)),
    CHECK ((state = 2) = (display_name IS NULL)),
    CHECK ((state = 2) = (password IS NULL)),
    CHECK ((state = 2) = (erased_ms IS NOT NULL)),
    CHECK (state <> 2 OR signed_in_ms IS NULL)
);

-- A role without a room (the empty text) is platform-wide.
CREATE TABLE accounts_roles (
    user_id    text COLLATE "C"    NOT NULL REFERENCES accounts_users (id),
    room       text COLLATE "C"    NOT NULL,
    role       text COLLATE "C"    NOT NULL,
    granted_ms bigint NOT NULL,
    PRIMARY KEY (user_id, room, role)
);

-- One row for each signed-in device, however often its token rotates. All are SHA-256, but the salt.
CREATE TABLE accounts_families (
    id         bytea    NOT NULL PRIMARY KEY,
    user_id    text COLLATE "C"    NOT NULL REFERENCES accounts_users (id),
    current_hash bytea   NOT NULL,
    previous_hash bytea,
    salt       bytea,
    created_ms bigint NOT NULL,
    rotated_ms bigint NOT NULL,
    expires_ms bigint NOT NULL,
    CHECK ((previous_hash IS NULL) = (salt IS NULL))
);
CREATE INDEX accounts_families_user ON accounts_families (user_id, rotated_ms);
CREATE INDEX accounts_families_expiry ON accounts_families (expires_ms);

-- The key that signs is the one with the greatest time that has come.
CREATE TABLE accounts_keys (
    signs_from_ms bigint NOT NULL PRIMARY KEY,
    pkcs8         bytea    NOT NULL
);

-- Its lock is held by whoever changes the keys.
CREATE TABLE accounts_head (
    one bigint NOT NULL PRIMARY KEY CHECK (one = 1)
);
INSERT INTO accounts_head VALUES (1);
