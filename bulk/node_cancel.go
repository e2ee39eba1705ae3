package bulk

import (
	"context"
	"encoding/json"
	"errors"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/postgres"
)

// askCancel asks the owner of a lane to withdraw a message from it.
const askCancel = "cancel"

// The answers to askCancel.
const (
	answerCancelled = "cancelled"
	answerTooLate   = "too late"
	answerUnknown   = "unknown"
)

// elsewhere withdraws a message that waits in another node's lane. asked is false when it is
// not there: this node does it then.
func (n *node) elsewhere(ctx context.Context, id message.ID) (asked bool, err error) {
	m, err := n.store.Message(ctx, id)
	if err != nil || m.Status != message.Pending || n.p.fleet.mine(m.Connector) {
		return false, nil // the caller sees the same
	}
	holder, ok := n.member.Holder(postgres.LeaseOfConnector(m.Connector))
	if !ok {
		return true, api.ErrUnowned
	}
	body, err := json.Marshal(id.String())
	if err != nil {
		return true, err
	}
	reply, err := n.bus.Ask(ctx, holder, askCancel, body)
	if err != nil {
		n.p.log.Warn("ask the owner of a lane", "node", holder, "error", err)
		return true, api.ErrUnowned
	}
	var answer string
	if err := json.Unmarshal(reply, &answer); err != nil {
		return true, err
	}
	switch answer {
	case answerCancelled:
		return true, nil
	case answerUnknown:
		return true, api.ErrNotFound
	}
	return true, api.ErrTooLate
}

func (n *node) answerCancel(ctx context.Context, body []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(body, &text); err != nil {
		return nil, err
	}
	id, err := message.ParseID(text)
	if err != nil {
		return nil, err
	}
	answer := answerCancelled
	switch err := (reader{n.p}).cancelHere(ctx, id); {
	case errors.Is(err, api.ErrTooLate):
		answer = answerTooLate
	case errors.Is(err, api.ErrNotFound):
		answer = answerUnknown
	case err != nil:
		return nil, err
	}
	return json.Marshal(answer)
}
