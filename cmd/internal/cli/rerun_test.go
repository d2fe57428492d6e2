package cli

import (
	"strings"
	"testing"
)

func TestRerun(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("verify benchmark.lock --rerun all"), "level rerun", "4 steps done again")
	m.want(0, words("verify benchmark.lock --rerun sample=2"), "level bytes", "2 steps done again")
	m.want(0, words("verify benchmark.lock --rerun sample=9"), "level rerun", "4 steps done again")
	m.want(0, words("verify benchmark.lock --rerun curate/heart"), "level bytes", "1 steps done again")
	m.want(2, words("verify benchmark.lock --rerun curate/lung"), "no such step", "curate/heart")
	m.want(2, words("verify benchmark.lock --rerun sample=some"), "1 or more")

	m.write("data/heart.csv", strings.Replace(table(60), "\n5,65,", "\n5,66,", 1)) // the publisher changed a cell
	m.want(0, words("verify benchmark.lock --level bytes"), "level bytes")
	out := m.cairn("verify", "benchmark.lock", "--rerun", "fetch/heart")
	if out.code == 0 || !strings.Contains(out.stdout+out.stderr, "fetch/heart") {
		t.Errorf("a changed source: code %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}
