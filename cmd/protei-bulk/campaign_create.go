package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"protei-bulk/client"
)

// upload is a file of recipients on its way to a campaign or a contact list.
type upload struct {
	file, numbers          string // one of the two
	to, header, duplicates string
	delimiter, charset     string
	sheet                  string
	columns                []string
}

func (u *upload) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&u.file, "file", "", "`file` of recipients: CSV, XLSX or NDJSON, by its ending; - reads CSV from standard input")
	f.StringVar(&u.to, "to-column", "", "`column` of the number, by name or from 1; none: found")
	f.StringVar(&u.header, "header", "", "`yes` or no: whether the first row names the columns; none: found")
	f.StringVar(&u.duplicates, "duplicates", "", "`keep` or skip numbers that are there already")
	f.StringVar(&u.delimiter, "delimiter", "", "`character` between the cells of CSV, or tab; none: found")
	f.StringVar(&u.charset, "charset", "", "character set by its IANA `name`; none: found")
	f.StringVar(&u.sheet, "sheet", "", "`name` of the sheet of an XLSX file; none: the first")
	f.StringArrayVar(&u.columns, "map", nil, "`name:column`: keep this column under this name; none: keep all")
}

func (u *upload) given() bool { return u.file != "" || u.numbers != "" }

// send uploads to path and returns the answer.
func (u *upload) send(ctx context.Context, c *restClient, path string) ([]byte, error) {
	query := url.Values{"map": u.columns}
	name := u.file + u.numbers
	for key, v := range map[string]string{
		"to": u.to, "header": u.header, "duplicates": u.duplicates, "delimiter": u.delimiter, "charset": u.charset, "sheet": u.sheet,
		"name": filepath.Base(name),
	} {
		if v != "" && v != "." {
			query.Set(key, v)
		}
	}
	in := c.env.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError("recipients: %w", err)
		}
		defer f.Close()
		in = f
	}
	kind := "text/csv"
	switch strings.ToLower(filepath.Ext(u.file)) {
	case ".xlsx":
		kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case ".ndjson", ".jsonl":
		kind = "application/x-ndjson"
	}
	if u.numbers != "" {
		query.Set("header", "no")
		query.Set("to", "1")
		plain := plainLines(in)
		defer plain.Close()
		in = plain
	}
	shown := newProgress(c.env, "upload")
	defer shown.end()
	return c.send(ctx, "POST", path+"?"+query.Encode(), kind, io.TeeReader(in, shown))
}

// plainLines passes lines on without those that are empty or begin with #.
func plainLines(in io.Reader) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		scan := bufio.NewScanner(in)
		for scan.Scan() {
			if line := strings.TrimSpace(scan.Text()); line != "" && line[0] != '#' {
				if _, err := io.WriteString(w, line+"\n"); err != nil {
					return // the other end was closed
				}
			}
		}
		w.CloseWithError(scan.Err())
	}()
	return r
}

