-- +goose Up
-- Messages that were accepted for a lane, and neither claimed nor put into waiting one by one: a row is those of
-- one transaction. It goes when each of them has ended, is claimed, or has a row in waiting.
-- first: the least of ids. A message is in one list at most.
CREATE TABLE waiting_lists (
    connector smallint NOT NULL,
    priority  smallint NOT NULL,
    first     bigint   NOT NULL,
    ids       bigint[] NOT NULL,
    PRIMARY KEY (connector, priority, first)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_scale_factor = 0.5);

-- +goose Down
INSERT INTO waiting SELECT connector, priority, unnest(ids) FROM waiting_lists ON CONFLICT DO NOTHING;
DROP TABLE waiting_lists;
