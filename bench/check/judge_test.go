package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A package between two others, and figures that are worse in each way, or are not.
const answer = `pkg: protei-bulk/gsm
,base,,new,,,
,sec/op,CI,sec/op,CI,vs base,P
Segment-2,1.05e-07,3%,1.55e-07,2%,+47.62%,p=0.000 n=8
Decode-2,1.05e-07,3%,1.06e-07,2%,+9.99%,p=0.000 n=8
Noise-2,1.05e-07,3%,1.55e-07,2%,~,p=0.021 n=8
Better-2,1.05e-07,3%,0.55e-07,2%,-47.62%,p=0.000 n=8
New-2,,,5e-09,0%
geomean,1.0499999999999995e-07,,2.7838821814150047e-08,,+47.62%,

,base,,new,,,
,msg/s,CI,msg/s,CI,vs base,P
Segment-2,1000,3%,2000,2%,+100.00%,p=0.000 n=8

,base,,new,,,
,allocs/op,CI,allocs/op,CI,vs base,P
Segment-2,0,0%,1,0%,+Inf%,p=0.000 n=8

pkg: protei-bulk/bench/e2e
,base,,new,,,
,cpu-sec/op,CI,cpu-sec/op,CI,vs base,P
EndToEnd/mode=bulk-2,1e-05,3%,1.2e-05,3%,+20.00%,p=0.008 n=5
`

func TestJudge(t *testing.T) {
	got, err := judge(answer, 10)
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, f := range got {
		text = append(text, f.folder+" "+f.what+" "+f.unit)
	}
	want := "gsm Segment-2 sec/op; gsm Segment-2 allocs/op; bench/e2e EndToEnd/mode=bulk-2 cpu-sec/op"
	if strings.Join(text, "; ") != want {
		t.Errorf("worse are %q, want %q", strings.Join(text, "; "), want)
	}
	c := &comparison{}
	packages, ends := c.suspects(got)
	if len(packages) != 1 || packages[0].folder != "./gsm" || len(ends) != 1 || ends[0] != "bulk" {
		t.Errorf("measured again are %v and %v", packages, ends)
	}
	if _, err := judge("", 10); err == nil {
		t.Error("nothing compared is a pass")
	}
}

// TestBaseline: the file in the repository names its commit, and has a figure of everything in the suite.
func TestBaseline(t *testing.T) {
	file := filepath.Join("..", "baseline.txt")
	commit, err := commitOf(file)
	if err != nil || len(commit) != 40 {
		t.Errorf("commit %q: %v", commit, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range suite {
		if !strings.Contains(string(text), "pkg: protei-bulk/"+g.folder[2:]+"\nBenchmark") {
			t.Errorf("no figure of %s", g.folder)
		}
	}
	for _, mode := range modes {
		if !strings.Contains(string(text), "mode="+mode) {
			t.Errorf("no end-to-end figure of %s", mode)
		}
	}
}
