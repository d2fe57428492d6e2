package verify_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// store keeps blobs in memory and checks nothing: whatever a test does to them is served.
type store struct {
	mu      sync.Mutex
	blobs   map[digest.Digest][]byte
	records map[digest.Digest]digest.Digest   // action -> record
	more    map[digest.Digest][]digest.Digest // action -> further records
	opened  map[digest.Digest]int
	open    func(digest.Digest) error // may be nil
	rotten  digest.Digest             // of the blob that fails in the middle
	late    bool                      // it fails at its end
}

func newStore() *store {
	return &store{blobs: map[digest.Digest][]byte{}, records: map[digest.Digest]digest.Digest{}, more: map[digest.Digest][]digest.Digest{}, opened: map[digest.Digest]int{}}
}

func (s *store) Put(_ context.Context, _ digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	text, err := io.ReadAll(r)
	return s.put(text), int64(len(text)), err
}

func (s *store) put(text []byte) digest.Digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := digest.FromBytes(text)
	s.blobs[d] = text
	return d
}

// keep puts the canonical bytes of a document.
func (s *store) keep(t testing.TB, v any) ocispec.Descriptor {
	t.Helper()
	text, err := canonical.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: s.put(text), Size: int64(len(text))}
}

func (s *store) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened[d]++
	if s.open != nil {
		if err := s.open(d); err != nil {
			return nil, err
		}
	}
	text, ok := s.blobs[d]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d, fs.ErrNotExist)
	}
	if d == s.rotten {
		if s.late {
			return io.NopCloser(io.MultiReader(bytes.NewReader(text), iotest.ErrReader(errors.New("input/output error")))), nil
		}
		return io.NopCloser(io.MultiReader(bytes.NewReader(text[:len(text)/2]), iotest.ErrReader(errors.New("input/output error")))), nil
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

func (s *store) Stat(_ context.Context, d digest.Digest) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ok := s.blobs[d]
	if !ok {
		return 0, fmt.Errorf("blob %s: %w", d, fs.ErrNotExist)
	}
	return int64(len(text)), nil
}

type at struct{ *bytes.Reader }

func (at) Close() error { return nil }

func (s *store) OpenAt(ctx context.Context, d digest.Digest) (artifact.ReaderAtCloser, error) {
	r, err := s.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	return at{bytes.NewReader(text)}, err
}

func (s *store) Records(_ context.Context, action, _ digest.Digest) ([]digest.Digest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []digest.Digest
	if d := s.records[action]; d != "" {
		out = append(out, d)
	}
	return append(out, s.more[action]...), nil
}

// signer is a key of a test, by its first byte.
type signer byte

func (s signer) private() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = byte(s)
	return ed25519.NewKeyFromSeed(seed)
}

func (s signer) public() trust.PublicKey {
	k, err := trust.NewPublicKey(s.private().Public())
	if err != nil {
		panic(err)
	}
	return k
}

func (s signer) KeyID() (string, error) { return s.public().ID, nil }

func (s signer) Known() (trust.PublicKey, error) { return s.public(), nil }

func (s signer) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(s.private(), data), nil
}

// The rebuilder has signed all evidence. His friend is known, too; the stranger is not.
const (
	rebuilder signer = iota + 1
	friend
	stranger
)

// policy wants of every step that agree of the two who are known have signed it.
func policy(agree int) *trust.Policy {
	return &trust.Policy{Name: "trust.yaml", Strict: true, Rules: []trust.Rule{{Agree: agree}},
		Keys: []trust.Key{{Name: "rebuilder", Public: rebuilder.public()}, {Name: "friend", Public: friend.public()}}}
}

// digests lists the blobs in a fixed order.
func (s *store) digests() []digest.Digest { return slices.Sorted(maps.Keys(s.blobs)) }

// bench has two datasets, a model of each and an evaluation of both.
func bench() *manifests.Benchmark {
	dataset := func(modality string) manifests.Dataset {
		return manifests.Dataset{Title: modality, Modality: modality, Licence: "CC-BY-4.0", Access: "open",
			Fetch: manifests.Step{Plugin: "dir", Params: json.RawMessage(`{"path":"` + modality + `"}`)}, Curate: manifests.Step{Plugin: modality, Seed: 1}}
	}
	return &manifests.Benchmark{
		APIVersion: manifests.APIVersion, Kind: manifests.Kind, Name: "small",
		Datasets:    map[string]manifests.Dataset{"ecg": dataset("ecg"), "xray": dataset("xray")},
		Models:      map[string]manifests.Model{"single": {Plugin: "go", Datasets: []string{"ecg", "xray"}, Each: true, Seed: 7}},
		Evaluations: map[string]manifests.Evaluation{"test": {Plugin: "classification", Models: []string{"single"}, Split: "test"}},
	}
}

