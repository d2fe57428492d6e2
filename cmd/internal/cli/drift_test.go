package cli

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/drift"
	"github.com/cairn-bench/cairn/workflows"
)

// remoteTable is the small benchmark over two tables, of which heart comes from a publisher with a checksum list.
func remoteTable(url string) string {
	heart := "    fetch: {plugin: http, params: {sums: \"" + url + "/heart/SHA256SUMS\"}}\n"
	text := strings.Replace(small, "    fetch: {plugin: dir, params: {path: data}}\n", heart, 1)
	local := strings.ReplaceAll(small[strings.Index(small, "  heart:"):strings.Index(small, "models:")], "heart:", "liver:")
	text = strings.Replace(text, "models:\n", local+"models:\n", 1)
	return strings.Replace(text, "datasets: [heart]", "datasets: [heart, liver]\n    each: true", 1) +
		"claims:\n  - {evaluation: test, model: single, dataset: heart, metric: auroc, value: 0.9, tolerance: 1, source: a paper}\n"
}

// newHeart is a publisher of one table, and a machine that wants it.
func newHeart(t *testing.T) (*machine, *publishers) {
	p := newPublishers(t, map[string][]byte{})
	offer(p, table(60))
	return heartMachine(newMachine(t, ""), p), p
}

func heartMachine(m *machine, p *publishers) *machine {
	m.write("benchmark.yaml", remoteTable(p.URL))
	m.write("data/liver.csv", table(50))
	return m
}

// offer puts a table and its checksum list at its publisher's.
func offer(p *publishers, text string) {
	p.files["heart/heart.csv"] = []byte(text)
	p.files["heart/README"] = []byte("People.\n")
	p.files["heart/SHA256SUMS"] = fmt.Appendf(nil, "%x  heart.csv\n%x  README\n", sha256.Sum256([]byte(text)), sha256.Sum256(p.files["heart/README"]))
}

// lose makes the home forget what it has done, but not the blobs.
func (m *machine) lose() {
	m.t.Helper()
	if err := os.RemoveAll(filepath.Join(m.home, "cairn", "actions")); err != nil {
		m.t.Fatal(err)
	}
}

func TestDrift(t *testing.T) {
	m, p := newHeart(t)
	m.want(0, words("run benchmark.yaml"))
	lock := m.read("benchmark.lock")
	offer(p, strings.Replace(table(60), "\n5,65,", "\n5,66,", 1))
	p.asked()
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	if asked := p.asked(); len(asked) > 0 {
		t.Errorf("what the lock has is here, and yet the publisher was asked for %v", asked)
	}

	m.lose()
	out := object[runDocument](m, 3, "run", "benchmark.yaml")
	state := map[string]string{}
	for _, s := range out.Steps {
		state[s.Name] = s.State
	}
	if state["fetch/heart"] != workflows.Failed || state["evaluate/test/single/heart"] != workflows.Skipped || state["evaluate/test/single/liver"] != workflows.Ran {
		t.Errorf("states: %v", state)
	}
	if d := out.Drift; len(d) != 1 || d[0].Dataset != "heart" || d[0].State != drift.Refused || d[0].Code != drift.PublisherChanged || d[0].Added+d[0].Removed != 0 || d[0].Changed != 1 {
		t.Fatalf("drift: %+v", d)
	}
	m.want(3, words("run benchmark.yaml --locked"), "heart is not what the lock has [publisher-changed]", "the publisher has changed both since the lock was written",
		"0 added, 0 removed, 1 changed", "~ heart.csv: was 726 bytes", "run benchmark.yaml --update heart` accepts", "drift-heart.txt")
	if whole, err := os.ReadFile(out.Drift[0].List); err != nil || !strings.Contains(string(whole), "~ heart.csv: was") {
		t.Errorf("the whole list: %v\n%s", err, whole)
	}
	if m.read("benchmark.lock") != lock {
		t.Error("the lock was touched")
	}

	p.asked()
	m.accept(p, lock)
	newer := m.read("benchmark.lock")

	p.asked()
	m.write("benchmark.lock", lock)
	m.want(0, words("plan benchmark.yaml"), "differs", "lock: was sha256:", "1 not what the lock has")
	m.want(3, words("run benchmark.yaml"), "[publisher-changed]", "~ heart.csv")
	if asked := p.asked(); len(asked) > 0 {
		t.Errorf("the result was here, and yet the publisher was asked for %v", asked)
	}
	m.write("benchmark.lock", newer)
	m.want(0, words("run benchmark.yaml --locked"), "nothing to do")

	other := heartMachine(newMachine(t, ""), p)
	other.write("benchmark.lock", lock)
	other.want(3, words("run benchmark.yaml"), "[publisher-changed]", "the lock's artifact is not in this store", "2 were received", "+ heart.csv")
	if other.read("benchmark.lock") != lock {
		t.Error("the lock was touched")
	}
}

