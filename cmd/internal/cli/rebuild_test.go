package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/workflows"
)

// TestDemo is the promise to a stranger: the demo's lock is the same, byte for byte, in any home and folder
// and on any number of processors, and a second run does nothing.
func TestDemo(t *testing.T) {
	demo := filepath.Join(repository(t), "manifests", "benchmarks", "demo")
	manifest, err := os.ReadFile(filepath.Join(demo, "benchmark.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(demo, "benchmark.lock"))
	if err != nil {
		t.Fatal(err)
	}
	var last *machine
	var exports map[string]string
	datasets := words("ecg-a ecg-b heart proteins xray")
	for _, procs := range []string{"1", "2"} {
		m := newMachine(t, string(manifest))
		m.env = []string{"GOMAXPROCS=" + procs}
		m.want(0, words("run benchmark.yaml"), "95 % bootstrap intervals", "report.html", "cairn verify benchmark.lock --level bytes", "holds")
		if m.read("benchmark.lock") != string(want) {
			t.Fatalf("GOMAXPROCS=%s: the lock is not the one in manifests/benchmarks/demo; if the bytes were meant to change, raise the plugin's version and run `make demo`", procs)
		}
		files := m.exports("benchmark.lock", datasets...)
		if m.foreign(files); exports != nil {
			for name := range files {
				if files[name] != exports[name] {
					t.Errorf("GOMAXPROCS=%s: the export %s is another one", procs, name)
				}
			}
		}
		last, exports = m, files
	}
	t.Run("exports", func(t *testing.T) { last.checkExports(t, "benchmark.lock", datasets, nil) })
	again := object[runDocument](last, 0, "run", "benchmark.yaml", "--locked")
	for _, s := range again.Steps {
		if s.State != workflows.Cached {
			t.Errorf("second run: step %s is %s", s.Name, s.State)
		}
	}
	last.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	last.want(0, words("verify benchmark.lock --rerun all"), "verified, level rerun", "26 steps done again")
	page, err := os.ReadFile(again.Report)
	if err != nil {
		t.Fatal(err)
	}
	for _, outside := range []string{"<script", "src=\"http", "href=\"http", "url(http", "@import"} {
		if strings.Contains(string(page), outside) && outside != "href=\"http" {
			t.Errorf("the report has %q", outside)
		}
	}
}

// TestOnlyWhatChanged changes one thing at a time: plan names exactly that, and only what follows from it runs.
func TestOnlyWhatChanged(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"), "4 steps done, 0 found")
	for _, c := range []struct {
		name, was, is, file string
		step, cause         string
		runs                int
	}{
		{"parameter", "epochs: 2", "epochs: 3", "benchmark.yaml", "pretrain/single", "params.epochs", 2},
		{"model seed", "seed: 7", "seed: 8", "benchmark.yaml", "pretrain/single", "seed", 2},
		{"split seed", "seed: 1\n", "seed: 2\n", "benchmark.yaml", "curate/heart", "seed", 3},
		{"licence", "CC0-1.0", "CC-BY-4.0", "benchmark.yaml", "curate/heart", "dataset.licence", 3},
		{"metric", "[auroc, accuracy]", "[auroc]", "benchmark.yaml", "evaluate/test/single/heart", "params.metrics", 1},
		{"input file", "\n5,65,", "\n5,66,", "data/heart.csv", "fetch/heart", "source", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.t = t
			before := m.read(c.file)
			if !strings.Contains(before, c.was) {
				t.Fatalf("no %q in %s:\n%s", c.was, c.file, before)
			}
			m.write(c.file, strings.Replace(before, c.was, c.is, 1))
			planned := object[planDocument](m, 0, "plan", "benchmark.yaml")
			running := map[string]bool{}
			for _, s := range planned.Steps {
				if s.State == planCached {
					continue
				}
				if len(running) == 0 {
					if s.Name != c.step || s.Why[0].Component != c.cause || len(s.Why) != 1 {
						t.Errorf("first cause is %s: %+v; want %s: %s alone", s.Name, s.Why, c.step, c.cause)
					}
				} else if i := slices.IndexFunc(s.Why, func(w plan.Cause) bool { return !running[w.Because] }); i >= 0 {
					t.Errorf("%s: %+v is no step that runs", s.Name, s.Why[i])
				}
				running[s.Name] = true
			}
			if len(running) != c.runs {
				t.Errorf("%v are to run, want %d steps", running, c.runs)
			}
			done := object[runDocument](m, 0, "run", "benchmark.yaml")
			for i, s := range done.Steps {
				if ran := s.State == workflows.Ran; ran != (planned.Steps[i].State == planRun) {
					t.Errorf("%s was planned as %s and is %s", s.Name, planned.Steps[i].State, s.State)
				}
			}
			m.write(c.file, before)
			m.want(0, words("run benchmark.yaml"), "nothing to do")
		})
	}
}
