package rerun_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/rerun"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/plugins"
)

// bench is a home in which a benchmark was done whose models are never the same number twice.
type bench struct {
	*activitytest.Home
	*execute.Executor
	plan   digest.Digest
	weight float32 // that the next training gives
	done   map[string]activities.Result
}

func newBench(t *testing.T) *bench {
	t.Helper()
	h := activitytest.New(t)
	b := &bench{Home: h, weight: 1, done: map[string]activities.Result{}}
	set, err := h.Plugins.With(b.shaky())
	if err != nil {
		t.Fatal(err)
	}
	b.Executor = &execute.Executor{Store: h.Store, Cache: h.Cache, Plugins: set, Env: h.Env, Key: h.Key, Scratch: h.Scratch(), Workers: 2, Now: activitytest.Now()}
	text := strings.Replace(activitytest.Text("x"), "models:\n", `models:
  bound: {plugin: shaky, datasets: [x], rerun: {compare: tensors, absolute: 0.1}}
  bare: {plugin: shaky, datasets: [x]}
`, 1)
	m, err := manifests.Parse("benchmark.yaml", []byte(text), set.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	r := &resolve.Resolver{Store: h.Store, Cache: h.Cache, Plugins: set, Env: h.Env}
	if _, b.plan, err = r.Plan(t.Context(), m, "/bench"); err != nil {
		t.Fatal(err)
	}
	b.do(t, "fetch/x")
	b.do(t, "curate/x", "fetch/x")
	for _, model := range []string{"pretrain/all", "pretrain/bound", "pretrain/bare"} {
		b.do(t, model, "curate/x")
	}
	b.do(t, "evaluate/test/all/x", "curate/x", "pretrain/all")
	return b
}

func (b *bench) do(t *testing.T, step string, needs ...string) {
	t.Helper()
	req := activities.ExecuteRequest{Plan: b.plan, Step: step, Dir: "/bench"}
	for _, n := range needs {
		req.Inputs = append(req.Inputs, activities.Bound{Step: n, Artifact: b.done[n].Artifact})
	}
	var err error
	if b.done[step], err = b.Execute(t.Context(), req, execute.Attempt{}); err != nil {
		t.Fatal(err)
	}
}

// again does a step again, and sees to it that nothing of that is left.
func (b *bench) again(t *testing.T, step string, edit func(*activities.AgainRequest)) (verdict.Rerun, error) {
	t.Helper()
	before := files(t, b.Dir)
	req := activities.AgainRequest{Plan: b.plan, Dir: "/bench", Step: step, Action: b.done[step].Action.Digest(), Artifact: b.done[step].Artifact}
	if edit != nil {
		edit(&req)
	}
	out, err := rerun.Do(t.Context(), b.Executor, req, nil)
	if after := files(t, b.Dir); after != before {
		t.Errorf("%s left something:\n%s\nthere was:\n%s", step, after, before)
	}
	return out, err
}

// files lists the files and folders of a home.
func files(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		fmt.Fprintln(&b, filepath.ToSlash(path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (b *bench) shaky() plugins.Plugin {
	s := catalog.Spec{Name: "shaky", Version: "1", Summary: "For tests.", Determinism: catalog.Tolerance, Reason: "adds in any order", Queue: catalog.QueueGPU}
	return plugins.Pretrain(s, struct{}{}, func(context.Context, struct{}, uint64, int, []*plugins.Curated) (plugins.Trainer, error) {
		return &trainer{b.weight}, nil
	})
}

// trainer gives a model of one number.
type trainer struct{ weight float32 }

func (*trainer) Step(context.Context) (plugins.Progress, bool, error) {
	return plugins.Progress{}, true, nil
}
func (*trainer) Save(io.Writer) error { return nil }
func (*trainer) Load(io.Reader) error { return nil }
func (m *trainer) Export(out plugins.Output) error {
	head := []byte(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`)
	var b bytes.Buffer
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(head))))
	b.Write(head)
	b.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(m.weight)))
	return errors.Join(plugins.WriteFile(out, "model.safetensors", b.Bytes()), plugins.WriteFile(out, "model.json", []byte("{}")),
		plugins.WriteFile(out, document.CurveFile, []byte(`{"schema":"`+document.CurveSchema+`","points":[]}`)))
}

// TestAgrees: what is exact gives the same bytes again, although the results are there.
func TestAgrees(t *testing.T) {
	b := newBench(t)
	for _, step := range []string{"fetch/x", "curate/x", "pretrain/all", "evaluate/test/all/x"} {
		ran := b.Runs("")
		got, err := b.again(t, step, nil)
		if want := (verdict.Rerun{Step: step, Class: "exact", Outcome: verdict.Agrees, Artifact: b.done[step].Artifact}); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		if b.Runs("") != ran+1 {
			t.Errorf("%s was not done", step)
		}
	}
}

// TestDiffers: a lock that has another artifact for a step is found, and where it differs.
func TestDiffers(t *testing.T) {
	b := newBench(t)
	got, err := b.again(t, "curate/x", func(r *activities.AgainRequest) { r.Artifact = b.done["fetch/x"].Artifact })
	if err != nil || got.Outcome != verdict.Differs || got.Artifact != b.done["curate/x"].Artifact || !strings.Contains(got.Why, `the first file that differs is "dataset.json", from byte `) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestBounds: what promises a tolerance is judged by the bounds of the plan.
func TestBounds(t *testing.T) {
	b := newBench(t)
	named := func(r *activities.AgainRequest) { r.Named = true }
	for _, c := range []struct {
		step          string
		weight        float32
		edit          func(*activities.AgainRequest)
		outcome, says string
	}{
		{"pretrain/bound", 1, nil, verdict.Agrees, ""},
		{"pretrain/bound", 1.0625, nil, verdict.AgreesWithin, "tensors within 0.1"},
		{"pretrain/bound", 1.5, nil, verdict.Differs, `tensor "w" at [0]: it was 1 and is 1.5`},
		{"pretrain/bare", 1.0625, nil, verdict.CouldNot, "the lock has no bounds"},
		{"pretrain/bare", 1.0625, named, verdict.CouldNot, `no bounds by which to judge it: the manifest has to say rerun: {compare: ...} before the run; the first file that differs is "model.safetensors"`},
		{"pretrain/bare", 1, named, verdict.Agrees, ""},
	} {
		b.weight = c.weight
		got, err := b.again(t, c.step, c.edit)
		if err != nil || got.Outcome != c.outcome || got.Class != "tolerance" || !strings.Contains(got.Why, c.says) || (got.Artifact == "") != (c.outcome == verdict.CouldNot) || got.Failed() {
			t.Errorf("%s gives %g: %+v, %v; want %s, %s", c.step, c.weight, got, err, c.outcome, c.says)
		}
	}
}

// TestCouldNot: a step that fails is an error of a class, which holds no secret, and leaves nothing.
func TestCouldNot(t *testing.T) {
	b := newBench(t)
	b.On("fetch/x", func(context.Context) error { return errors.New("401 for " + activitytest.Secret) })
	_, err := b.again(t, "fetch/x", nil)
	if activities.Kind(err) != activities.Failed || strings.Contains(err.Error(), activitytest.Secret) || !strings.Contains(err.Error(), "401 for [PASSWORD]") {
		t.Errorf("error is %v", err)
	}
	for name, edit := range map[string]func(*activities.AgainRequest){
		"no such step": func(r *activities.AgainRequest) { r.Step = "fetch/y" },
		"no action":    func(r *activities.AgainRequest) { r.Action = r.Artifact },
	} {
		if _, err := b.again(t, "curate/x", edit); activities.Kind(err) != activities.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.Executor.Plugins = plugins.Set{}
	if _, err := b.again(t, "curate/x", nil); activities.Kind(err) != activities.Invalid {
		t.Errorf("no plugin: %v", err)
	}
}
