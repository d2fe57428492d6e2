package cli

import (
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cairn-bench/cairn/deploy/embedded"
)

// TestCluster runs on a Temporal that is not in the box: another home's engine stands for the cluster, reached
// through Temporal's own environment variables alone.
func TestCluster(t *testing.T) {
	dir := t.TempDir()
	cluster, err := embedded.Start(dir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Stop()
	text, err := os.ReadFile(filepath.Join(dir, "connection.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Address, Cert, Key string }
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode([]byte(c.Cert)); block == nil {
		t.Fatal("no certificate")
	}
	m := smallMachine(newMachine(t, ""))
	m.write("cert.pem", c.Cert)
	m.write("key.pem", c.Key)
	m.env = []string{"TEMPORAL_ADDRESS=" + c.Address, "TEMPORAL_NAMESPACE=" + embedded.Namespace,
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH=" + m.path("cert.pem"), "TEMPORAL_TLS_CLIENT_CERT_PATH=" + m.path("cert.pem"), "TEMPORAL_TLS_CLIENT_KEY_PATH=" + m.path("key.pem")}
	m.want(0, words("run benchmark.yaml"), "4 steps done")
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	m.want(0, words("status"), "completed")
	if _, err := os.Stat(filepath.Join(m.home, "cairn", "engine")); err == nil {
		t.Error("an engine was started in the home")
	}
	inBox := smallMachine(newMachine(t, ""))
	inBox.want(0, words("run benchmark.yaml"))
	if m.read("benchmark.lock") != inBox.read("benchmark.lock") {
		t.Error("the lock is another one than that of the engine in the box")
	}

	m.want(1, words("run --detach benchmark.yaml"), "no worker serves this store", "cairn worker")
	worker := m.start("worker")
	worker.at("serves io, cpu, gpu")
	detached := object[struct{ Run string }](m, 0, "run", "--detach", "benchmark.yaml")
	m.want(0, []string{"log", "--follow", detached.Run}, "4 found in the cache", "completed")
	if code := worker.stop(syscall.SIGINT); code != exitInterrupted {
		t.Errorf("worker: exit code %d", code)
	}

	other := smallMachine(newMachine(t, ""))
	other.env = m.env
	other.want(0, words("run benchmark.yaml"), "4 steps done, 0 found") // a home of its own, on queues of its own
	m.want(1, words("--address 127.0.0.1:1 run benchmark.yaml"), "127.0.0.1:1")
}
