package cli

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/workflows"
)

// pair is the small benchmark and another one of a dataset of its own, which have nothing to do with each other.
var pair = strings.NewReplacer(
	"models:\n", `  lung:
    title: Lung disease table
    modality: table
    licence: CC0-1.0
    access: open
    fetch: {plugin: dir, params: {path: lung data}}
    curate: {plugin: table, seed: 1, params: {drop: [id], label: {column: num, classes: {"0": absent, "1": present}}}}
models:
  other: {plugin: go, datasets: [lung], seed: 8, params: {epochs: 2}}
`, "models: [single]", "models: [single, other]").Replace(small)

func pairMachine(t *testing.T) *machine {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", pair)
	m.write("lung data/lung.csv", strings.Replace(table(50), "num", "nmu", 1))
	return m
}

// typed runs a line as it was printed.
func (m *machine) typed(code int, line string, texts ...string) output {
	m.t.Helper()
	words, ok := strings.CutPrefix(strings.TrimSpace(line), "cairn ")
	if !ok {
		m.t.Fatalf("%q is no command", line)
	}
	return m.want(code, strings.Fields(words), texts...)
}

// lineWith is the first line of a text that holds all parts.
func lineWith(t *testing.T, text string, parts ...string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			return line
		}
	}
	t.Fatalf("no line with %q in\n%s", parts, text)
	return ""
}

// TestFailuresAreListed: of two datasets one is broken. The other one is done, what failed is told with its cause, its
// log and what to type, and what is typed does what it says.
func TestFailuresAreListed(t *testing.T) {
	straight := pairMachine(t)
	straight.write("lung data/lung.csv", table(50))
	straight.want(0, words("run benchmark.yaml"), "8 steps done")

	m := pairMachine(t)
	out := m.want(1, words("run benchmark.yaml"), "cairn: 1 of 8 steps failed and 2 wait for that",
		"failed  curate/lung", "Failed: the plugin failed on what it was given", "2 steps wait for it: pretrain/other, evaluate/test/other/lung\n", "what is done stays (5 of 8)")
	cause := lineWith(t, out.stdout, "|", "nmu")
	if !strings.Contains(cause, "lung.csv") {
		t.Errorf("cause %q; want the file in it", cause)
	}
	show := strings.TrimPrefix(strings.TrimSpace(lineWith(t, out.stdout, "cairn show sha256:")), "log   ")
	m.typed(0, show, "step      curate/lung\n", "plugin    curate/table@", "action    sha256:", "Failed: the plugin failed", "nmu")
	m.want(0, words("gc"))
	m.typed(0, show, "step      curate/lung\n")
	run, digest := runOf(m), strings.Fields(show)[2]
	m.want(0, []string{"status", run}, "failed", "nmu", "(log "+digest+")", "needs curate/lung, which failed")
	m.want(0, []string{"log", run}, "failed     curate/lung", "(log "+digest+")")

	doc := object[runDocument](m, 1, "run", "benchmark.yaml")
	if len(doc.Failures) != 1 || len(doc.Steps) != 8 || doc.Lock != "" {
		t.Fatalf("document %+v", doc)
	}
	f := doc.Failures[0]
	if f.Step != "curate/lung" || f.Class != activities.Failed || !strings.Contains(f.Cause, "nmu") || f.Do == "" || f.Waiting != 2 || f.Log.Validate() != nil || doc.Retry != "cairn run benchmark.yaml --only curate/lung" {
		t.Errorf("failure %+v, retry %q", f, doc.Retry)
	}
	m.typed(1, doc.Retry, "1 of 2 steps failed and 0 wait for that", "failed  curate/lung")

	m.write("lung data/lung.csv", table(50))
	retry := lineWith(t, out.stdout, "cairn run benchmark.yaml --only")
	m.typed(0, retry, "these are done; the lock is not written", "curate/lung")
	if some := object[runDocument](m, 0, strings.Fields(retry)[1:]...); len(some.Steps) != 2 || some.Lock != "" {
		t.Errorf("of two steps that were asked for, these are told: %+v", some.Steps)
	}
	if _, err := os.Stat(m.path("benchmark.lock")); err == nil {
		t.Error("the lock of a part is written")
	}
	m.typed(0, "cairn run benchmark.yaml", "2 steps done, 6 found in the cache", "95 % bootstrap")
	if m.read("benchmark.lock") != straight.read("benchmark.lock") {
		t.Error("another lock than that of a straight run")
	}
	m.want(0, words("gc"))
	m.typed(1, show) // nobody needs it any more
}

// TestOnlyTheRest: where the steps asked for are all that is missing, the lock is written.
func TestOnlyTheRest(t *testing.T) {
	straight := smallMachine(newMachine(t, ""))
	straight.want(0, words("run benchmark.yaml"))
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml --only curate/heart"), "ran", "curate/heart", "the lock is not written", "`cairn run benchmark.yaml`")
	m.want(0, words("run benchmark.yaml --only test"), "2 steps done, 2 found in the cache")
	if m.read("benchmark.lock") != straight.read("benchmark.lock") {
		t.Error("another lock than that of a straight run")
	}
	m.want(0, words("run benchmark.yaml --only curate/heart"), "nothing to do")
}

