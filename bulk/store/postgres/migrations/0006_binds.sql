-- +goose Up
-- SMPP binds of accounts by node; without Redis. They count while the node is seen in that session.
CREATE TABLE binds (
    account bigint   NOT NULL,
    node    smallint NOT NULL,
    session text     NOT NULL,
    binds   integer  NOT NULL,
    PRIMARY KEY (account, node)
);

-- +goose Down
DROP TABLE binds;
