package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/diff"
)

// TestDiff: the publisher changes a cell, and everything that follows is led back to it, down to the sample.
func TestDiff(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("diff benchmark.lock benchmark.lock"), "the same")
	m.write("was.lock", m.read("benchmark.lock"))
	doc := object[runDocument](m, 0, "run", "benchmark.yaml")
	m.want(0, words("diff was.lock "+doc.Benchmark.String()), "the same")

	m.write("data/heart.csv", strings.Replace(table(60), "\n5,65,215,1\n", "\n5,65,214,0\n", 1))
	m.want(0, words("run benchmark.yaml"))
	out := m.want(3, words("diff was.lock benchmark.lock"), "the difference begins in 1 of them", "fetch/heart  source: was", "curate/heart  input raw: fetch/heart changes",
		"files of fetch/heart: 0 added, 0 removed, 1 changed", "~ heart.csv", "differ")
	if strings.Contains(out.stdout, "samples of") {
		t.Errorf("raw data have samples:\n%s", out.stdout)
	}
	d := object[diffDocument](m, 3, "diff", "was.lock", "benchmark.lock")
	var causes []string
	for _, s := range d.Steps {
		if s.Cause {
			causes = append(causes, s.Name)
		}
	}
	if !slices.Equal(causes, []string{"fetch/heart"}) || len(d.Steps) != 4 || d.Same || d.First == nil || d.First.Step != "fetch/heart" {
		t.Errorf("%+v, first %+v", d.Steps, d.First)
	}

	var curated [2]string
	for i, s := range d.Steps {
		if s.Name == "curate/heart" {
			curated = [2]string{s.Was.Artifact.String(), d.Steps[i].Is.Artifact.String()}
		}
	}
	samples := object[diffDocument](m, 3, "diff", curated[0], curated[1]).First.Samples
	i := slices.IndexFunc(samples, func(s diff.Sample) bool {
		return s.State == diff.Changed && slices.Contains(s.What, diff.Part{Name: "labels", Was: "present", Is: "absent"})
	})
	if i < 0 {
		t.Errorf("no label changed in %+v", samples)
	}
	m.want(3, []string{"diff", curated[0], curated[1]}, "labels was present, is absent")
	m.want(2, []string{"diff", "was.lock", curated[0]}, "is a lock", "is an artifact")
	m.want(2, []string{"diff", "was.lock", "nowhere.lock"}, `nothing is called "nowhere.lock"`)
	m.want(4, []string{"diff", curated[0], "sha256:" + strings.Repeat("0", 64)}, "is not in this store")
}
