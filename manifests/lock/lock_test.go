package lock_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

func number(f float64) *float64 { return &f }

func small() *lock.Lock {
	return &lock.Lock{
		Benchmark: "small", Manifest: digest.FromString("manifest"), Plan: digest.FromString("plan"),
		Steps: []lock.Step{
			{Name: "evaluate/test/single/ecg", Plugin: "evaluate/classification@1", Action: digest.FromString("a2"), Artifact: digest.FromString("r2")},
			{Name: "fetch/ecg", Plugin: "fetch/dir@1", Action: digest.FromString("a1"), Artifact: digest.FromString("r1")},
		},
		Results: []lock.Result{
			{Evaluation: "test", Model: "single/ecg", Dataset: "ecg", Metric: "auroc", Value: number(0.75), Low: number(1e-7), High: number(1)},
			{Evaluation: "test", Model: "single/ecg", Dataset: "ecg", Metric: "accuracy"},
		},
	}
}

const golden = `# Written by cairn. Do not edit: ` + "`cairn run` writes it, `cairn verify`" + ` checks it.
apiVersion: cairn/v1
kind: BenchmarkLock
benchmark: small
manifest: sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f
plan: sha256:64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525
steps:
  evaluate/test/single/ecg: {plugin: evaluate/classification@1, action: sha256:2c3a4249d77070058649dbd822dcaf7957586fce428cfb2ca88b94741eda8b07, artifact: sha256:db77fd01af957221a4989b64b3770a83a3c56068405b9f0e9408feae57fd17e4}
  fetch/ecg: {plugin: fetch/dir@1, action: sha256:f55ff16f66f43360266b95db6f8fec01d76031054306ae4a4b380598f6cfd114, artifact: sha256:82f3e9c695dc6b8d1b11818d5701919e286de8d47f7c3eb3100c485f79e57828}
results:
  - {evaluation: test, model: single/ecg, dataset: ecg, metric: auroc, value: 0.75, low: 1e-07, high: 1}
  - {evaluation: test, model: single/ecg, dataset: ecg, metric: accuracy, value: null, low: null, high: null}
digest: sha256:fdbb2d3395594d736f031a57554bdba3c47a5ceb60b0d81ab3279f5cef017454
`

func TestGolden(t *testing.T) {
	if diff := cmp.Diff(golden, string(small().Marshal())); diff != "" {
		t.Errorf("lock (-want +got):\n%s", diff)
	}
	got, err := lock.Parse("benchmark.lock", []byte(golden))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(small(), got); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
}

// claimed is a lock that pins published numbers.
func claimed() *lock.Lock {
	l := small()
	l.Claims = []manifests.Claim{
		{Evaluation: "test", Model: "single", Dataset: "ecg", Metric: "auroc", Value: 0.75, Tolerance: 0.01, Source: "Table 2: \"ours\", 2024"},
		{Evaluation: "test", Model: "single", Dataset: "ecg", Metric: "auroc", Value: 0.8, Tolerance: 1e-7, Source: "https://example.org/x?y=1"},
		{Evaluation: "test", Model: "single", Dataset: "ecg", Metric: "auroc", Value: 0.8, Tolerance: 0, Rule: "at-least", Source: "a, rule: b"},
		{Evaluation: "test", Model: "single", Dataset: "ecg", Metric: "auroc", Value: 0.8, Tolerance: 0.1, Rule: "interval", Level: 0.95, Source: "c"},
	}
	return l
}

const goldenClaims = `claims:
  - {evaluation: test, model: single, dataset: ecg, metric: auroc, value: 0.75, tolerance: 0.01, source: "Table 2: \"ours\", 2024"}
  - {evaluation: test, model: single, dataset: ecg, metric: auroc, value: 0.8, tolerance: 1e-07, source: "https://example.org/x?y=1"}
  - {evaluation: test, model: single, dataset: ecg, metric: auroc, value: 0.8, tolerance: 0, rule: at-least, source: "a, rule: b"}
  - {evaluation: test, model: single, dataset: ecg, metric: auroc, value: 0.8, tolerance: 0.1, rule: interval, level: 0.95, source: c}
results:
`