// TestLastingFault: a publisher that is busy is waited for, and whoever watches is told. A run that is cancelled
// meanwhile says how far it was and how it goes on.
func TestLastingFault(t *testing.T) {
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer away.Close()
	m := pairMachine(t)
	m.write("lung data/lung.csv", table(50))
	m.write("benchmark.yaml", strings.Replace(pair, "{plugin: dir, params: {path: data}}", fmt.Sprintf("{plugin: http, params: {files: [{url: \"%s/heart.csv\"}]}}", away.URL), 1))
	c := m.command(words("run benchmark.yaml --progress plain")...)
	stderr, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	for waits, done := false, false; !waits || !done; {
		if !lines.Scan() {
			t.Fatalf("it ended:\n%s", said.String())
		}
		fmt.Fprintln(&said, lines.Text())
		waits = waits || strings.Contains(lines.Text(), "fetch/heart  try 1 of 20 went wrong, the next comes in 1h0m0s: fetch/heart: ")
		done = done || strings.Contains(lines.Text(), "ok  evaluate/test/other/lung")
	}
	run := runOf(m)
	status := object[runInfo](m, 0, "status", run)
	at := slices.IndexFunc(status.Steps, func(s runStep) bool { return s.Name == "fetch/heart" })
	if s := status.Steps[at]; s.State != workflows.Waiting || !strings.Contains(s.Why, "429") || s.Log == "" {
		t.Errorf("status has %+v", s)
	}
	m.want(0, []string{"show", status.Steps[at].Log.String()}, "Network: ", "429")
	m.want(0, []string{"cancel", run})
	rest, _ := io.ReadAll(stderr)
	_ = c.Wait()
	if want := "run " + run + " was cancelled when 4 of 8 steps were done; what is done stays until `cairn gc`, and `cairn run benchmark.yaml` goes on from there"; c.ProcessState.ExitCode() != 1 || !strings.Contains(string(rest), want) {
		t.Errorf("exit code %d, %s\nwant %s", c.ProcessState.ExitCode(), rest, want)
	}
}

// TestFailureCodes: of several failures the exit code tells the one that must not be missed.
func TestFailureCodes(t *testing.T) {
	for _, c := range []struct {
		classes string
		want    int
	}{
		{"Failed", 1}, {"Invalid", 2}, {"Invalid Invalid", 2}, {"Invalid Failed", 1}, {"Failed Differs", 3}, {"Refused Differs Invalid", 3},
		{"Failed Refused", 5}, {"Refused Invalid", 5}, {"Network", 1}, {"", 1}, {"OutOfMemory Crashed Lost", 1},
	} {
		var all []failure
		for _, class := range strings.Fields(c.classes) {
			all = append(all, failure{Class: class})
		}
		if got := failureCode(all); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.classes, got, c.want)
		}
	}
	for _, c := range failureCodes {
		if activities.ClassOf(c.class).Type != c.class {
			t.Errorf("there is no class %s", c.class)
		}
	}
}

// TestManyFailures: a step that waits for two is counted for both, and a long list is cut.
func TestManyFailures(t *testing.T) {
	need := func(names ...string) (all []plan.Need) {
		for _, n := range names {
			all = append(all, plan.Need{Input: n, Step: n})
		}
		return all
	}
	pl := &plan.Plan{}
	var steps []runStep
	add := func(name, state string, needs ...string) {
		pl.Steps = append(pl.Steps, plan.Step{Name: name, Needs: need(needs...)})
		steps = append(steps, runStep{Name: name, State: state, Why: "line 1\n2\n3\n4\n5\n6\n7"})
	}
	add("a", workflows.Failed)
	add("b", workflows.Failed)
	add("c", workflows.Ran)
	add("ab", workflows.Skipped, "a", "b")
	add("abc", workflows.Skipped, "ab", "c")
	for i := range 5 {
		add(fmt.Sprintf("b%d", i), workflows.Skipped, "b")
	}
	got := map[string]int{}
	for _, f := range failures(pl, steps, workflows.Failed) {
		got[f.Step] = f.Waiting
	}
	if diff := cmp.Diff(map[string]int{"a": 2, "b": 7}, got); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	for i := range 20 {
		add(fmt.Sprintf("more-%d", i), workflows.Failed)
	}
	var out strings.Builder
	a := &app{World: World{Stdout: &out}, home: "/a home"}
	err := a.unfinished(outcome{run: "r-1", file: "/it's/benchmark.yaml", options: runOptions{locked: true}}, pl, runDocument{Steps: steps}, nil)
	for _, want := range []string{"7 steps wait for it: ab, b0, b1 and 4 more\n", "and 2 more: cairn --home '/a home' status r-1\n", "\n        | 6\n", "what is done stays (1 of 30)", `cairn --home '/a home' run '/it'\''s/benchmark.yaml' --locked`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "| 7") || strings.Contains(out.String(), "--only") || err == nil || !strings.Contains(err.Error(), "22 of 30 steps failed and 7 wait for that") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
