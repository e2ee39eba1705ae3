package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/postgres"
)

// The questions to the owner of lanes: to withdraw or replace a message, and to withdraw
// messages of a campaign.
const (
	askWithdraw = "withdraw"
	askCampaign = "withdraw campaign"
)

// laneQuestion names the message, and what takes its place; nil: nothing.
type laneQuestion struct {
	ID      string
	Replace *esme.Replacement `json:",omitempty"`
}

// laneAnswer says what became of it, and why what should take its place was refused.
type laneAnswer struct {
	Outcome string
	Refusal *intake.Refusal `json:",omitempty"`
}

const (
	outcomeDone    = "done"
	outcomeTooLate = "too late"
	outcomeUnknown = "unknown"
	outcomeRefused = "refused"
)

// elsewhere withdraws or replaces a message that waits in another node's lane. asked is false when
// it is not there: this node does it then.
func (n *node) elsewhere(ctx context.Context, id message.ID, with *esme.Replacement) (asked bool, err error) {
	m, err := n.store.Message(ctx, id)
	if err != nil {
		return false, nil //nolint:nilerr // the caller sees the same
	}
	if m.Status != message.Pending || n.p.fleet.mine(m.Connector) {
		return false, nil
	}
	holder, err := n.ownerOf(ctx, m.Connector)
	if err != nil {
		return true, err
	}
	var answer laneAnswer
	if err := n.ask(ctx, holder, askWithdraw, laneQuestion{id.String(), with}, &answer); err != nil {
		return true, err
	}
	switch {
	case answer.Outcome == outcomeDone:
		return true, nil
	case answer.Outcome == outcomeUnknown:
		return true, api.ErrNotFound
	case answer.Refusal != nil:
		return true, answer.Refusal
	}
	return true, api.ErrTooLate
}

// How often, and after which pause, takeWaiting looks for a message that is on its way into a lane.
const (
	comingTries = 100
	comingPause = 5 * time.Millisecond
)

// takeWaiting takes out a message that is in no lane yet: the feeder of its connector has not come
// to it. False: it has, and the lane will have the message in a moment.
func (n *node) takeWaiting(ctx context.Context, id message.ID, try int) (taken bool, err error) {
	taken, err = n.store.TakeWaiting(ctx, id)
	switch {
	case taken || err != nil:
		return taken, err
	case try >= comingTries:
		return false, api.ErrUnowned
	}
	select {
	case <-time.After(comingPause):
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// ownerOf returns the node that has the lanes of a connector now, or api.ErrUnowned.
func (n *node) ownerOf(ctx context.Context, connector uint16) (uint16, error) {
	holder, ok, err := n.member.HolderNow(ctx, postgres.LeaseOfConnector(connector))
	if err == nil && !ok {
		err = api.ErrUnowned
	}
	return holder, err
}

// ask puts a question to the owner of a lane. One that does not answer may not be the owner any
// more: api.ErrUnowned.
func (n *node) ask(ctx context.Context, holder uint16, what string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	reply, err := n.bus.Ask(ctx, holder, what, body)
	if err != nil {
		n.p.log.Warn("ask the owner of a lane", "node", holder, "question", what, "error", err)
		return api.ErrUnowned
	}
	return json.Unmarshal(reply, answer)
}

func (n *node) answerWithdraw(ctx context.Context, body []byte) ([]byte, error) {
	var q laneQuestion
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	id, err := message.ParseID(q.ID)
	if err != nil {
		return nil, err
	}
	r := reader{n.p}
	if q.Replace == nil {
		err = r.cancelHere(ctx, id)
	} else {
		var m *message.Message
		if m, err = r.Message(ctx, id); err == nil {
			err = (smppMessages{n.p}).replaceHere(ctx, m, q.Replace)
		}
	}
	answer := laneAnswer{Outcome: outcomeDone}
	switch {
	case errors.As(err, &answer.Refusal):
		answer.Outcome = outcomeRefused
	case errors.Is(err, api.ErrTooLate), errors.Is(err, esme.ErrTooLate):
		answer.Outcome = outcomeTooLate
	case errors.Is(err, api.ErrNotFound):
		answer.Outcome = outcomeUnknown
	case err != nil:
		return nil, err
	}
	return json.Marshal(answer)
}

// campaignChunk is how many messages of a campaign an owner withdraws for one question: it has to
// answer in time.
const campaignChunk = 500

// campaignQuestion names the campaign whose messages are withdrawn, campaignAnswer how many were.
type campaignQuestion struct {
	Account uint32
	ID      string
}

type campaignAnswer struct {
	Withdrawn int
	More      bool
}

// withdrawElsewhere withdraws what waits of a campaign in the lanes of other nodes.
func (n *node) withdrawElsewhere(ctx context.Context, account uint32, id message.ID, connectors map[uint16]bool) (withdrawn int, err error) {
	holders := make(map[uint16]bool)
	for c := range connectors {
		holder, err := n.ownerOf(ctx, c)
		if err != nil {
			return 0, err
		}
		holders[holder] = true
	}
	for holder := range holders {
		for more := true; more; {
			var a campaignAnswer
			if err := n.ask(ctx, holder, askCampaign, campaignQuestion{account, id.String()}, &a); err != nil {
				return withdrawn, err
			}
			withdrawn += a.Withdrawn
			more = a.More && a.Withdrawn > 0
		}
	}
	return withdrawn, nil
}

func (n *node) answerCampaign(ctx context.Context, body []byte) ([]byte, error) {
	var q campaignQuestion
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	id, err := message.ParseID(q.ID)
	if err != nil {
		return nil, err
	}
	withdrawn, _, err := (campaignStore{n.p}).cancelHere(ctx, q.Account, id, campaignChunk)
	if err != nil {
		return nil, err
	}
	return json.Marshal(campaignAnswer{withdrawn, withdrawn >= campaignChunk})
}
