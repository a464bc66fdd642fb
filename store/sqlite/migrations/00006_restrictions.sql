-- How a room is talked in, and what single users may not do in it.

-- +goose Up

ALTER TABLE room ADD COLUMN slow_mode_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0 CHECK (read_only IN (0, 1));
ALTER TABLE room ADD COLUMN archived_at INTEGER NOT NULL DEFAULT 0; -- 0: it is not

-- A room is asked for its owners before it loses one.
CREATE INDEX member_owner ON member (room_no) WHERE role = 'owner';

-- kind: ban, mute, or slow, the wait after a post in slow mode. until: 2^63 - 1 is never. A post looks here for a mute.
CREATE TABLE restriction (
    room_no INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    user_no INTEGER NOT NULL,
    by_no   INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    PRIMARY KEY (room_no, kind, user_no)
) STRICT, WITHOUT ROWID;
