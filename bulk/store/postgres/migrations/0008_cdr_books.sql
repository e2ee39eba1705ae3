-- +goose Up
-- The CDR files of a data folder, whatever number its node has: those that a row of cdr_outbox goes
-- into. Rows up to writing may be in them already.
CREATE TABLE cdr_books (
    book    text        PRIMARY KEY,
    writing bigint      NOT NULL,
    seen    timestamptz NOT NULL
);
INSERT INTO cdr_books VALUES ('', 0, now()); -- of rows that are older than this table
ALTER TABLE cdr_outbox ADD COLUMN book text NOT NULL DEFAULT '';
ALTER TABLE cdr_outbox DROP CONSTRAINT cdr_outbox_pkey;
CREATE UNIQUE INDEX cdr_outbox_book ON cdr_outbox (book, seq);
CREATE INDEX cdr_outbox_node ON cdr_outbox (node);

-- +goose Down
DROP INDEX cdr_outbox_book, cdr_outbox_node;
ALTER TABLE cdr_outbox DROP COLUMN book;
ALTER TABLE cdr_outbox ADD PRIMARY KEY (node, seq);
DROP TABLE cdr_books;
