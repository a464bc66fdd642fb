-- Rooms that are deleted, direct rooms, and invitations into rooms.

-- +goose Up

-- A room that was deleted keeps its row, and so its number: what is left of it anywhere can never be taken for another room's. It has
-- neither id nor name, and nothing is found by its number.
ALTER TABLE room ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1));

-- Deleted rooms of which not all is erased yet, by the id that they had.
CREATE TABLE erasure (
    room_no INTEGER PRIMARY KEY,
    id      TEXT NOT NULL
) STRICT;

-- Mentions are found by their message when it is erased.
CREATE INDEX mention_message ON mention (log_no);

-- Whom a direct room is between, by username: ids and names with spaces between, none of which ever change; '' of other rooms.
ALTER TABLE room ADD COLUMN direct TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX room_direct ON room (direct) WHERE direct <> '';

-- Ids as the others are, but for the time in them, for the invitations that there are; that they were made now is the best guess.
-- room_no 0: into no room.
ALTER TABLE invite ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE invite ADD COLUMN room_no INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invite ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invite ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
UPDATE invite SET id = 'invite_0' || substr(lower(hex(randomblob(13))), 2), created_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
CREATE UNIQUE INDEX invite_id ON invite (id);
CREATE INDEX invite_of_user ON invite (created_by);
CREATE INDEX invite_into_room ON invite (room_no) WHERE room_no <> 0;
