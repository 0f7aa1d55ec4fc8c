-- One row per exchange that a provider was asked for. Money is in two columns: whole millionths of a dollar, and the
-- pico-dollars beyond.
CREATE TABLE spend (
    exchange      TEXT PRIMARY KEY NOT NULL,
    stage         INTEGER NOT NULL,  -- 0 flowing, 1 ended, 2 closed: never goes back
    outcome       INTEGER NOT NULL,  -- 0 complete, 1 client gone, 2 cut, 3 failed, 4 denied
    day           INTEGER NOT NULL,  -- of the start, from 1970, UTC
    started_ms    INTEGER NOT NULL,
    ended_ms      INTEGER NOT NULL,
    key           BLOB,              -- SHA-256 of the virtual key
    key_alias     TEXT,
    model         TEXT,              -- as the client named it
    model_group   TEXT,
    deployment    TEXT,
    metered       INTEGER NOT NULL,  -- 0 absent, 1 partial, 2 reported, 3 estimated
    prompt        INTEGER NOT NULL,
    completion    INTEGER NOT NULL,
    cache_read    INTEGER NOT NULL,
    cache_write   INTEGER NOT NULL,
    reasoning     INTEGER NOT NULL,
    cost_micro    INTEGER NOT NULL,
    cost_pico     INTEGER NOT NULL,
    booked        BLOB NOT NULL      -- the accounts and windows the cost is part of
) STRICT;

CREATE INDEX spend_by_day ON spend (day);
CREATE INDEX spend_by_key ON spend (key, day);

-- Sums that outlive the rows.
CREATE TABLE daily (
    day         INTEGER NOT NULL,
    key         BLOB NOT NULL,       -- empty: the master key
    model       TEXT NOT NULL,
    deployment  TEXT NOT NULL,
    key_alias   TEXT NOT NULL,
    requests    INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    prompt      INTEGER NOT NULL,
    completion  INTEGER NOT NULL,
    cache_read  INTEGER NOT NULL,
    cost_micro  INTEGER NOT NULL,
    cost_pico   INTEGER NOT NULL,
    PRIMARY KEY (day, key, model, deployment)
) STRICT, WITHOUT ROWID;

-- What was spent on an account in a window. The sum over the windows that are not over is what a start begins with.
CREATE TABLE account (
    account     BLOB NOT NULL,
    window_end  INTEGER NOT NULL,    -- Unix milliseconds; the largest integer: never
    spent_micro INTEGER NOT NULL,
    spent_pico  INTEGER NOT NULL,
    PRIMARY KEY (account, window_end)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_by_end ON account (window_end);