// accept updates heart, which was refused before.
func (m *machine) accept(p *publishers, lock string) {
	m.t.Helper()
	done := m.want(0, words("run benchmark.yaml --update heart --json"), "touches 1 model, 1 evaluation and 1 claim", "model single/heart", "evaluation test of single/heart on heart", "claim auroc of single on heart")
	if asked := p.asked(); len(asked["heart/heart.csv"]) > 0 || len(asked["heart/SHA256SUMS"]) != 1 {
		m.t.Errorf("what was shown is here, and yet the publisher was asked for %v", asked)
	}
	var out runDocument
	if err := json.Unmarshal([]byte(done.stdout), &out); err != nil {
		m.t.Fatal(err)
	}
	if u := out.Updated; u == nil || !slices.Equal(u.Datasets, []string{"heart"}) || !slices.Equal(u.Models, []string{"single/heart"}) || len(u.Results)+u.Same != 2 {
		m.t.Errorf("updated: %+v", out.Updated)
	}
	if d := out.Drift; len(d) != 1 || d[0].State != drift.Accepted || d[0].Code != drift.PublisherChanged || d[0].Changed != 1 {
		m.t.Errorf("drift: %+v", d)
	}
	if m.read("benchmark.lock") == lock {
		m.t.Error("the lock was not written")
	}
	m.want(0, words("run benchmark.yaml"), "nothing to do")
}

// TestUpdateOfOneAndNotTheOther: two manifests share a dataset. One accepts what the publisher has changed; to the other
// nothing has happened, and what it needs stays.
func TestUpdateOfOneAndNotTheOther(t *testing.T) {
	m, p := newHeart(t)
	m.write("b/benchmark.yaml", m.read("benchmark.yaml"))
	m.write("b/data/liver.csv", m.read("data/liver.csv"))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("run b/benchmark.yaml"), "nothing to do")
	lock := m.read("b/benchmark.lock")
	m.want(0, words("run benchmark.yaml --update heart"), "updated heart: 0 changed numbers, 2 numbers as before")
	if m.read("benchmark.lock") != lock {
		t.Error("the publisher gives what it gave, and the lock is another")
	}
	offer(p, strings.ReplaceAll(table(60), ",1\n", ",0\n")+"60,40,150,1\n61,41,151,1\n62,42,152,1\n63,43,153,1\n64,44,154,1\n65,45,155,1\n")
	m.want(0, words("run benchmark.yaml --update heart"), "heart is not what the lock had, and was accepted [publisher-changed]", "updated heart: ", "EVALUATION", "WAS", "IS")
	m.want(0, words("gc"))
	m.want(0, words("verify b/benchmark.lock --level bytes"), "verified, level bytes")
	p.asked()
	m.want(0, words("run b/benchmark.yaml --locked"), "nothing to do")
	m.want(0, words("verify b/benchmark.lock --level bytes"), "verified, level bytes")
	m.want(0, words("run benchmark.yaml --locked"), "nothing to do")
	if asked := p.asked(); len(asked) > 0 || m.read("b/benchmark.lock") != lock {
		t.Errorf("asked for %v; the lock is the same: %t", asked, m.read("b/benchmark.lock") == lock)
	}
}

