-- +goose Up
-- What is SENT and awaits a receipt is found by receipts, not by an index of messages: each message would
-- enter that one and leave it again, and cost an entry in each other index twice.
-- open: the receipt has not come, and is still waited for.
SET LOCAL statement_timeout = 0;
ALTER TABLE receipts ADD COLUMN account bigint NOT NULL DEFAULT 0, ADD COLUMN open boolean NOT NULL DEFAULT false;
UPDATE receipts r SET account = m.account, open = true FROM messages m WHERE m.id = r.id AND m.status = 3;
UPDATE messages m SET rare = 0 FROM receipts r WHERE r.id = m.id AND r.open AND m.status = 3;
CREATE INDEX receipts_open ON receipts (account, id) WHERE open;

-- +goose Down
UPDATE messages SET rare = 3 WHERE status = 3;
DROP INDEX receipts_open;
ALTER TABLE receipts DROP COLUMN account, DROP COLUMN open;
