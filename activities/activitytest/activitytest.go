// Package activitytest is a home in a temporary folder with one small plugin of each kind, for the tests of
// activities. The plugins are made as everybody makes them; they count what they do, and a test can stand in
// their way.
package activitytest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
)

// Home is a store, an action cache and plugins.
type Home struct {
	Dir     string
	Store   *cas.Layout
	Cache   *actioncache.Cache
	Plugins plugins.Set
	Key     keys.Signer // signs the records

	mu      sync.Mutex
	sources map[string]string
	hooks   map[string]func(context.Context) error
	runs    map[string]int
}

// New makes a home.
func New(t testing.TB) *Home { return At(t, t.TempDir()) }

// At makes or opens the home in dir, as another process would.
func At(t testing.TB, dir string) *Home {
	t.Helper()
	h := &Home{Dir: dir, sources: map[string]string{}, hooks: map[string]func(context.Context) error{}, runs: map[string]int{}}
	var err error
	if h.Store, err = cas.OpenLayout(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	h.Cache, h.Key = actioncache.Open(filepath.Join(dir, "actions"), h.Store), keys.Home(dir, "")
	if h.Plugins, err = plugins.NewSet(h.fetch("1"), h.curate(), h.pretrain(), h.evaluate()); err != nil {
		t.Fatal(err)
	}
	return h
}

// Upgrade raises the version of the fetch plugin.
func (h *Home) Upgrade(t testing.TB) {
	t.Helper()
	var err error
	if h.Plugins, err = plugins.NewSet(h.fetch("2"), h.curate(), h.pretrain(), h.evaluate()); err != nil {
		t.Fatal(err)
	}
}

// Scratch is where steps work.
func (h *Home) Scratch() string { return filepath.Join(h.Dir, "scratch") }

// Env gives fetch plugins a secret.
func (h *Home) Env(dir string) plugins.Env {
	return plugins.Env{Dir: dir, Retry: plugins.Retry{Attempts: 1}, Lookup: func(name string) (string, bool) { return Secret, name == "PASSWORD" }}
}

// Secret is the value of every variable of the environment. It may show up nowhere.
const Secret = "correct-horse-battery-staple"

// On calls hook whenever the plugin of a step such as fetch/a runs.
func (h *Home) On(step string, hook func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hooks[step] = hook
}

// SetSource makes fetch/name a local source with that content.
func (h *Home) SetSource(name, content string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sources[name] = content
}

func (h *Home) source(name string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.sources[name]
	return s, ok
}

// Runs says how often the plugin of a step ran; of all steps if it is "".
func (h *Home) Runs(step string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if step != "" {
		return h.runs[step]
	}
	n := 0
	for _, k := range h.runs {
		n += k
	}
	return n
}

func (h *Home) ran(ctx context.Context, step string) error {
	h.mu.Lock()
	h.runs[step]++
	hook := h.hooks[step]
	h.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(ctx)
}

// Text is a manifest over datasets of these names: fetch/x and curate/x of each, pretrain/all over them, and
// evaluate/test/all/x.
func Text(datasets ...string) string {
	var b strings.Builder
	b.WriteString("apiVersion: cairn/v1\nkind: Benchmark\nname: small\ndatasets:\n")
	for _, d := range datasets {
		fmt.Fprintf(&b, "  %s: {title: %s, modality: ecg, licence: CC0-1.0, access: open, fetch: {plugin: memory, seed: 1, params: {name: %s}}, curate: {plugin: files, params: {name: %s}}}\n", d, d, d, d)
	}
	list := strings.Join(datasets, ", ")
	fmt.Fprintf(&b, "models:\n  all: {plugin: count, datasets: [%s]}\nevaluations:\n  test: {plugin: count, models: [all]}\n", list)
	return b.String()
}

// Manifest parses Text and keeps it in the store.
func (h *Home) Manifest(t testing.TB, datasets ...string) (*manifests.Benchmark, digest.Digest) {
	t.Helper()
	text := []byte(Text(datasets...))
	b, err := manifests.Parse("benchmark.yaml", text, h.Plugins.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	d, err := cas.PutBytes(t.Context(), h.Store, text)
	if err != nil {
		t.Fatal(err)
	}
	return b, d
}

func spec(name, version, queue string) catalog.Spec {
	return catalog.Spec{Name: name, Version: version, Summary: "For tests.", Determinism: catalog.Exact, Queue: queue}
}

type named struct {
	Name string `json:"name"`
}

func (h *Home) fetch(version string) plugins.Plugin {
	s := spec("memory", version, catalog.QueueIO)
	s.Network, s.Secrets = true, []string{"PASSWORD"}
	return plugins.Fetch(s, named{}, func(p named, env plugins.Env, seed uint64) (plugins.Source, error) {
		src := &memory{home: h, name: p.Name, env: env, runs: seed != 0} // only a run has a seed
		if _, ok := h.source(p.Name); ok {
			return &local{src}, nil
		}
		return src, nil
	})
}

// memory is a source of two files. It logs in with the secret.
type memory struct {
	home *Home
	name string
	env  plugins.Env
	runs bool // rather than taking the digest
}

func (m *memory) List(ctx context.Context) ([]plugins.SourceFile, error) {
	if password, ok := m.env.Lookup("PASSWORD"); m.runs && (!ok || password != Secret) {
		return nil, fmt.Errorf("login failed")
	}
	if m.runs {
		if err := m.home.ran(ctx, "fetch/"+m.name); err != nil {
			return nil, err
		}
	}
	return []plugins.SourceFile{{Path: "a.txt", Size: -1}, {Path: "b.txt", Size: -1}}, nil
}

func (m *memory) Open(_ context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	text, _ := m.home.source(m.name)
	return io.NopCloser(strings.NewReader((m.name + " " + f.Path + " " + text)[offset:])), nil
}

type local struct{ *memory }

func (l *local) Local() {}

// Nowhere is a plugin for a folder that is not there.
func Nowhere() plugins.Plugin {
	return plugins.Fetch(spec("nowhere", "1", catalog.QueueIO), named{}, func(_ named, env plugins.Env, _ uint64) (plugins.Source, error) {
		return nowhere{env.Dir}, nil
	})
}

type nowhere struct{ dir string }

func (n nowhere) err() error { return fmt.Errorf("open %s/data: no such folder", n.dir) }

func (n nowhere) Local()                                             {}
func (n nowhere) List(context.Context) ([]plugins.SourceFile, error) { return nil, n.err() }
func (n nowhere) Open(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
	return nil, n.err()
}

type curateParams struct {
	Name  string            `json:"name"`
	Split plugins.SplitRule `json:"split"`
}

func (h *Home) curate() plugins.Plugin {
	return plugins.Curate(spec("files", "1", catalog.QueueCPU), curateParams{Split: plugins.DefaultSplit()},
		func(p curateParams) plugins.SplitRule { return p.Split },
		func(p curateParams) (plugins.Recipe, error) { return &recipe{h, p.Name}, nil })
}

// recipe makes a sample of each file.
type recipe struct {
	home *Home
	name string
}

func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	c := plugins.Curation{Task: document.Task{Type: document.Multiclass, Classes: []string{"no", "yes"}}}
	for _, f := range in.Files() {
		if strings.HasSuffix(f.Path, ".txt") {
			c.Candidates = append(c.Candidates, plugins.Candidate{ID: plugins.Key(f.Path), Labels: []string{"yes"}, Files: []string{f.Path}})
		}
	}
	return c, r.home.ran(ctx, "curate/"+r.name)
}

func (r *recipe) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	text, err := in.ReadFile(c.Files[0])
	return plugins.Made{Media: []plugins.MadeMedia{{Ext: "npy", Type: "signal", Shape: []int{len(text)}, DType: "uint8", Data: text}}}, err
}