func campaignCreate(c *restClient) *cobra.Command {
	var from, text, priority, schedule, zone, encoding, dlrURL, validity, list string
	var windows []string
	var tps int
	var start, flash, transliterate, auto bool
	var up upload
	cmd := &cobra.Command{
		Use: "create NAME --text TEXT", Short: "Create a DRAFT, with recipients from a file or a contact list", Args: wants("NAME"),
		Example: `  protei-bulk campaign create spring --from ACME --text "Hi {{name}}, sale!" --file customers.csv --start
  protei-bulk campaign create spring --text "Sale!" --file customers.xlsx --to-column Mobile --duplicates skip
  protei-bulk campaign create spring --text "Sale!" --list vip --schedule 2030-03-29T09:00 --timezone Europe/Berlin --window mon-fri=09:00-20:00
  cut -d, -f2 customers.csv | protei-bulk campaign create spring --text "Sale!" --recipients -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"name": args[0], "message_content": text}
			for name, v := range map[string]string{
				"sender_id": from, "priority": priority, "timezone": zone, "encoding": encoding, "dlr_url": dlrURL,
				"validity_period": validity, "list": list, "duplicates": up.duplicates,
			} {
				if v != "" {
					body[name] = v
				}
			}
			switch {
			case up.file != "" && up.numbers != "", list != "" && up.given():
				return usageError("--file, --recipients and --list exclude each other")
			case list != "":
				body["recipient_type"] = "LIST"
			case up.given():
				body["recipient_type"] = "UPLOAD"
			}
			if schedule != "" {
				body["schedule_type"], body["schedule_at"] = "SCHEDULED", schedule
			}
			for name, v := range map[string]bool{"flash": flash, "transliterate": transliterate, "auto_resume": auto} {
				if v {
					body[name] = true
				}
			}
			if tps > 0 {
				body["max_tps"] = tps
			}
			if len(windows) > 0 {
				all, err := parseWindows(windows)
				if err != nil {
					return err
				}
				body["windows"] = all
			}
			return c.createCampaign(cmd.Context(), body, &up, start)
		},
	}
	up.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "`sender`; none: the account's default")
	f.StringVar(&text, "text", "", "`text` of the messages, with variables: {{name}}")
	f.StringVar(&up.numbers, "recipients", "", "`file` with a number on each line; - reads standard input")
	f.StringVar(&list, "list", "", "`name` of a contact list")
	f.StringVar(&priority, "priority", "", "a `name`: LOW, NORMAL (default), HIGH or CRITICAL")
	f.StringVar(&schedule, "schedule", "", "`time` to send at, such as 2030-01-31T09:00:00Z, or 2030-01-31T09:00 with --timezone")
	f.StringVar(&schedule, "schedule-at", "", "the same as --schedule `time`")
	f.StringVar(&zone, "timezone", "", "`zone` of --schedule and --window by its IANA name, such as Europe/Berlin")
	f.StringArrayVar(&windows, "window", nil, "`days=from-to` when it may send, such as mon-fri=09:00-20:00 or 08:00-22:00 for every day")
	f.StringVar(&encoding, "encoding", "", "a `name`: AUTO (default), GSM7, UCS2, LATIN1 or BINARY")
	f.BoolVar(&transliterate, "transliterate", false, "exchange typographic characters that GSM7 does not have")
	f.BoolVar(&flash, "flash", false, "show the messages at once (class 0)")
	f.StringVar(&validity, "validity", "", "`period` after which a message expires, such as PT4H")
	f.StringVar(&dlrURL, "dlr-url", "", "`URL` for final states; none: the account's")
	f.IntVar(&tps, "max-tps", 0, "`messages` a second; 0: no limit")
	f.BoolVar(&auto, "auto-resume", false, "when balance or quota is used up, wait for more instead of pausing")
	f.BoolVar(&start, "start", false, "start it at once")
	return cmd
}

// createCampaign makes the campaign, uploads, starts, and shows the last answer.
func (c *restClient) createCampaign(ctx context.Context, body map[string]any, up *upload, start bool) error {
	if name := up.file + up.numbers; up.given() && name != "-" { // before there is a campaign
		if _, err := os.Stat(name); err != nil {
			return usageError("recipients: %w", err)
		}
	}
	answer, err := c.fetch(ctx, "POST", "/api/v1/campaigns", body)
	var made client.Campaign
	if err == nil {
		err = c.decode(answer, &made)
	}
	if err != nil {
		return err
	}
	path := "/api/v1/campaigns/" + pathEscape(made.ID)
	if up.given() {
		if answer, err = up.send(ctx, c, path+"/recipients"); err != nil {
			return fmt.Errorf("campaign %s was created, without recipients: %w", made.ID, err)
		}
		c.told(answer)
	}
	if start {
		if answer, err = c.fetch(ctx, "POST", path+"/start", nil); err != nil {
			return fmt.Errorf("campaign %s was created, and not started: %w", made.ID, err)
		}
	}
	return c.showAnswer(answer)
}

// told says on standard error what an upload did not take.
func (c *restClient) told(answer []byte) {
	var r client.Campaign
	if c.decode(answer, &r) != nil || r.Import == nil || r.Import.Refused+r.Import.Duplicates == 0 {
		return
	}
	what := "`campaign errors " + r.ID + "` has"
	fmt.Fprintf(c.env.Stderr, "%d rows: %d added, %d refused, %d duplicates; %s the refused ones\n",
		r.Import.Rows, r.Import.Added, r.Import.Refused, r.Import.Duplicates, what)
}

func (c *restClient) showAnswer(answer []byte) error {
	if c.output == "json" {
		_, err := c.env.Stdout.Write(answer)
		return err
	}
	var r client.Campaign
	if err := c.decode(answer, &r); err != nil {
		return err
	}
	return c.showCampaign(&r)
}

// parseWindows reads days=from-to; days are a list or a range, such as mon-fri or sat,sun.
func parseWindows(all []string) (windows []map[string]any, err error) {
	week := []string{"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"}
	number := func(day string) int {
		for i, d := range week {
			if len(day) >= 3 && strings.EqualFold(day[:3], d) {
				return i
			}
		}
		return -1
	}
	for _, text := range all {
		days, hours, found := strings.Cut(text, "=")
		if !found {
			days, hours = "", text
		}
		from, to, ok := strings.Cut(hours, "-")
		w := map[string]any{"from": from, "to": to}
		var names []string
		for _, part := range strings.Split(days, ",") {
			first, last, isRange := strings.Cut(part, "-")
			if !isRange {
				last = first
			}
			i, j := number(first), number(last)
			if found && (i < 0 || j < 0) {
				ok = false
				break
			}
			for ; found; i = (i + 1) % len(week) {
				if names = append(names, week[i]); i == j {
					break
				}
			}
		}
		if !ok {
			return nil, usageError("--window %q: it is days=from-to, such as mon-fri=09:00-20:00", text)
		}
		if found {
			w["days"] = names
		}
		windows = append(windows, w)
	}
	return windows, nil
}

func campaignUpload(c *restClient) *cobra.Command {
	var up upload
	cmd := &cobra.Command{
		Use: "upload ID --file FILE", Short: "Add recipients to a DRAFT", Args: wants("ID"),
		Example: "  protei-bulk campaign upload 18f3a7c2e1b04000 --file more.csv --duplicates skip",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !up.given() {
				return usageError("--file is missing")
			}
			answer, err := up.send(cmd.Context(), c, "/api/v1/campaigns/"+pathEscape(args[0])+"/recipients")
			if err != nil {
				return err
			}
			c.told(answer)
			return c.showAnswer(answer)
		},
	}
	up.flags(cmd)
	return cmd
}

func campaignErrors(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "errors ID", Short: "Print the error file: rows and recipients that were refused", Args: wants("ID"),
		Example: "  protei-bulk campaign errors 18f3a7c2e1b04000 > errors.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.copy(cmd.Context(), "/api/v1/campaigns/"+pathEscape(args[0])+"/errors")
		},
	}
}

// copy prints a document as it comes.
func (c *restClient) copy(ctx context.Context, path string) error {
	body, err := c.stream(ctx, "GET", path)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(c.env.Stdout, body); err != nil {
		return &exitError{code: 1, err: fmt.Errorf("read the answer of %s: %w", c.url, err)}
	}
	return nil
}

func campaignPreview(c *restClient) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "preview ID", Short: "Show the first messages that a campaign would send", Args: wants("ID"),
		Example: "  protei-bulk campaign preview 18f3a7c2e1b04000 --limit 10",
		RunE: func(cmd *cobra.Command, args []string) error {
			var reply struct {
				Messages []struct {
					To, Text, Encoding, Detail string
					Parts                      int64
				}
			}
			if err := c.do(cmd.Context(), "GET", fmt.Sprintf("/api/v1/campaigns/%s/preview?limit=%d", pathEscape(args[0]), limit), nil, &reply); err != nil {
				return err
			}
			var rows [][]string
			for _, m := range reply.Messages {
				text := fmt.Sprintf("%q", m.Text)
				if m.Detail != "" {
					text = "refused: " + m.Detail
				}
				rows = append(rows, []string{m.To, orEmpty(m.Parts), m.Encoding, text})
			}
			return c.table("TO PARTS ENCODING TEXT", rows)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 5, "`count` of messages, up to 100")
	return cmd
}

func campaignTest(c *restClient) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "test ID --to NUMBER", Short: "Send a campaign's text to one number now", Args: wants("ID"),
		Example: "  protei-bulk campaign test 18f3a7c2e1b04000 --to +4915112345678",
		RunE: func(cmd *cobra.Command, args []string) error {
			var sent struct {
				ID     string `json:"message_id"`
				Status string
				Parts  int64
			}
			if err := c.do(cmd.Context(), "POST", "/api/v1/campaigns/"+pathEscape(args[0])+"/test", map[string]any{"to": to}, &sent); err != nil {
				return err
			}
			return c.fields("message", sent.ID, "status", sent.Status, "parts", orEmpty(sent.Parts))
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`number` to send to")
	return cmd
}
