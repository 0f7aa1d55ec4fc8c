-- Nodes that are at work, by the server's clock: since when each was heard of without a gap, and when it was last.
CREATE TABLE node (
    node        TEXT PRIMARY KEY,
    since       TIMESTAMPTZ NOT NULL,
    seen        TIMESTAMPTZ NOT NULL
);

-- What a node may still spend on an account: lent to it, and not yet in the account's sum. Amounts are pico-dollars.
CREATE TABLE lease (
    account     BYTEA NOT NULL,
    node        TEXT NOT NULL REFERENCES node (node) ON DELETE CASCADE,
    amount      NUMERIC NOT NULL,
    number      BIGINT NOT NULL,     -- the last order that was heard, so that none is heard twice
    granted     NUMERIC NOT NULL,    -- what it was lent on that order
    tight       BOOLEAN NOT NULL,    -- the node keeps nothing that it does not need
    wanted      BOOLEAN NOT NULL,    -- another node was refused because of what this one may keep
    PRIMARY KEY (account, node)
);

CREATE INDEX lease_by_node ON lease (node);
CREATE INDEX lease_wanted ON lease (node) WHERE wanted;

-- A node is at work. What is lent to one that was not heard of for fifteen minutes is taken back by any that was itself heard of
-- all that time: after the server was away, all of them have as long again to come back. Says whether the node was known.
CREATE FUNCTION beat(me TEXT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE
    known BOOLEAN;
    moment TIMESTAMPTZ := clock_timestamp();
BEGIN
    UPDATE tollgate.node
    SET since = CASE WHEN seen < moment - interval '1 minute' THEN moment ELSE since END, seen = moment
    WHERE node = me;
    known := FOUND;
    IF NOT known THEN
        INSERT INTO tollgate.node (node, since, seen) VALUES (me, moment, moment);
    END IF;
    DELETE FROM tollgate.node
    WHERE seen < moment - interval '15 minutes'
        AND EXISTS (SELECT 1 FROM tollgate.node AS mine
                    WHERE mine.node = me AND mine.since < moment - interval '15 minutes');
    RETURN known;
END
$$;

-- Lends on an account, or takes back: never so much that what is spent and what is lent exceed the limit. Whoever lends on the
-- same account waits; what is spent and what is lent is read in one look, and a commit of receipts moves from one to the other.
CREATE FUNCTION lend(
    whose BYTEA, me TEXT, turn BIGINT, back NUMERIC, smallest NUMERIC, needed NUMERIC, wished NUMERIC, most NUMERIC,
    wall_ms BIGINT, keeps_nothing BOOLEAN,
    OUT given NUMERIC, OUT rest NUMERIC, OUT others BOOLEAN, OUT loose BOOLEAN
) LANGUAGE plpgsql AS $$
DECLARE
    mine RECORD;
BEGIN
    given := 0;
    rest := 0;
    others := false;
    loose := false;
    IF back > 0 THEN
        UPDATE tollgate.lease
        SET amount = amount - back, number = turn, granted = 0, tight = keeps_nothing, wanted = false
        WHERE account = whose AND node = me AND number < turn;
        DELETE FROM tollgate.lease WHERE account = whose AND node = me AND amount = 0;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(encode(whose, 'hex'), 0));
    SELECT number, granted INTO mine FROM tollgate.lease WHERE account = whose AND node = me;
    IF FOUND AND mine.number >= turn THEN
        given := mine.granted;
        RETURN;
    END IF;
    SELECT most - spent.amount - lent.amount, lent.others, lent.loose INTO rest, others, loose
    FROM (
        SELECT coalesce(sum(CAST(spent_micro AS numeric) * 1000000 + spent_pico), 0) AS amount
        FROM tollgate.account WHERE account.account = whose AND window_end > wall_ms
    ) AS spent, (
        SELECT coalesce(sum(greatest(amount, 0)), 0) AS amount,
            coalesce(bool_or(node <> me AND amount > 0), false) AS others,
            coalesce(bool_or(node <> me AND amount > 0 AND NOT tight), false) AS loose
        FROM tollgate.lease WHERE lease.account = whose
    ) AS lent;
    IF rest > 0 AND rest >= smallest THEN
        -- Beyond what is needed, the less the less there is.
        given := least(rest, needed) + greatest(0, least(wished - needed, trunc((rest - needed) / 8)));
        rest := rest - given;
    END IF;
    INSERT INTO tollgate.lease (account, node, amount, number, granted, tight, wanted)
    VALUES (whose, me, given, turn, given, keeps_nothing, false)
    ON CONFLICT (account, node) DO UPDATE
    SET amount = lease.amount + excluded.amount, number = excluded.number, granted = excluded.granted,
        tight = excluded.tight, wanted = false;
    IF loose AND given < needed THEN
        UPDATE tollgate.lease SET wanted = true
        WHERE account = whose AND node <> me AND amount > 0 AND NOT tight AND NOT wanted;
        IF FOUND THEN
            PERFORM pg_notify('tollgate_wanted', '');
        END IF;
    END IF;
END
$$;
