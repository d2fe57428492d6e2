package execute_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/plugins"
)

// every is the interval between checkpoints in these tests.
const every = 3

// mortal is a store that a killed process does not change any more.
type mortal struct {
	*cas.Layout
	dead atomic.Bool
}

var errDead = errors.New("the process is dead")

func (m *mortal) Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	if m.dead.Load() {
		return "", 0, errDead
	}
	return m.Layout.Put(ctx, want, r)
}

func (m *mortal) Remove(ctx context.Context, d digest.Digest) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Layout.Remove(ctx, d)
}

// gym is a bench on which one training can be killed at a step.
type gym struct {
	*bench
	store *mortal
	in    activities.Bound
	steps int      // done in all lives
	news  []string // of all lives
	saved []digest.Digest
}

func newGym(t *testing.T) *gym {
	t.Helper()
	g := &gym{bench: newBench(t)}
	fetched := g.must(t, "fetch/x")
	g.in = activities.Bound{Step: "curate/x", Artifact: g.must(t, "curate/x", activities.Bound{Step: "fetch/x", Artifact: fetched.Artifact}).Artifact}
	g.store = &mortal{Layout: g.Home.Store}
	g.Executor.Store, g.Checkpoints, g.Interval = g.store, g.folder(), plugins.Interval{Steps: every}
	return g
}

func (g *gym) folder() string { return filepath.Join(g.Dir, "checkpoints") }

// train does the training. It is interrupted after step `at`, 0 for never; a sudden death leaves no time to save.
func (g *gym) train(t *testing.T, at int64, sudden bool, hint digest.Digest) (activities.Result, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g.store.dead.Store(false)
	g.Report = func(_ string, p plugins.Progress) {
		if p.News {
			g.news = append(g.news, p.Note)
			return
		}
		if g.steps++; p.Done == at {
			g.store.dead.Store(sudden)
			cancel()
		}
	}
	return g.try(ctx, execute.Attempt{Checkpoint: hint, Saved: func(d digest.Digest) { g.saved = append(g.saved, d) }}, "pretrain/all", g.in)
}

func (g *gym) killed(t *testing.T, at int64, sudden bool) {
	t.Helper()
	if _, err := g.train(t, at, sudden, ""); !errors.Is(err, context.Canceled) {
		t.Fatalf("killed at step %d: error is %v, want cancelled", at, err)
	}
}

func (g *gym) finished(t *testing.T, hint digest.Digest) digest.Digest {
	t.Helper()
	res, err := g.train(t, 0, false, hint)
	if err != nil || res.Cached {
		t.Fatalf("%+v, %v", res, err)
	}
	return res.Artifact
}

func (g *gym) blobs(t *testing.T) []string {
	t.Helper()
	return glob(t, filepath.Join(g.Home.Store.Dir(), "blobs", "sha256", "*"))
}

// left returns the blobs and files that checkpoints left.
func (g *gym) left(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, path := range g.blobs(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(text), "cairn training state") || strings.HasPrefix(string(text), `{"action":`) {
			out = append(out, string(text))
		}
	}
	return append(out, glob(t, filepath.Join(g.folder(), "*"))...)
}

// TestKilledTraining: wherever a training is killed, it ends with the same model, does at most an interval of
// steps twice, and leaves nothing.
func TestKilledTraining(t *testing.T) {
	straight := newGym(t)
	straight.Checkpoints = "" // none at all
	want := straight.finished(t, "")
	for at := range int64(activitytest.Steps) {
		t.Run(fmt.Sprintf("in time at %d", at), func(t *testing.T) {
			t.Parallel()
			straight.compare(t, want, at, false, at)
		})
		t.Run(fmt.Sprintf("suddenly at %d", at), func(t *testing.T) {
			t.Parallel()
			straight.compare(t, want, at, true, max(at-1, 0)/every*every) // it dies before it saves this step
		})
	}
}

