package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// number is a value for people, with three decimals; nothing is a dash.
func number(v *float64) string {
	if v == nil {
		return "–"
	}
	return decimals(*v, 3)
}

func decimals(v float64, n int) string {
	return strings.Replace(strconv.FormatFloat(v, 'f', n, 64), "-", "−", 1)
}

func signed(v float64) string {
	s := decimals(v, 3)
	if v > 0 {
		return "+" + s
	}
	if strings.Trim(s, "−0.") == "" {
		return decimals(0, 3)
	}
	return s
}

// interval is "0.812 to 0.934", or nothing.
func interval(low, high *float64) string {
	if low == nil || high == nil {
		return ""
	}
	return number(low) + " to " + number(high)
}

// count groups the digits of an integer: 4,510,000.
func count[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// size is a number of bytes for people, in powers of 1000.
func size(bytes int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	v, u := float64(bytes), 0
	for v >= 999.5 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.3g %s", v, units[u])
}

// short is enough of a digest to tell it from its neighbours.
func short[D ~string](d D) string {
	algorithm, hex, ok := strings.Cut(string(d), ":")
	if !ok || len(hex) <= 12 {
		return string(d)
	}
	return algorithm + ":" + hex[:12] + "…"
}

// metricName is the name that papers use.
func metricName(name string) string {
	switch name {
	case "auroc", "auprc":
		return strings.ToUpper(name)
	case "f1":
		return "F1"
	}
	words := strings.ReplaceAll(name, "_", " ")
	if words == "" {
		return words
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// bootstrap says in words how intervals were made.
func bootstrap(b document.Bootstrap) string {
	if b.Replicates == 0 {
		return ""
	}
	return fmt.Sprintf("%s intervals, %s bootstrap over %ss, %s replicates",
		percent(b.Level), b.Method, b.Unit, count(b.Replicates))
}

// percent writes a share: 95 % for 0.95.
func percent(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e4, 'f', -1, 64) + " %" }

// finite says whether a value can be drawn.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
