package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// tree is one state of the repository, built.
type tree struct {
	name, folder, out string
	tests             map[string]string // binaries by folder
	bench             strings.Builder   // what the benchmarks printed
}

// build makes the benchmarks' binaries and the platform's. A package that this tree does not have is left out.
func (t *tree) build(ctx context.Context) error {
	t.tests = make(map[string]string)
	for _, g := range suite {
		if _, err := os.Stat(filepath.Join(t.folder, g.folder)); err != nil {
			continue
		}
		binary := filepath.Join(t.out, strings.ReplaceAll(g.folder[2:], "/", "-")+".test")
		if _, err := output(ctx, t.folder, "go", "test", "-c", "-o", binary, g.folder); err != nil {
			return err
		}
		t.tests[g.folder] = binary
	}
	_, err := output(ctx, t.folder, "go", "build", "-o", t.platform(), "./cmd/protei-bulk")
	return err
}

func (t *tree) platform() string { return filepath.Join(t.out, "protei-bulk") }

// run runs a package's benchmarks once.
func (t *tree) run(ctx context.Context, g group, benchtime string) error {
	binary := t.tests[g.folder]
	if binary == "" {
		return nil
	}
	text, err := output(ctx, filepath.Join(t.folder, g.folder), binary, "-test.run", "^$", "-test.bench", g.pattern, "-test.benchmem", "-test.benchtime", benchtime)
	t.note("pkg: protei-bulk/"+g.folder[2:], text)
	return err
}

// note keeps the lines of results, under that of their package.
func (t *tree) note(heading, text string) {
	t.bench.WriteString(heading + "\n")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Benchmark") {
			t.bench.WriteString(line)
		}
	}
}

// comparison is a base and what came of it.
type comparison struct {
	o           options
	before, now *tree
	driver      string // bench/e2e of the new tree, for both
}

// measure measures everything once, and what looks worse then a second time.
func (c *comparison) measure(ctx context.Context) error {
	c.driver = filepath.Join(c.now.out, "e2e")
	if _, err := output(ctx, ".", "go", "build", "-o", c.driver, "./bench/e2e"); err != nil {
		return err
	}
	worse, err := c.round(ctx, suite, modes)
	if err != nil || len(worse) == 0 {
		return err
	}
	fmt.Printf("\n%d figures are worse; once more:\n", len(worse))
	first := c.now.bench.String()
	again, ends := c.suspects(worse)
	c.before.bench.Reset()
	c.now.bench.Reset()
	twice, err := c.round(ctx, again, ends)
	if err != nil {
		return err
	}
	c.now.bench.Reset()
	c.now.bench.WriteString(first)
	worse = slices.DeleteFunc(worse, func(w finding) bool {
		return !slices.ContainsFunc(twice, func(t finding) bool { return t.what == w.what && t.unit == w.unit })
	})
	if len(worse) == 0 {
		fmt.Println("none of them is worse twice")
		return nil
	}
	for i := range worse {
		fmt.Printf("worse: %s\n", worse[i])
	}
	return fmt.Errorf("%d figures are worse than those of %s by more than %g %%, twice", len(worse), c.o.base, c.o.bound)
}

// suspects returns the packages and modes that findings are about.
func (c *comparison) suspects(worse []finding) (packages []group, ends []string) {
	has := func(folder string) bool {
		return slices.ContainsFunc(worse, func(f finding) bool { return f.folder == folder })
	}
	for _, g := range suite {
		if has(g.folder[2:]) {
			packages = append(packages, g)
		}
	}
	for _, mode := range modes {
		if slices.ContainsFunc(worse, func(f finding) bool { return strings.Contains(f.what, "mode="+mode) }) {
			ends = append(ends, mode)
		}
	}
	return packages, ends
}

// round lets both trees run in turn, and returns what is worse in the new one.
func (c *comparison) round(ctx context.Context, packages []group, ends []string) ([]finding, error) {
	inTurn := func(i int) []*tree {
		if i%2 == 0 {
			return []*tree{c.before, c.now}
		}
		return []*tree{c.now, c.before}
	}
	for i := range c.o.count {
		fmt.Printf("\rbenchmarks, run %d of %d ", i+1, c.o.count)
		for _, g := range packages {
			for _, t := range inTurn(i) {
				if err := t.run(ctx, g, c.o.benchtime); err != nil {
					return nil, err
				}
			}
		}
	}
	for i := range c.o.e2e {
		for _, mode := range ends {
			fmt.Printf("\rend to end, %s, run %d of %d   ", mode, i+1, c.o.e2e)
			for _, t := range inTurn(i) {
				text, err := output(ctx, ".", c.driver, "-binary", t.platform(), "-mode", mode, "-gobench", "-warmup", "1s", "-duration", strconv.Itoa(c.o.seconds)+"s")
				if err != nil {
					return nil, err
				}
				t.note("pkg: protei-bulk/bench/e2e", text)
			}
		}
	}
	fmt.Println()
	for _, t := range []*tree{c.before, c.now} {
		if err := os.WriteFile(t.out+".txt", []byte(t.bench.String()), 0o600); err != nil {
			return nil, err
		}
	}
	files := []string{"base=" + c.before.out + ".txt", "new=" + c.now.out + ".txt"}
	text, err := output(ctx, ".", c.o.benchstat, append([]string{"-alpha", "0.01"}, files...)...)
	if err != nil {
		return nil, err
	}
	fmt.Print(text)
	if text, err = output(ctx, ".", c.o.benchstat, append([]string{"-alpha", "0.01", "-format", "csv"}, files...)...); err != nil {
		return nil, err
	}
	return judge(text, c.o.bound)
}

// keep writes the new figures as the baseline.
func (c *comparison) keep(ctx context.Context) error {
	commit, err := output(ctx, ".", "git", "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	goVersion, err := output(ctx, ".", "go", "version")
	if err != nil {
		return err
	}
	heading := "commit: " + commit + "go: " + goVersion + "cpu: " + cpu() + "\n"
	return os.WriteFile(c.o.baseline, []byte(heading+c.now.bench.String()), 0o644)
}

// cpu is the processor's name.
func cpu() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "model name") {
			_, name, _ := strings.Cut(line, ":")
			return strings.TrimSpace(name)
		}
	}
	return "unknown"
}
