-- +goose Up
-- Messages that stand in a lane, or should, and are in no claim of their owner. A table of its own
-- rather than a column of messages: that column would be in an index, and a message that leaves its
-- lane would cost an entry in each index of messages.
CREATE TABLE waiting (
    connector smallint NOT NULL,
    priority  smallint NOT NULL,
    id        bigint   NOT NULL,
    PRIMARY KEY (connector, priority, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_scale_factor = 0.5);
INSERT INTO waiting SELECT connector, priority, id FROM messages WHERE waits;
DROP INDEX messages_waiting;
ALTER TABLE messages DROP COLUMN waits;

-- +goose Down
ALTER TABLE messages ADD COLUMN waits boolean NOT NULL DEFAULT false;
UPDATE messages m SET waits = true FROM waiting w WHERE w.id = m.id;
CREATE INDEX messages_waiting ON messages (connector, priority, id) WHERE waits;
DROP TABLE waiting;