// compare kills a training at a step, which is 0 for never, and resumes it.
func (straight *gym) compare(t *testing.T, want digest.Digest, at int64, sudden bool, resumed int64) {
	g := newGym(t)
	if at > 0 {
		g.killed(t, at, sudden)
	}
	left, err := g.Left(t.Context(), activities.ExecuteRequest{Plan: g.plan, Step: "pretrain/all", Inputs: []activities.Bound{g.in}}, "")
	if known := resumed > 0 && left.Steps != activitytest.Steps; left.Checkpoint != resumed || known || err != nil {
		t.Errorf("left is %+v, %v; want step %d of %d", left, err, resumed, activitytest.Steps)
	}
	if got := g.finished(t, ""); got != want {
		t.Errorf("artifact %s, want %s", got, want)
	}
	if twice := int64(g.steps - activitytest.Steps); twice != at-resumed || twice > every {
		t.Errorf("%d steps were done twice, want %d", twice, at-resumed)
	}
	var said, expected []string
	for _, note := range g.news {
		if strings.HasPrefix(note, "resumed") {
			said = append(said, note)
		}
	}
	if resumed > 0 {
		expected = []string{fmt.Sprintf("resumed at step %d", resumed)}
	}
	if diff := cmp.Diff(expected, said); diff != "" {
		t.Errorf("resumed (-want +got):\n%s", diff)
	}
	if left := g.left(t); len(left) > 0 || len(g.blobs(t)) != len(straight.blobs(t)) {
		t.Errorf("%d blobs, want %d; left %q", len(g.blobs(t)), len(straight.blobs(t)), left)
	}
}

// TestKilledAgainAndAgain: each life does one step more than the last checkpoint.
func TestKilledAgainAndAgain(t *testing.T) {
	straight := newGym(t)
	want := straight.finished(t, "")
	g := newGym(t)
	for at := int64(1); at < activitytest.Steps; at++ {
		g.killed(t, at, at%4 == 2)
	}
	if got := g.finished(t, ""); got != want {
		t.Errorf("artifact %s, want %s", got, want)
	}
	if left := g.left(t); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// TestCheckpointsAreCollected: two are there at most, each leads to the one before, and the last was told of.
func TestCheckpointsAreCollected(t *testing.T) {
	g := newGym(t)
	g.Interval = plugins.Interval{Steps: 1}
	g.killed(t, 6, false)
	g.killed(t, 7, false)
	if left := g.left(t); len(left) != 2+2+1 {
		t.Errorf("%d blobs and files are there, want two states, two documents, one list: %q", len(left), left)
	}
	if len(g.saved) != 7 {
		t.Fatalf("told of %d checkpoints, want 7", len(g.saved))
	}
	for i, d := range g.saved[5:] {
		text, err := cas.ReadAll(t.Context(), g.Home.Store, d, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		var c execute.Checkpoint
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(err)
		}
		if c.Step != int64(6+i) || c.Previous != g.saved[4+i] || c.Schema != execute.CheckpointSchema {
			t.Errorf("checkpoint is %+v, want step %d after %s", c, 6+i, g.saved[4+i])
		}
	}
}

// TestInterruptedWhileReading: what a step reads stays open for as long as it takes to save.
func TestInterruptedWhileReading(t *testing.T) {
	g := newGym(t)
	ctx, cancel := context.WithCancel(t.Context())
	g.On("pretrain/all", func(context.Context) error { cancel(); return nil })
	if _, err := g.do(ctx, "pretrain/all", g.in); !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
	g.finished(t, "")
	if diff := cmp.Diff([]string{"resumed at step 1"}, g.news); diff != "" {
		t.Errorf("news (-want +got):\n%s", diff)
	}
}

// wounded is a training that was killed at step 8 and has the checkpoints of steps 3 and 6.
type wounded struct {
	*gym
	trail  string
	newest execute.Checkpoint
	older  execute.Checkpoint
	id     digest.Digest // of newest
}

func newWounded(t *testing.T) *wounded {
	t.Helper()
	w := &wounded{gym: newGym(t)}
	w.killed(t, 8, true)
	w.news, w.steps = nil, 0
	lists := glob(t, filepath.Join(w.folder(), "*.json"))
	if len(lists) != 1 {
		t.Fatalf("lists of checkpoints: %v", lists)
	}
	w.trail, w.id = lists[0], w.saved[1]
	w.newest, w.older = w.read(t, w.saved[1]), w.read(t, w.saved[0])
	return w
}

func (w *wounded) read(t *testing.T, d digest.Digest) (c execute.Checkpoint) {
	t.Helper()
	text, err := cas.ReadAll(t.Context(), w.Home.Store, d, 1<<20)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *wounded) remove(t *testing.T, d digest.Digest) {
	t.Helper()
	if err := os.Remove(w.Home.Store.Path(d)); err != nil {
		t.Fatal(err)
	}
}

func (w *wounded) flip(t *testing.T, d digest.Digest) {
	t.Helper()
	path := w.Home.Store.Path(d)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-2] ^= 1
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, text, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// swap puts another document in the place of the newest checkpoint.
func (w *wounded) swap(t *testing.T, change func(*execute.Checkpoint)) digest.Digest {
	t.Helper()
	c := w.newest
	change(&c)
	text, err := canonical.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return w.swapText(t, text)
}

func (w *wounded) swapText(t *testing.T, text []byte) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), w.Home.Store, text)
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(w.trail)
	if err != nil {
		t.Fatal(err)
	}
	w.writeTrail(t, strings.ReplaceAll(string(list), w.id.String(), d.String()))
	return d
}

