package bulk

import (
	"net/http/httptest"
	"regexp"
	"testing"
)

func TestJournalSyncsAreMeasured(t *testing.T) {
	p, _ := startIdle(t)
	acceptParts(t, p, 1)
	page := httptest.NewRecorder()
	p.meter.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	count := regexp.MustCompile(`(?m)^protei_bulk_journal_sync_seconds_count ([1-9][0-9]*)$`)
	all := regexp.MustCompile(`(?m)^protei_bulk_journal_sync_seconds_bucket\{le="\+Inf"\} ([1-9][0-9]*)$`)
	n, m := count.FindStringSubmatch(page.Body.String()), all.FindStringSubmatch(page.Body.String())
	if n == nil || m == nil || n[1] != m[1] {
		t.Errorf("the histogram of syncs shows %v and %v", n, m)
	}
}