func (h *Home) pretrain() plugins.Plugin {
	return plugins.Pretrain(spec("count", "1", catalog.QueueGPU), struct{}{}, func(_ context.Context, _ struct{}, seed uint64, _ int, data []*plugins.Curated) (plugins.Trainer, error) {
		return &trainer{home: h, data: data, random: rand.NewPCG(seed, 1)}, nil
	})
}

// Steps is how many steps the training takes for each dataset.
const Steps = 10

// trainer learns how many samples there are. Beside that it sums up what a generator gives that it carries along,
// so that no step can be left out, done twice or done from another state without being seen.
type trainer struct {
	home   *Home
	data   []*plugins.Curated
	random *rand.PCG
	step   int
	sum    uint64
}

func (m *trainer) Step(ctx context.Context) (plugins.Progress, bool, error) {
	if m.step == 0 {
		if err := m.home.ran(ctx, "pretrain/all"); err != nil {
			return plugins.Progress{}, false, err
		}
	}
	d := m.data[m.step%len(m.data)]
	if _, err := d.Tree.ReadFile(d.Samples[0].Media[0].Path); err != nil {
		return plugins.Progress{}, false, err
	}
	m.step++
	m.sum = m.sum*31 + m.random.Uint64()
	total := Steps * len(m.data)
	return plugins.Progress{Done: int64(m.step), Total: int64(total), Unit: "steps"}, m.step == total, nil
}

