package report

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// none stands where there is nothing to show.
const none = "–"

// formatCount separates thousands: 1,234,567.
func formatCount(n uint64) string { return groupThousands(strconv.FormatUint(n, 10)) }

// formatFloat rounds to digits and separates thousands; NaN is a dash.
func formatFloat(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return none
	}
	return groupThousands(strconv.FormatFloat(v, 'f', digits, 64))
}

func groupThousands(s string) string {
	whole, frac, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	if frac != "" {
		b.WriteByte('.')
		b.WriteString(frac)
	}
	return b.String()
}

// formatRate shows a figure per second: one digit below 100, none above.
func formatRate(v float64) string {
	if v < 100 && v > 0 {
		return formatFloat(v, 1)
	}
	return formatFloat(v, 0)
}

// formatLatency shows three significant digits: 0.84 ms, 12.3 ms, 1.25 s.
func formatLatency(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d == 0:
		return "0 ms"
	case ms < 0.995:
		return strconv.FormatFloat(ms, 'f', 2, 64) + " ms"
	case ms < 999.5:
		return significant(ms, 3) + " ms"
	default:
		return significant(ms/1000, 3) + " s"
	}
}

// significant formats v with n significant digits, never fewer digits than its whole part has.
func significant(v float64, n int) string {
	if v == 0 || math.IsNaN(v) {
		return formatFloat(v, 0)
	}
	magnitude := int(math.Floor(math.Log10(math.Abs(v))))
	scale := math.Pow(10, float64(n-1-magnitude))
	v = math.Round(v*scale) / scale // 9.996 becomes 10.0: one digit more before the point
	magnitude = int(math.Floor(math.Log10(math.Abs(v)) + 1e-12))
	return formatFloat(v, max(n-1-magnitude, 0))
}

// formatShare shows a share 0..1 in percent: one digit below 10 %, two below 1 % where that is not zero.
func formatShare(v float64) string {
	p := v * 100
	switch {
	case math.IsNaN(p):
		return none
	case p == 0:
		return "0 %"
	case p < 0.01:
		return "< 0.01 %"
	case p < 1:
		return formatFloat(p, 2) + " %"
	case p < 9.95:
		return formatFloat(p, 1) + " %"
	case p < 100 && p > 99:
		return formatFloat(math.Floor(p*100)/100, 2) + " %" // 99.996 % is not 100 %
	default:
		return formatFloat(p, 0) + " %"
	}
}

// formatBytes shows binary multiples: 84.2 MiB.
func formatBytes(v float64) string {
	if math.IsNaN(v) {
		return none
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	u := 0
	for v >= 999.5 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u == 0 {
		return formatFloat(v, 0) + " B"
	}
	return significant(v, 3) + " " + units[u]
}

// formatSpan shows a length of time: 45 s, 1 min 15 s, 2 h 5 min.
func formatSpan(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	var parts []string
	if h > 0 {
		parts = append(parts, strconv.Itoa(h)+" h")
	}
	if m > 0 {
		parts = append(parts, strconv.Itoa(m)+" min")
	}
	if s > 0 && h == 0 || len(parts) == 0 {
		parts = append(parts, strconv.Itoa(s)+" s")
	}
	return strings.Join(parts, " ")
}

// clock shows a time since the start of the run: 1:05, 1:02:03.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	two := func(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }
	if s >= 3600 {
		return strconv.Itoa(s/3600) + ":" + two(s/60%60) + ":" + two(s%60)
	}
	return strconv.Itoa(s/60) + ":" + two(s%60)
}