func (w *wounded) writeTrail(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(w.trail, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestUnusableCheckpoint: whatever is wrong with a checkpoint, the one before it is used, or the training starts
// anew. The model is the same, and what is not a checkpoint of this training stays where it is.
func TestUnusableCheckpoint(t *testing.T) {
	straight := newGym(t)
	want := straight.finished(t, "")
	for _, c := range []struct {
		name    string
		harm    func(*testing.T, *wounded) (hint, stays digest.Digest)
		resumed int
		said    string
	}{
		{"nothing is wrong", func(*testing.T, *wounded) (hint, stays digest.Digest) { return }, 6, ""},
		{"state is missing", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.remove(t, w.newest.State)
			return
		}, 3, "file does not exist"},
		{"state is damaged", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.flip(t, w.newest.State)
			return
		}, 3, "the bytes have digest"},
		{"document is missing", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.remove(t, w.id)
			return
		}, 3, "not used: sha256:"},
		{"document is damaged", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.flip(t, w.id)
			return
		}, 3, "the bytes have digest"},
		{"both are missing", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.remove(t, w.newest.State)
			w.remove(t, w.older.State)
			return
		}, 0, "is not used"},
		{"of another action", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			stays = w.swap(t, func(c *execute.Checkpoint) { c.Action = "sha256:00" })
			return
		}, 3, `it is of action "sha256:00"`},
		{"of another architecture", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.swap(t, func(c *execute.Checkpoint) { c.Architecture = "pdp11" })
			return
		}, 3, `it was made on "pdp11"`},
		{"of another schema", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.swap(t, func(c *execute.Checkpoint) { c.Schema = "cairn/checkpoint/v2" })
			return
		}, 3, `schema is "cairn/checkpoint/v2"`},
		{"of no step", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.swap(t, func(c *execute.Checkpoint) { c.Step = 0 })
			return
		}, 3, "step is 0"},
		{"whose state is no digest", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.swap(t, func(c *execute.Checkpoint) { c.State = "../../etc/passwd" })
			return
		}, 3, "etc/passwd"},
		{"whose state is somebody's data", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.swap(t, func(c *execute.Checkpoint) { c.State = w.in.Artifact })
			return "", w.in.Artifact
		}, 3, "is not a state of this action"},
		{"that is no JSON", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			return "", w.swapText(t, []byte("weights"))
		}, 3, "invalid character"},
		{"list is lost", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			if err := os.Remove(w.trail); err != nil {
				t.Fatal(err)
			}
			return w.id, ""
		}, 6, ""},
		{"list is damaged", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.writeTrail(t, "{")
			return w.id, ""
		}, 6, "the list of checkpoints is not used: unexpected end of JSON input"},
		{"list is of another action", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.writeTrail(t, `{"schema":"cairn/checkpoints/v1","action":"sha256:00"}`)
			return w.id, ""
		}, 6, `it is of action "sha256:00"`},
		{"list of another schema", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			w.writeTrail(t, `{"schema":"x"}`)
			return w.id, ""
		}, 6, `schema is "x"`},
		{"list is lost, and what was heard of is gone", func(t *testing.T, w *wounded) (hint, stays digest.Digest) {
			if err := os.Remove(w.trail); err != nil {
				t.Fatal(err)
			}
			return digest.FromString("gone"), ""
		}, 0, digest.FromString("gone").String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWounded(t)
			hint, stays := c.harm(t, w)
			if got := w.finished(t, hint); got != want {
				t.Errorf("artifact %s, want %s", got, want)
			}
			news := strings.Join(w.news, "\n")
			if w.steps != activitytest.Steps-c.resumed || c.resumed > 0 && !strings.HasSuffix(news, fmt.Sprintf("resumed at step %d", c.resumed)) {
				t.Errorf("%d steps, news:\n%s\nwant to resume at %d", w.steps, news, c.resumed)
			}
			if !strings.Contains(news, c.said) {
				t.Errorf("news:\n%s\nwant %q", news, c.said)
			}
			if stays != "" {
				if _, err := w.Home.Store.Stat(t.Context(), stays); err != nil {
					t.Errorf("a blob that is no checkpoint of the training was removed: %v", err)
				}
			}
		})
	}
}

