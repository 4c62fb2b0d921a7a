-- States of a room: 0 open, 1 stopped. Sources: 0 the API, 1 the configuration.
CREATE TABLE channels_rooms (
    name       text COLLATE "C"    NOT NULL PRIMARY KEY,
    title      text COLLATE "C"    NOT NULL,
    owner      text COLLATE "C",
    state      bigint NOT NULL CHECK (state BETWEEN 0 AND 1),
    reason     text COLLATE "C"    NOT NULL,
    source     bigint NOT NULL CHECK (source BETWEEN 0 AND 1),
    created_ms bigint NOT NULL
);

-- The hash is the SHA-256 of the key. One that is revoked or was used up is kept for a while, so that
-- who shows it is told why it does not open.
CREATE TABLE channels_keys (
    id           text COLLATE "C"    NOT NULL PRIMARY KEY,
    room         text COLLATE "C"    NOT NULL REFERENCES channels_rooms (name),
    hash         bytea    NOT NULL UNIQUE,
    label        text COLLATE "C"    NOT NULL,
    created_ms   bigint NOT NULL,
    expires_ms   bigint,
    last_used_ms bigint,
    once         bigint NOT NULL CHECK (once BETWEEN 0 AND 1),
    revoked      bigint NOT NULL CHECK (revoked BETWEEN 0 AND 1)
);
CREATE INDEX channels_keys_room ON channels_keys (room, created_ms);

-- Events are bits: 1 live, 2 ended, 4 gift.
CREATE TABLE channels_webhooks (
    id         text COLLATE "C"    NOT NULL PRIMARY KEY,
    url        text COLLATE "C"    NOT NULL,
    events     bigint NOT NULL,
    room       text COLLATE "C",
    secret     text COLLATE "C"    NOT NULL,
    created_ms bigint NOT NULL
);

-- One row for each endpoint that is to hear of an event, in the order of their numbers.
CREATE TABLE channels_deliveries (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook    text COLLATE "C"    NOT NULL,
    event      text COLLATE "C"    NOT NULL,
    body       text COLLATE "C"    NOT NULL,
    at_ms      bigint NOT NULL,
    attempts   bigint NOT NULL,
    next_ms    bigint NOT NULL
);
CREATE UNIQUE INDEX channels_deliveries_event ON channels_deliveries (webhook, event);
CREATE INDEX channels_deliveries_order ON channels_deliveries (webhook, seq);

-- Its lock is held by whoever changes rooms, webhooks or the queue. The version counts changes of rooms;
-- waiting and dropped count deliveries.
CREATE TABLE channels_head (
    one     bigint NOT NULL PRIMARY KEY CHECK (one = 1),
    version bigint NOT NULL,
    waiting bigint NOT NULL,
    dropped bigint NOT NULL
);
INSERT INTO channels_head VALUES (1, 1, 0, 0);
