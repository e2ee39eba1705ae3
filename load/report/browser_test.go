package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"protei-bulk/internal/browser"
)

// reading is what the page shows after some use.
type reading struct {
	Legend  string `json:"legend"`
	Time    string `json:"time"`
	First   string `json:"first"`
	Theme   string `json:"theme"`
	Cursors int    `json:"cursors"`
}

// TestPageInABrowser opens the report as its readers do: on a desk and on a phone, with the cursor on a chart, sorted,
// in both themes. Nothing may be wider than the screen, and the script may not fail.
func TestPageInABrowser(t *testing.T) {
	run := play(t, small(failing()))
	Judge(run, GuideTargets())
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(render(t, run)), 0o600); err != nil {
		t.Fatal(err)
	}
	b := browser.New(t)
	b.Open("file://" + file)
	b.Fits("on a desk")
	var page reading
	if err := json.Unmarshal([]byte(b.JS(`JSON.stringify((() => {
		const plot = document.querySelector('[data-chart=latency] .plot'), box = plot.getBoundingClientRect();
		plot.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2, clientY: box.top}));
		document.querySelector('.sortable thead th:nth-child(3)').click();
		document.getElementById('theme').click();
		return {
			legend: document.querySelector('[data-chart=latency] .legend').textContent,
			time: document.querySelector('[data-chart=users] .at').textContent,
			first: document.querySelector('.sortable tbody td:nth-child(2)').textContent,
			theme: document.documentElement.dataset.theme,
			cursors: [...document.querySelectorAll('.cursor')].filter(c => !c.hidden).length,
		}})())`)), &page); err != nil {
		t.Fatal(err)
	}
	b.Size(390, 844)
	b.Fits("on a phone")
	if !strings.Contains(page.Legend, " ms") || page.Time != "0:12" {
		t.Errorf("the cursor in the middle of 25 s shows %q at %q", page.Legend, page.Time)
	}
	if page.Cursors != len(charts(run)) {
		t.Errorf("%d of %d charts show the cursor", page.Cursors, len(charts(run)))
	}
	if page.First != "submit_sm" {
		t.Errorf("sorted by requests, %q is first", page.First)
	}
	if page.Theme != "dark" && page.Theme != "light" {
		t.Errorf("theme %q after a click", page.Theme)
	}
}
