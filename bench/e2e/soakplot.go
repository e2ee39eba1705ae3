package main

import (
	"fmt"
	"os"
	"strings"
)

const (
	plotWide, plotHigh = 900, 110 // of one figure, in px
	plotLeft           = 180
)

// keepSoak writes the figures of a run as CSV and as a drawing of one line each.
func keepSoak(name string, rate int, samples []soakSample) error {
	var table strings.Builder
	table.WriteString("seconds")
	for _, v := range vitals {
		fmt.Fprintf(&table, ",%s %s", v.name, v.unit)
	}
	table.WriteString("\n")
	for i := range samples {
		fmt.Fprintf(&table, "%.0f", samples[i].at.Seconds())
		for _, v := range vitals {
			fmt.Fprintf(&table, ",%.1f", v.of(&samples[i]))
		}
		table.WriteString("\n")
	}
	if err := os.WriteFile(name+".csv", []byte(table.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(name+".svg", []byte(drawSoak(rate, samples)), 0o644)
}

func drawSoak(rate int, samples []soakSample) string {
	var svg strings.Builder
	high := 40 + plotHigh*len(vitals) + 20
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", plotWide, high)
	svg.WriteString(`<style>svg{background:#fff;color:#1b2430}text{fill:currentColor}path{fill:none;stroke:#1667c7;stroke-width:1.5}line{stroke:currentColor;opacity:.2}` +
		`@media(prefers-color-scheme:dark){svg{background:#11161d;color:#e6ebf2}path{stroke:#6cb0ff}}</style>` + "\n")
	if len(samples) == 0 {
		return svg.String() + "</svg>\n"
	}
	end := samples[len(samples)-1].at
	fmt.Fprintf(&svg, `<text x="16" y="24" font-weight="bold">%d messages/s for %v</text>`+"\n", rate, end.Round(1e9))
	for i, v := range vitals {
		top := float64(40 + plotHigh*i)
		most := 0.0
		for j := range samples {
			most = max(most, v.of(&samples[j]))
		}
		bottom := top + plotHigh - 24
		fmt.Fprintf(&svg, `<text x="16" y="%.0f">%s</text><text x="16" y="%.0f" opacity=".7">most %.4g %s</text><line x1="%d" x2="%d" y1="%.0f" y2="%.0f"/>`+"\n",
			top+30, v.name, top+50, most, v.unit, plotLeft, plotWide-16, bottom, bottom)
		for j := range samples {
			x := plotLeft + (plotWide-16-plotLeft)*samples[j].at.Seconds()/end.Seconds()
			y := bottom - (plotHigh-34)*v.of(&samples[j])/max(most, 1e-9)
			start := " L"
			if j == 0 {
				start = `<path d="M`
			}
			fmt.Fprintf(&svg, "%s%.1f %.1f", start, x, y)
		}
		svg.WriteString("\"/>\n")
	}
	return svg.String() + "</svg>\n"
}
