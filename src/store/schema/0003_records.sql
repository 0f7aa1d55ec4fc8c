-- What the management API was told: one row per record, its body in JSON.
CREATE TABLE record (
    kind        TEXT NOT NULL,       -- key, team, user ...
    id          TEXT NOT NULL,
    body        TEXT NOT NULL,
    changed_ms  INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- Who changed which record, and what stood there before and after.
CREATE TABLE audit (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    at_ms       INTEGER NOT NULL,
    by_user     TEXT NOT NULL,
    by_key      BLOB,                -- SHA-256 of the key; nothing: the master key
    action      TEXT NOT NULL,
    table_name  TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    before      TEXT NOT NULL,
    after       TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_time ON audit (at_ms);
CREATE INDEX audit_by_object ON audit (object_id);
