-- Whom an exchange was for, where it went, how it was called and how it ended. Nothing of it is known of older rows.
ALTER TABLE spend ADD COLUMN team TEXT;
ALTER TABLE spend ADD COLUMN user TEXT;
ALTER TABLE spend ADD COLUMN organization TEXT;
ALTER TABLE spend ADD COLUMN customer TEXT;
ALTER TABLE spend ADD COLUMN tags TEXT;                            -- a JSON array; null: none
ALTER TABLE spend ADD COLUMN provider TEXT;
ALTER TABLE spend ADD COLUMN upstream TEXT;                        -- what the provider calls the model
ALTER TABLE spend ADD COLUMN api_base TEXT;
ALTER TABLE spend ADD COLUMN call INTEGER NOT NULL DEFAULT 0;      -- 0 unknown, 1 acompletion, 5 anthropic_messages, ...
ALTER TABLE spend ADD COLUMN session TEXT;
ALTER TABLE spend ADD COLUMN client_ip TEXT;
ALTER TABLE spend ADD COLUMN first_ms INTEGER;
ALTER TABLE spend ADD COLUMN status INTEGER NOT NULL DEFAULT 0;    -- what the client saw; 0: not known
ALTER TABLE spend ADD COLUMN error TEXT;
ALTER TABLE spend ADD COLUMN input_pico INTEGER NOT NULL DEFAULT 0; -- part of the cost for what went in, pico-dollars

-- Rows are listed by time, of all and of one; nothing asks for days of rows any more.
DROP INDEX spend_by_day;
DROP INDEX spend_by_key;
CREATE INDEX spend_by_time ON spend (started_ms);
CREATE INDEX spend_by_key ON spend (key, started_ms);
CREATE INDEX spend_by_team ON spend (team, started_ms) WHERE team IS NOT NULL;
CREATE INDEX spend_by_user ON spend (user, started_ms) WHERE user IS NOT NULL;
CREATE INDEX spend_by_customer ON spend (customer, started_ms) WHERE customer IS NOT NULL;

ALTER TABLE daily ADD COLUMN model_group TEXT NOT NULL DEFAULT '';
ALTER TABLE daily ADD COLUMN upstream TEXT NOT NULL DEFAULT '';
ALTER TABLE daily ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE daily ADD COLUMN cache_write INTEGER NOT NULL DEFAULT 0;
ALTER TABLE daily ADD COLUMN reasoning INTEGER NOT NULL DEFAULT 0;

-- The same sums again for each team, user, organization, customer and tag that an exchange was for.
CREATE TABLE daily_of (
    kind        INTEGER NOT NULL,    -- 2 team, 3 user, 4 organization, 6 customer, 7 tag
    day         INTEGER NOT NULL,
    id          TEXT NOT NULL,
    key         BLOB NOT NULL,       -- empty: the master key
    model       TEXT NOT NULL,
    deployment  TEXT NOT NULL,
    key_alias   TEXT NOT NULL,
    model_group TEXT NOT NULL,
    upstream    TEXT NOT NULL,
    provider    TEXT NOT NULL,
    requests    INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    prompt      INTEGER NOT NULL,
    completion  INTEGER NOT NULL,
    cache_read  INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    reasoning   INTEGER NOT NULL,
    cost_micro  INTEGER NOT NULL,
    cost_pico   INTEGER NOT NULL,
    PRIMARY KEY (kind, day, id, key, model, deployment)
) STRICT, WITHOUT ROWID;
