package report

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{number(nil), "–"}, {number(ptr(0.91249)), "0.912"}, {number(ptr(-0.5)), "−0.500"},
		{signed(0.0123), "+0.012"}, {signed(-0.0123), "−0.012"}, {signed(-0.0001), "0.000"}, {signed(0), "0.000"},
		{interval(ptr(0.1), nil), ""}, {interval(ptr(0.1), ptr(0.2)), "0.100 to 0.200"},
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(4510000), "4,510,000"}, {count(-1234), "−1,234"},
		{plural(1, "file"), "1 file"}, {plural(1200, "file"), "1,200 files"},
		{size(0), "0 B"}, {size(999), "999 B"}, {size(1000), "1 kB"}, {size(1_520_345_678), "1.52 GB"}, {size(19e12), "19 TB"},
		{short("sha256:0123456789abcdef"), "sha256:0123456789ab…"}, {short("sha256:01"), "sha256:01"},
		{metricName("auroc"), "AUROC"}, {metricName("balanced_accuracy"), "Balanced accuracy"}, {metricName(""), ""},
		{escaped("a|b\n<c>"), `a\|b \<c\>`},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestColumnsOfOneNameOnOneDataset(t *testing.T) {
	x := func(model, group string) Result {
		return Result{Evaluation: "e", Model: model, ModelGroup: group, Dataset: "d", Metric: "m", SingleTask: group == "single"}
	}
	b := boards(Report{Results: []Result{x("multitask", "multitask"), x("single/d", "single"), x("single/c", "single")}})[0]
	want := []column{{"single/d", true, 0}, {"single/c", true, 1}, {"multitask", false, 2}}
	if diff := cmp.Diff(want, b.Columns); diff != "" {
		t.Error(diff)
	}
	if b.Compares {
		t.Error("three columns are compared as if they were two")
	}
}

func TestFinding(t *testing.T) {
	b := boards(example())[1]
	b.Rows[0].Cells[1].Result.Low = ptr(0.97)
	want := "multitask is above single on 3 of 3 datasets and below on none; their intervals are apart on 1."
	if got := b.Finding(); got != want {
		t.Errorf("finding is %q, want %q", got, want)
	}
}

func TestChartStaysInside(t *testing.T) {
	r := Report{Results: []Result{
		{Dataset: "a", Value: ptr(-3), Low: ptr(math.Inf(-1)), High: ptr(7)},
		{Dataset: "b", Value: ptr(math.NaN())},
	}}
	for _, w := range boards(r)[0].Chart.Rows {
		for _, l := range w.Lanes {
			if l.Known && (l.X < plotLeft || l.X > plotRight || l.Low < plotLeft || l.Off > plotRight) {
				t.Errorf("lane %+v leaves the plot", l)
			}
		}
	}
}

func TestTicks(t *testing.T) {
	var got []string
	for _, k := range ticks(scale{from: 0.3, to: 1, left: 0, right: 70}) {
		got = append(got, k.Label)
	}
	if diff := cmp.Diff([]string{"0.3", "0.5", "0.7", "0.9"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCurveSkipsWhatIsNoNumber(t *testing.T) {
	points := []document.CurvePoint{
		{Epoch: 2, Dataset: "a", TrainLoss: 0.5, Validation: ptr(math.Inf(1))},
		{Epoch: 1, Dataset: "a", TrainLoss: 1},
		{Epoch: 3, Dataset: "a", TrainLoss: math.NaN()},
		{Epoch: 1, Dataset: "b", TrainLoss: 9},
	}
	c, ok := newCurve(0, "m", "a", points)
	if !ok || c.Train != "34,10 212,55" || c.Valid != "" || c.Max != "1" || c.First != 1 || c.Last != 2 {
		t.Errorf("curve is %+v", c)
	}
	if _, ok := newCurve(0, "m", "c", points); ok {
		t.Error("a dataset without points has a curve")
	}
}

func TestCeiling(t *testing.T) {
	for loss, want := range map[float64]float64{0: 1, 0.123: 0.13, 1: 1, 1.01: 1.1, 99.5: 100, 1234: 1300} {
		if got := ceiling([]document.CurvePoint{{TrainLoss: loss}}); math.Abs(got-want) > 1e-9 {
			t.Errorf("ceiling of %v is %v, want %v", loss, got, want)
		}
	}
}
