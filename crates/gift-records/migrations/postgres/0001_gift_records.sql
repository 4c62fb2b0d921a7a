-- Whoever writes holds this row until the commit: writers come one after the other.
CREATE TABLE gift_records_head (
    one       bigint NOT NULL PRIMARY KEY CHECK (one = 1),
    -- Of the last outbox message that was applied.
    cursor    bigint NOT NULL,
    -- The last number that was given to a record.
    number    bigint NOT NULL,
    -- Boards of earlier days are gone, and stay so.
    swept_day bigint NOT NULL
);
INSERT INTO gift_records_head VALUES (1, 0, 0, 0);

-- States: 0 given, 1 held, 2 rejected, 3 refunded. The sequence number is null while it never was
-- given. Numbers order lists, the newest first.
CREATE TABLE gift_records (
    id          text   COLLATE "C" NOT NULL PRIMARY KEY,
    number      bigint NOT NULL,
    seq         bigint,
    at_ms       bigint NOT NULL,
    room        text   COLLATE "C" NOT NULL,
    sender_id   text   COLLATE "C" NOT NULL,
    sender_name text   NOT NULL,
    item        text   COLLATE "C" NOT NULL,
    count       bigint NOT NULL CHECK (count >= 0),
    total       bigint NOT NULL CHECK (total >= 0),
    points      bigint NOT NULL CHECK (points >= 0),
    earned      bigint NOT NULL CHECK (earned >= 0),
    note        text,
    state       bigint NOT NULL CHECK (state BETWEEN 0 AND 3),
    signals     text   NOT NULL,
    plan        text,
    batch       bigint,
    refunded_ms bigint,
    CHECK ((seq IS NULL) = (state IN (1, 2)))
);
CREATE UNIQUE INDEX gift_records_number ON gift_records (number);
CREATE INDEX gift_records_room ON gift_records (room, number);
CREATE INDEX gift_records_state ON gift_records (state, number);
CREATE INDEX gift_records_room_state ON gift_records (room, state, number);
CREATE INDEX gift_records_sender ON gift_records (sender_id, at_ms, id);

-- The name with which somebody gave last; null: forgotten, for ever.
CREATE TABLE gift_records_people (
    user_id text COLLATE "C" NOT NULL PRIMARY KEY,
    name    text
);

-- Room '' is the platform, day -1 all time, and user '' the sum of all users.
CREATE TABLE gift_records_points (
    room    text   COLLATE "C" NOT NULL,
    day     bigint NOT NULL,
    user_id text   COLLATE "C" NOT NULL,
    points  bigint NOT NULL CHECK (points >= 0),
    PRIMARY KEY (room, day, user_id)
) WITH (fillfactor = 70);
CREATE INDEX gift_records_points_top ON gift_records_points (room, day, points DESC, user_id);
CREATE INDEX gift_records_points_day ON gift_records_points (day);

CREATE TABLE gift_records_days (
    room     text   COLLATE "C" NOT NULL,
    day      bigint NOT NULL,
    gifts    bigint NOT NULL CHECK (gifts >= 0),
    coins    bigint NOT NULL CHECK (coins >= 0),
    diamonds bigint NOT NULL CHECK (diamonds >= 0),
    PRIMARY KEY (room, day)
);

-- Gifts with greater sequence numbers than since_seq count.
CREATE TABLE gift_records_goals (
    room       text   COLLATE "C" NOT NULL PRIMARY KEY,
    title      text   NOT NULL,
    target     bigint NOT NULL,
    progress   bigint NOT NULL CHECK (progress >= 0),
    since_seq  bigint NOT NULL,
    set_ms     bigint NOT NULL,
    reached_ms bigint
);