// Published numbers stand before what was computed. Of a lock without them no byte is another.
func TestClaims(t *testing.T) {
	text := string(claimed().Marshal())
	if want := seal(strings.Replace(golden, "results:\n", goldenClaims, 1)); text != want {
		t.Errorf("lock (-want +got):\n%s", cmp.Diff(want, text))
	}
	got, err := lock.Parse("benchmark.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(claimed(), got); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
	lines := strings.SplitAfter(text, "\n")
	for name, c := range map[string]struct {
		old, new string
		line     int
		want     string
	}{
		"no claims":      {strings.Join(lines[10:14], ""), "", 10, "edited"},
		"no such rule":   {"rule: at-least", "rule: nearly", 13, `"nearly" is no rule`},
		"the default":    {"rule: at-least", "rule: within", 13, `"within" is no rule`},
		"no level":       {", level: 0.95", "", 14, "of an interval, and of nothing else, there is a level"},
		"level 1":        {"level: 0.95", "level: 1", 14, "there is a level between 0 and 1"},
		"level null":     {"level: 0.95", "level: null", 14, `"null" is not a number`},
		"a level more":   {"rule: at-least", "rule: at-least, level: 0.95", 13, "there is a level between 0 and 1"},
		"less than none": {"tolerance: 0.01", "tolerance: -0.01", 11, "is no bound"},
		"a claim twice":  {lines[11], lines[10], 12, "this claim is there twice"},
		"no value":       {"value: 0.75, tol", "value: null, tol", 11, "a claim has a value and a tolerance"},
		"no tolerance":   {"tolerance: 0.01", "tolerance: null", 11, "a claim has a value and a tolerance"},
		"a wide bound":   {"tolerance: 0.01", "tolerance: Inf", 11, "is not a finite number"},
		"another key":    {"source:", "sources:", 11, "want {evaluation: ..., model:"},
		"behind results": {strings.Join(lines[9:16], ""), strings.Join(lines[14:16], "") + strings.Join(lines[9:14], ""), 12, "want {evaluation"},
	} {
		edited := seal(strings.Replace(text, c.old, c.new, 1))
		checkRefused(t, name, edited)
		if _, err := lock.Parse("benchmark.lock", []byte(edited)); !strings.HasPrefix(err.Error(), fmt.Sprintf("benchmark.lock:%d: ", c.line)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want line %d, %q", name, err, c.line, c.want)
		}
	}
}

// Bounds stand at their step, and of a step without them no byte is another.
func TestBounds(t *testing.T) {
	l := small()
	l.Steps[0].Rerun = tolerance.Bounds{Compare: "tensors", Absolute: 1e-6, Relative: 0.01}
	text := string(l.Marshal())
	if want := ", compare: tensors, absolute: 1e-06, relative: 0.01}\n"; strings.Count(text, want) != 1 || strings.Count(text, "compare") != 1 {
		t.Errorf("no %q in\n%s", want, text)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"no such comparison": {"compare: tensors", "compare: pixels", `no comparison "pixels"`},
		"no comparison":      {"compare: tensors, ", "", `no comparison ""`},
		"no bounds":          {", absolute: 1e-06, relative: 0.01", "", "nothing but the same bytes"},
		"negative":           {"1e-06", "-1e-06", "not negative"},
		"another spelling":   {"1e-06", "0.000001", "edited"},
	} {
		edited := seal(strings.Replace(text, c.old, c.new, 1))
		checkRefused(t, name, edited)
		if _, err := lock.Parse("benchmark.lock", []byte(edited)); !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The order in which steps finish does not show, but that of an evaluation's metrics is the author's. Nothing
// of the caller's is sorted in place.
func TestOrder(t *testing.T) {
	l := small()
	l.Results = append(l.Results, lock.Result{Evaluation: "quick", Model: "single/ecg", Dataset: "ecg", Metric: "auroc"})
	want := string(l.Marshal())
	slices.Reverse(l.Steps)
	l.Results[0], l.Results[1], l.Results[2] = l.Results[2], l.Results[0], l.Results[1]
	if diff := cmp.Diff(want, string(l.Marshal())); diff != "" {
		t.Errorf("another order of steps shows:\n%s", diff)
	}
	if l.Steps[0].Name != "fetch/ecg" || l.Results[0].Evaluation != "quick" {
		t.Error("Marshal sorted the caller's slices")
	}
	l.Results[1], l.Results[2] = l.Results[2], l.Results[1]
	if want == string(l.Marshal()) {
		t.Error("the order of the metrics is lost")
	}
}

func TestManyMetricsKeepTheirOrder(t *testing.T) {
	l := &lock.Lock{Manifest: digest.FromString("m"), Plan: digest.FromString("p")}
	for i := range 100 {
		l.Results = append(l.Results, lock.Result{Dataset: string(rune('z' - i%3)), Metric: fmt.Sprint((i * 37) % 100)})
	}
	got, err := lock.Parse("benchmark.lock", l.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(l.Results, func(x, y lock.Result) int { return strings.Compare(x.Dataset, y.Dataset) })
	if diff := cmp.Diff(l, got); diff != "" {
		t.Error(diff)
	}
}

func TestFind(t *testing.T) {
	if s, ok := small().Find("fetch/ecg"); !ok || s.Plugin != "fetch/dir@1" {
		t.Errorf("found %+v, %t", s, ok)
	}
	if s, ok := small().Find("fetch"); ok {
		t.Errorf("found %+v", s)
	}
}

// anyLock draws locks with any names.
func anyLock(t *rapid.T) *lock.Lock {
	name := rapid.OneOf(rapid.String(), rapid.StringMatching(`["'{}:, #\\\n\r\t-]{1,6}`), rapid.SampledFrom([]string{"null", "yes", "~", "1", "1e3", "a: b", "a, b}", "é", "\u2028", "steps:", "digest: x", "- x"}))
	value := rapid.Custom(func(t *rapid.T) *float64 {
		f := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, 1, 0.1, math.Copysign(0, -1), math.MaxFloat64, 5e-324})).Draw(t, "number")
		return &f
	})
	l := &lock.Lock{Claims: anyClaims(t, name), Benchmark: name.Draw(t, "benchmark"), Manifest: digest.FromString("m"), Plan: digest.FromString("p")}
	steps := rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "steps")
	slices.Sort(steps)
	for _, s := range steps {
		l.Steps = append(l.Steps, lock.Step{Name: s, Plugin: name.Draw(t, "plugin"), Action: digest.FromString(s), Artifact: digest.FromString(s + "!"), Rerun: anyBounds(t)})
	}
	metrics := rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "metrics")
	for _, dataset := range []string{"d", "e"} {
		for _, m := range metrics {
			l.Results = append(l.Results, lock.Result{Evaluation: "e", Model: "m", Dataset: dataset, Metric: m,
				Value: value.Draw(t, "value"), Low: rapid.Ptr(rapid.Float64(), true).Draw(t, "low")})
		}
	}
	return l
}

