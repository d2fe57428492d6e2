package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/lineage"
)

// TestAffected follows a row of the table, a file and a person through a run, on the side on which they are.
func TestAffected(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", small+"claims:\n  - {evaluation: test, model: single, dataset: heart, metric: accuracy, value: 0.9, tolerance: 1, source: a paper}\n")
	m.want(0, words("run benchmark.yaml"))
	sides := map[string]string{} // side -> a sample
	for row := 1; len(sides) < 3; row++ {
		id := fmt.Sprintf("heart~2ecsv-%06d", row)
		b := object[affectedDocument](m, 0, "affected", id).Benchmarks[0]
		sides[b.Found[len(b.Found)-1].Samples[0].Split] = id
	}
	for side, want := range map[string]string{
		"train":      "fetch/heart curate/heart pretrain/single evaluate/test/single/heart",
		"validation": "fetch/heart curate/heart pretrain/single evaluate/test/single/heart",
		"test":       "fetch/heart curate/heart evaluate/test/single/heart",
	} {
		b := object[affectedDocument](m, 0, "affected", sides[side], "benchmark.lock").Benchmarks[0]
		if got := strings.Join(stepNames(b.Depends), " "); got != want || len(b.Numbers) != 2 || len(b.Claims) != 1 {
			t.Errorf("a sample of %s: %s depend, want %s; %d numbers, %d claims", side, got, want, len(b.Numbers), len(b.Claims))
		}
	}
	m.want(0, []string{"affected", sides["test"]}, "1 sample on the test side", "read what holds it, but not that part", "scored on 1 sample", "claim  accuracy")

	entries := strings.Split(strings.TrimSpace(m.want(0, words("ls small/fetch/heart")).stdout), "\n")
	file := strings.Fields(entries[len(entries)-1])[0]
	m.want(0, []string{"affected", file}, "heart.csv", "learned from", "scored on")
	m.want(1, words("affected nobody"), `"nobody" is no artifact`)
	m.want(2, words("affected nobody small/fetch/heart"), "want a lock")

	lines := strings.Split(m.want(0, words("ls")).stdout, "\n")
	fetch := slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(l, "small/fetch/heart") })
	blob := strings.TrimPrefix(strings.Fields(lines[fetch])[0], "sha256:")
	if err := os.Remove(filepath.Join(m.home, "cairn", "store", "blobs", "sha256", blob)); err != nil {
		t.Fatal(err)
	}
	m.want(4, words("affected nobody benchmark.lock"), "not here to be looked into")
}

func stepNames(all []lineage.Step) []string {
	var out []string
	for _, s := range all {
		out = append(out, s.Name)
	}
	return out
}
