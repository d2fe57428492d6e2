package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLook looks into a finished rebuild with every verb that looks.
func TestLook(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("ls"))
	m.want(0, words("status"), "no runs yet")
	done := object[runDocument](m, 0, "run", "benchmark.yaml")
	m.want(0, words("ls"), "small/curate/heart", "small/documents", done.Benchmark.String())
	m.want(0, words("ls small/curate/heart"), "samples.jsonl", "curation.json")
	m.want(0, words("cat small/documents benchmark.yaml"), small)
	if got := m.want(0, words("cat small/documents benchmark.lock")).stdout; got != m.read("benchmark.lock") {
		t.Errorf("the lock in the benchmark artifact is\n%s", got)
	}
	m.want(0, words("show small"), "application/vnd.oci.image.index.v1+json")
	m.want(0, []string{"show", done.Steps[0].Action.String()}, `"schema": "cairn/action/v1"`, `"name": "dir"`)
	m.want(0, words("explain benchmark.lock pretrain/single"), "pretrain/go@2", `"epochs":2`, done.Steps[2].Action.String())
	m.want(0, words("doctor"), "0 of them open")
	m.want(2, words("show nothing"), `nothing is called "nothing"`, "small/documents")
	m.want(2, words("explain benchmark.lock train/nothing"), "train/nothing")
	m.want(1, words("cat small/documents nothing"), "nothing")

	for _, verb := range []string{"ls", "doctor", "status", "version", "plugin list"} {
		doc := object[map[string]any](m, 0, words(verb)...)
		if s, _ := doc["schema"].(string); !strings.HasPrefix(s, "cairn/") || !strings.HasSuffix(s, "/v1") {
			t.Errorf("%s --json: schema is %q", verb, s)
		}
	}
	m.want(0, words("plugin show curate ecg"), "determinism", "exact")
	m.want(2, words("plugin show curate nothing"), "nothing")
	if !json.Valid([]byte(m.want(0, words("schema")).stdout)) {
		t.Error("the schema is no JSON")
	}
	m.want(0, words("--help"), "Rebuild a clinical benchmark")
}

// TestFormat keeps comments, changes nothing twice, and --check changes nothing at all.
func TestFormat(t *testing.T) {
	crooked := strings.Replace(small, "title: One table", "title:   One table   # of one hospital", 1)
	m := newMachine(t, crooked)
	m.want(1, words("fmt --check benchmark.yaml"), "not formatted")
	if m.read("benchmark.yaml") != crooked {
		t.Error("--check changed the file")
	}
	m.want(0, words("fmt benchmark.yaml"))
	if !strings.Contains(m.read("benchmark.yaml"), "title: One table # of one hospital\n") {
		t.Errorf("formatted:\n%s", m.read("benchmark.yaml"))
	}
	m.want(0, words("fmt --check benchmark.yaml"))
}

// TestHome: where the home is, in the order in which it is looked for.
func TestHome(t *testing.T) {
	m := newMachine(t, "")
	for _, c := range []struct {
		env  []string
		args []string
		want string
	}{
		{nil, []string{"--home", m.path("flag")}, m.path("flag")},
		{[]string{"CAIRN_HOME=" + m.path("env")}, nil, m.path("env")},
		{[]string{"CAIRN_HOME=", "XDG_DATA_HOME=" + m.path("xdg")}, nil, filepath.Join(m.path("xdg"), "cairn")},
		{[]string{"CAIRN_HOME=", "XDG_DATA_HOME=relative"}, nil, filepath.Join(m.home, ".local", "share", "cairn")},
	} {
		m.env = c.env
		m.want(0, append(c.args, "ls"))
		if _, err := os.Stat(filepath.Join(c.want, "store", "oci-layout")); err != nil {
			t.Errorf("%v %v: %v", c.env, c.args, err)
		}
	}
	m.env = []string{"CAIRN_HOME=", "HOME="}
	m.want(2, words("ls"), "set CAIRN_HOME or HOME")
	m.env = []string{"CAIRN_HOME=" + filepath.Join(repository(t), "go.mod")}
	m.want(1, words("ls"), "go.mod")
}

// TestLocked: the lock is not touched, and a result that is not what it says is exit code 3.
func TestLocked(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(2, words("run --locked benchmark.yaml"), "there is no", "benchmark.lock")
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("run --locked benchmark.yaml"), "nothing to do")
	lock := m.read("benchmark.lock")
	m.write("benchmark.yaml", strings.Replace(small, "seed: 7", "seed: 8", 1))
	m.want(3, words("run --locked benchmark.yaml"), "not what", "benchmark.lock")
	if m.read("benchmark.lock") != lock {
		t.Error("--locked changed the lock")
	}
}

// TestOnlyAndClaims: some steps alone leave no lock, and a claim that does not hold is exit code 10.
func TestOnlyAndClaims(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run --only curate/heart benchmark.yaml"), "ran", "curate/heart")
	if _, err := os.Stat(m.path("benchmark.lock")); err == nil {
		t.Error("--only wrote a lock")
	}
	m.want(2, words("run --only lung benchmark.yaml"), `no step "lung"`)
	m.write("benchmark.yaml", small+`claims:
  - {evaluation: test, model: single, dataset: heart, metric: auroc, value: 0.01, tolerance: 0.02, source: nobody}
`)
	m.want(10, words("run benchmark.yaml"), "fails", "1 of 1 claims do not hold")
	if !strings.Contains(m.read("benchmark.lock"), "auroc") {
		t.Error("no lock was written")
	}
}

// TestOffline: what needs the network is refused, and what is in the store is not needed from it.
func TestOffline(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run --offline benchmark.yaml"), "4 steps done") // a folder is no network
	m.write("benchmark.yaml", strings.Replace(small, "{plugin: dir, params: {path: data}}", `{plugin: http, params: {files: [{url: "http://127.0.0.1:9/heart.csv"}]}}`, 1))
	m.want(1, words("run --offline benchmark.yaml"), "offline", "fetch/heart")
}
