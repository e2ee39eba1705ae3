-- +goose Up
CREATE TABLE accounts (
    id            bigint PRIMARY KEY,
    name          text   NOT NULL,
    system_id     text   UNIQUE,
    password_hash text   NOT NULL,
    settings      bytea,
    created_at    bigint NOT NULL -- Unix ms, as all times here
);
CREATE TABLE api_keys (
    hash       bytea  PRIMARY KEY, -- SHA-256
    account    bigint NOT NULL,
    name       text   NOT NULL,
    prefix     text   NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    settings   bytea
);
-- Connectors, routes, logs: whatever there are few of, or is read by its key.
CREATE TABLE objects (
    kind  text  NOT NULL,
    key   text  NOT NULL COLLATE "C",
    value bytea NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE TABLE campaigns (
    id      bigint PRIMARY KEY,
    account bigint NOT NULL,
    status  text   NOT NULL,
    body    bytea  NOT NULL
);
CREATE INDEX campaigns_account ON campaigns (account, id);
CREATE TABLE blocks (
    owner bigint   NOT NULL,
    kind  smallint NOT NULL,
    first bigint   NOT NULL,
    count bigint   NOT NULL,
    data  bytea    NOT NULL,
    PRIMARY KEY (owner, kind, first)
);
CREATE TABLE listed (
    account bigint   NOT NULL,
    number  numeric(20) NOT NULL,
    sender  text     NOT NULL COLLATE "C",
    kind    smallint NOT NULL,
    at      bigint   NOT NULL,
    source  text     NOT NULL,
    PRIMARY KEY (account, number, sender)
);
CREATE TABLE inbound (
    id      bigint   PRIMARY KEY,
    node    smallint NOT NULL, -- that tells the customer
    account bigint   NOT NULL, -- 0: nobody's
    status  smallint NOT NULL,
    route   bigint   NOT NULL,
    url     text     NOT NULL,
    done_at bigint   NOT NULL,
    body    bytea    NOT NULL
);
CREATE INDEX inbound_waiting ON inbound (node, status, id) WHERE status < 3;
CREATE INDEX inbound_account ON inbound (account, id);

-- What requests with an Idempotency-Key were answered.
CREATE TABLE answers (
    account  bigint  NOT NULL,
    key      bytea   NOT NULL,
    body     bytea   NOT NULL, -- SHA-256 of the request
    at       bigint  NOT NULL,
    status   integer NOT NULL,
    location text    NOT NULL,
    answer   bytea   NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX answers_at ON answers (at);

-- Messages by status; each writer of each node counts on a row of its own, so that none waits
-- for another. s0 is SENT without a receipt wanted, the others are message.Status.
CREATE TABLE ledger (
    account  bigint   NOT NULL,
    campaign bigint   NOT NULL, -- 0: none
    node     smallint NOT NULL,
    writer   smallint NOT NULL,
    accepted bigint   NOT NULL,
    top      bigint   NOT NULL, -- highest recipient ordinal accepted
    s0 bigint NOT NULL, s1 bigint NOT NULL, s2 bigint NOT NULL, s3 bigint NOT NULL, s4 bigint NOT NULL, s5 bigint NOT NULL,
    s6 bigint NOT NULL, s7 bigint NOT NULL, s8 bigint NOT NULL, s9 bigint NOT NULL, s10 bigint NOT NULL,
    PRIMARY KEY (account, campaign, node, writer)
);
-- Parts accepted by quarter of an hour, which no time zone divides.
CREATE TABLE usage (
    account bigint   NOT NULL,
    quarter bigint   NOT NULL, -- since 1970
    node    smallint NOT NULL,
    parts   bigint   NOT NULL,
    PRIMARY KEY (account, quarter, node)
);
-- Money in millionths.
CREATE TABLE purses (
    account   bigint PRIMARY KEY,
    credits   bigint NOT NULL DEFAULT 0,
    charged   bigint NOT NULL DEFAULT 0,
    refunded  bigint NOT NULL DEFAULT 0,
    reserved  bigint NOT NULL DEFAULT 0,
    remaining bigint NOT NULL DEFAULT 0
);
CREATE TABLE movements (
    account    bigint   NOT NULL,
    id         bigint   NOT NULL,
    mirror     boolean  NOT NULL, -- the other side of a transfer
    kind       smallint NOT NULL,
    amount     bigint   NOT NULL,
    peer       bigint   NOT NULL,
    by_account bigint   NOT NULL,
    at         bigint   NOT NULL,
    reference  text     NOT NULL,
    note       text     NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE UNIQUE INDEX movements_reference ON movements (account, reference) WHERE reference <> '' AND NOT mirror;

-- +goose Down
DROP TABLE accounts, api_keys, objects, campaigns, blocks, listed, inbound, answers, ledger, usage, purses, movements;
