package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
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
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	if body == nil {
		return c.send(ctx, method, path, "", nil)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", method, path, err)
	}
	return c.send(ctx, method, path, "application/json", bytes.NewReader(text))
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
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.key != "" {
		req.Header.Set("X-API-Key", c.key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, &exitError{code: 1, err: c.unreachable(err)}
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxRESTReply))
	if err != nil {
		return nil, &exitError{code: 1, err: fmt.Errorf("read the answer of %s: %w", c.url, err)}
	}
	return nil, &exitError{code: 1, err: problemError(resp.StatusCode, text)}
}

// stream sends one call without a body and returns the answer's, however long it takes.
func (c *restClient) stream(ctx context.Context, method, path string) (io.ReadCloser, error) {
	resp, err := c.open(ctx, method, path, "", nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (c *restClient) unreachable(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing listens at %s: start it with `protei-bulk serve --dev`, or name another address with --url", c.url)
	}
	return err
}

func problemError(status int, text []byte) error {
	var p struct {
		Detail string
		Code   string
		Errors []struct{ Pointer, Detail string }
	}
	if json.Unmarshal(text, &p) != nil || p.Code == "" {
		return fmt.Errorf("the server answered %d %s", status, http.StatusText(status))
	}
	lines := []string{fmt.Sprintf("%s (%d %s)", p.Detail, status, p.Code)}
	if len(p.Errors) > 1 {
		for _, e := range p.Errors {
			lines = append(lines, "  "+strings.TrimPrefix(e.Pointer, "/")+": "+e.Detail)
		}
	}
	if status == http.StatusUnauthorized {
		lines = append(lines, "name a key with --api-key or PROTEI_BULK_API_KEY")
	}
	return errors.New(strings.Join(lines, "\n"))
}

// table prints rows under a heading, unless the answer was printed as JSON already.
func (c *restClient) table(heading string, rows [][]string) error {
	if c.output == "json" {
		return nil
	}
	w := tabwriter.NewWriter(c.env.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	for _, row := range rows {
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
			fmt.Fprintf(w, "%s\t%s\n", pairs[i], pairs[i+1])
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
