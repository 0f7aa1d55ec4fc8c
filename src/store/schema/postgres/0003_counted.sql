-- What each node with a data directory counted of rows, by the labels of metrics: its next process begins with these counts.
-- They follow the rows by themselves and stay when old rows are taken away. Who writes says which node it is
-- (tollgate.node); what others write is counted nowhere.
CREATE TABLE counted (
    node        TEXT NOT NULL,
    key         BYTEA NOT NULL,      -- empty: no virtual key
    deployment  TEXT NOT NULL,
    call        BIGINT NOT NULL,
    status      BIGINT NOT NULL,
    outcome     BIGINT NOT NULL,
    requests    BIGINT NOT NULL,
    prompt      BIGINT NOT NULL,
    completion  BIGINT NOT NULL,
    cache_read  BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    reasoning   BIGINT NOT NULL,
    cost_micro  BIGINT NOT NULL,
    cost_pico   BIGINT NOT NULL,
    PRIMARY KEY (node, key, deployment, call, status, outcome)
);

CREATE FUNCTION count_spend() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    me TEXT := coalesce(current_setting('tollgate.node', true), '');
BEGIN
    IF me = '' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        UPDATE tollgate.counted
        SET requests = requests - 1, prompt = prompt - OLD.prompt, completion = completion - OLD.completion,
            cache_read = cache_read - OLD.cache_read, cache_write = cache_write - OLD.cache_write,
            reasoning = reasoning - OLD.reasoning, cost_micro = cost_micro - OLD.cost_micro,
            cost_pico = cost_pico - OLD.cost_pico
        WHERE node = me AND key = coalesce(OLD.key, '') AND deployment = coalesce(OLD.deployment, '')
            AND call = OLD.call AND status = OLD.status AND outcome = OLD.outcome;
    END IF;
    INSERT INTO tollgate.counted AS sum
    VALUES (me, coalesce(NEW.key, ''), coalesce(NEW.deployment, ''), NEW.call, NEW.status, NEW.outcome, 1, NEW.prompt,
        NEW.completion, NEW.cache_read, NEW.cache_write, NEW.reasoning, NEW.cost_micro, NEW.cost_pico)
    ON CONFLICT (node, key, deployment, call, status, outcome) DO UPDATE
    SET requests = sum.requests + 1, prompt = sum.prompt + excluded.prompt,
        completion = sum.completion + excluded.completion, cache_read = sum.cache_read + excluded.cache_read,
        cache_write = sum.cache_write + excluded.cache_write, reasoning = sum.reasoning + excluded.reasoning,
        cost_micro = sum.cost_micro + excluded.cost_micro, cost_pico = sum.cost_pico + excluded.cost_pico;
    RETURN NULL;
END
$$;

CREATE TRIGGER spend_counted AFTER INSERT OR UPDATE ON spend FOR EACH ROW EXECUTE FUNCTION count_spend();
