package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/all"
)

// TestChaos rebuilds the demo and real-small while it kills engine, workers, plugins and registry, and spoils the
// lines between them, at random, and compares what is left with an undisturbed run. `make chaos N=100` runs it; a
// failure names the seed that repeats its round.
func TestChaos(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("CHAOS_N"))
	if rounds == 0 {
		t.Skip("CHAOS_N is not set; `make chaos` sets it")
	}
	seed, _ := seedOf(t)
	benchmarks := []*straight{demoStraight(t), realStraight(t)}
	total := newTally()
	for i := range uint64(rounds) {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			began := time.Now()
			r := rand.New(rand.NewPCG(seed+i, 1))
			s := benchmarks[0]
			if r.IntN(3) == 0 && benchmarks[1] != nil {
				s = benchmarks[1]
			}
			x := newRound(t, seed+i, s)
			err := x.finish(2 + r.IntN(mostEvents-1))
			total.add(x.chaosTally)
			if err != nil {
				t.Fatalf("CHAOS_SEED=%d make chaos N=1 repeats it: %v", seed+i, err)
			}
			fmt.Printf("chaos %d/%d  seed %d  %s  %.0f s  %s\n", i+1, rounds, seed+i, x, time.Since(began).Seconds(), x.chaosTally)
		})
	}
	fmt.Print("\n", total.table())
}

// demoStraight is the demo.
func demoStraight(t *testing.T) *straight {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), "manifests", "benchmarks", "demo", "benchmark.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return (&straight{name: "demo", manifest: string(text)}).run(t)
}

// realStraight is real-small with its publishers behind a line; nil where its data is not there.
func realStraight(t *testing.T) *straight {
	t.Helper()
	data := filepath.Join(repository(t), "..", "shared", "data")
	if _, err := os.Stat(data); err != nil {
		t.Logf("without real-small: %v", err)
		return nil
	}
	s := newSite(t, realPublishers(t, data))
	return (&straight{name: "real-small", manifest: realManifest(t, "http://"+s.line.addr), site: s}).run(t)
}

// TestChaosRounds plays rounds of a small benchmark, so that the harness is tested where nobody asks for chaos.
func TestChaosRounds(t *testing.T) {
	s := smallStraight(slow).run(t)
	total := newTally()
	for _, seed := range []uint64{14, 17, 24} { // isolated and shared; apart, detached and isolated; apart and shared
		x := newRound(t, seed, s)
		if err := x.finish(3); err != nil {
			t.Error(err)
		}
		t.Logf("%s: %s", x, x.chaosTally)
		total.add(x.chaosTally)
	}
	if total.equal != 3 || sum(total.kills) == 0 {
		t.Error("\n" + total.table())
	}
}

// smallStraight is a benchmark of one table, which lies beside it.
func smallStraight(manifest string) *straight {
	return &straight{name: "small", manifest: manifest, files: map[string]string{"data/heart.csv": table(60)}}
}

// TestChaosCatches: the harness sees another lock, other bytes, and a trainer that forgets.
func TestChaosCatches(t *testing.T) {
	s := smallStraight(small).run(t)
	for name, c := range map[string]struct {
		harm func(x *chaosRound)
		want string
	}{
		"nothing": {func(*chaosRound) {}, ""},
		"another lock": {func(x *chaosRound) {
			x.write("benchmark.lock", strings.Replace(x.read("benchmark.lock"), "sha256:", "sha256:0", 1))
		}, "another lock"},
		"no lock": {func(x *chaosRound) { x.remove("benchmark.lock") }, "no lock"},
		"a byte":  {func(x *chaosRound) { x.flip() }, "verify: exit code 3"},
	} {
		x := newRound(t, 1, s)
		err := x.play(0)
		if err == nil {
			c.harm(x)
			err = x.check()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func (x *chaosRound) remove(name string) {
	x.t.Helper()
	if err := os.Remove(x.path(name)); err != nil {
		x.t.Fatal(err)
	}
}

// flip changes a byte of the largest blob.
func (x *chaosRound) flip() {
	x.t.Helper()
	blobs, err := filepath.Glob(filepath.Join(x.home, "cairn", "store", "blobs", "sha256", "*"))
	if err != nil {
		x.t.Fatal(err)
	}
	var largest string
	var most int64
	for _, b := range blobs {
		if info, err := os.Stat(b); err == nil && info.Size() > most {
			largest, most = b, info.Size()
		}
	}
	text, err := os.ReadFile(largest)
	if err != nil {
		x.t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.Chmod(largest, 0o600); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(largest, text, 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// TestChaosCatchesForgetting: a trainer that does not save its random numbers gives another model once it was killed.
func TestChaosCatchesForgetting(t *testing.T) {
	head, _, _ := strings.Cut(small, "models:")
	s := smallStraight(head + "models:\n  forgetful: {plugin: forgetful, datasets: [heart]}\n")
	s.env = []string{forgets + "=1"}
	s.run(t)
	x := newRound(t, 2, s) // with no plugin in a process of its own, which would not know the trainer
	code := x.endedAt(fmt.Sprintf("%-32s  [█", "pretrain/forgetful"), syscall.SIGKILL, words("run benchmark.yaml --progress fancy --checkpoint 1ns")...)
	if code != -1 {
		t.Fatalf("exit code %d", code)
	}
	if err := x.finish(0); err == nil || !strings.Contains(err.Error(), "another lock") {
		t.Errorf("%v", err)
	}
}

// forgets makes the command know a trainer that forgets.
const forgets = "CAIRN_TEST_FORGETS"

func forgetfulPlugins() (plugins.Set, error) {
	set, err := all.Plugins()
	if err != nil {
		return set, err
	}
	spec := catalog.Spec{Name: "forgetful", Version: "1", Summary: "Forgets its random numbers.", Determinism: catalog.Exact, Queue: catalog.QueueCPU}
	known := []plugins.Plugin{plugins.Pretrain(spec, struct{}{}, func(context.Context, struct{}, uint64, int, []*plugins.Curated) (plugins.Trainer, error) {
		return &forgetful{r: rand.New(rand.NewPCG(1, 2))}, nil
	})}
	for _, s := range set.Catalog() {
		p, err := set.Find(s.Kind, s.Name)
		if err != nil {
			return set, err
		}
		known = append(known, p)
	}
	return plugins.NewSet(known...)
}

// forgetful adds up random numbers.
type forgetful struct {
	n, sum uint64
	r      *rand.Rand
}

func (f *forgetful) Step(context.Context) (plugins.Progress, bool, error) {
	const steps = 2000
	f.n, f.sum = f.n+1, f.sum+f.r.Uint64()
	return plugins.Progress{Done: int64(f.n), Total: steps, Unit: "steps"}, f.n == steps, nil
}

func (f *forgetful) Save(w io.Writer) error { _, err := fmt.Fprintln(w, f.n, f.sum); return err }
func (f *forgetful) Load(r io.Reader) error { _, err := fmt.Fscan(r, &f.n, &f.sum); return err }

func (f *forgetful) Export(out plugins.Output) error {
	for name, doc := range map[string]any{
		document.ModelFile: document.Model{Schema: document.ModelSchema, Config: f.sum},
		document.CurveFile: document.Curve{Schema: document.CurveSchema},
	} {
		text, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		if err := plugins.WriteFile(out, name, text); err != nil {
			return err
		}
	}
	return nil
}