// TestLeftoversAreSwept: a process that was killed after the result was recorded left its checkpoints. The next
// training removes them, and leaves those of a training under way alone.
func TestLeftoversAreSwept(t *testing.T) {
	g := newGym(t)
	g.killed(t, 8, false)
	before := map[string][]byte{}
	for _, path := range append(g.blobs(t), glob(t, filepath.Join(g.folder(), "*.json"))...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before[path] = text
	}
	g.finished(t, "")
	for path, text := range before {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(g.folder(), ".partial-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if left := g.left(t); len(left) != 6 {
		t.Fatalf("%d leftovers: %q", len(left), left)
	}
	g.makePlan(t, "x", "y") // another training
	fetched := g.must(t, "fetch/y")
	y := activities.Bound{Step: "curate/y", Artifact: g.must(t, "curate/y", activities.Bound{Step: "fetch/y", Artifact: fetched.Artifact}).Artifact}
	ctx, cancel := context.WithCancel(t.Context())
	g.On("pretrain/all", func(context.Context) error { cancel(); return nil })
	if _, err := g.do(ctx, "pretrain/all", g.in, y); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left := g.left(t); len(left) != 3 {
		t.Errorf("left %q; want state, document and list of the training under way", left)
	}
	g.On("pretrain/all", nil)
	g.makePlan(t, "x")
	if res := g.must(t, "pretrain/all", g.in); !res.Cached {
		t.Error("the result was swept away")
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestNoRoomForCheckpoints: the training goes on without.
func TestNoRoomForCheckpoints(t *testing.T) {
	g := newGym(t)
	if err := os.WriteFile(g.folder(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g.finished(t, "")
	if len(g.news) == 0 || !strings.Contains(strings.Join(g.news, "\n"), "no checkpoint at step 3: ") {
		t.Errorf("news %q", g.news)
	}
}

// TestStateOfWhichHalfIsStored: a state that got into the store before its document failed is not left there.
func TestStateOfWhichHalfIsStored(t *testing.T) {
	g := newGym(t)
	g.Executor.Store = &choosy{g.store}
	g.finished(t, "")
	if left := g.left(t); len(left) > 0 || len(g.news) != 3 {
		t.Errorf("left %q, news %q", left, g.news)
	}
}

// choosy is a store that takes no documents of checkpoints.
type choosy struct{ *mortal }

func (c *choosy) Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	text, err := io.ReadAll(r)
	if err != nil || strings.HasPrefix(string(text), `{"action":`) {
		return "", 0, errors.Join(err, errDead)
	}
	return c.mortal.Put(ctx, want, strings.NewReader(string(text)))
}

// TestTrainingThatStartedAnew gives the same states again, under other documents. Those of no use are collected,
// and take nothing along that is of use.
func TestTrainingThatStartedAnew(t *testing.T) {
	w := newWounded(t)
	w.flip(t, w.saved[0])
	w.flip(t, w.saved[1])
	w.Interval.Steps = 6
	w.killed(t, 7, false)
	if len(w.saved) != 4 || w.read(t, w.saved[2]).State != w.newest.State || w.saved[2] == w.saved[1] {
		t.Fatalf("checkpoints %v; want the state of step 6 a second time, under another document", w.saved)
	}
	w.remove(t, w.read(t, w.saved[3]).State)
	w.finished(t, "")
	if said := w.news[len(w.news)-1]; said != "resumed at step 6" {
		t.Errorf("news %q", w.news)
	}
	if left := w.left(t); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}
