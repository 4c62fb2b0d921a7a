-- States of a room: 0 open, 1 stopped. Sources: 0 the API, 1 the configuration.
CREATE TABLE channels_rooms (
    name       TEXT    NOT NULL PRIMARY KEY,
    title      TEXT    NOT NULL,
    owner      TEXT,
    state      INTEGER NOT NULL CHECK (state BETWEEN 0 AND 1),
    reason     TEXT    NOT NULL,
    source     INTEGER NOT NULL CHECK (source BETWEEN 0 AND 1),
    created_ms INTEGER NOT NULL
) STRICT;

-- The hash is the SHA-256 of the key. One that is revoked or was used up is kept for a while, so that
-- who shows it is told why it does not open.
CREATE TABLE channels_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    room         TEXT    NOT NULL REFERENCES channels_rooms (name),
    hash         BLOB    NOT NULL UNIQUE,
    label        TEXT    NOT NULL,
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER,
    last_used_ms INTEGER,
    once         INTEGER NOT NULL CHECK (once BETWEEN 0 AND 1),
    revoked      INTEGER NOT NULL CHECK (revoked BETWEEN 0 AND 1)
) STRICT;
CREATE INDEX channels_keys_room ON channels_keys (room, created_ms);

-- Events are bits: 1 live, 2 ended, 4 gift.
CREATE TABLE channels_webhooks (
    id         TEXT    NOT NULL PRIMARY KEY,
    url        TEXT    NOT NULL,
    events     INTEGER NOT NULL,
    room       TEXT,
    secret     TEXT    NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

-- One row for each endpoint that is to hear of an event, in the order of their numbers.
CREATE TABLE channels_deliveries (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook    TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    at_ms      INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    next_ms    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX channels_deliveries_event ON channels_deliveries (webhook, event);
CREATE INDEX channels_deliveries_order ON channels_deliveries (webhook, seq);

-- Its lock is held by whoever changes rooms, webhooks or the queue. The version counts changes of rooms;
-- waiting and dropped count deliveries.
CREATE TABLE channels_head (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    dropped INTEGER NOT NULL
) STRICT;
INSERT INTO channels_head VALUES (1, 1, 0, 0);
