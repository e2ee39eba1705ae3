-- +goose Up
-- Messages, one row each for its whole life. id is time-ordered, so a partition is a day.
-- body is everything (package store's codec); the columns are what is searched by.
--
-- No column of an index changes when a message that was claimed as it came is sent and
-- delivered: such an update costs no index anything (HOT), which is half of what it costs else.
CREATE TABLE messages (
    id        bigint   NOT NULL,
    account   bigint   NOT NULL,
    connector smallint NOT NULL,
    priority  smallint NOT NULL,
    status    smallint NOT NULL,
    rare      smallint NOT NULL, -- status, unless it is PENDING or DELIVERED: then 0
    waits     boolean  NOT NULL, -- stands in a lane, or should, and is in no claim
    version   integer  NOT NULL, -- rises with each change
    due       bigint   NOT NULL, -- Unix ms, 0: at once
    campaign  bigint   NOT NULL, -- 0: none
    ordinal   bigint   NOT NULL,
    batch     bigint   NOT NULL, -- 0: none
    source    text     COLLATE "C" NOT NULL,
    dest      text     COLLATE "C" NOT NULL,
    body      bytea    NOT NULL
) PARTITION BY RANGE (id);
CREATE UNIQUE INDEX messages_id ON messages (id);
CREATE INDEX messages_account ON messages (account, id);
CREATE INDEX messages_dest ON messages (dest, id);
CREATE INDEX messages_waiting ON messages (connector, priority, id) WHERE waits;
CREATE INDEX messages_due ON messages (connector, due) WHERE rare = 2;
CREATE INDEX messages_campaign ON messages (campaign, id) WHERE campaign <> 0;
CREATE INDEX messages_rare ON messages (rare, id) WHERE rare <> 0;

-- Parts that await their receipt: what finds them when memory does not.
CREATE TABLE receipts (
    id        bigint   NOT NULL,
    connector smallint NOT NULL,
    smsc_id   text     COLLATE "C" NOT NULL,
    part      smallint NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX receipts_smsc_id ON receipts (connector, smsc_id);

-- Receipts that came before their message was known.
CREATE TABLE parked (
    connector smallint NOT NULL,
    smsc_id   text     COLLATE "C" NOT NULL,
    dest      text     COLLATE "C" NOT NULL,
    status    smallint NOT NULL,
    error     bigint   NOT NULL,
    at        bigint   NOT NULL, -- Unix ms
    PRIMARY KEY (connector, smsc_id)
);

-- Final states that a customer still has to be told, and the node that does.
CREATE TABLE outbox (
    id   bigint   PRIMARY KEY,
    node smallint NOT NULL
);

-- What the owner of a connector may have sent: ids are claimed before they are.
CREATE TABLE claims (
    connector smallint NOT NULL,
    epoch     bigint   NOT NULL,
    number    bigint   NOT NULL, -- within the epoch
    ids       bigint[] NOT NULL,
    PRIMARY KEY (connector, epoch, number)
);

-- The last transaction of each writer of each node: tells whether one whose commit was not
-- answered has happened.
CREATE TABLE progress (
    node   smallint NOT NULL,
    writer smallint NOT NULL,
    token  bigint   NOT NULL,
    PRIMARY KEY (node, writer)
);

-- The nodes, and what one of them does at a time. epoch is in the key of an index, so that who
-- holds a lease FOR KEY SHARE keeps others from taking it, and not its holder from renewing it.
CREATE TABLE nodes (
    node    smallint    PRIMARY KEY,
    session text        NOT NULL,
    name    text        NOT NULL,
    started timestamptz NOT NULL,
    seen    timestamptz NOT NULL,
    info    bytea       NOT NULL
);
CREATE TABLE leases (
    name    text        NOT NULL,
    epoch   bigint      NOT NULL,
    node    smallint    NOT NULL,
    session text        NOT NULL,
    expires timestamptz NOT NULL
);
CREATE UNIQUE INDEX leases_name ON leases (name);
CREATE UNIQUE INDEX leases_epoch ON leases (name, epoch);

-- +goose Down
DROP TABLE messages, receipts, parked, outbox, claims, progress, nodes, leases;
