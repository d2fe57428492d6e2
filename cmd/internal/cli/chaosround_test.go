package cli

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/activities/cas/registry/registrytest"
)

// chaosRound is one rebuild that is harassed. Its seed decides how it is set up, what happens, and after how long.
type chaosRound struct {
	*machine
	seed     uint64
	r        *rand.Rand
	straight *straight

	apart    bool // engine and worker are processes of their own
	detached bool // so is nobody else
	isolated bool
	actors   []*actor
	registry *registrytest.Server // nil if the store is that of the home
	down     bool                 // the registry
	lines    []*badLine           // to the publishers and to the registry

	ended chan *exec.Cmd
	due   chan func()
	later int // how many of them are still to come

	chaosTally
}

// actor is a process of a round. When it ends before the round does, it is started again.
type actor struct {
	kind   string
	args   []string
	cmd    *exec.Cmd // nil while it is down
	said   *heard
	killed bool
	starts int
}

// What can be killed.
const (
	killRun      = "run"      // the process that does all, or that follows and helps
	killServer   = "server"   // the engine
	killWorker   = "worker"   // who does the steps
	killPlugin   = "plugin"   // the process of one step
	killRegistry = "registry" // the store
)

var killKinds = []string{killRun, killServer, killWorker, killPlugin, killRegistry}

const (
	mostEvents = 6
	mostTime   = 5 * time.Minute        // no round takes so long, on the busiest machine
	mostDown   = 400 * time.Millisecond // is what was killed
	mostStarts = 50                     // of one actor: more are a loop
)

// newRound draws what takes part.
func newRound(t *testing.T, seed uint64, s *straight) *chaosRound {
	t.Helper()
	x := &chaosRound{machine: s.machine(t), seed: seed, r: rand.New(rand.NewPCG(seed, 0)), straight: s,
		ended: make(chan *exec.Cmd), due: make(chan func()), chaosTally: newTally()}
	x.apart, x.isolated = x.r.IntN(2) == 0, x.r.IntN(3) == 0 && canIsolate(x.machine)
	if x.r.IntN(4) == 0 && registrytest.Has(t, registrytest.Distribution) {
		x.registry = registrytest.Start(t, registrytest.Distribution)
		line := newBadLine(t, x.registry.Addr)
		x.lines = append(x.lines, line)
		x.env = append(x.env, "CAIRN_STORE=oci://"+line.addr+"/chaos/store")
		// A dataset of real-small is not for everybody.
		m := &machine{t: t, dir: filepath.Join(x.home, "cairn")}
		m.write(termsFile, "apiVersion: cairn/v1\nkind: TermsPolicy\nrules:\n  - {name: ours, to: [\""+line.addr+"/*\"], allow: [push]}\n")
	}
	if s.site != nil {
		x.lines = append(x.lines, s.site.line)
	}
	work := []string{"--progress", "plain", "--checkpoint", []string{"50ms", "500ms", "30s"}[x.r.IntN(3)]}
	if x.isolated {
		work = append(work, "--isolate")
	}
	x.actors = []*actor{{kind: killRun, args: append(words("run benchmark.yaml"), work...)}}
	if x.detached = x.apart && x.r.IntN(2) == 0; x.detached {
		x.actors[0].args = words("run benchmark.yaml --detach")
	}
	if x.apart {
		x.actors = append(x.actors, &actor{kind: killServer, args: words("server --ui=false")}, &actor{kind: killWorker, args: append(words("worker"), work...)})
	}
	return x
}

// canIsolate says whether this cairn does steps in processes of their own.
func canIsolate(m *machine) bool {
	return strings.Contains(m.cairn("run", "--help").stdout, "--isolate")
}

// String is how the round is set up.
func (x *chaosRound) String() string {
	s := x.straight.name
	for _, is := range []struct {
		so   bool
		text string
	}{{x.apart, " apart"}, {x.detached, " detached"}, {x.isolated, " isolated"}, {x.registry != nil, " shared"}} {
		if is.so {
			s += is.text
		}
	}
	return s
}

// play harasses the run until it has ended well. An error says that it was lost.
func (x *chaosRound) play(events int) error {
	for _, a := range x.actors {
		x.start(a)
	}
	defer x.stop()
	if x.straight.site != nil && events > 0 && x.r.IntN(4) > 0 {
		x.straight.site.line.harm(x.r) // it is only needed at the beginning
	}
	over, next, look := time.After(mostTime), x.soon(), time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-next:
			if events--; events < 0 {
				next = nil
				continue
			}
			x.event()
			next = x.soon()
		case do := <-x.due:
			x.later--
			do()
		case c := <-x.ended:
			a := x.of(c)
			good := a.kind == killRun && c.ProcessState.Success()
			if good && !x.detached {
				return nil
			}
			if err := x.fell(a); err != nil && !good {
				return err
			}
			if !good && (x.detached || !a.replaced()) { // with nobody who follows, the other process was there for a moment
				x.after(func() { x.start(a) })
			}
		case <-look.C:
			if x.detached && x.completed() {
				return nil
			}
		case <-over:
			return fmt.Errorf("it has not ended after %v\n%s", mostTime, x.actors[0].said)
		}
	}
}

