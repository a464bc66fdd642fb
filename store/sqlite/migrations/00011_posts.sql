-- +goose Up

-- Who says something has read up to it: the commit writes that itself, once for all that somebody says in it. With a trigger
-- SQLite keeps a journal of each statement that posts, which costs more than what the trigger does.
DROP TRIGGER event_read;
