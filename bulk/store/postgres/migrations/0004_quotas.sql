-- +goose Up
-- Parts that accounts with a quota have had accepted in a day or month of their zone. All nodes
-- count on one row, in the transaction that accepts; usage says the same, by node.
CREATE TABLE quotas (
    account bigint  NOT NULL,
    month   boolean NOT NULL, -- else a day
    begins  bigint  NOT NULL, -- Unix ms
    ends    bigint  NOT NULL, -- Unix ms
    used    bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (account, month, begins)
) WITH (fillfactor = 50);

-- +goose Down
DROP TABLE quotas;
