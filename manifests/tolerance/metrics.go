package tolerance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// maxMetrics bounds metrics.json in memory.
const maxMetrics = 64 << 20

func (b Bounds) metrics(was, is Side) (Judgement, error) {
	before, err := readMetrics(was)
	if err != nil {
		return Judgement{}, fmt.Errorf("%s of before: %w", document.MetricsFile, err)
	}
	after, err := readMetrics(is)
	if err != nil {
		return judged(document.MetricsFile, err)
	}
	if about(before) != about(after) {
		return tooFar("%s says something else of the dataset, the split, the samples, the classes or the intervals", document.MetricsFile), nil
	}
	far, first := compareMetrics(before.Metrics, after.Metrics, b.Absolute)
	if first != "" {
		return Judgement{Says: first}, nil
	}
	return Judgement{Within: true, Says: fmt.Sprintf("no metric is more than %s from what it was", short(far))}, nil
}

// FirstMetric names the first metric of an evaluation that is not what it was, with both values. It is "" if there is none, or if
// one of the two is no evaluation.
func FirstMetric(was, is Side) string {
	before, err := readMetrics(was)
	if err != nil {
		return ""
	}
	after, err := readMetrics(is)
	if err != nil {
		return ""
	}
	_, first := compareMetrics(before.Metrics, after.Metrics, 0)
	return first
}

func readMetrics(s Side) (m document.Metrics, err error) {
	f, err := s.Open(document.MetricsFile)
	if err != nil {
		return m, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMetrics+1))
	if err != nil {
		return m, err
	}
	if len(text) > maxMetrics {
		return m, malformed{fmt.Errorf("it has more than %d bytes", maxMetrics)}
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&m); err != nil {
		return m, malformed{err}
	}
	return m, nil
}

// about is what metrics say beside their numbers.
func about(m document.Metrics) string {
	m.Metrics, m.PerClass = nil, nil
	text, err := canonical.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// compareMetrics gives the greatest distance, and the first metric that is farther than the bound from what it was.
func compareMetrics(was, is []document.Metric, bound float64) (far float64, first string) {
	for i := range max(len(was), len(is)) {
		switch {
		case i >= len(was):
			return far, fmt.Sprintf("metric %q is there besides", is[i].Name)
		case i >= len(is) || was[i].Name != is[i].Name:
			return far, fmt.Sprintf("metric %q is not there, or not in its place", was[i].Name)
		}
		for _, n := range []struct {
			what    string
			was, is *float64
		}{{"it", was[i].Value, is[i].Value}, {"the lower end of its interval", was[i].Low, is[i].Low}, {"the upper end of its interval", was[i].High, is[i].High}} {
			apart := distance(n.was, n.is)
			if !(apart <= bound) {
				return far, fmt.Sprintf("metric %q: %s was %s and is %s%s", was[i].Name, n.what, show(n.was), show(n.is), beyond(apart, bound))
			}
			far = max(far, apart)
		}
	}
	return far, ""
}

// distance of two numbers, of which an undefined one is close to an undefined one and to nothing else.
func distance(a, b *float64) float64 {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil || b == nil:
		return math.Inf(1)
	}
	return math.Abs(*a - *b)
}

// beyond says how much too far apart two numbers are.
func beyond(apart, bound float64) string {
	if bound == 0 || math.IsInf(apart, 0) || math.IsNaN(apart) {
		return ""
	}
	return fmt.Sprintf(": %s apart, more than %s", short(apart), short(bound))
}

func show(f *float64) string {
	if f == nil {
		return "undefined"
	}
	return fmt.Sprint(*f)
}
