-- event.msg_no counts the room's messages up to and with the event, so that the last event of a room
-- says all about its head, and a post changes no other row. room.head_seq and head_msg_no count only
-- in a room without events.

-- +goose Up

UPDATE event SET msg_no = counted.n
FROM (SELECT log_no, MAX(msg_no) OVER (PARTITION BY room_no ORDER BY log_no) AS n FROM event) AS counted
WHERE counted.log_no = event.log_no AND event.msg_no = 0 AND counted.n > 0;
