CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value BLOB,
    created INTEGER,
    deadline REAL
);
CREATE UNIQUE INDEX log_key ON log (key, id);
CREATE INDEX log_deadline ON log (deadline) WHERE deadline IS NOT NULL;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
