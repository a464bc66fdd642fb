-- What becomes of a message. A message that nothing has happened to has no row here, so that a post stays one row.

-- +goose Up

-- The log_no of the message that the event is about: the one that it edits, deletes, reacts to or pins, or, of a post, the one
-- in whose thread it is.
ALTER TABLE event ADD COLUMN about INTEGER;
CREATE INDEX event_about ON event (about, type) WHERE about IS NOT NULL;

CREATE TABLE message (
    log_no     INTEGER PRIMARY KEY,
    room_no    INTEGER NOT NULL,
    edited     INTEGER NOT NULL, -- seq of the last edit; 0: none. So are deleted and pinned
    edited_at  INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    pinned     INTEGER NOT NULL,
    replies    INTEGER NOT NULL,
    last_reply INTEGER NOT NULL
) STRICT;
CREATE INDEX message_pinned ON message (room_no, pinned) WHERE pinned > 0;
CREATE INDEX message_answered ON message (room_no, last_reply) WHERE replies > 0;

CREATE TABLE reaction (
    log_no  INTEGER NOT NULL,
    emoji   TEXT    NOT NULL,
    user_no INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (log_no, emoji, user_no)
) STRICT, WITHOUT ROWID;
