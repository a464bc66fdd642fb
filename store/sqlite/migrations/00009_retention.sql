-- What is kept of a room's log, what was purged of it, and jobs.

-- +goose Up

-- The room's own rule; 0: no bound. The log begins behind gone_seq, with gone_msg_no messages before it.
ALTER TABLE room ADD COLUMN keep_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN keep_messages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN keep_longer INTEGER NOT NULL DEFAULT 0 CHECK (keep_longer IN (0, 1));
ALTER TABLE room ADD COLUMN gone_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN gone_msg_no INTEGER NOT NULL DEFAULT 0;

-- Keys of events that were purged: a retry finds what became of it, for ever. A new key is looked for here, too, in rooms of
-- which something was purged; it comes first in the key for the same reason as in event_by_key.
CREATE TABLE purged_key (
    idempotency_key TEXT    NOT NULL,
    sender_no       INTEGER NOT NULL,
    room_no         INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    msg_no          INTEGER NOT NULL,
    type            TEXT    NOT NULL,
    at              INTEGER NOT NULL,
    digest          BLOB,
    PRIMARY KEY (idempotency_key, sender_no, room_no)
) STRICT, WITHOUT ROWID;
-- They are erased with their room.
CREATE INDEX purged_key_in ON purged_key (room_no);

-- Users' parts in threads are purged by message.
CREATE INDEX thread_under ON thread (log_no);

-- job_order is what its kind makes of it. ended_at 0: it waits or runs.
CREATE TABLE job (
    job_no      INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    started_by  TEXT    NOT NULL,
    job_order   BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    rooms       INTEGER NOT NULL,
    rooms_done  INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    events_done INTEGER NOT NULL,
    message     TEXT    NOT NULL
) STRICT;
CREATE INDEX job_open ON job (job_no) WHERE ended_at = 0;
