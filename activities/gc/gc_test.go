package gc_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/override"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verify"
)

var today = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// process is a home as one process has it open.
type process struct {
	*activitytest.Home
	gc       *gc.Home
	datasets []string // of what it runs
}

func open(t testing.TB, dir string) *process {
	t.Helper()
	h := activitytest.At(t, dir)
	return &process{h, gc.Open(dir, "process of "+t.Name(), h.Store, h.Cache), []string{"a", "b"}}
}

// begin plans a run and does what is to be done of it, but does not publish.
func (p *process) begin(t testing.TB, run string) (context.Context, *publish.Publisher, activities.PublishRequest) {
	t.Helper()
	ctx := gc.WithRun(t.Context(), run, run)
	_, id := p.Manifest(t, p.datasets...)
	var last []string
	for _, d := range p.datasets {
		last = append(last, "evaluate/test/all/"+d)
	}
	if err := p.Store.Use(ctx, id); err != nil {
		t.Fatal(err)
	}
	pub := &publish.Publisher{Resolver: &resolve.Resolver{Store: p.Store, Cache: p.Cache, Plugins: p.Plugins, Env: p.Env}, Tag: p.Store.Tag, Key: p.Key, Now: activitytest.Now()}
	todo, err := pub.Resolver.Prepare(ctx, activities.PrepareRequest{Manifest: id, Only: last})
	if err != nil {
		t.Fatal(err)
	}
	e := &execute.Executor{Store: p.Store, Cache: p.Cache, Plugins: p.Plugins, Env: p.Env, Key: p.Key, Scratch: p.Scratch(), Workers: 1, Now: activitytest.Now()}
	made := map[string]digest.Digest{}
	for _, n := range todo.Todo {
		in := slices.Clone(n.Inputs)
		for _, i := range n.After {
			in = append(in, activities.Bound{Step: todo.Todo[i].Step, Artifact: made[todo.Todo[i].Step]})
		}
		res, err := e.Execute(ctx, activities.ExecuteRequest{Plan: todo.Plan, Step: n.Step, Inputs: in}, execute.Attempt{})
		if err != nil {
			t.Fatal(err)
		}
		made[n.Step] = res.Artifact
	}
	return ctx, pub, activities.PublishRequest{Plan: todo.Plan, Manifest: id}
}

