package scenario

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/load/report"
	"protei-bulk/load/target"
)

// watch reads what is to be watched behind the target: a list of texts as --watch takes them, or of
// {name, source, select}.
func (p *fileParser) watch(n ast.Node) {
	for _, item := range p.list(n) {
		text, ok := p.watched(item)
		if !ok {
			continue
		}
		spec, err := target.ParseSpec(text)
		if err == nil {
			err = target.CheckSpecs(append(slices.Clone(p.file.Watch), spec))
		}
		if err != nil {
			p.fault(item, "%v", err)
			continue
		}
		p.file.Watch = append(p.file.Watch, spec)
	}
}

// watched puts one entry together.
func (p *fileParser) watched(item ast.Node) (text string, ok bool) {
	if _, single := p.scalar(item); single {
		return p.constant(item, "watch")
	}
	m := p.mapping(item, "watch", "name", "source", "select")
	text, ok = p.constant(m.values["source"], "watch: source")
	if !ok {
		if !m.has("source") {
			p.fault(item, "watch: source is missing")
		}
		return "", false
	}
	var parts []string
	for _, part := range p.list(m.values["select"]) {
		s, ok := p.constant(part, "watch: select")
		if !ok {
			return "", false
		}
		parts = append(parts, s)
	}
	if len(parts) > 0 {
		text += "#" + strings.Join(parts, ";")
	}
	if name := p.text(m.values["name"], "watch: name", ""); name != "" {
		text = name + "=" + text
	}
	return text, true
}

// checkSeries refuses targets about series that the file does not watch. A file that watches nothing leaves it to
// --watch.
func (p *fileParser) checkSeries(n ast.Node, list []report.Target) {
	if len(p.file.Watch) == 0 {
		return
	}
	if err := report.ResolveTargets(slices.Clone(list), target.SeriesOf(p.file.Watch)); err != nil {
		p.fault(n, "targets: %v", err)
	}
}