func anyBounds(t *rapid.T) tolerance.Bounds {
	some := rapid.Float64Range(1e-300, 1e300)
	return rapid.SampledFrom([]tolerance.Bounds{{}, {Compare: "metrics", Absolute: some.Draw(t, "absolute")}, {Compare: "tensors", Relative: some.Draw(t, "relative")},
		{Compare: "tensors", Absolute: some.Draw(t, "absolute"), Relative: some.Draw(t, "relative")}}).Draw(t, "bounds")
}

func anyClaims(t *rapid.T, name *rapid.Generator[string]) []manifests.Claim {
	claim := rapid.Custom(func(t *rapid.T) manifests.Claim {
		text := func(what string) string { return name.Draw(t, what) }
		c := manifests.Claim{Evaluation: text("evaluation"), Model: text("model"), Dataset: text("dataset"), Metric: text("metric"),
			Value: rapid.Float64().Draw(t, "value"), Tolerance: rapid.Float64Min(0).Draw(t, "tolerance"), Source: text("source"),
			Rule: rapid.SampledFrom([]string{"", "at-least", "at-most", "interval"}).Draw(t, "rule")}
		if c.Rule == "interval" {
			c.Level = rapid.Float64Range(0.01, 0.99).Draw(t, "level")
		}
		return c
	})
	all := rapid.SliceOfNDistinct(claim, 0, 3, rapid.ID).Draw(t, "claims")
	if len(all) == 0 {
		return nil // no such section
	}
	return all
}

// Whatever is written reads back, and is YAML that says the same to any other reader.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyLock(t)
		text := want.Marshal()
		got, err := lock.Parse("benchmark.lock", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("parsed (-want +got):\n%s\n%s", diff, text)
		}
		checkYAML(t, want, text)
	})
}

