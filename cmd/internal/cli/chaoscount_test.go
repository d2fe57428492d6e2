package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/plugins"
)

// stepsFile names the file that gets a line for each step of training that is done, by whichever process.
const stepsFile = "CAIRN_TEST_STEPS"

// harassed makes the command say more than it does to people, and do worse, for the tests that ask for that.
func harassed(w World) World {
	if name := os.Getenv(stepsFile); name != "" {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		w.Hears = func(step string, p plugins.Progress) {
			if p.Unit == "steps" && !p.News {
				fmt.Fprintln(f, step, p.Done) // in one piece: it appends
			}
		}
	}
	if os.Getenv(forgets) != "" {
		w.Plugins = forgetfulPlugins
		w.Self = slices.Insert(w.Self, 1, forgets+"=1") // also in processes of its own, which see nothing else of ours
	}
	return w
}

// children are the processes below one.
func children(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range lists {
		text, _ := os.ReadFile(name)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(append(all, child), children(child)...)
			}
		}
	}
	return all
}

// site is the publishers of a benchmark, who count what they send, and the line to them.
type site struct {
	sent atomic.Int64
	line *badLine
}

func newSite(t *testing.T, p *publishers) *site {
	s := &site{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.answer(&sentBytes{w, &s.sent}, r)
	}))
	t.Cleanup(server.Close)
	s.line = newBadLine(t, strings.TrimPrefix(server.URL, "http://"))
	return s
}

type sentBytes struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (s *sentBytes) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b)
	s.n.Add(int64(n))
	return n, err
}

// straight is a benchmark, and what came of it when nobody disturbed it.
type straight struct {
	name, manifest string
	env            []string
	files          map[string]string // beside the manifest
	site           *site             // nil if it needs no network

	lock            string
	length          time.Duration
	bytes, training int64
}

// machine is a new one, with all that it needs.
func (s *straight) machine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, s.manifest)
	for name, text := range s.files {
		m.write(name, text)
	}
	m.env = append(slices.Clone(s.env), stepsFile+"="+m.path(stepsFile))
	return m
}

// run rebuilds it once.
func (s *straight) run(t *testing.T) *straight {
	t.Helper()
	m := s.machine(t)
	began := time.Now()
	m.want(0, words("run benchmark.yaml --progress none"))
	s.length, s.lock, s.training = time.Since(began), m.read("benchmark.lock"), linesIn(m.path(stepsFile))
	if s.site != nil {
		s.bytes = s.site.sent.Swap(0)
	}
	return s
}

func linesIn(name string) int64 {
	text, _ := os.ReadFile(name) // there may have been no training
	return int64(bytes.Count(text, []byte("\n")))
}

// chaosTally is what one round, or all, came to.
type chaosTally struct {
	rounds, equal, lost int
	kills, faults       map[string]int
	fallen              int   // processes that gave up by themselves, and were started again
	begun               int   // steps begun a second time
	bytes, training     int64 // fetched, and steps of training done, a second time
}

func newTally() chaosTally { return chaosTally{kills: map[string]int{}, faults: map[string]int{}} }

func (c *chaosTally) add(other chaosTally) {
	c.rounds, c.equal, c.lost = c.rounds+other.rounds, c.equal+other.equal, c.lost+other.lost
	for k, n := range other.kills {
		c.kills[k] += n
	}
	for k, n := range other.faults {
		c.faults[k] += n
	}
	c.fallen, c.begun = c.fallen+other.fallen, c.begun+other.begun
	c.bytes, c.training = c.bytes+other.bytes, c.training+other.training
}

func (c chaosTally) String() string {
	return fmt.Sprintf("kills %s; faults %s; gave up %d; begun twice %d steps; fetched twice %d bytes; trained twice %d steps",
		counts(killKinds, c.kills), counts(lineFaults, c.faults), c.fallen, c.begun, c.bytes, c.training)
}

func sum(of map[string]int) (n int) {
	for k := range maps.Values(of) {
		n += k
	}
	return n
}

func counts(kinds []string, of map[string]int) string {
	s := fmt.Sprint(sum(of))
	for _, k := range kinds {
		if of[k] > 0 {
			s += fmt.Sprintf(" %s %d", k, of[k])
		}
	}
	return s
}

// table is the whole of it, one line a number.
func (c chaosTally) table() string {
	var b strings.Builder
	row := func(what string, n any) { fmt.Fprintf(&b, "%-28s %v\n", what, n) }
	row("rounds", c.rounds)
	for _, k := range killKinds {
		row("killed: "+k, c.kills[k])
	}
	for _, k := range lineFaults {
		row("line: "+k, c.faults[k])
	}
	row("gave up by themselves", c.fallen)
	row("locks equal", c.equal)
	row("lost", c.lost)
	row("steps begun twice", c.begun)
	row("bytes fetched twice", c.bytes)
	row("training steps done twice", c.training)
	return b.String()
}

// check compares what a round has left with the straight run, and counts what was done twice.
func (x *chaosRound) check() error {
	x.begun = x.begunTwice()
	if x.detached { // who follows a run writes its lock
		if out := x.cairn(words("run benchmark.yaml --progress none")...); out.code != 0 {
			return fmt.Errorf("the last run: exit code %d\n%s%s", out.code, out.stdout, out.stderr)
		}
	}
	lock, err := os.ReadFile(x.path("benchmark.lock"))
	if err != nil {
		return fmt.Errorf("no lock: %w", err)
	}
	if string(lock) != x.straight.lock {
		return fmt.Errorf("another lock:\n%s", lock)
	}
	if out := x.cairn(words("verify benchmark.lock --level bytes")...); out.code != 0 || !strings.Contains(out.stdout, "verified, level bytes") {
		return fmt.Errorf("verify: exit code %d\n%s%s", out.code, out.stdout, out.stderr)
	}
	x.training = linesIn(x.path(stepsFile)) - x.straight.training
	if x.straight.site != nil {
		x.bytes = x.straight.site.sent.Swap(0) - x.straight.bytes
	}
	if most := int64(sum(x.kills)+sum(x.faults)) * oneBlock; x.bytes > most {
		return fmt.Errorf("%d bytes were fetched twice, at most %d may be", x.bytes, most)
	}
	return nil
}

// begunTwice counts how often the steps of the last run were begun again.
func (x *chaosRound) begunTwice() (n int) {
	x.t.Helper()
	for _, l := range objects[logLine](x.machine, "log", runOf(x.machine)) {
		var try int
		if found, _ := fmt.Sscanf(l.Says, "try %d,", &try); l.Event == "begun" && found == 1 {
			n += try - 1
		}
	}
	return n
}

// oneBlock is what may be fetched twice after a kill.
const oneBlock = 8 << 20

// finish plays a round and judges it.
func (x *chaosRound) finish(events int) error {
	x.rounds = 1
	if x.straight.site != nil {
		x.straight.site.sent.Store(0)
	}
	err := x.play(events)
	if err == nil {
		err = x.check()
	}
	if err != nil {
		x.lost = 1
		return fmt.Errorf("seed %d, %s: %w\n%s", x.seed, x, err, x.chaosTally)
	}
	x.equal = 1
	return nil
}

// seedOf is the seed of a run of rounds.
func seedOf(t *testing.T) (seed uint64, given bool) {
	t.Helper()
	text := os.Getenv("CHAOS_SEED")
	seed, err := strconv.ParseUint(cmp.Or(text, fmt.Sprint(time.Now().UnixNano())), 10, 64)
	if err != nil {
		t.Fatalf("CHAOS_SEED: %v", err)
	}
	return seed, text != ""
}
