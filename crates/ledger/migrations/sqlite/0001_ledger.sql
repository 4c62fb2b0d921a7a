-- Sequences of this schema have no gaps: the numbers are given out by the one writer, in the same
-- commit as the rows that bear them.

CREATE TABLE head (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    accounts  INTEGER NOT NULL,
    batches   INTEGER NOT NULL,
    transfers INTEGER NOT NULL,
    messages  INTEGER NOT NULL,
    delivered INTEGER NOT NULL CHECK (delivered BETWEEN 0 AND messages)
) STRICT;
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0);

CREATE TABLE accounts (
    n         INTEGER PRIMARY KEY,
    id        TEXT    NOT NULL UNIQUE,
    currency  INTEGER NOT NULL CHECK (currency IN (1, 2)),
    overdraft INTEGER NOT NULL CHECK (overdraft IN (0, 1)),
    balance   INTEGER NOT NULL,
    held      INTEGER NOT NULL CHECK (held >= 0),
    holds     INTEGER NOT NULL CHECK (holds >= 0),
    at_ms     INTEGER NOT NULL,
    CHECK (overdraft = 1 OR balance >= held)
) STRICT;

CREATE TABLE holds (
    id         TEXT    NOT NULL PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES accounts (n),
    amount     INTEGER NOT NULL CHECK (amount > 0),
    posted     INTEGER NOT NULL CHECK (posted BETWEEN 0 AND amount),
    expires_ms INTEGER NOT NULL,
    state      INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    at_ms      INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    reference  TEXT    NOT NULL,
    digest     BLOB    NOT NULL
) STRICT;
CREATE INDEX holds_open ON holds (account, expires_ms) WHERE state = 0;
CREATE INDEX holds_expiry ON holds (expires_ms) WHERE state = 0;

CREATE TABLE batches (
    seq            INTEGER PRIMARY KEY,
    first_transfer INTEGER NOT NULL,
    transfers      INTEGER NOT NULL CHECK (transfers > 0),
    first_message  INTEGER NOT NULL,
    messages       INTEGER NOT NULL CHECK (messages >= 0),
    posts          TEXT    REFERENCES holds (id),
    digest         BLOB    NOT NULL,
    at_ms          INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX batches_posts ON batches (posts) WHERE posts IS NOT NULL;

CREATE TABLE transfers (
    seq       INTEGER PRIMARY KEY,
    id        TEXT    NOT NULL UNIQUE,
    batch     INTEGER NOT NULL REFERENCES batches (seq),
    debit     INTEGER NOT NULL REFERENCES accounts (n),
    credit    INTEGER NOT NULL REFERENCES accounts (n),
    amount    INTEGER NOT NULL CHECK (amount > 0),
    currency  INTEGER NOT NULL CHECK (currency IN (1, 2)),
    kind      TEXT    NOT NULL,
    reference TEXT    NOT NULL,
    reverses  INTEGER REFERENCES transfers (seq),
    CHECK (debit <> credit)
) STRICT;
-- History. The index of a table with an integer key ends with that key.
CREATE INDEX transfers_debit ON transfers (debit);
CREATE INDEX transfers_credit ON transfers (credit);
CREATE UNIQUE INDEX transfers_reverses ON transfers (reverses) WHERE reverses IS NOT NULL;

CREATE TABLE outbox (
    seq     INTEGER PRIMARY KEY,
    batch   INTEGER NOT NULL REFERENCES batches (seq),
    topic   TEXT    NOT NULL,
    payload BLOB    NOT NULL
) STRICT;

-- What was committed is never changed, whoever holds the database.
CREATE TRIGGER transfers_stay BEFORE UPDATE ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are immutable'); END;
CREATE TRIGGER transfers_remain BEFORE DELETE ON transfers
BEGIN SELECT RAISE(ABORT, 'transfers are immutable'); END;
CREATE TRIGGER batches_stay BEFORE UPDATE ON batches
BEGIN SELECT RAISE(ABORT, 'batches are immutable'); END;
CREATE TRIGGER batches_remain BEFORE DELETE ON batches
BEGIN SELECT RAISE(ABORT, 'batches are immutable'); END;
