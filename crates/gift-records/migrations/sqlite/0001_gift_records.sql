-- Whoever writes holds this row until the commit: writers come one after the other.
CREATE TABLE gift_records_head (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- Of the last outbox message that was applied.
    cursor    INTEGER NOT NULL,
    -- The last number that was given to a record.
    number    INTEGER NOT NULL,
    -- Boards of earlier days are gone, and stay so.
    swept_day INTEGER NOT NULL
) STRICT;
INSERT INTO gift_records_head VALUES (1, 0, 0, 0);

-- States: 0 given, 1 held, 2 rejected, 3 refunded. The sequence number is null while it never was
-- given. Numbers order lists, the newest first.
CREATE TABLE gift_records (
    id          TEXT    NOT NULL PRIMARY KEY,
    number      INTEGER NOT NULL,
    seq         INTEGER,
    at_ms       INTEGER NOT NULL,
    room        TEXT    NOT NULL,
    sender_id   TEXT    NOT NULL,
    sender_name TEXT   NOT NULL,
    item        TEXT    NOT NULL,
    count       INTEGER NOT NULL CHECK (count >= 0),
    total       INTEGER NOT NULL CHECK (total >= 0),
    points      INTEGER NOT NULL CHECK (points >= 0),
    earned      INTEGER NOT NULL CHECK (earned >= 0),
    note        TEXT,
    state       INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    signals     TEXT   NOT NULL,
    plan        TEXT,
    batch       INTEGER,
    refunded_ms INTEGER,
    CHECK ((seq IS NULL) = (state IN (1, 2)))
) STRICT;
CREATE UNIQUE INDEX gift_records_number ON gift_records (number);
CREATE INDEX gift_records_room ON gift_records (room, number);
CREATE INDEX gift_records_state ON gift_records (state, number);
CREATE INDEX gift_records_room_state ON gift_records (room, state, number);
CREATE INDEX gift_records_sender ON gift_records (sender_id, at_ms, id);

-- The name with which somebody gave last; null: forgotten, for ever.
CREATE TABLE gift_records_people (
    user_id TEXT NOT NULL PRIMARY KEY,
    name    TEXT
) STRICT;

-- Room '' is the platform, day -1 all time, and user '' the sum of all users.
CREATE TABLE gift_records_points (
    room    TEXT    NOT NULL,
    day     INTEGER NOT NULL,
    user_id TEXT    NOT NULL,
    points  INTEGER NOT NULL CHECK (points >= 0),
    PRIMARY KEY (room, day, user_id)
) STRICT;
CREATE INDEX gift_records_points_top ON gift_records_points (room, day, points DESC, user_id);
CREATE INDEX gift_records_points_day ON gift_records_points (day);

CREATE TABLE gift_records_days (
    room     TEXT    NOT NULL,
    day      INTEGER NOT NULL,
    gifts    INTEGER NOT NULL CHECK (gifts >= 0),
    coins    INTEGER NOT NULL CHECK (coins >= 0),
    diamonds INTEGER NOT NULL CHECK (diamonds >= 0),
    PRIMARY KEY (room, day)
) STRICT;

-- Gifts with greater sequence numbers than since_seq count.
CREATE TABLE gift_records_goals (
    room       TEXT    NOT NULL PRIMARY KEY,
    title      TEXT   NOT NULL,
    target     INTEGER NOT NULL,
    progress   INTEGER NOT NULL CHECK (progress >= 0),
    since_seq  INTEGER NOT NULL,
    set_ms     INTEGER NOT NULL,
    reached_ms INTEGER
) STRICT;