// run does a whole run.
func (p *process) run(t testing.TB, run string) activities.Published {
	t.Helper()
	ctx, pub, req := p.begin(t, run)
	out, err := pub.Publish(ctx, req, run)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.gc.End(run), p.gc.Close()); err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *process) collect(t testing.TB, dry bool) gc.Report {
	t.Helper()
	r, err := p.gc.Collect(t.Context(), today, dry)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// blobs are those of the store.
func (p *process) blobs(t testing.TB) []string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(p.Store.Dir(), "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}

// evidence is the store as a verifier reads it.
type evidence struct{ *process }

func (e evidence) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return os.Open(e.Store.Path(d))
}

func (e evidence) Stat(ctx context.Context, d digest.Digest) (int64, error) {
	return e.Store.Stat(ctx, d)
}

func (e evidence) OpenAt(_ context.Context, d digest.Digest) (cas.ReaderAtCloser, error) {
	return os.Open(e.Store.Path(d))
}

func (e evidence) Records(context.Context, digest.Digest, digest.Digest) ([]digest.Digest, error) {
	return nil, nil
}

func (e evidence) Tombstone(ctx context.Context, d digest.Digest) (digest.Digest, error) {
	return e.gc.Tombstone(ctx, d)
}

func (p *process) verify(t testing.TB, ref digest.Digest, level string) verify.Verdict {
	t.Helper()
	v, err := verify.Benchmark(t.Context(), "it", ref, evidence{p}, trust.Nobody(), level)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// names lists kind and name of what goes.
func names(r gc.Report) []string {
	var all []string
	for _, i := range r.Items {
		if i.Kind != "blob" {
			all = append(all, strings.TrimSpace(i.Kind+" "+i.Name))
		}
	}
	slices.Sort(all)
	return all
}

// TestWhatIsNamedStays: of a published result nothing goes, and when the name moves on, exactly what only the old
// result needed goes.
func TestWhatIsNamedStays(t *testing.T) {
	p := open(t, t.TempDir())
	p.run(t, "r")
	if r := p.collect(t, false); r.Blobs > 0 {
		t.Fatalf("of a published result %v went", names(r))
	}
	p.SetSource("a", "changed")
	second := p.run(t, "r")
	all := p.blobs(t)

	dry := p.collect(t, true)
	if got := p.blobs(t); !slices.Equal(got, all) {
		t.Error("a dry collection removed something")
	}
	// The model and what it predicts are the same for both sources, so they stay, and so do all records of them.
	want := []string{"action", "action", "action", "action", "action", "artifact small/documents", "benchmark small", "dataset small/curate/a", "dataset small/fetch/a",
		"plan", "record small/curate/a", "record small/documents", "record small/fetch/a"}
	if got := names(dry); !slices.Equal(got, want) {
		t.Errorf("%q go, want %q", got, want)
	}
	done := p.collect(t, false)
	if done.Blobs != dry.Blobs || done.Bytes != dry.Bytes || !slices.Equal(names(done), names(dry)) || done.Bytes == 0 {
		t.Errorf("removed %d blobs, %d bytes; announced were %d, %d", done.Blobs, done.Bytes, dry.Blobs, dry.Bytes)
	}
	left := p.blobs(t)
	if len(left) != len(all)-done.Blobs || len(left) != done.Stayed {
		t.Errorf("%d of %d blobs are left, %d were removed", len(left), len(all), done.Blobs)
	}
	if v := p.verify(t, second.Benchmark, verify.Bytes); !v.OK {
		t.Errorf("the result does not verify: %+v", v.Problems)
	}
	p.run(t, "r")
	if n := p.Runs("fetch/a"); n != 2 {
		t.Errorf("fetch/a ran %d times, want 2: what is named is found again", n)
	}
	entries, err := p.Cache.Entries()
	if err != nil || len(entries) != 8 {
		t.Errorf("%d entries of the action cache are left, %v; want those of 7 steps and of the documents", len(entries), err)
	}
	if r := p.collect(t, false); r.Blobs > 0 {
		t.Errorf("a second collection removed %v", names(r))
	}
}

// TestStepsTakenOut: what the steps gave that are no longer in the manifest goes, and their names with it.
func TestStepsTakenOut(t *testing.T) {
	p := open(t, t.TempDir())
	p.run(t, "r")
	p.datasets = []string{"a"}
	out := p.run(t, "r")
	if err := p.Store.Tag(t.Context(), map[string]ocispec.Descriptor{"small/mine": {MediaType: ocispec.MediaTypeImageManifest, Digest: keep(t, p, "{}").Digest}}); err != nil {
		t.Fatal(err)
	}
	if err := p.gc.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		got := names(p.collect(t, dry))
		for _, want := range []string{"name small/fetch/b", "name small/curate/b", "name small/evaluate/test/all/b", "dataset small/fetch/b", "dataset small/curate/b"} {
			if !slices.Contains(got, want) {
				t.Errorf("dry %v: %q is not among %q", dry, want, got)
			}
		}
	}
	ix, err := p.Store.Index(t.Context())
	if err != nil || len(ix.Manifests) != 7 {
		t.Errorf("%d names are left, %v; want those of the benchmark, 4 steps, the documents, and our own", len(ix.Manifests), err)
	}
	if v := p.verify(t, out.Benchmark, verify.Bytes); !v.OK {
		t.Errorf("the result does not verify: %+v", v.Problems)
	}
}

// TestLockFileKeeps: an older result stays as long as its lock lies where it was written, or where it was written
// cannot be seen.
func TestLockFileKeeps(t *testing.T) {
	p := open(t, t.TempDir())
	old := p.run(t, "r")
	text, err := cas.ReadAll(t.Context(), p.Store, old.Lock, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	project := filepath.Join(t.TempDir(), "project")
	file := filepath.Join(project, "benchmark.lock")
	if err := errors.Join(os.Mkdir(project, 0o755), os.WriteFile(file, text, 0o600), p.gc.Wrote(file, text)); err != nil {
		t.Fatal(err)
	}
	p.SetSource("a", "changed")
	p.run(t, "r")
	steps := artifacts(t, text)
	whole := func(when string) {
		t.Helper()
		p.collect(t, false)
		for _, d := range steps {
			if r, err := artifact.Open(t.Context(), p.Store, d); err != nil {
				t.Errorf("%s: %v", when, err)
			} else if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	whole("the lock is there")
	if err := os.Rename(project, project+"-away"); err != nil {
		t.Fatal(err)
	}
	whole("its folder is away")
	if err := errors.Join(os.Rename(project+"-away", project), os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	if r := p.collect(t, false); !slices.Contains(names(r), "note of a lock "+file) {
		t.Errorf("the lock was removed, and its note is not among %q", names(r))
	}
	gone := 0
	for _, d := range steps {
		if _, err := p.Store.Stat(t.Context(), d); err != nil {
			gone++
		}
	}
	if gone != 2 {
		t.Errorf("%d artifacts went with the lock, want those of the 2 steps that gave something else since", gone)
	}
}

// artifacts are those of a lock.
func artifacts(t *testing.T, text []byte) []digest.Digest {
	t.Helper()
	l, err := lock.Parse("benchmark.lock", text)
	if err != nil {
		t.Fatal(err)
	}
	var all []digest.Digest
	for _, s := range l.Steps {
		all = append(all, s.Artifact)
	}
	return all
}

// TestWroteAgain: the note of a lock is written again if it is another one, and only then.
func TestWroteAgain(t *testing.T) {
	p := open(t, t.TempDir())
	wrote := func(text string) os.FileInfo {
		t.Helper()
		if err := p.gc.Wrote("/project/benchmark.lock", []byte(text)); err != nil {
			t.Fatal(err)
		}
		notes, err := filepath.Glob(filepath.Join(p.Dir, "locks", "*"))
		if err != nil || len(notes) != 1 {
			t.Fatalf("notes are %v, %v", notes, err)
		}
		info, err := os.Stat(notes[0])
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	one := wrote("one")
	if again := wrote("one"); !os.SameFile(one, again) {
		t.Error("the same was written twice")
	}
	if two := wrote("two"); os.SameFile(one, two) {
		t.Error("another lock was not noted")
	}
}

// TestUnfinishedRunKeeps: what a run has done that did not come to its end stays, also after its process, until it
// is given up. What was written for no run stays as long as its process.
func TestUnfinishedRunKeeps(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir)
	p.begin(t, "r")
	loose, err := cas.PutBytes(t.Context(), p.Store, []byte("pulled"))
	if err != nil {
		t.Fatal(err)
	}
	before := p.blobs(t)
	other := open(t, dir)
	if r := other.collect(t, false); r.Blobs > 0 {
		t.Errorf("%v went beside a process that is at work", names(r))
	}
	if err := p.gc.Close(); err != nil {
		t.Fatal(err)
	}
	if r := other.collect(t, false); r.Blobs != 1 || r.Items[0].Digest != loose {
		t.Errorf("%+v went, want what the process had brought for itself", r.Items)
	}
	ran := other.Runs("")
	other.begin(t, "r")
	if other.Runs("") != ran {
		t.Error("the next try of the run did again what had been done")
	}
	if err := errors.Join(p.gc.End("r"), other.gc.Close()); err != nil {
		t.Fatal(err)
	}
	if r := other.collect(t, false); r.Stayed > 0 || r.Blobs != len(before)-1 {
		t.Errorf("%d blobs went, %d stay; want all of a run that was given up: %.300v", r.Blobs, r.Stayed, r.Roots)
	}
}

// TestReferrersStay: what speaks of something that stays, such as a signature, stays with it.
func TestReferrersStay(t *testing.T) {
	p := open(t, t.TempDir())
	p.run(t, "r")
	ix, err := p.Store.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	about := func(subject ocispec.Descriptor, text string) digest.Digest {
		layer := keep(t, p, text)
		config := keep(t, p, "{}")
		m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer}, Subject: &subject}
		m.SchemaVersion = 2
		return keepManifest(t, p, m)
	}
	signature := about(ix.Manifests[0], "signature")
	second := about(ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: signature}, "time stamp of the signature")
	stray := about(ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("nothing")}, "stray")
	if err := p.gc.Close(); err != nil {
		t.Fatal(err)
	}
	if r := p.collect(t, false); r.Blobs != 2 || len(r.Items) != 1 || r.Items[0].Digest != stray {
		t.Errorf("%+v went, want the stray one and its layer", r.Items)
	}
	for _, d := range []digest.Digest{signature, second} {
		if _, err := p.Store.Stat(t.Context(), d); err != nil {
			t.Error(err)
		}
	}
}

// TestOverridesStay: the record that somebody put a policy aside outlives the data, and does not keep them.
func TestOverridesStay(t *testing.T) {
	p := open(t, t.TempDir())
	data := keep(t, p, "the data")
	artifact := keepManifest(t, p, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: keep(t, p, "{}"), Layers: []ocispec.Descriptor{data}})
	envelope := keep(t, p, "about "+artifact.String())
	made := keepManifest(t, p, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: keep(t, p, "{}"),
		Layers: []ocispec.Descriptor{envelope}, Subject: &ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: artifact}})
	size, err := p.Store.Stat(t.Context(), made)
	if err == nil {
		err = p.Store.Tag(t.Context(), map[string]ocispec.Descriptor{override.Name + made.Encoded(): {MediaType: ocispec.MediaTypeImageManifest, Digest: made, Size: size}})
	}
	if err := errors.Join(err, p.gc.Close()); err != nil {
		t.Fatal(err)
	}
	p.collect(t, false)
	for d, want := range map[digest.Digest]bool{made: true, envelope.Digest: true, artifact: false, data.Digest: false} {
		if _, err := p.Store.Stat(t.Context(), d); (err == nil) != want {
			t.Errorf("%s: %v, want it to stay: %v", d, err, want)
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func keep(t *testing.T, p *process, text string) ocispec.Descriptor {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), p.Store, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ocispec.Descriptor{Digest: d, Size: int64(len(text))}
}

// TestDamagedDocumentStopsIt: a document that cannot be read hides what it leads to.
func TestDamagedDocumentStopsIt(t *testing.T) {
	p := open(t, t.TempDir())
	p.run(t, "r")
	p.SetSource("a", "changed")
	out := p.run(t, "r")
	path := p.Store.Path(out.Benchmark)
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte(`{"manifests":[]}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	before := p.blobs(t)
	_, err := p.gc.Collect(t.Context(), today, false)
	if err == nil || !strings.Contains(err.Error(), out.Benchmark.String()) {
		t.Errorf("Collect = %v; want an error that names the document", err)
	}
	if got := p.blobs(t); !slices.Equal(got, before) {
		t.Error("something was removed nevertheless")
	}
}

// TestLeftovers: what dead processes left beside the store goes, what is in use or young stays.
func TestLeftovers(t *testing.T) {
	p := open(t, t.TempDir())
	dirs := map[string]bool{"scratch/step-dead": true, "scratch/step-lives": false, "scratch/other": false, "partial/old": true, "partial/young": false}
	for d := range dirs {
		if err := errors.Join(os.MkdirAll(filepath.Join(p.Dir, d), 0o755), os.WriteFile(filepath.Join(p.Dir, d, "half"), make([]byte, 100), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	young, old := today.Add(-time.Hour), today.Add(-30*24*time.Hour)
	if err := errors.Join(os.Chtimes(filepath.Join(p.Dir, "partial/old"), old, old), os.Chtimes(filepath.Join(p.Dir, "partial/young"), young, young)); err != nil {
		t.Fatal(err)
	}
	lives, err := os.Open(filepath.Join(p.Dir, "scratch/step-lives"))
	if err != nil {
		t.Fatal(err)
	}
	defer lives.Close()
	if err := cas.Flock(lives, syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		if r := p.collect(t, dry); len(r.Items) != 2 || r.Bytes != 200 {
			t.Errorf("dry %v: %+v", dry, r.Items)
		}
	}
	for d, goes := range dirs {
		if _, err := os.Stat(filepath.Join(p.Dir, d)); (err != nil) != goes {
			t.Errorf("%s: %v", d, err)
		}
	}
}