func checkYAML(t *rapid.T, want *lock.Lock, text []byte) {
	var doc struct {
		Benchmark, Manifest, Plan string
		Steps                     map[string]struct {
			Plugin, Action, Artifact, Compare string
			Absolute, Relative                float64
		}
		Claims  []manifests.Claim
		Results []struct {
			Evaluation, Model, Dataset, Metric string
			Value, Low, High                   *float64
		}
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("not YAML: %v\n%s", err, text)
	}
	got := &lock.Lock{Benchmark: doc.Benchmark, Manifest: digest.Digest(doc.Manifest), Plan: digest.Digest(doc.Plan), Claims: doc.Claims}
	for _, s := range want.Steps {
		d := doc.Steps[s.Name]
		got.Steps = append(got.Steps, lock.Step{Name: s.Name, Plugin: d.Plugin, Action: digest.Digest(d.Action), Artifact: digest.Digest(d.Artifact), Rerun: tolerance.Bounds{Compare: d.Compare, Absolute: d.Absolute, Relative: d.Relative}})
	}
	for _, r := range doc.Results {
		got.Results = append(got.Results, lock.Result(r))
	}
	if diff := cmp.Diff(want, got); diff != "" || len(doc.Steps) != len(want.Steps) {
		t.Fatalf("YAML (-lock +yaml):\n%s\n%s", diff, text)
	}
}

var located = regexp.MustCompile(`^benchmark\.lock:([0-9]+): .`)

// checkRefused fails unless a text is refused with a line that the text has.
func checkRefused(t *testing.T, what, text string) {
	t.Helper()
	l, err := lock.Parse("benchmark.lock", []byte(text))
	if err == nil {
		t.Fatalf("%s: accepted", what)
	}
	m := located.FindStringSubmatch(err.Error())
	if m == nil {
		t.Fatalf("%s: error %q names no line", what, err)
	}
	if n, err := strconv.Atoi(m[1]); err != nil || n < 1 || n > strings.Count(text, "\n")+1 {
		t.Fatalf("%s: line %s is not in the text", what, m[1])
	}
	if errors.Is(err, lock.ErrTampered) != (l != nil) {
		t.Fatalf("%s: lock %v comes with %v", what, l != nil, err)
	}
}

// No single character can be changed, taken away, doubled or added.
func TestEveryEditIsFound(t *testing.T) {
	text := string(small().Marshal())
	for i := range text {
		before, c, after := text[:i], text[i], text[i+1:]
		for _, other := range []byte{c ^ 1, c ^ 0x20, '\n'} {
			if other != c {
				checkRefused(t, fmt.Sprintf("byte %d is %q", i, other), before+string(rune(other))+after)
			}
		}
		for _, other := range []byte{c, ' '} {
			checkRefused(t, fmt.Sprintf("%q before byte %d", other, i), before+string(rune(other))+text[i:])
		}
		checkRefused(t, fmt.Sprintf("without byte %d", i), before+after)
		checkRefused(t, fmt.Sprintf("up to byte %d", i), before)
	}
	checkRefused(t, "a line feed more", text+"\n")
	checkRefused(t, "the lock twice", text+text)
	checkRefused(t, "Windows line ends", strings.ReplaceAll(text, "\n", "\r\n"))
}

// seal puts the right digest under an edited text, as one who edits on purpose would.
func seal(text string) string {
	body, _, _ := strings.Cut(text, "digest: ")
	return body + "digest: " + digest.FromString(body).String() + "\n"
}

