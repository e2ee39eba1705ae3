-- +goose Up
-- Lists of one account by status and by sender, whatever the other accounts have of them.
CREATE INDEX messages_account_rare ON messages (account, rare, id) WHERE rare <> 0;
CREATE INDEX messages_account_source ON messages (account, source, id);

-- +goose Down
DROP INDEX messages_account_rare, messages_account_source;
