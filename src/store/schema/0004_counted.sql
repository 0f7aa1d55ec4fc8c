-- What was counted of rows since they are kept, by the labels of metrics: a start begins with these counts. It follows the
-- rows by itself, whichever process writes them, and stays when old rows are taken away.
CREATE TABLE counted (
    key         BLOB NOT NULL,       -- empty: no virtual key
    deployment  TEXT NOT NULL,
    call        INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    outcome     INTEGER NOT NULL,
    requests    INTEGER NOT NULL,
    prompt      INTEGER NOT NULL,
    completion  INTEGER NOT NULL,
    cache_read  INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    reasoning   INTEGER NOT NULL,
    cost_micro  INTEGER NOT NULL,
    cost_pico   INTEGER NOT NULL,
    PRIMARY KEY (key, deployment, call, status, outcome)
) STRICT, WITHOUT ROWID;

INSERT INTO counted
SELECT coalesce(key, x''), coalesce(deployment, ''), call, status, outcome, count(*), sum(prompt), sum(completion),
       sum(cache_read), sum(cache_write), sum(reasoning), sum(cost_micro), sum(cost_pico)
FROM spend GROUP BY 1, 2, 3, 4, 5;

CREATE TRIGGER spend_counted AFTER INSERT ON spend BEGIN
    INSERT INTO counted VALUES (coalesce(NEW.key, x''), coalesce(NEW.deployment, ''), NEW.call, NEW.status, NEW.outcome, 1,
        NEW.prompt, NEW.completion, NEW.cache_read, NEW.cache_write, NEW.reasoning, NEW.cost_micro, NEW.cost_pico)
    ON CONFLICT (key, deployment, call, status, outcome) DO UPDATE SET requests = requests + 1,
        prompt = prompt + excluded.prompt, completion = completion + excluded.completion,
        cache_read = cache_read + excluded.cache_read, cache_write = cache_write + excluded.cache_write,
        reasoning = reasoning + excluded.reasoning, cost_micro = cost_micro + excluded.cost_micro,
        cost_pico = cost_pico + excluded.cost_pico;
END;

CREATE TRIGGER spend_recounted AFTER UPDATE ON spend BEGIN
    UPDATE counted SET requests = requests - 1, prompt = prompt - OLD.prompt, completion = completion - OLD.completion,
        cache_read = cache_read - OLD.cache_read, cache_write = cache_write - OLD.cache_write,
        reasoning = reasoning - OLD.reasoning, cost_micro = cost_micro - OLD.cost_micro, cost_pico = cost_pico - OLD.cost_pico
    WHERE key = coalesce(OLD.key, x'') AND deployment = coalesce(OLD.deployment, '') AND call = OLD.call
        AND status = OLD.status AND outcome = OLD.outcome;
    INSERT INTO counted VALUES (coalesce(NEW.key, x''), coalesce(NEW.deployment, ''), NEW.call, NEW.status, NEW.outcome, 1,
        NEW.prompt, NEW.completion, NEW.cache_read, NEW.cache_write, NEW.reasoning, NEW.cost_micro, NEW.cost_pico)
    ON CONFLICT (key, deployment, call, status, outcome) DO UPDATE SET requests = requests + 1,
        prompt = prompt + excluded.prompt, completion = completion + excluded.completion,
        cache_read = cache_read + excluded.cache_read, cache_write = cache_write + excluded.cache_write,
        reasoning = reasoning + excluded.reasoning, cost_micro = cost_micro + excluded.cost_micro,
        cost_pico = cost_pico + excluded.cost_pico;
END;
