-- +goose Up
-- CDR records of each transaction, until the node's files have them.
CREATE TABLE cdr_outbox (
    node    smallint NOT NULL,
    seq     bigint   GENERATED ALWAYS AS IDENTITY,
    records bytea    NOT NULL,
    PRIMARY KEY (node, seq)
);

-- +goose Down
DROP TABLE cdr_outbox;
