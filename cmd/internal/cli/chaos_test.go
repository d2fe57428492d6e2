package cli

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestChaos kills runs at random moments, several times each, and compares what they leave in the end with an
// undisturbed run. `make chaos N=100` runs it; CHAOS_SEED repeats one round, which a failure names.
func TestChaos(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("CHAOS_N"))
	if rounds == 0 {
		t.Skip("CHAOS_N is not set; `make chaos` sets it")
	}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("CHAOS_SEED"), 10, 64); err == nil {
		seed, rounds = s, 1
	}
	manifest, err := os.ReadFile(filepath.Join(repository(t), "manifests", "benchmarks", "demo", "benchmark.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	straight := newMachine(t, string(manifest))
	began := time.Now()
	straight.want(0, words("run benchmark.yaml --progress none"))
	length := time.Since(began)
	kills, twice := 0, 0
	for i := range uint64(rounds) {
		m := newMachine(t, string(manifest))
		k, again := m.harass(rand.New(rand.NewPCG(seed+i, 0)), length)
		kills, twice = kills+k, twice+again
		if m.read("benchmark.lock") != straight.read("benchmark.lock") {
			t.Fatalf("another lock after %d kills; CHAOS_SEED=%d repeats it", k, seed+i)
		}
		m.want(0, words("verify benchmark.lock --level bytes"), "verified")
	}
	t.Logf("%d rounds, %d kills, %d locks equal, %d steps begun a second time", rounds, kills, rounds, twice)
}

// harass runs the benchmark and kills it up to five times, then lets it end. It returns the number of kills and
// how many steps were begun again.
func (m *machine) harass(r *rand.Rand, length time.Duration) (kills, again int) {
	m.t.Helper()
	for range 1 + r.IntN(5) {
		c := m.command("run", "benchmark.yaml", "--progress", "none")
		if err := c.Start(); err != nil {
			m.t.Fatal(err)
		}
		dead := make(chan error, 1)
		go func() { dead <- c.Wait() }()
		select {
		case <-dead: // it was faster than its killer
			return kills, m.begunAgain()
		case <-time.After(time.Duration(r.Int64N(int64(length)))):
			if err := c.Process.Signal(syscall.SIGKILL); err == nil {
				kills++
			}
			<-dead
		}
	}
	m.want(0, words("run benchmark.yaml --progress none"))
	return kills, m.begunAgain()
}

// begunAgain counts the steps that took more than one try.
func (m *machine) begunAgain() int {
	m.t.Helper()
	n := 0
	for _, l := range objects[logLine](m, "log", runOf(m)) {
		if l.Event == "begun" && l.Says != "" {
			n++
		}
	}
	return n
}
