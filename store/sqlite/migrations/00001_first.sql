-- Times are Unix milliseconds. Rows are numbered (user_no, room_no) so that the keys of the large
-- tables stay small; the ids that the world sees are kept once.

-- +goose Up

-- "chtd": a file that says otherwise is left alone.
PRAGMA application_id = 1667789924;

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    user_no       INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    username      TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    admin         INTEGER NOT NULL CHECK (admin IN (0, 1)),
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    session_no  INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    token_hash  BLOB    NOT NULL UNIQUE,
    user_no     INTEGER NOT NULL REFERENCES account,
    device_name TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX session_of_user ON session (user_no);

CREATE TABLE invite (
    invite_no  INTEGER PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    created_by INTEGER NOT NULL REFERENCES account,
    uses       INTEGER NOT NULL CHECK (uses >= 0),
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE room (
    room_no      INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL UNIQUE,
    title        TEXT    NOT NULL,
    topic        TEXT    NOT NULL,
    visibility   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    created_by   INTEGER NOT NULL REFERENCES account,
    member_count INTEGER NOT NULL,
    head_seq     INTEGER NOT NULL,
    head_msg_no  INTEGER NOT NULL
) STRICT;
CREATE INDEX room_public ON room (name) WHERE visibility = 'public';

-- The username is here again so that members are listed by name from one index, however large the
-- room and the server are.
CREATE TABLE member (
    room_no   INTEGER NOT NULL REFERENCES room,
    user_no   INTEGER NOT NULL REFERENCES account,
    username  TEXT    NOT NULL,
    role      TEXT    NOT NULL,
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (room_no, user_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_user ON member (user_no);
CREATE UNIQUE INDEX member_by_name ON member (room_no, username);

-- The log of every room. log_no is room_no << 38 | seq, so a room's events lie together in order and
-- a page is one range of the table; a key of two columns would need WITHOUT ROWID, which halves the
-- speed of records over 1 KiB. There are no foreign keys: Commit has both rows in hand, and checking
-- them again for each post buys nothing.
CREATE TABLE event (
    log_no          INTEGER PRIMARY KEY,
    room_no         INTEGER NOT NULL,
    type            TEXT    NOT NULL,
    at              INTEGER NOT NULL,
    msg_no          INTEGER NOT NULL,
    sender_no       INTEGER NOT NULL,
    idempotency_key TEXT,
    digest          BLOB,
    record          BLOB    NOT NULL,
    CHECK (log_no >> 38 = room_no)
) STRICT;
-- The key comes first: the keys of one moment, which begin with the time if the client is kind, then
-- lie on one page, whoever sends them and wherever, and a commit of many senders writes that one.
CREATE UNIQUE INDEX event_by_key ON event (idempotency_key, sender_no, room_no) WHERE idempotency_key IS NOT NULL;
