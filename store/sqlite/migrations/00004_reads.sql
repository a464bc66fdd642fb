-- How far members have read, and whom messages mean.

-- +goose Up

-- A position and the count of messages up to it, which never changes for a seq: unread is the head's count less this one.
ALTER TABLE member ADD COLUMN read_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN read_msg_no INTEGER NOT NULL DEFAULT 0;

-- What was there before there were positions counts as read.
UPDATE member SET read_seq = last.log_no & 274877906943, read_msg_no = last.msg_no
FROM (SELECT room_no, MAX(log_no) AS log_no, MAX(msg_no) AS msg_no FROM event GROUP BY room_no) AS last
WHERE last.room_no = member.room_no;

-- Who says something has read up to it. In the statement that posts, so that a post stays one: a second one would cost each post more,
-- and to look for a member's last post an index as large as the log's.
-- +goose StatementBegin
CREATE TRIGGER event_read AFTER INSERT ON event WHEN NEW.type = 'message.posted' BEGIN
    UPDATE member SET read_seq = NEW.log_no & 274877906943, read_msg_no = NEW.msg_no WHERE room_no = NEW.room_no AND user_no = NEW.sender_no;
END;
-- +goose StatementEnd

-- Messages that mean somebody, as they now stand; user_no 0: everyone in the room.
CREATE TABLE mention (
    user_no INTEGER NOT NULL,
    log_no  INTEGER NOT NULL,
    PRIMARY KEY (user_no, log_no)
) STRICT, WITHOUT ROWID;
