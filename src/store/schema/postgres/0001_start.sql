-- One row per exchange that a provider was asked for. Money is in two columns: whole millionths of a dollar, and the
-- pico-dollars beyond.
CREATE TABLE spend (
    exchange      TEXT PRIMARY KEY,
    stage         BIGINT NOT NULL,   -- 0 flowing, 1 ended, 2 closed: never goes back
    outcome       BIGINT NOT NULL,   -- 0 complete, 1 client gone, 2 cut, 3 failed, 4 denied
    day           BIGINT NOT NULL,   -- of the start, from 1970, UTC
    started_ms    BIGINT NOT NULL,
    ended_ms      BIGINT NOT NULL,
    key           BYTEA,             -- SHA-256 of the virtual key
    key_alias     TEXT,
    model         TEXT,              -- as the client named it
    model_group   TEXT,
    deployment    TEXT,
    metered       BIGINT NOT NULL,   -- 0 absent, 1 partial, 2 reported, 3 estimated
    prompt        BIGINT NOT NULL,
    completion    BIGINT NOT NULL,
    cache_read    BIGINT NOT NULL,
    cache_write   BIGINT NOT NULL,
    reasoning     BIGINT NOT NULL,
    cost_micro    BIGINT NOT NULL,
    cost_pico     BIGINT NOT NULL,
    booked        BYTEA NOT NULL,    -- the accounts and windows the cost is part of
    team          TEXT,
    "user"        TEXT,
    organization  TEXT,
    customer      TEXT,
    tags          TEXT,              -- a JSON array; null: none
    provider      TEXT,
    upstream      TEXT,              -- what the provider calls the model
    api_base      TEXT,
    call          BIGINT NOT NULL,   -- 0 unknown, 1 acompletion, 5 anthropic_messages, ...
    session       TEXT,
    client_ip     TEXT,
    first_ms      BIGINT,
    status        BIGINT NOT NULL,   -- what the client saw; 0: not known
    error         TEXT,
    input_pico    BIGINT NOT NULL    -- part of the cost for what went in, pico-dollars
);

CREATE INDEX spend_by_time ON spend (started_ms);
CREATE INDEX spend_by_key ON spend (key, started_ms);
CREATE INDEX spend_by_team ON spend (team, started_ms) WHERE team IS NOT NULL;
CREATE INDEX spend_by_user ON spend ("user", started_ms) WHERE "user" IS NOT NULL;
CREATE INDEX spend_by_customer ON spend (customer, started_ms) WHERE customer IS NOT NULL;

-- Sums that outlive the rows.
CREATE TABLE daily (
    day         BIGINT NOT NULL,
    key         BYTEA NOT NULL,      -- empty: the master key
    model       TEXT NOT NULL,
    deployment  TEXT NOT NULL,
    key_alias   TEXT NOT NULL,
    model_group TEXT NOT NULL,
    upstream    TEXT NOT NULL,
    provider    TEXT NOT NULL,
    requests    BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    prompt      BIGINT NOT NULL,
    completion  BIGINT NOT NULL,
    cache_read  BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    reasoning   BIGINT NOT NULL,
    cost_micro  BIGINT NOT NULL,
    cost_pico   BIGINT NOT NULL,
    PRIMARY KEY (day, key, model, deployment)
);

-- The same sums again for each team, user, organization, customer and tag that an exchange was for.
CREATE TABLE daily_of (
    kind        BIGINT NOT NULL,     -- 2 team, 3 user, 4 organization, 6 customer, 7 tag
    day         BIGINT NOT NULL,
    id          TEXT NOT NULL,
    key         BYTEA NOT NULL,      -- empty: the master key
    model       TEXT NOT NULL,
    deployment  TEXT NOT NULL,
    key_alias   TEXT NOT NULL,
    model_group TEXT NOT NULL,
    upstream    TEXT NOT NULL,
    provider    TEXT NOT NULL,
    requests    BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    prompt      BIGINT NOT NULL,
    completion  BIGINT NOT NULL,
    cache_read  BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    reasoning   BIGINT NOT NULL,
    cost_micro  BIGINT NOT NULL,
    cost_pico   BIGINT NOT NULL,
    PRIMARY KEY (kind, day, id, key, model, deployment)
);

-- What was spent on an account in a window. The sum over the windows that are not over is what a start begins with.
CREATE TABLE account (
    account     BYTEA NOT NULL,
    window_end  BIGINT NOT NULL,     -- Unix milliseconds; the largest integer: never
    spent_micro BIGINT NOT NULL,
    spent_pico  BIGINT NOT NULL,
    stamp       BIGINT NOT NULL,     -- the transaction that wrote it
    PRIMARY KEY (account, window_end)
);

CREATE INDEX account_by_end ON account (window_end);
CREATE INDEX account_by_stamp ON account (stamp);

-- What the management API was told: one row per record, its body in JSON.
CREATE TABLE record (
    kind        TEXT NOT NULL,       -- key, team, user ...
    id          TEXT NOT NULL,
    body        TEXT NOT NULL,
    changed_ms  BIGINT NOT NULL,
    stamp       BIGINT NOT NULL,     -- the transaction that wrote it
    PRIMARY KEY (kind, id)
);

CREATE INDEX record_by_stamp ON record (stamp);

-- Records that were taken away, for nodes that have not heard of it.
CREATE TABLE removed (
    kind        TEXT NOT NULL,
    id          TEXT NOT NULL,
    at_ms       BIGINT NOT NULL,
    stamp       BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE INDEX removed_by_stamp ON removed (stamp);

-- Who changed which record, and what stood there before and after.
CREATE TABLE audit (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    at_ms       BIGINT NOT NULL,
    by_user     TEXT NOT NULL,
    by_key      BYTEA,               -- SHA-256 of the key; nothing: the master key
    action      TEXT NOT NULL,
    table_name  TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    before      TEXT NOT NULL,
    after       TEXT NOT NULL
);

CREATE INDEX audit_by_time ON audit (at_ms);
CREATE INDEX audit_by_object ON audit (object_id);

-- The last group of receipts of each process that was taken: after a lost connection it knows whether to send one again.
CREATE TABLE delivery (
    node        TEXT PRIMARY KEY,
    sequence    BIGINT NOT NULL,
    at_ms       BIGINT NOT NULL
);

-- Whoever writes, these two are done: a row says which transaction wrote it, and everybody who listens is told.
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stamp := CAST(CAST(pg_current_xact_id() AS text) AS bigint);
    RETURN NEW;
END
$$;

CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tollgate', TG_TABLE_NAME);
    RETURN NULL;
END
$$;

CREATE FUNCTION remember_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tollgate.removed (kind, id, at_ms, stamp)
    VALUES (OLD.kind, OLD.id, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint), 0)
    ON CONFLICT (kind, id) DO UPDATE SET at_ms = excluded.at_ms;
    RETURN NULL;
END
$$;

CREATE TRIGGER account_stamp BEFORE INSERT OR UPDATE ON account FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER record_stamp BEFORE INSERT OR UPDATE ON record FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER removed_stamp BEFORE INSERT OR UPDATE ON removed FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER record_removed AFTER DELETE ON record FOR EACH ROW EXECUTE FUNCTION remember_removed();
CREATE TRIGGER account_tell AFTER INSERT OR UPDATE ON account FOR EACH STATEMENT EXECUTE FUNCTION tell();
CREATE TRIGGER record_tell AFTER INSERT OR UPDATE OR DELETE ON record FOR EACH STATEMENT EXECUTE FUNCTION tell();
