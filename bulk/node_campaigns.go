package bulk

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/cluster"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// askHalt asks the node that runs a campaign to stop that.
const askHalt = "halt campaign"

// maxCampaignLeases bounds the campaigns that are looked at for leases.
const maxCampaignLeases = 1000

// wantedTimeout bounds a look at the campaigns.
const wantedTimeout = 2 * time.Second

// wantedCampaigns are the leases of the campaigns that run or wait for their time.
func (n *node) wantedCampaigns() (names []string) {
	ctx, cancel := context.WithTimeout(context.Background(), wantedTimeout)
	defer cancel()
	for _, status := range []campaign.Status{campaign.Running, campaign.Scheduled} {
		rows, err := n.store.Campaigns(ctx, store.CampaignQuery{Status: string(status), Limit: maxCampaignLeases})
		if err != nil {
			n.p.log.Warn("look for campaigns to run", "error", err)
			n.campaigns.Range(func(id, _ any) bool { // what runs goes on
				names = append(names, campaignLease+id.(message.ID).String())
				return true
			})
			return names
		}
		for i := range rows {
			names = append(names, campaignLease+rows[i].ID.String())
		}
	}
	return names
}

func campaignOf(lease string) (message.ID, bool) {
	text, ok := strings.CutPrefix(lease, campaignLease)
	if !ok {
		return 0, false
	}
	id, err := message.ParseID(text)
	return id, err == nil
}

// campaignNodes is the other nodes as package campaign wants them.
type campaignNodes struct{ n *node }

func (c campaignNodes) Mine(id message.ID) bool {
	_, ok := c.n.campaigns.Load(id)
	return ok
}

// Halt implements campaign.Nodes. While nobody runs the campaign, its lease is held, so that
// nobody begins to.
func (c campaignNodes) Halt(ctx context.Context, id message.ID) (release func(), err error) {
	lease := campaignLease + id.String()
	holder, ok, err := c.n.member.HolderNow(ctx, lease)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		ctx, cancel := context.WithTimeout(ctx, haltWait)
		defer cancel()
		return c.n.member.Lock(ctx, lease)
	case holder == c.n.member.Number():
		return func() {}, nil
	}
	body, err := json.Marshal(id.String())
	if err == nil {
		_, err = c.n.bus.Ask(ctx, holder, askHalt, body)
	}
	return func() {}, err
}

// haltWait bounds the wait for a lease that another node has taken in this moment.
const haltWait = 2 * time.Second

// Wanted implements campaign.Nodes.
func (c campaignNodes) Wanted(id message.ID) {
	ctx, cancel := context.WithTimeout(context.Background(), wantedTimeout)
	defer cancel()
	if err := c.n.bus.Announce(ctx, cluster.TopicNodes, campaignLease+id.String()); err != nil {
		c.n.p.log.Warn("a campaign is found by looking, a few seconds later", "campaign", id, "error", err)
	}
}

func (n *node) answerHalt(_ context.Context, body []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(body, &text); err != nil {
		return nil, err
	}
	id, err := message.ParseID(text)
	if err != nil {
		return nil, err
	}
	n.p.campaigns.Halt(id)
	return []byte("true"), nil
}
