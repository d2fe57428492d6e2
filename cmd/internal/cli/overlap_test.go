package cli

import (
	"strings"
	"testing"
)

// TestForbiddenOverlap: datasets with samples in common, which the manifest does not want, end a run before anything is trained, and
// one of the datasets alone as soon as both are there. It is the same with everything done.
func TestForbiddenOverlap(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	heart := small[strings.Index(small, "  heart:"):strings.Index(small, "models:")]
	twin := strings.Replace(strings.Replace(heart, "heart:", "twin:", 1), "seed: 1", "seed: 2", 1)
	lax := strings.Replace(strings.Replace(small, "models:", twin+"models:", 1), "datasets: [heart]", "datasets: [heart, twin]", 1)
	strict := strings.Replace(lax, "models:", "overlap: {same: fail}\nmodels:", 1)
	m.write("benchmark.yaml", strict)
	m.want(0, words("run benchmark.yaml --only curate/heart"))
	told := []string{"overlap.same is fail", "on two sides of several datasets", "heart/t", "twin/t", " (media)", "; and ", " more; put each on the same side of all"}
	m.want(1, words("run benchmark.yaml --only curate/twin"), told...)
	m.want(1, words("run benchmark.yaml --only curate/heart"), told...)
	m.want(1, words("run benchmark.yaml"), told...)
	first := m.want(1, words("run benchmark.yaml --json"), told...)
	m.write("benchmark.yaml", lax)
	m.want(0, words("run benchmark.yaml"), "3 steps done, 4 found in the cache")
	lock := m.read("benchmark.lock")
	m.write("benchmark.yaml", strict)
	if last := m.want(1, words("run benchmark.yaml --json"), told...); last.stderr != first.stderr || m.read("benchmark.lock") != lock {
		t.Errorf("with everything done it says\n%s\nand before the training\n%s", last.stderr, first.stderr)
	}
	m.write("benchmark.yaml", strings.Replace(strict, "same: fail", "near: fail", 1))
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	m.write("benchmark.yaml", strings.Replace(strict, "same: fail", "subject: fail, subjects: [[heart, twin]]", 1))
	m.want(1, words("run benchmark.yaml"), "overlap.subject is fail", "of one subject each on two sides of several datasets: heart/t", " (subject)")
}
