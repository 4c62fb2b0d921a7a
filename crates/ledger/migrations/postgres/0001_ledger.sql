-- Sequences of this schema have no gaps, and become visible in their order: whoever writes holds
-- the lock of the one row of ledger_head until the commit, and gives out numbers from it.

CREATE TABLE ledger_head (
    one       smallint PRIMARY KEY CHECK (one = 1),
    accounts  bigint NOT NULL,
    batches   bigint NOT NULL,
    transfers bigint NOT NULL,
    messages  bigint NOT NULL,
    delivered bigint NOT NULL CHECK (delivered BETWEEN 0 AND messages)
) WITH (fillfactor = 10);
INSERT INTO ledger_head VALUES (1, 0, 0, 0, 0, 0);

-- Room for new versions of rows on their page: balances change all the time.
CREATE TABLE ledger_accounts (
    n         bigint   PRIMARY KEY,
    id        text     COLLATE "C" NOT NULL UNIQUE,
    currency  smallint NOT NULL CHECK (currency IN (1, 2)),
    overdraft boolean  NOT NULL,
    balance   bigint   NOT NULL,
    held      bigint   NOT NULL CHECK (held >= 0),
    holds     bigint   NOT NULL CHECK (holds >= 0),
    at_ms     bigint   NOT NULL,
    CHECK (overdraft OR balance >= held)
) WITH (fillfactor = 50);

CREATE TABLE ledger_holds (
    id         text     COLLATE "C" PRIMARY KEY,
    account    bigint   NOT NULL REFERENCES ledger_accounts (n),
    amount     bigint   NOT NULL CHECK (amount > 0),
    posted     bigint   NOT NULL CHECK (posted BETWEEN 0 AND amount),
    expires_ms bigint   NOT NULL,
    state      smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
    at_ms      bigint   NOT NULL,
    kind       text     NOT NULL,
    reference  text     NOT NULL,
    digest     bytea    NOT NULL
);
CREATE INDEX ledger_holds_open ON ledger_holds (account, expires_ms) WHERE state = 0;
CREATE INDEX ledger_holds_expiry ON ledger_holds (expires_ms) WHERE state = 0;

CREATE TABLE ledger_batches (
    seq            bigint PRIMARY KEY,
    first_transfer bigint NOT NULL,
    transfers      bigint NOT NULL CHECK (transfers > 0),
    first_message  bigint NOT NULL,
    messages       bigint NOT NULL CHECK (messages >= 0),
    posts          text   COLLATE "C" REFERENCES ledger_holds (id),
    digest         bytea  NOT NULL,
    at_ms          bigint NOT NULL
);
CREATE UNIQUE INDEX ledger_batches_posts ON ledger_batches (posts) WHERE posts IS NOT NULL;

CREATE TABLE ledger_transfers (
    seq       bigint   PRIMARY KEY,
    id        text     COLLATE "C" NOT NULL UNIQUE,
    batch     bigint   NOT NULL REFERENCES ledger_batches (seq),
    debit     bigint   NOT NULL REFERENCES ledger_accounts (n),
    credit    bigint   NOT NULL REFERENCES ledger_accounts (n),
    amount    bigint   NOT NULL CHECK (amount > 0),
    currency  smallint NOT NULL CHECK (currency IN (1, 2)),
    kind      text     NOT NULL,
    reference text     NOT NULL,
    reverses  bigint   REFERENCES ledger_transfers (seq),
    CHECK (debit <> credit)
);
CREATE INDEX ledger_transfers_debit ON ledger_transfers (debit, seq);
CREATE INDEX ledger_transfers_credit ON ledger_transfers (credit, seq);
CREATE UNIQUE INDEX ledger_transfers_reverses ON ledger_transfers (reverses)
    WHERE reverses IS NOT NULL;

CREATE TABLE ledger_outbox (
    seq     bigint PRIMARY KEY,
    batch   bigint NOT NULL REFERENCES ledger_batches (seq),
    topic   text   NOT NULL,
    payload bytea  NOT NULL
);

-- What was committed is never changed, whoever holds the database.
CREATE FUNCTION ledger_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is immutable', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER ledger_transfers_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfers
    EXECUTE FUNCTION ledger_immutable();
CREATE TRIGGER ledger_batches_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_batches
    EXECUTE FUNCTION ledger_immutable();
