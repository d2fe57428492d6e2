package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/deploy/embedded"
	"github.com/cairn-bench/cairn/manifests/verdict"
)

// joins makes a machine a client of the engine of a server, and returns its address.
func (m *machine) joins(server *machine) (address string) {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(server.engine(), "connection.json"))
	must(m.t, err)
	var c struct{ Address, Cert, Key string }
	must(m.t, json.Unmarshal(text, &c))
	m.write("cert.pem", c.Cert)
	m.write("key.pem", c.Key)
	m.env = []string{"TEMPORAL_NAMESPACE=" + embedded.Namespace, "TEMPORAL_TLS_SERVER_CA_CERT_PATH=" + m.path("cert.pem"),
		"TEMPORAL_TLS_CLIENT_CERT_PATH=" + m.path("cert.pem"), "TEMPORAL_TLS_CLIENT_KEY_PATH=" + m.path("key.pem")}
	return c.Address
}

// scoredBy has a benchmark whose evaluation is done by a plugin that promises the same bytes, and its value by a line of Python.
func (m *machine) scoredBy(line string) {
	m.t.Helper()
	smallMachine(m)
	m.bringShaky()
	m.write("mine/scorer/plugin.json", strings.NewReplacer(`"tolerance"`, `"exact"`, `, "reason": "adds in any order"`, "").Replace(m.read("mine/scorer/plugin.json")))
	m.write("mine/scorer/main.py", strings.Replace(scorer, "value = 0.5 + random.SystemRandom().uniform(0.001, 0.01)", line, 1))
	m.write("benchmark.yaml", strings.NewReplacer("datasets:\n  heart", "plugins: {scorer: mine/scorer}\ndatasets:\n  heart",
		"    models: [single]\n    split: test\n    metrics: [auroc, accuracy]\n    seed: 3\n", "    plugin: scorer\n    models: [single]\n").Replace(small))
}

// reruns are those of a signed verdict.
func (m *machine) reruns(file string) []verdict.Rerun {
	m.t.Helper()
	s, _, err := verdict.Parse([]byte(m.read(file)))
	must(m.t, err)
	return s.Predicate.Details.Reruns
}

// TestRerunThere: the workers of a cluster do the steps again, and find what this process finds: an evaluation that was
// better once, because of something that lay beside it and is no input.
func TestRerunThere(t *testing.T) {
	cluster := newMachine(t, "")
	cluster.start("server").at("ready")
	m := newMachine(t, "")
	m.scoredBy(`value = 0.9 if os.path.exists("` + m.path("thumb") + `") else 0.5`)
	m.write("thumb", "on the scales")
	m.want(0, words("run benchmark.yaml"), "0.9")
	must(t, os.Remove(m.path("thumb")))

	at := m.joins(cluster)
	there := func(more string) []string { return words("--address " + at + " verify benchmark.lock " + more) }
	m.want(1, there("--rerun all"), "--rerun: no worker serves this store", "cairn worker")
	worker := m.start(words("--address " + at + " worker --progress plain")...)
	worker.at("serves io, cpu, gpu")
	m.want(3, there("--rerun all --attest there.json"), "4 steps again on the cluster at "+at, "again  curate/heart", "rerun-differs  step evaluate/test/single/heart",
		`"metrics.json", from byte `, `metric "accuracy": it was 0.9 and is 0.5`, "4 steps done again, 1 problems")
	worker.at("ok  evaluate/test/single/heart")
	m.want(3, words("verify benchmark.lock --rerun all --attest here.json"), "rerun-differs")
	if diff := cmp.Diff(m.reruns("here.json"), m.reruns("there.json")); diff != "" {
		t.Errorf("verdicts (-here +there):\n%s", diff)
	}
	m.want(0, there("--rerun pretrain/single"), "level bytes", "1 steps done again")
	m.write("data/heart.csv", table(61))
	m.want(4, there("--rerun fetch/heart"), "could not be done again here: fetch/heart", "failed fetch/heart")
	if left, err := os.ReadDir(filepath.Join(m.home, "cairn", "scratch")); err != nil || len(left) > 0 {
		t.Errorf("scratch holds %v, %v", left, err)
	}
	if code := worker.stop(syscall.SIGINT); code != exitInterrupted {
		t.Errorf("worker: exit code %d", code)
	}
}

// TestRerunThereInterrupted: who interrupts the verification ends what the cluster does for it.
func TestRerunThereInterrupted(t *testing.T) {
	cluster := newMachine(t, "")
	cluster.start("server").at("ready")
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	at := m.joins(cluster)
	m.start(words("--address " + at + " worker --queues io")...).at("serves io")
	v := m.start(words("--address " + at + " verify benchmark.lock --rerun all")...)
	v.at("no worker serves cpu; its steps wait for one")
	v.at(": run rerun-")
	_, run, _ := strings.Cut(v.said.String(), ": run ")
	if code := v.stop(syscall.SIGINT); code != exitInterrupted {
		t.Errorf("exit code %d\n%s", code, v.said.String())
	}
	m.want(0, words("--address "+at+" log --follow "+strings.Fields(run)[0]), "given up")
}

// TestRerunThereKilled: what a killed worker was at goes to another one at once, not after two minutes without a sign of life.
func TestRerunThereKilled(t *testing.T) {
	cluster := newMachine(t, "")
	cluster.start("server").at("ready")
	m := newMachine(t, "")
	m.scoredBy(`gate, value = "` + m.path("gate") + `", 0.5
if os.path.exists(gate):
    open(gate, "w").close() # waits for a reader
    __import__("time").sleep(3600)`)
	m.want(0, words("run benchmark.yaml"))
	must(t, syscall.Mkfifo(m.path("gate"), 0o600))
	at := m.joins(cluster)
	first := m.start(words("--address " + at + " worker")...)
	first.at("serves io")
	v := m.start(words("--address " + at + " verify benchmark.lock --rerun evaluate/test/single/heart")...)
	began, err := os.Open(m.path("gate")) // when the step is under way
	must(t, err)
	defer began.Close()
	must(t, os.Remove(m.path("gate")))
	first.kill()
	killed := time.Now()
	m.start(words("--address " + at + " worker")...).at("serves io")
	if said := v.done(); !strings.Contains(said, "1 steps done again, 0 problems") || time.Since(killed) > time.Minute {
		t.Errorf("after %v:\n%s", time.Since(killed), said)
	}
}
