-- event.msg_no counts the room's messages up to and with the event, so that the last event of a room
-- says all about its head, and a post changes no other row. room.head_seq and head_msg_no count only
-- in a room without events.

-- +goose Up

UPDATE event SET msg_no = (
    SELECT m.msg_no FROM event m
    WHERE m.log_no < event.log_no AND m.log_no > (event.room_no << 38) AND m.msg_no > 0
    ORDER BY m.log_no DESC LIMIT 1)
WHERE msg_no = 0 AND EXISTS (
    SELECT 1 FROM event m
    WHERE m.log_no < event.log_no AND m.log_no > (event.room_no << 38) AND m.msg_no > 0);
