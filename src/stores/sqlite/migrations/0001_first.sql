-- Times are milliseconds since 1970-01-01T00:00:00Z, durations milliseconds. Numbers (`seq`, `n`) grow in order of arrival;
-- the sweep never deletes the largest one of a table, so that none is given twice.

-- Names of channels and bots: every row below names them by number.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('last_token', 0), ('probed_at', 0);

CREATE TABLE contacts (
    id         INTEGER PRIMARY KEY,
    channel    INTEGER NOT NULL REFERENCES names (id),
    key        TEXT NOT NULL,
    base_uid   TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL DEFAULT 0,
    nickname   TEXT,
    lang       TEXT,
    mode       TEXT NOT NULL DEFAULT 'bot',
    target_key TEXT NOT NULL,
    target     TEXT NOT NULL,
    noticed    TEXT,
    seen_at    INTEGER NOT NULL,
    UNIQUE (channel, key)
) STRICT;
CREATE INDEX contacts_target ON contacts (channel, target_key);

-- state: 0 pending, 1 claimed, 2 done, 3 dead
CREATE TABLE turns (
    seq         INTEGER PRIMARY KEY,
    id          BLOB NOT NULL UNIQUE,
    channel     INTEGER NOT NULL REFERENCES names (id),
    bot         INTEGER NOT NULL REFERENCES names (id),
    contact     INTEGER NOT NULL REFERENCES contacts (id),
    target      TEXT NOT NULL,
    state       INTEGER NOT NULL,
    claim       INTEGER,
    group_key   TEXT,
    version     INTEGER NOT NULL DEFAULT 0,
    addressed   INTEGER NOT NULL,
    begun       INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    spent       INTEGER NOT NULL DEFAULT 0,
    retries     INTEGER NOT NULL DEFAULT 0,
    verdict     TEXT,
    outcome     TEXT,
    reason      TEXT,
    error       TEXT,
    ended_at    INTEGER,
    forgotten   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX turns_open ON turns (contact) WHERE state < 2;
CREATE INDEX turns_dead ON turns (received_at) WHERE state = 3;
CREATE INDEX turns_ended ON turns (forgotten, ended_at) WHERE ended_at IS NOT NULL;

-- Each ask is a row: committed before the call is made. A contact's are found through its journal: an index of their own
-- would dirty one more page for every ask, for the sake of a look that only a recovery takes. state: 0 open, 1 ambiguous, 2 not processed, 3 answered, 4 failed
CREATE TABLE asks (
    turn     INTEGER NOT NULL REFERENCES turns (seq),
    n        INTEGER NOT NULL,
    contact  INTEGER NOT NULL REFERENCES contacts (id),
    uid      TEXT NOT NULL,
    digest   BLOB NOT NULL,
    asked_at INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    -- Earlier attempts of this ask that may have been processed.
    doubts   INTEGER NOT NULL DEFAULT 0,
    answer   TEXT,
    reason   TEXT,
    PRIMARY KEY (turn, n)
) STRICT, WITHOUT ROWID;

-- What was said. kind: 0 an event of a turn, 1 an action of ours, 2 an edit that is kept in the event it replaced.
-- The key is what a redelivered event is known by; it outlives the body.
CREATE TABLE journal (
    n       INTEGER PRIMARY KEY,
    contact INTEGER REFERENCES contacts (id),
    turn    INTEGER REFERENCES turns (seq),
    at      INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    channel INTEGER NOT NULL REFERENCES names (id),
    key     TEXT,
    -- The channel's own, handed back when the key comes again.
    note    TEXT,
    body    TEXT
) STRICT;
CREATE UNIQUE INDEX journal_key ON journal (channel, key) WHERE key IS NOT NULL;
CREATE INDEX journal_contact ON journal (contact) WHERE kind < 2;
CREATE INDEX journal_turn ON journal (turn) WHERE turn IS NOT NULL;
CREATE INDEX journal_spoken ON journal (at) WHERE turn IS NULL;

-- Actions spoken first that no channel has rendered yet.
CREATE TABLE unrendered (
    action  INTEGER PRIMARY KEY REFERENCES journal (n),
    channel INTEGER NOT NULL REFERENCES names (id),
    target  TEXT NOT NULL,
    lane    INTEGER NOT NULL
) STRICT;

CREATE TABLE announced (
    channel INTEGER NOT NULL REFERENCES names (id),
    key     TEXT NOT NULL,
    at      INTEGER NOT NULL,
    -- Its last entry in the journal.
    action  INTEGER,
    PRIMARY KEY (channel, key)
) STRICT, WITHOUT ROWID;

-- One row = one platform call. state: 0 queued, 1 claimed, 2 sent, 3 dead, 4 dropped
CREATE TABLE outbox (
    seq           INTEGER PRIMARY KEY,
    channel       INTEGER NOT NULL REFERENCES names (id),
    turn          INTEGER REFERENCES turns (seq),
    action        INTEGER NOT NULL REFERENCES journal (n),
    part          INTEGER NOT NULL,
    parts         INTEGER NOT NULL,
    target_key    TEXT NOT NULL,
    target        TEXT NOT NULL,
    lane          INTEGER NOT NULL,
    payload       TEXT NOT NULL,
    plain         TEXT,
    scopes        TEXT NOT NULL,
    state         INTEGER NOT NULL,
    claim         INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0,
    spent         INTEGER NOT NULL DEFAULT 0,
    queued_at     INTEGER NOT NULL,
    due_at        INTEGER NOT NULL,
    expires_at    INTEGER,
    in_doubt      INTEGER NOT NULL DEFAULT 0,
    first_sent_at INTEGER,
    ids           TEXT,
    reason        TEXT,
    error         TEXT,
    ended_at      INTEGER
) STRICT;
CREATE INDEX outbox_open ON outbox (channel, target_key) WHERE state < 2;
CREATE INDEX outbox_dead ON outbox (queued_at) WHERE state = 3;
CREATE INDEX outbox_ended ON outbox (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE cursors (
    source TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE kv (
    space TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token  INTEGER NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE media (
    id         BLOB PRIMARY KEY,
    bytes      INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX media_age ON media (created_at);

-- Which entry of the journal names which media.
CREATE TABLE media_refs (
    media BLOB NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (media, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX media_refs_entry ON media_refs (entry);

-- Targets that the bot may not write to, until something comes from there.
CREATE TABLE gone (
    channel    INTEGER NOT NULL REFERENCES names (id),
    target_key TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (channel, target_key)
) STRICT, WITHOUT ROWID;

-- What another process (the command line) changed and the daemon must look at. kind: 0 a turn to work on, 1 an outbox row
-- to send, 2 a turn that ended.
CREATE TABLE nudges (
    id   INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    seq  INTEGER NOT NULL
) STRICT;
