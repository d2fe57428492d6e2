package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-bench/cairn/manifests/ledger"
)

// beside is a second project of the same home.
func (m *machine) beside(manifest string) *machine {
	m.t.Helper()
	other := &machine{t: m.t, home: m.home, dir: m.t.TempDir(), env: m.env}
	smallMachine(other)
	other.write("benchmark.yaml", manifest)
	return other
}

// running is a command that was started, and what it has said so far.
type running struct {
	*exec.Cmd
	m    *machine
	said heard
	end  chan error
}

func (m *machine) start(args ...string) *running {
	m.t.Helper()
	r := &running{Cmd: m.command(args...), m: m, said: heard{more: make(chan struct{}, 1)}, end: make(chan error, 1)}
	r.Stdout, r.Stderr = &r.said, &r.said
	if err := r.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() { r.end <- r.Wait() }()
	return r
}

// at waits until the command has said something.
func (r *running) at(text string) {
	r.m.t.Helper()
	for !strings.Contains(r.said.String(), text) {
		select {
		case <-r.said.more:
		case err := <-r.end:
			r.m.t.Fatalf("%q has ended, %v, without %q:\n%s", r.Args[1:], err, text, r.said.String())
		}
	}
}

// done waits for the end, which must be a good one.
func (r *running) done() string {
	r.m.t.Helper()
	if err := <-r.end; err != nil {
		r.m.t.Fatalf("%q: %v\n%s", r.Args[1:], err, r.said.String())
	}
	return r.said.String()
}

// heard is what a command has said so far.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // has an element when there is more than before
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// stored is what the store of a home holds: the blobs, without what an interrupted try has left, and what is no blob
// yet. Proofs of the ledger do not count: two runs that end at the same time may have the same one.
func (m *machine) stored() (blobs, unfinished int) {
	m.t.Helper()
	m.want(0, words("gc"))
	count := func(dir string) int {
		n := 0
		dir = filepath.Join(m.home, "cairn", "store", dir)
		files, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			m.t.Fatal(err)
		}
		for _, f := range files {
			if text, err := os.ReadFile(filepath.Join(dir, f.Name())); err != nil || !ledger.IsProof(text) {
				n++
			}
		}
		return n
	}
	return count("blobs/sha256"), count("tmp") + count("uploads")
}

// alone is the lock of a manifest that nobody disturbed.
func alone(t *testing.T, manifests ...string) (locks []string, blobs int) {
	t.Helper()
	m := newMachine(t, "")
	for _, text := range manifests {
		project := m.beside(text)
		project.want(0, words("run benchmark.yaml"))
		locks = append(locks, project.read("benchmark.lock"))
	}
	blobs, _ = m.stored()
	return locks, blobs
}

// TestTwoProcesses take in the same and different datasets into one home at once. Both end with their lock, and
// the home holds what it holds when they run one after the other, each blob once.
func TestTwoProcesses(t *testing.T) {
	otherName := strings.Replace(small, "name: small", "name: other", 1)
	for name, manifests := range map[string][2]string{
		"same dataset":                          {small, otherName},
		"same dataset, the second takes longer": {small, strings.Replace(otherName, "epochs: 2", "epochs: 200", 1)},
		"other dataset":                         {small, strings.Replace(otherName, "drop: [id]", "drop: [id, age]", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			locks, blobs := alone(t, manifests[0], manifests[1])
			m := newMachine(t, "")
			one, two := m.beside(manifests[0]), m.beside(manifests[1])
			first, second := one.start("run", "benchmark.yaml"), two.start("run", "benchmark.yaml")
			first.done()
			second.done()
			for i, p := range []*machine{one, two} {
				if p.read("benchmark.lock") != locks[i] {
					t.Errorf("run %d has another lock", i)
				}
				p.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
			}
			if got, unfinished := m.stored(); got != blobs || unfinished > 0 {
				t.Errorf("%d blobs and %d unfinished ones; one after the other the runs leave %d", got, unfinished, blobs)
			}
		})
	}
}

// TestSameRunTwice: a second run of the same manifest joins the first.
func TestSameRunTwice(t *testing.T) {
	locks, blobs := alone(t, small)
	m := newMachine(t, "")
	p := m.beside(small)
	first, second := p.start("run", "benchmark.yaml"), p.start("run", "benchmark.yaml")
	first.done()
	second.done()
	if p.read("benchmark.lock") != locks[0] {
		t.Error("another lock")
	}
	if got, unfinished := m.stored(); got != blobs || unfinished > 0 {
		t.Errorf("%d blobs and %d unfinished ones; a single run leaves %d", got, unfinished, blobs)
	}
}

// TestOtherProcessIsKilled: a run goes on when the process that ran the engine is killed, and the other one is
// resumed.
func TestOtherProcessIsKilled(t *testing.T) {
	otherName := strings.Replace(slow, "name: small", "name: other", 1)
	locks, _ := alone(t, slow, otherName)
	m := newMachine(t, "")
	one, two := m.beside(slow), m.beside(otherName)
	first := one.start(words("run benchmark.yaml --progress plain")...)
	first.at("→   pretrain/single")
	second := two.start(words("run benchmark.yaml --progress plain")...)
	second.at("→   pretrain/single")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.end // reports the kill
	if said := second.done(); !strings.Contains(said, "this one goes on without it") {
		t.Errorf("nothing is said of the engine:\n%s", said)
	}
	if two.read("benchmark.lock") != locks[1] {
		t.Error("the other run has another lock")
	}
	one.want(0, words("run benchmark.yaml"), "95 % bootstrap intervals")
	if one.read("benchmark.lock") != locks[0] {
		t.Error("the killed run has another lock")
	}
	for _, p := range []*machine{one, two} {
		p.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	}
}
