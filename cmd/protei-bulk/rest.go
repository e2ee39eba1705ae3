package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"protei-bulk/bulk/message"
	"protei-bulk/client"
)

const (
	defaultURL   = "http://127.0.0.1:8080"
	restTimeout  = 60 * time.Second
	maxRESTReply = 64 << 20
)

// restClient is what the administration commands share: where the platform is, who asks,
// and how answers are shown.
type restClient struct {
	env    *environment
	url    string
	key    string
	output string // table or json
}

// addRESTFlags gives cmd and its subcommands --url, --api-key and --output.
func addRESTFlags(cmd *cobra.Command, env *environment) *restClient {
	c := &restClient{env: env}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.url, "url", "", "`address` of the platform (PROTEI_BULK_URL; default "+defaultURL+")")
	flags.StringVar(&c.key, "api-key", "", "API `key` (PROTEI_BULK_API_KEY); serve --dev needs none")
	flags.StringVarP(&c.output, "output", "o", "table", "`format`: table, or json as the answer came")
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error { return c.complete() }
	return c
}

func (c *restClient) complete() error {
	if c.url == "" {
		c.url = c.env.Getenv("PROTEI_BULK_URL")
	}
	if c.url == "" {
		c.url = defaultURL
	}
	if c.key == "" {
		c.key = c.env.Getenv("PROTEI_BULK_API_KEY")
	}
	if !strings.Contains(c.url, "://") {
		c.url = "http://" + c.url
	}
	u, err := url.Parse(c.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usageError("--url %q is not an http or https address", c.url)
	}
	c.url = strings.TrimSuffix(c.url, "/")
	if c.output != "table" && c.output != "json" {
		return usageError("--output %q: table or json", c.output)
	}
	return nil
}

// do sends one call and shows the answer: with --output json it prints it as it came,
// else into, when not nil, gets it.
func (c *restClient) do(ctx context.Context, method, path string, body, into any) error {
	text, err := c.fetch(ctx, method, path, body)
	if err != nil {
		return err
	}
	if c.output == "json" {
		_, err := c.env.Stdout.Write(text)
		return err
	}
	return c.decode(text, into)
}

func (c *restClient) decode(text []byte, into any) error {
	if into == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return &exitError{code: 1, err: fmt.Errorf("%s does not answer like this platform: %w", c.url, err)}
	}
	return nil
}

// fetch sends one call and returns the answer's body. A problem document becomes an
// error with its detail.
func (c *restClient) fetch(ctx context.Context, method, path string, body any) ([]byte, error) {
	api, err := c.client(nil)
	if err != nil {
		return nil, err
	}
	var text []byte
	err = api.Do(ctx, method, path, body, &text)
	return text, c.failed(err)
}

// client makes the client of the platform. Nothing is tried twice: who sits at the terminal
// sees what is wrong, and decides. transport may be nil.
func (c *restClient) client(transport http.RoundTripper) (*client.Client, error) {
	api, err := client.New(client.Options{
		URL: c.url, APIKey: c.key, HTTP: &http.Client{Transport: transport}, Timeout: restTimeout, Retries: -1, UserAgent: "protei-bulk/" + version,
	})
	if err != nil {
		return nil, usageError("--url %q: %w", c.url, err)
	}
	return api, nil
}

// ask makes a call by the client and shows the answer: with --output json as it came, else by
// table, which may be nil.
func ask[T any](ctx context.Context, c *restClient, call func(context.Context, *client.Client) (T, error), table func(T) error) error {
	var transport http.RoundTripper
	if c.output == "json" {
		transport = printing{c.env.Stdout}
	}
	api, err := c.client(transport)
	if err != nil {
		return err
	}
	answer, err := call(ctx, api)
	if err != nil {
		return c.failed(err)
	}
	if table == nil {
		return nil
	}
	return table(answer)
}

// printing prints answers as they come.
type printing struct{ to io.Writer }

// RoundTrip implements http.RoundTripper.
func (p printing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && resp.StatusCode < 300 {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(resp.Body, p.to), resp.Body}
	}
	return resp, err
}

// send is fetch with a body as it is, which may take as long as ctx permits.
func (c *restClient) send(ctx context.Context, method, path, kind string, body io.Reader) ([]byte, error) {
	resp, err := c.open(ctx, method, path, kind, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxRESTReply))
	if err != nil {
		return nil, &exitError{code: 1, err: fmt.Errorf("read the answer of %s: %w", c.url, err)}
	}
	return text, nil
}

// open sends one call and returns the answer, whose body is still to be read.
func (c *restClient) open(ctx context.Context, method, path, kind string, body io.Reader) (*http.Response, error) {
	api, err := c.client(nil)
	if err != nil {
		return nil, err
	}
	resp, err := api.Stream(ctx, method, path, kind, body)
	return resp, c.failed(err)
}

// stream sends one call without a body and returns the answer's, however long it takes.
func (c *restClient) stream(ctx context.Context, method, path string) (io.ReadCloser, error) {
	resp, err := c.open(ctx, method, path, "", nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// failed makes what people read of an error of the client.
func (c *restClient) failed(err error) error {
	var refused *client.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		err = refusal(refused)
	case errors.Is(err, syscall.ECONNREFUSED):
		err = fmt.Errorf("nothing listens at %s: start it with `protei-bulk serve --dev`, or name another address with --url", c.url)
	}
	return &exitError{code: 1, err: err}
}

func refusal(e *client.Error) error {
	lines := []string{e.Error()}
	if len(e.Faults) > 1 {
		for _, f := range e.Faults {
			lines = append(lines, "  "+strings.TrimPrefix(f.Pointer, "/")+": "+f.Detail)
		}
	}
	if e.Code != "" && e.Status == http.StatusUnauthorized {
		lines = append(lines, "name a key with --api-key or PROTEI_BULK_API_KEY")
	}
	return errors.New(strings.Join(lines, "\n"))
}

// stamp shows a time as the API writes it, to the millisecond; nothing for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// moment shows a time of an answer as stamp does, and what is none as it is.
func moment(text string) string {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return stamp(t)
	}
	return text
}

// harmless writes out what a terminal would obey or turn rather than show: texts and names come from customers
// and mobiles.
func harmless(s string) string {
	if strings.IndexFunc(s, message.Steers) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if message.Steers(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// table prints rows under a heading, unless the answer was printed as JSON already.
func (c *restClient) table(heading string, rows [][]string) error {
	if c.output == "json" {
		return nil
	}
	w := tabwriter.NewWriter(c.env.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	for _, row := range rows {
		for i := range row {
			row[i] = harmless(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// fields prints names and values, leaving out what is empty.
func (c *restClient) fields(pairs ...string) error {
	if c.output == "json" {
		return nil
	}
	w := tabwriter.NewWriter(c.env.Stdout, 0, 8, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", pairs[i], harmless(pairs[i+1]))
		}
	}
	return w.Flush()
}

// orEmpty shows a number, or nothing for 0.
func orEmpty(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