// TestBenchmark: the head of a lock is enough to know what it is about.
func TestBenchmark(t *testing.T) {
	text := string(small().Marshal())
	head, _, _ := strings.Cut(text, "manifest:")
	for name, c := range map[string]struct{ text, want, err string }{
		"a lock":          {text, "small", ""},
		"its head":        {head, "small", ""},
		"another version": {strings.Replace(text, "cairn/v1", "cairn/v2", 1), "", "this is not a lock of this version"},
		"nothing":         {"", "", "this is not a lock of this version"},
	} {
		got, err := lock.Benchmark([]byte(c.text))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || err == nil && got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// What a seal cannot tell, the form does: a sealed text is refused where it stands unless it is a lock.
func TestSealedEditsAreLocated(t *testing.T) {
	text := string(small().Marshal())
	lines := strings.SplitAfter(text, "\n")
	for name, c := range map[string]struct {
		old, new string
		line     int
		want     string
	}{
		"another version":    {"cairn/v1", "cairn/v2", 2, `want "apiVersion: cairn/v1"`},
		"a missing key":      {"benchmark: small\n", "", 4, `want the key "benchmark"`},
		"another key":        {"plan:", "plans:", 6, `want the key "plan"`},
		"no digest":          {"manifest: sha256:", "manifest: sha256:X", 5, "is not a digest"},
		"a cut digest":       {lines[7], lines[7][:len(lines[7])-5] + "}\n", 8, "is not a digest"},
		"junk after a name":  {"benchmark: small", "benchmark: \"small\" x", 4, `want nothing behind small`},
		"an open quote":      {"benchmark: small", `benchmark: "small`, 4, "a quote is not closed"},
		"a wrong escape":     {"fetch/dir@1", `"fetch\q"`, 9, "a quote is not closed, or there is a wrong escape"},
		"junk after steps":   {"steps:", "steps: {}", 7, "edited"},
		"no step":            {lines[7], "  fetch\n", 8, "want a step"},
		"a step's key":       {"plugin:", "plugins:", 8, "want {plugin: ..., action: ..., artifact: ...}"},
		"a step's end":       {lines[8], strings.TrimSuffix(lines[8], "}\n") + "\n", 9, "want } at the end of the line"},
		"a step twice":       {lines[7], lines[7] + lines[7], 9, "step evaluate/test/single/ecg is there twice or out of order"},
		"order of steps":     {lines[7] + lines[8], lines[8] + lines[7], 9, "step evaluate/test/single/ecg is there twice or out of order"},
		"one step, two ways": {lines[8], lines[8] + strings.Replace(lines[8], "fetch/ecg:", `"fetch/ecg":`, 1), 10, "step fetch/ecg is there twice"},
		"needless quotes":    {"benchmark: small", `benchmark: "small"`, 4, "edited"},
		"no results":         {lines[9] + lines[10] + lines[11], "", 10, "want {plugin: ..., action: ..., artifact: ...}"},
		"a result's key":     {"dataset:", "data:", 11, "want {evaluation: ..., model:"},
		"a number":           {"value: 0.75", "value: 0.75x", 11, `"0.75x" is not a finite number`},
		"no number":          {"value: 0.75", "value: NaN", 11, "is not a finite number"},
		"infinity":           {"high: 1}", "high: Inf}", 11, "is not a finite number"},
		"a number's form":    {"value: 0.75", "value: 7.5e-1", 11, "edited"},
		"a result twice":     {lines[11], lines[11] + lines[10], 13, "result test/single/ecg/ecg/auroc is there twice or out of order"},
		"order of results":   {lines[11], lines[11] + strings.ReplaceAll(lines[11], ": test", ": quick"), 13, "is there twice or out of order"},
		"a blank line":       {"results:\n", "results:\n\n", 11, "want {evaluation"},
		"more behind":        {"", "more\n", 14, "edited"},
	} {
		edited := strings.Replace(text, c.old, c.new, 1)
		if edited = seal(edited); c.old == "" {
			edited = text + c.new
		}
		checkRefused(t, name, edited)
		_, err := lock.Parse("benchmark.lock", []byte(edited))
		if !strings.HasPrefix(err.Error(), fmt.Sprintf("benchmark.lock:%d: ", c.line)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want line %d, %q", name, err, c.line, c.want)
		}
	}
	for name, short := range map[string]string{"nothing": "", "the head": strings.Join(lines[:3], ""), "no results": strings.Join(lines[:9], ""), "no digest": strings.Join(lines[:12], "")} {
		checkRefused(t, name, short)
	}
	if _, err := lock.Parse("benchmark.lock", []byte(seal(strings.Replace(text, "0.75", "0.875", 1)))); err != nil {
		t.Errorf("a sealed edit of a number is for verify to find, Parse says %v", err)
	}
}

// A text edited by accident still says what it claims, so that verify can tell what was edited.
func TestTamperedLockIsGiven(t *testing.T) {
	text := bytes.Replace(small().Marshal(), []byte("0.75"), []byte("0.875"), 1)
	l, err := lock.Parse("benchmark.lock", text)
	if !errors.Is(err, lock.ErrTampered) || l == nil || *l.Results[0].Value != 0.875 {
		t.Errorf("lock %+v, %v; want the edited one with ErrTampered", l, err)
	}
}

// What is accepted is what Marshal writes.
func FuzzParse(f *testing.F) {
	f.Add(small().Marshal())
	f.Add((&lock.Lock{Benchmark: `"a": {b}`, Manifest: digest.FromString(""), Plan: digest.FromString("")}).Marshal())
	f.Add(claimed().Marshal())
	f.Add([]byte(strings.Replace(string(small().Marshal()), "fetch/ecg:", `"fetch\"ecg":`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, text := range [][]byte{text, []byte(seal(string(text)))} {
			l, err := lock.Parse("benchmark.lock", text)
			switch {
			case err == nil && !bytes.Equal(l.Marshal(), text):
				t.Fatalf("accepted %q, which is written as %q", text, l.Marshal())
			case err != nil && !located.MatchString(err.Error()):
				t.Fatalf("error %q names no line", err)
			}
		}
	})
}
