-- States of a user: 0 active, 1 blocked, 2 erased. An erased one is an id and two times: whatever
-- refers to it stays true, and says nothing about a person.
CREATE TABLE accounts_users (
    id           TEXT    NOT NULL PRIMARY KEY,
    login        TEXT    UNIQUE,
    display_name TEXT,
    password     TEXT,
    state        INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    created_ms   INTEGER NOT NULL,
    signed_in_ms INTEGER,
    erased_ms    INTEGER,
    CHECK ((state = 2) = (login IS NULL)),
    CHECK ((state = 2) = (display_name IS NULL)),
    CHECK ((state = 2) = (password IS NULL)),
    CHECK ((state = 2) = (erased_ms IS NOT NULL)),
    CHECK (state <> 2 OR signed_in_ms IS NULL)
) STRICT;

-- A role without a room (the empty text) is platform-wide.
CREATE TABLE accounts_roles (
    user_id    TEXT    NOT NULL REFERENCES accounts_users (id),
    room       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    granted_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, room, role)
) STRICT;

-- One row for each signed-in device, however often its token rotates. All are SHA-256, but the salt.
CREATE TABLE accounts_families (
    id         BLOB    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL REFERENCES accounts_users (id),
    current_hash BLOB   NOT NULL,
    previous_hash BLOB,
    salt       BLOB,
    created_ms INTEGER NOT NULL,
    rotated_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    CHECK ((previous_hash IS NULL) = (salt IS NULL))
) STRICT;
CREATE INDEX accounts_families_user ON accounts_families (user_id, rotated_ms);
CREATE INDEX accounts_families_expiry ON accounts_families (expires_ms);

-- The key that signs is the one with the greatest time that has come.
CREATE TABLE accounts_keys (
    signs_from_ms INTEGER NOT NULL PRIMARY KEY,
    pkcs8         BLOB    NOT NULL
) STRICT;

-- Its lock is held by whoever changes the keys.
CREATE TABLE accounts_head (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1)
) STRICT;
INSERT INTO accounts_head VALUES (1);
