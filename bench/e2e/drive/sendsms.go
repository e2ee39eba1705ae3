package drive

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"protei-bulk/load/httpload"
)

// Sendsms is an HTTP API like Kannel's, for Run's mode sendsms.
type Sendsms struct {
	User, Password string
	Reports        bool         // ask for the final state, at the webhook
	Accepted       func(uint64) // is told the number of each accepted message; may be nil
}

// overSendsms sends one message a request, to 15 and ten digits: the message's number.
func (d *Driver) overSendsms(ctx context.Context, target *httpload.Target) {
	api := d.opts.Sendsms
	query := url.Values{"username": {api.User}, "password": {api.Password}, "from": {"Bench"}, "text": {text}}
	if api.Reports {
		query.Set("dlr-mask", "3")
		query.Set("dlr-url", d.url+"?status=%d")
	}
	head := target.Head("GET", "/cgi-bin/sendsms?"+query.Encode()+"&to=%2B15")
	c := target.NewClient(ctx)
	defer c.Close()
	for ctx.Err() == nil {
		n := d.seq.Add(1)
		req := c.Request()
		req.Path = strconv.AppendUint(req.Path[:0], 1_000_000_000+n, 10)
		res, err := c.Do(head, req)
		if d.count(ctx, res, err, http.StatusAccepted, 1) && api.Accepted != nil {
			api.Accepted(n)
		}
	}
}
