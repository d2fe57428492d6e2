package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// bench is a home with a manifest of two datasets.
type bench struct {
	*activitytest.Home
	publisher *publish.Publisher
	request   activities.PrepareRequest
}

func newBench(t *testing.T) *bench {
	t.Helper()
	h := activitytest.New(t)
	_, id := h.Manifest(t, "a", "b")
	r := &resolve.Resolver{Store: h.Store, Cache: h.Cache, Plugins: h.Plugins, Env: h.Env}
	return &bench{h, &publish.Publisher{Resolver: r, Tag: h.Store.Tag, Key: h.Key, Now: activitytest.Now()}, activities.PrepareRequest{Manifest: id}}
}

func (b *bench) prepare(t *testing.T) activities.Prepared {
	t.Helper()
	p, err := b.publisher.Prepare(t.Context(), b.request, "run")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// do does every step that is to be done.
func (b *bench) do(t *testing.T) activities.Prepared {
	t.Helper()
	p := b.prepare(t)
	e := &execute.Executor{Store: b.Store, Cache: b.Cache, Plugins: b.Plugins, Env: b.Env, Key: b.Key, Scratch: b.Scratch(), Workers: 1, Now: activitytest.Now()}
	made := map[string]digest.Digest{}
	for _, n := range p.Todo {
		in := slices.Clone(n.Inputs)
		for _, i := range n.After {
			in = append(in, activities.Bound{Step: p.Todo[i].Step, Artifact: made[p.Todo[i].Step]})
		}
		res, err := e.Execute(t.Context(), activities.ExecuteRequest{Plan: p.Plan, Step: n.Step, Inputs: in}, execute.Attempt{})
		if err != nil {
			t.Fatal(err)
		}
		made[n.Step] = res.Artifact
	}
	return p
}

func (b *bench) publish(t *testing.T, p activities.Prepared) activities.Published {
	t.Helper()
	out, err := b.publisher.Publish(t.Context(), activities.PublishRequest{Plan: p.Plan, Manifest: b.request.Manifest}, "run")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (b *bench) read(t *testing.T, d digest.Digest) []byte {
	t.Helper()
	text, err := cas.ReadAll(t.Context(), b.Store, d, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestPublish: one digest leads to the lock, the report, and every artifact with its record.
func TestPublish(t *testing.T) {
	b := newBench(t)
	p := b.do(t)
	out := b.publish(t, p)

	l, err := lock.Parse("benchmark.lock", b.read(t, out.Lock))
	if err != nil || len(l.Steps) != 7 || l.Plan != p.Plan {
		t.Errorf("lock is %+v, %v", l, err)
	}
	var r report.Report
	if err := json.Unmarshal(b.read(t, out.Report), &r); err != nil || len(r.Steps) != 7 || len(r.Datasets) != 2 || len(r.Models) != 1 || r.Benchmark.Lock != out.Lock {
		t.Errorf("report is %+v, %v", r, err)
	}
	if len(r.Results) != len(l.Results) || len(r.Results) == 0 {
		t.Fatalf("%d results in the report, %d in the lock", len(r.Results), len(l.Results))
	}
	for i, x := range r.Results {
		if x.Metric != l.Results[i].Metric || (x.Value == nil) != (l.Results[i].Value == nil) {
			t.Errorf("result %d: %+v in the report, %+v in the lock", i, x, l.Results[i])
		}
		var trail []string
		for _, step := range x.Trail {
			trail = append(trail, step.Role+" "+step.Step)
		}
		want := []string{"evaluation evaluate/test/all/" + x.Dataset, "model pretrain/all", "curated curate/" + x.Dataset, "raw fetch/" + x.Dataset}
		if !slices.Equal(trail, want) {
			t.Errorf("trail is %q, want %q", trail, want)
		}
	}

	var ix ocispec.Index
	if err := json.Unmarshal(b.read(t, out.Benchmark), &ix); err != nil {
		t.Fatal(err)
	}
	records := 0
	for _, m := range ix.Manifests {
		b.read(t, m.Digest)
		if m.ArtifactType == provenance.MediaType {
			records++
		}
	}
	if len(ix.Manifests) != 16 || records != 8 {
		t.Errorf("%d parts, %d of them records; want an artifact and a record of 7 steps and of the documents", len(ix.Manifests), records)
	}
	named, err := b.Store.Index(t.Context())
	if err != nil || len(named.Manifests) != 9 {
		t.Errorf("%d names in the store, %v; want 9", len(named.Manifests), err)
	}
	v, err := verify.Benchmark(t.Context(), "small", out.Benchmark, evidence{b.Store}, trust.Nobody(), verify.Bytes)
	if err != nil || !v.OK || v.Level != verify.Bytes || v.Checked.Records != 8 {
		t.Errorf("verdict %+v, %v", v, err)
	}
}

// evidence is the store as the verifier wants it: unchecked, without an action cache.
type evidence struct{ *cas.Layout }

func (e evidence) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return os.Open(e.Path(d))
}
func (e evidence) Records(context.Context, digest.Digest, digest.Digest) ([]digest.Digest, error) {
	return nil, nil
}

// TestPublishedOnce: what was put together is found again, also by the activity that plans, and puts nothing new
// into the store.
func TestPublishedOnce(t *testing.T) {
	b := newBench(t)
	p := b.do(t)
	first := b.publish(t, p)
	blobs := b.blobs(t)
	if again := b.publish(t, p); again != first {
		t.Errorf("published again: %+v, want %+v", again, first)
	}
	found := b.prepare(t)
	if found.Published == nil || *found.Published != first || len(found.Todo) != 0 || found.Cached != 7 {
		t.Errorf("prepared %+v, want %+v", found, first)
	}
	if now := b.blobs(t); now != blobs {
		t.Errorf("%d blobs, were %d", now, blobs)
	}
	b.request.Only = []string{"curate/a"}
	if found := b.prepare(t); found.Published == nil || *found.Published != first {
		t.Errorf("of a part, with everything else there, was published %+v, want %+v", found.Published, first)
	}
}

func (b *bench) blobs(t *testing.T) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(b.Dir, "store", "blobs"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestUnfinished: nothing is published, and the step without a result is named.
func TestUnfinished(t *testing.T) {
	b := newBench(t)
	p := b.prepare(t)
	if p.Published != nil {
		t.Error("published before anything was done")
	}
	_, err := b.publisher.Publish(t.Context(), activities.PublishRequest{Plan: p.Plan, Manifest: b.request.Manifest}, "run")
	if err == nil || !strings.Contains(err.Error(), "fetch/a has no result: never run") {
		t.Errorf("error is %v", err)
	}
	if ix, err := b.Store.Index(t.Context()); err != nil || len(ix.Manifests) != 0 {
		t.Errorf("names are %v, %v", ix.Manifests, err)
	}
}

// TestDamagedDocument: an evaluation that cannot be read is an error that names the step.
func TestDamagedDocument(t *testing.T) {
	b := newBench(t)
	p := b.do(t)
	first := b.publish(t, p)
	l, err := lock.Parse("", b.read(t, first.Lock))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(b.Dir, "actions")); err != nil { // so that the documents are put together anew
		t.Fatal(err)
	}
	b.do(t)
	s, _ := l.Find("evaluate/test/all/a")
	var m ocispec.Manifest
	if err := json.Unmarshal(b.read(t, s.Artifact), &m); err != nil {
		t.Fatal(err)
	}
	for _, layer := range m.Layers {
		if layer.Annotations[ocispec.AnnotationTitle] == "metrics.json" {
			path := b.Store.Path(layer.Digest)
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.Repeat(" ", int(layer.Size))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err = b.publisher.Publish(t.Context(), activities.PublishRequest{Plan: p.Plan, Manifest: b.request.Manifest}, "run")
	if err == nil || !strings.Contains(err.Error(), "evaluate/test/all/a") || !strings.Contains(err.Error(), "metrics.json") {
		t.Errorf("error is %v", err)
	}
	var app *temporal.ApplicationError
	if !errors.As(activities.Report(err), &app) || !app.NonRetryable() {
		t.Errorf("%v would be tried again", err)
	}
}

// TestOverlap: what two datasets have in common, on two sides of them, is in the report, and publishes nothing where the manifest
// says so.
func TestOverlap(t *testing.T) {
	b := newBench(t)
	b.keep(t, twins(""))
	out := b.publish(t, b.do(t))
	var r report.Report
	if err := json.Unmarshal(b.read(t, out.Report), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Duplicates) != 2 || r.Duplicates[0].Kind != document.SameBytes || !r.Duplicates[0].Crosses || !r.Duplicates[1].Crosses {
		t.Fatalf("duplicates %+v", r.Duplicates)
	}
	b.keep(t, twins(fails))
	_, err := b.publisher.Prepare(t.Context(), b.request, "run") // every step has its result, so it publishes
	wantFinal(t, err, says)
}