func resolve(kind catalog.Kind, name string, params json.RawMessage) (plan.Resolved, error) {
	if len(params) == 0 {
		params = json.RawMessage(`{}`)
	}
	return plan.Resolved{Spec: catalog.Spec{Kind: kind, Name: name, Version: "1", Determinism: catalog.Exact, Queue: catalog.QueueCPU}, Params: params}, nil
}

// evidence is all that a finished rebuild leaves.
type evidence struct {
	t testing.TB
	*store
	plan  *plan.Plan
	lock  *lock.Lock
	kinds map[string]ocispec.Descriptor // step -> its artifact
	// lie, where a test sets it, has the last word on the artifact of a step.
	lie func(step string, made ocispec.Descriptor) ocispec.Descriptor
}

// rebuild leaves the evidence of a rebuild.
func rebuild(t testing.TB, b *manifests.Benchmark, lie func(e *evidence, step string, made ocispec.Descriptor) ocispec.Descriptor) *evidence {
	t.Helper()
	p, err := plan.Compile(b, resolve)
	if err != nil {
		t.Fatal(err)
	}
	e := &evidence{t: t, store: newStore(), plan: p, kinds: map[string]ocispec.Descriptor{}}
	if lie != nil {
		e.lie = func(step string, made ocispec.Descriptor) ocispec.Descriptor { return lie(e, step, made) }
	}
	e.lock = &lock.Lock{Benchmark: p.Benchmark, Manifest: p.Manifest, Plan: e.keep(t, p).Digest}
	for _, s := range p.Steps {
		e.step(s)
	}
	for _, ev := range p.Evaluations {
		for _, m := range metrics(ev.Step).Metrics {
			e.lock.Results = append(e.lock.Results, lock.Result{Evaluation: ev.Name, Model: ev.Model, Dataset: ev.Dataset, Metric: m.Name, Value: m.Value, Low: m.Low, High: m.High})
		}
	}
	return e
}

// step does a step: action, artifact, record, an entry of the lock.
func (e *evidence) step(s plan.Step) {
	e.t.Helper()
	a, err := s.Bind(func(step string) (digest.Digest, bool) { d, ok := e.kinds[step]; return d.Digest, ok })
	if err != nil {
		e.t.Fatal(err)
	}
	text, err := a.Canonical()
	if err != nil {
		e.t.Fatal(err)
	}
	id := e.put(text)
	made := e.pack(s)
	if e.lie != nil {
		made = e.lie(s.Name, made)
	}
	e.kinds[s.Name] = made
	e.records[id] = e.record(a, made, s.Name)
	e.lock.Steps = append(e.lock.Steps, lock.Step{Name: s.Name, Plugin: s.Plugin.String(), Action: id, Artifact: made.Digest})
}

// record leaves the statement that an action gave an artifact and returns its manifest.
func (e *evidence) record(a action.Action, made ocispec.Descriptor, step string) digest.Digest {
	e.t.Helper()
	return e.recordBy(rebuilder, a, made, step)
}

func (e *evidence) recordBy(key signer, a action.Action, made ocispec.Descriptor, step string) digest.Digest {
	e.t.Helper()
	x := provenance.Execution{Step: step, Builder: provenance.Builder{ID: "https://example.org"}, Started: time.Unix(1, 0), Finished: time.Unix(2, 0)}
	var named []ocispec.Descriptor
	if a.Plugin.Kind == string(catalog.Evaluate) {
		x.Evaluation = e.evaluation(key, a, made.Digest, step, e.metricsOf(made.Digest))
		named = append(named, e.layer(provenance.EnvelopeType, x.Evaluation))
	}
	text, err := provenance.New(a, made.Digest, x)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.tie(made, e.layer(provenance.EnvelopeType, e.seal(key, text)), named...)
}

// metricsOf reads the numbers of an evaluation; what is none has none.
func (e *evidence) metricsOf(made digest.Digest) []document.Metric {
	e.t.Helper()
	m, err := artifact.ParseManifest(e.blobs[made])
	if err != nil {
		return nil
	}
	var doc document.Metrics
	for _, l := range m.Layers {
		if l.Annotations[ocispec.AnnotationTitle] == document.MetricsFile {
			if json.Unmarshal(e.blobs[l.Digest], &doc) != nil {
				return nil
			}
		}
	}
	return doc.Metrics
}

// evaluation signs numbers.
func (e *evidence) evaluation(key signer, a action.Action, made digest.Digest, step string, numbers []document.Metric) []byte {
	e.t.Helper()
	id, err := a.ID()
	if err != nil {
		e.t.Fatal(err)
	}
	text, err := provenance.NewEvaluation(step, made, provenance.Evaluation{Action: id, Dataset: "x", Split: provenance.Split{Name: "test"}, Metrics: numbers})
	if err != nil {
		e.t.Fatal(err)
	}
	return e.seal(key, text)
}

