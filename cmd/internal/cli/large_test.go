package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// smallSteps is the manifest of n steps: half of them make a small table, half curate it.
func smallSteps(n int) string {
	var m strings.Builder
	m.WriteString("apiVersion: cairn/v1\nkind: Benchmark\nname: large\ndatasets:\n")
	for i := range n / 2 {
		fmt.Fprintf(&m, "  d%05d:\n    {title: A table, modality: table, licence: CC0-1.0, access: open,\n"+
			"    fetch: {plugin: synthetic, seed: %d, params: {dataset: table, samples: 24, quirks: false}},\n"+
			"    curate: {plugin: table, seed: 1, params: {drop: [id], label: {column: num}}}}\n", i, i)
	}
	return m.String()
}

// timed runs a command, which must end with code 0, and logs what it took.
func (m *machine) timed(args ...string) (stdout string, took time.Duration) {
	m.t.Helper()
	var out, errs bytes.Buffer
	c := m.command(args...)
	c.Stdout, c.Stderr, c.Env = &out, &errs, append(c.Env, peakFile+"="+m.path("peak"))
	began := time.Now()
	err := c.Run()
	took = time.Since(began)
	if err != nil {
		m.t.Fatalf("cairn %q: %v\n%s\n%s", args, err, out.String(), errs.String())
	}
	cpu := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	m.t.Logf("%8d ms, %8d ms of CPU, peak %s: cairn %s", took.Milliseconds(), cpu.Milliseconds(), peak(m.t, m.path("peak")), strings.Join(args, " "))
	return out.String(), took
}

// TestLarge does as many small steps as CAIRN_LARGE says, 2,200 if it says nothing, in several executions of the
// workflow: once straight, and once killed in the middle and resumed, with the same lock in the end. It logs what the
// commands take that look at a run and its results, and a run of which nothing has changed beside one of two steps.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	n, err := strconv.Atoi(os.Getenv("CAIRN_LARGE"))
	if err != nil {
		n = 2200
	}
	straight, killed := newMachine(t, smallSteps(n)), newMachine(t, smallSteps(n))
	straight.timed(words("run benchmark.yaml --progress none")...)

	middle := fmt.Sprintf("ok  fetch/d%05d ", n/4)
	killed.killedAt(middle, words("run benchmark.yaml --progress plain")...)
	done := len(entriesOf(t, killed))
	if done == 0 || done >= n {
		t.Errorf("%d of %d steps were done when it was killed", done, n)
	}
	killed.want(0, words("status"), "running")
	killed.timed("status", runOf(killed))
	killed.timed(words("plan benchmark.yaml")...)
	killed.timed(words("resume --progress none")...)
	if killed.read("benchmark.lock") != straight.read("benchmark.lock") {
		t.Error("the lock is not that of the straight run")
	}
	t.Logf("%d of %d steps were done when it was killed", done, n)

	run := runOf(killed)
	for _, command := range []string{"plan benchmark.yaml", "status", "status " + run, "log " + run, "verify benchmark.lock --level records", "verify benchmark.lock --level bytes"} {
		killed.timed(words(command)...)
	}
	two := newMachine(t, smallSteps(2))
	two.timed(words("run benchmark.yaml --progress none")...)
	_, start := two.timed(words("run benchmark.yaml --progress none")...)
	for _, look := range []struct {
		how string
		m   *machine
	}{{"recalled", straight}, {"looked at in full", killed}, {"recalled", killed}} {
		stdout, all := look.m.timed(words("run benchmark.yaml --progress none")...)
		if want := fmt.Sprintf("all %d steps are done and unchanged", n); !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
		t.Logf("%d steps of which nothing changed, %s: %v beyond the %v of two steps", n, look.how, (all - start).Round(time.Millisecond), start.Round(time.Millisecond))
	}
}

// entriesOf lists the entries of the action cache of a machine.
func entriesOf(t *testing.T, m *machine) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(m.home, "cairn", "actions", "sha256", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}