func (m *trainer) Save(w io.Writer) error {
	generator, err := m.random.MarshalBinary()
	if err == nil {
		_, err = fmt.Fprintf(w, "%d %d %x", m.step, m.sum, generator)
	}
	return err
}

func (m *trainer) Load(r io.Reader) error {
	var generator []byte
	if _, err := fmt.Fscanf(r, "%d %d %x", &m.step, &m.sum, &generator); err != nil {
		return err
	}
	return m.random.UnmarshalBinary(generator)
}

func (m *trainer) Export(out plugins.Output) error {
	samples := 0
	for _, d := range m.data {
		samples += len(d.Samples)
	}
	if err := plugins.WriteFile(out, "sum.txt", fmt.Append(nil, m.sum)); err != nil {
		return err
	}
	if err := plugins.WriteFile(out, document.CurveFile, []byte(`{"schema":"`+document.CurveSchema+`","points":[]}`)); err != nil {
		return err
	}
	return plugins.WriteFile(out, "model.json", fmt.Appendf(nil, `{"samples":%d}`, samples))
}

type evaluateParams struct {
	Split   string   `json:"split"`
	Metrics []string `json:"metrics"`
}

func (h *Home) evaluate() plugins.Plugin {
	return plugins.Evaluate(spec("count", "1", catalog.QueueCPU), evaluateParams{Metrics: []string{}},
		func(p evaluateParams, _ uint64) (plugins.Evaluator, error) { return &evaluator{h, p.Split}, nil })
}

// evaluator finds every model half right.
type evaluator struct {
	home  *Home
	split string
}

func (e *evaluator) Predict(ctx context.Context, _ plugins.Tree, data *plugins.Curated, _ int) ([]document.Prediction, error) {
	var out []document.Prediction
	for _, s := range data.Samples {
		out = append(out, document.Prediction{ID: s.ID, Labels: s.Labels, Scores: []float64{0.5, 0.5}})
	}
	return out, e.home.ran(ctx, "evaluate/test/all/"+data.Info.ID)
}

func (e *evaluator) Metrics(_ context.Context, data *plugins.Curated, p []document.Prediction, _ int) (document.Metrics, error) {
	half := 0.5
	return document.Metrics{Schema: document.MetricsSchema, Dataset: data.Info.ID, Split: e.split, Task: *data.Info.Task, Samples: len(p),
		Counts: map[string]int{}, Metrics: []document.Metric{{Name: "accuracy", Value: &half}}, PerClass: []document.ClassMetric{}}, nil
}

// Now is a clock that moves a second at each look.
func Now() func() time.Time {
	var mu sync.Mutex
	t := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		t = t.Add(time.Second)
		return t
	}
}
