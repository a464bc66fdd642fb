-- Profiles, suspension, deletion and bots; tokens with a scope; the audit log.

-- +goose Up

ALTER TABLE account ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN owner_id TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN deleted_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN suspended_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN suspended_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN suspend_reason TEXT NOT NULL DEFAULT '';
CREATE INDEX account_by_owner ON account (owner_id, username) WHERE owner_id <> '';
CREATE INDEX account_admin ON account (admin) WHERE admin = 1;

-- What token.create made is made = 1. Methods and rooms are lists with spaces between; '' means all.
ALTER TABLE session ADD COLUMN addr TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN methods TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN rooms TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN per_minute INTEGER NOT NULL DEFAULT 0;

CREATE TABLE audit (
    audit_no     INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    actor_id     TEXT    NOT NULL,
    actor_name   TEXT    NOT NULL,
    addr         TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    subject_name TEXT    NOT NULL,
    outcome      TEXT    NOT NULL,
    detail       TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_actor ON audit (actor_id, audit_no);
CREATE INDEX audit_subject ON audit (subject, audit_no) WHERE subject <> '';

-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
-- +goose StatementEnd
