-- Threads that are followed, and how far they have been read.

-- +goose Up

-- The answers that were ever given under a message: the number of the last. Unread is this less the number of the last that was read.
ALTER TABLE message ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;
UPDATE message SET answers = (SELECT COUNT(*) FROM event e WHERE e.about = message.log_no AND e.type = 'message.posted') WHERE last_reply > 0;

-- log_no is that of the message under which the thread is. followed = 0: the user does not want to, whatever is said in it.
CREATE TABLE thread (
    user_no  INTEGER NOT NULL,
    log_no   INTEGER NOT NULL,
    followed INTEGER NOT NULL CHECK (followed IN (0, 1)),
    read_seq INTEGER NOT NULL,
    read_no  INTEGER NOT NULL,
    PRIMARY KEY (user_no, log_no)
) STRICT, WITHOUT ROWID;

-- Who would have followed follows, and has read what is there: who said the message, who answered, whom they mean.
INSERT INTO thread (user_no, log_no, followed, read_seq, read_no)
SELECT b.user_no, t.log_no, 1, t.last_reply, t.answers FROM message t JOIN event e ON e.log_no = t.log_no
JOIN member b ON b.room_no = t.room_no AND b.user_no = e.sender_no WHERE t.answers > 0;

INSERT INTO thread (user_no, log_no, followed, read_seq, read_no)
SELECT DISTINCT b.user_no, t.log_no, 1, t.last_reply, t.answers FROM message t JOIN event e ON e.about = t.log_no AND e.type = 'message.posted'
JOIN member b ON b.room_no = t.room_no AND b.user_no = e.sender_no WHERE t.answers > 0
ON CONFLICT (user_no, log_no) DO NOTHING;

INSERT INTO thread (user_no, log_no, followed, read_seq, read_no)
SELECT DISTINCT b.user_no, t.log_no, 1, t.last_reply, t.answers FROM mention x JOIN event e ON e.log_no = x.log_no JOIN message t ON t.log_no = COALESCE(e.about, e.log_no)
JOIN member b ON b.room_no = t.room_no AND b.user_no = x.user_no WHERE t.answers > 0
ON CONFLICT (user_no, log_no) DO NOTHING;