func (e *evidence) seal(key signer, statement []byte) []byte {
	e.t.Helper()
	text, err := envelope.Sign(e.t.Context(), provenance.MediaType, statement, key)
	if err != nil {
		e.t.Fatal(err)
	}
	return text
}

func (e *evidence) layer(mediaType string, text []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: e.put(text), Size: int64(len(text))}
}

func (e *evidence) tie(subject, statement ocispec.Descriptor, named ...ocispec.Descriptor) digest.Digest {
	e.t.Helper()
	m, err := provenance.Manifest(subject, statement, e.layer(ocispec.MediaTypeEmptyJSON, []byte("{}")), named...)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.put(m)
}

// manifest leaves a statement that the rebuilder has signed.
func (e *evidence) manifest(subject ocispec.Descriptor, statement []byte) digest.Digest {
	e.t.Helper()
	return e.tie(subject, e.layer(provenance.EnvelopeType, e.seal(rebuilder, statement)))
}

func (e *evidence) pack(s plan.Step) ocispec.Descriptor {
	e.t.Helper()
	return e.packed(contents(e.t, s))
}

func (e *evidence) packed(kind artifact.Kind, tree map[string]string) ocispec.Descriptor {
	e.t.Helper()
	var files []artifact.File
	for path, text := range tree {
		files = append(files, artifact.File{Path: path, Size: int64(len(text)), Digest: digest.FromString(text)})
	}
	d, err := artifact.Pack(e.t.Context(), e.store, kind, files, func(path string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(tree[path])), nil })
	if err != nil {
		e.t.Fatal(err)
	}
	return d
}

// contents are the files that a step gives. Some blobs are those of several artifacts: the raw shards and the
// cards of the models.
func contents(t testing.TB, s plan.Step) (artifact.Kind, map[string]string) {
	t.Helper()
	switch catalog.Kind(s.Plugin.Kind) {
	case catalog.Fetch:
		return artifact.Dataset, map[string]string{"dataset.json": `{"id":"` + s.Name + `"}`, "records/1.dat": "one", "records/2.dat": "two"}
	case catalog.Curate:
		return artifact.Dataset, map[string]string{"dataset.json": "{}", "samples.jsonl": s.Name + "\n", "curation.json": "{}", "data/1.npy": s.Name}
	case catalog.Pretrain:
		return artifact.Model, map[string]string{"model.safetensors": s.Name, "model.json": `{"name":"` + s.Name + `"}`, "README.md": "# Model\n"}
	}
	text, err := canonical.Marshal(metrics(s.Name))
	if err != nil {
		t.Fatal(err)
	}
	return artifact.Evaluation, map[string]string{document.MetricsFile: string(text), document.PredictionsFile: s.Name + "\n"}
}

func metrics(step string) document.Metrics {
	number := func(f float64) *float64 { return &f }
	value := float64(len(step)) / 100
	return document.Metrics{Schema: document.MetricsSchema, Metrics: []document.Metric{
		{Name: "auroc", Value: number(value), Low: number(value / 2), High: number(value * 2)},
		{Name: "accuracy", Undefined: "no sample"},
	}}
}

func (e *evidence) text() []byte { return e.lock.Marshal() }

// check verifies a text against the evidence.
func (e *evidence) check(text []byte, level string) verify.Verdict {
	e.t.Helper()
	v, err := verify.Lock(e.t.Context(), "benchmark.lock", text, e.store, policy(1), level)
	if err != nil {
		e.t.Fatal(err)
	}
	if v.OK != (len(v.Problems) == 0) || v.Schema != "cairn/verify/v1" || v.Subject != "benchmark.lock" {
		e.t.Errorf("verdict contradicts itself: %+v", v)
	}
	if v.OK && v.Level != level {
		e.t.Errorf("level %q was asked for and found right, the verdict says %q", level, v.Level)
	}
	return v
}

// manifestOf reads the manifest of the artifact of a step.
func (e *evidence) manifestOf(d digest.Digest) ocispec.Manifest {
	e.t.Helper()
	m, err := artifact.ParseManifest(e.blobs[d])
	if err != nil {
		e.t.Fatal(err)
	}
	return m
}

// entry is the lock's entry of a step.
func (e *evidence) entry(step string) *lock.Step {
	e.t.Helper()
	i := slices.IndexFunc(e.lock.Steps, func(s lock.Step) bool { return s.Name == step })
	if i < 0 {
		e.t.Fatalf("no step %s", step)
	}
	return &e.lock.Steps[i]
}

// codes lists the codes of the problems, each once.
func codes(v verify.Verdict) string {
	seen := map[string]bool{}
	for _, p := range v.Problems {
		seen[p.Code] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), " ")
}