// TestEditIsNoDrift: who edits the manifest asks for something else. Nothing is refused, and the verdict is said.
func TestEditIsNoDrift(t *testing.T) {
	m, p := newHeart(t)
	m.want(0, words("run benchmark.yaml"))
	for name, file := range p.files {
		p.files[strings.Replace(name, "heart/", "heart-2/", 1)] = file
	}
	moved := strings.Replace(m.read("benchmark.yaml"), "/heart/SHA", "/heart-2/SHA", 1)
	m.write("benchmark.yaml", moved)
	out := object[runDocument](m, 0, "run", "benchmark.yaml")
	if d := out.Drift; len(d) != 1 || d[0].State != drift.Noted || d[0].Code != drift.VersionKeptSum || !strings.Contains(d[0].Text, "/heart-2/SHA256SUMS") {
		t.Errorf("drift: %+v", d)
	}
	m.want(0, words("run benchmark.yaml"), "nothing to do")

	name := "{plugin: http, params: {files: [{url: \"" + p.URL + "/%s/heart.csv\", sha256: " + fmt.Sprintf("%x", sha256.Sum256(p.files["heart/heart.csv"])) + "}]}}\n"
	before, rest, _ := strings.Cut(moved, "    fetch: {plugin: http")
	_, rest, _ = strings.Cut(rest, "\n")
	m.write("benchmark.yaml", before+"    fetch: "+fmt.Sprintf(name, "heart")+rest)
	m.want(0, words("run benchmark.yaml"), "[manifest-changed]")
	lock := m.read("benchmark.lock")
	p.files["heart-2/heart.csv"] = []byte(table(61))
	m.write("benchmark.yaml", before+"    fetch: "+fmt.Sprintf(name, "heart-2")+rest)
	m.want(3, words("run benchmark.yaml"), "[url-changed-digest-kept]", "files[0].url changed from", "is still the one of the lock, of the earlier address", "there is nothing to accept")
	if m.read("benchmark.lock") != lock {
		t.Error("the lock was touched")
	}
}

// TestPinMistakes: flags that contradict each other, a dataset that is not there, a lock that cannot be read.
func TestPinMistakes(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	for args, want := range map[string]string{
		"--update herat":           `--update herat: the manifest has no dataset of that name; did you mean "heart"?`,
		"--update heart,tail":      "--update tail",
		"--update heart --locked":  "--locked leaves the lock alone",
		"--update heart --offline": "--offline asks nobody",
	} {
		m.want(2, words("run benchmark.yaml "+args), want)
	}
	m.write("benchmark.lock", "<<<<<<< ours\n")
	m.want(2, words("run benchmark.yaml"), "benchmark.lock:1: ", "take it from version control again, or remove it")
	m.want(2, words("plan benchmark.yaml"), "benchmark.lock:1: ")
	if m.read("benchmark.lock") != "<<<<<<< ours\n" {
		t.Error("the broken lock was touched")
	}
}

// TestUpdateThatFailsLater: what was accepted is not fetched once more because a later step had to be mended first.
func TestUpdateThatFailsLater(t *testing.T) {
	m, p := newHeart(t)
	m.want(0, words("run benchmark.yaml"))
	lock := m.read("benchmark.lock")
	offer(p, strings.Replace(table(60), "num", "target", 1))
	m.want(1, words("run benchmark.yaml --update heart"), "curate/heart", "run benchmark.yaml --update heart\n")
	m.want(0, words("run benchmark.yaml --locked"), "nothing to do") // as nothing was accepted for good
	m.write("benchmark.yaml", strings.Replace(m.read("benchmark.yaml"), "column: num", "column: target", 1))
	p.asked()
	m.want(0, words("run benchmark.yaml --update heart"), "heart is not what the lock had, and was accepted [publisher-changed]")
	if asked := p.asked(); len(asked) > 0 || m.read("benchmark.lock") == lock {
		t.Errorf("asked for %v; the lock is as it was: %t", asked, m.read("benchmark.lock") == lock)
	}
	m.want(0, words("run benchmark.yaml --locked"), "nothing to do")
}