// completed asks how the run is, which nobody follows.
func (x *chaosRound) completed() bool {
	var doc struct{ Runs []runInfo }
	out := x.cairn("status", "--json") // it may fail just now
	return json.Unmarshal([]byte(out.stdout), &doc) == nil && len(doc.Runs) > 0 && doc.Runs[0].State == "completed"
}

// soon is when the next thing happens.
func (x *chaosRound) soon() <-chan time.Time {
	return time.After(time.Duration(x.r.Int64N(max(int64(x.straight.length)/4, int64(time.Second)))))
}

// after has the loop of play do something a little later.
func (x *chaosRound) after(do func()) {
	x.later++
	time.AfterFunc(time.Duration(x.r.Int64N(int64(mostDown))), func() { x.due <- do })
}

func (x *chaosRound) start(a *actor) {
	x.t.Helper()
	args := a.args
	if a.kind == killRun && a.starts > 0 && !x.detached && x.r.IntN(2) == 0 {
		args = append([]string{"resume"}, args[2:]...)
	}
	a.said, a.killed, a.cmd = &heard{more: make(chan struct{}, 1)}, false, x.command(args...)
	a.cmd.Stdout, a.cmd.Stderr = a.said, a.said
	a.starts++
	if err := a.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	go func(c *exec.Cmd) {
		_ = c.Wait() // ProcessState says it
		x.ended <- c
	}(a.cmd)
}

func (x *chaosRound) of(c *exec.Cmd) *actor {
	a := x.actors[slices.IndexFunc(x.actors, func(a *actor) bool { return a.cmd == c })]
	a.cmd = nil
	return a
}

// replaced says whether a server finds that another process has taken its place, as one that follows a run does.
func (a *actor) replaced() bool {
	return a.kind == killServer && strings.Contains(a.said.String(), "runs in another process")
}

// late says whether there is no longer a run to go on with, or was none yet.
func (a *actor) late() bool {
	return a.kind == killRun && strings.Contains(a.said.String(), "nothing to resume")
}

// fell judges an actor that has ended before the round. One that nobody killed may give up only if what it works with
// was taken from it.
func (x *chaosRound) fell(a *actor) error {
	if a.killed || a.replaced() || a.late() {
		return nil
	}
	x.fallen++
	needs := x.registry != nil || x.kills[killPlugin] > 0 || a.kind == killRun && x.detached
	if !needs || a.starts >= mostStarts {
		return fmt.Errorf("%s has ended, at its start number %d, and nobody killed it:\n%s", a.kind, a.starts, a.said)
	}
	return nil
}

// stop ends what is left when the round is over, and mends what is broken.
func (x *chaosRound) stop() {
	for _, l := range x.lines {
		l.heal()
		for _, fault := range l.met() {
			x.faults[fault]++
		}
	}
	alive := 0
	for _, a := range x.actors {
		if a.cmd != nil {
			alive++
			_ = a.cmd.Process.Kill()
		}
	}
	for alive > 0 || x.later > 0 {
		select {
		case <-x.ended:
			alive--
		case <-x.due: // too late
			x.later--
		}
	}
	x.mend()
}

func (x *chaosRound) mend() {
	if x.down {
		x.registry.Restart(x.t)
		x.down = false
	}
}

// kill kills a process that is up.
func (x *chaosRound) kill(a *actor) {
	if a.cmd != nil {
		x.kills[a.kind]++
		a.killed = true
		_ = a.cmd.Process.Kill()
	}
}

// event kills or harms something that is there.
func (x *chaosRound) event() {
	var can []func()
	for _, a := range x.actors {
		if a.cmd == nil {
			continue
		}
		can = append(can, func() { x.kill(a) })
		if plugins := children(a.cmd.Process.Pid); x.isolated && len(plugins) > 0 {
			can = append(can, func() {
				x.kills[killPlugin]++
				_ = syscall.Kill(plugins[x.r.IntN(len(plugins))], syscall.SIGKILL)
			})
		}
	}
	if len(can) > 1 {
		can = append(can, func() {
			for _, a := range x.actors {
				x.kill(a)
			}
		})
	}
	if x.registry != nil && !x.down {
		can = append(can, func() {
			x.kills[killRegistry]++
			x.down = true
			x.registry.Kill()
			x.after(x.mend)
		})
	}
	for _, l := range x.lines {
		if !l.busy() {
			continue
		}
		can = append(can, func() { l.harm(x.r) })
	}
	if len(can) > 0 {
		can[x.r.IntN(len(can))]()
	}
}
