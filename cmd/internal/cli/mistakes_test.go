package cli

import (
	"regexp"
	"strings"
	"testing"
)

// TestTenMistakes: one run names all mistakes of a manifest, each with its place.
func TestTenMistakes(t *testing.T) {
	text := small + "claims:\n  - {evaluation: test, model: single, dataset: heart, metric: auroc, value: 1.5, tolerance: 0.1, source: a paper}\n"
	lines := map[string]bool{}
	for _, c := range []struct{ was, is string }{
		{"title: One table", "titel: One table"},                     // unknown key
		{"modality: table", "modality: tabel"},                       // unknown word
		{"licence: CC0-1.0", "licence: Creative Commons"},            // no SPDX expression
		{"    access: open\n", ""},                                   // required key
		{"plugin: dir", "plugin: dri"},                               // unknown plugin
		{"drop: [id]", "drop: id"},                                   // wrong type
		{"    datasets: [heart]\n", "    datasets: [heart, lung]\n"}, // missing reference
		{"params: {epochs: 2}", "params: {epoch: 2}"},                // unknown parameter
		{"split: test\n", "split: test\n    split: train\n"},         // duplicate key
	} {
		if strings.Count(text, c.was) != 1 {
			t.Fatalf("%q is %d times in the manifest", c.was, strings.Count(text, c.was))
		}
		text = strings.Replace(text, c.was, c.is, 1)
	}
	m := newMachine(t, text)
	out := m.want(2, words("run benchmark.yaml"), "titel", "title", "tabel", "table", "dri", "dir", "lung", "epochs", "1.5")
	located := regexp.MustCompile(`(?m)^.*benchmark\.yaml:(\d+:\d+): `)
	for _, found := range located.FindAllStringSubmatch(out.stderr, -1) {
		lines[found[1]] = true
	}
	if len(lines) != 10 {
		t.Errorf("%d places, want 10:\n%s", len(lines), out.stderr)
	}
	if out.stdout != "" {
		t.Errorf("stdout is %q", out.stdout)
	}
	m.want(2, words("plan benchmark.yaml"), "titel")
	m.want(2, words("run nowhere.yaml"), "nowhere.yaml")
	m.want(2, words("run"), "usage: cairn run MANIFEST")
	m.want(2, words("rum benchmark.yaml"), "rum", "run")
	m.want(2, words("run --progress loud benchmark.yaml"), "loud", "fancy")
	m.want(2, words("verify --level rumours benchmark.lock"), "rumours", "bytes")
}

// TestStepFails: what does not depend on the failed step is done, and the rest says why.
func TestStepFails(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", strings.Replace(small, "column: num", "column: nmu", 1))
	out := object[runDocument](m, 1, "run", "benchmark.yaml")
	state := map[string]string{}
	for _, s := range out.Steps {
		state[s.Name] = s.State
		if s.Name == "curate/heart" && (!strings.Contains(s.Why, "nmu") || !strings.Contains(s.Why, "heart.csv")) {
			t.Errorf("why: %q; want the column and the file", s.Why)
		}
	}
	if state["fetch/heart"] != "ran" || state["curate/heart"] != "failed" || state["pretrain/single"] != "skipped" && state["pretrain/single/heart"] != "skipped" {
		t.Errorf("states: %v", state)
	}
	m.want(1, words("run benchmark.yaml"), "failed", "needs curate/heart, which failed", "1 of 4 steps failed and 2 wait for that")
	m.write("benchmark.yaml", small)
	m.want(0, words("run benchmark.yaml"), "3 steps done, 1 found in the cache")
	m.write("benchmark.yaml", strings.Replace(small, "path: data", "path: date", 1))
	m.want(2, words("run benchmark.yaml"), "fetch/heart", "date")
}
