-- Imports: what an open one has brought is there already, and hidden.

-- +goose Up

ALTER TABLE account ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1));
CREATE INDEX account_hidden ON account (hidden) WHERE hidden = 1;
ALTER TABLE room ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1));
CREATE INDEX room_hidden ON room (hidden) WHERE hidden = 1;

CREATE TABLE import (
    import_no INTEGER PRIMARY KEY,
    id        TEXT    NOT NULL UNIQUE,
    export_id TEXT    NOT NULL,
    open      INTEGER NOT NULL CHECK (open IN (0, 1)),
    body      BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX import_open ON import (open) WHERE open = 1;

-- What an open import says of rooms that are not whole yet, as it came.
CREATE TABLE import_line (
    room_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    line    BLOB NOT NULL,
    PRIMARY KEY (room_id, name)
) STRICT, WITHOUT ROWID;
