package gc_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/verify"
)

func (p *process) ref(t *testing.T, name string) digest.Digest {
	t.Helper()
	ix, err := p.Store.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ix.Manifests {
		if m.Annotations[ocispec.AnnotationRefName] == name {
			return m.Digest
		}
	}
	t.Fatalf("nothing is called %s", name)
	return ""
}

func order(d ...digest.Digest) gc.Forget {
	return gc.Forget{Artifacts: d, Reason: "consent was withdrawn", By: "data office", Now: today}
}

// wantKind checks that an error has a mark and says something.
func wantKind(t *testing.T, err error, kind string, says ...string) {
	t.Helper()
	if activities.Kind(err) != kind {
		t.Fatalf("error %v is %q, want %q", err, activities.Kind(err), kind)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %v does not say %q", err, s)
		}
	}
}

// TestForget: the bytes go, the chain stays, verification says deleted, and they do not come back until somebody
// says that they may.
func TestForget(t *testing.T) {
	p := open(t, t.TempDir())
	out := p.run(t, "r")
	raw := p.ref(t, "small/fetch/a")
	dry := order(raw)
	dry.Dry = true
	before := p.blobs(t)
	would, err := p.gc.Forget(t.Context(), dry)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.blobs(t), before) {
		t.Error("a dry run changed the store")
	}
	done, err := p.gc.Forget(t.Context(), order(raw))
	if err != nil {
		t.Fatal(err)
	}
	f := done[0]
	if f.Name != "small/fetch/a" || f.Blobs != 2 || f.Bytes == 0 || f.Blobs != would[0].Blobs || f.Bytes != would[0].Bytes || len(f.Kept) > 0 {
		t.Errorf("forgot %+v, announced %+v", f, would[0])
	}
	var derived []string
	for _, d := range f.Derived {
		derived = append(derived, d.Name)
	}
	if want := []string{"small/curate/a", "small/evaluate/test/all/a", "small/evaluate/test/all/b", "small/pretrain/all"}; !slices.Equal(derived, want) {
		t.Errorf("made of it are %q, want %q", derived, want)
	}

	if v := p.verify(t, out.Benchmark, verify.Records); !v.OK || v.Level != verify.Records {
		t.Errorf("records do not verify: %+v", v.Problems)
	}
	deleted := func() {
		t.Helper()
		v := p.verify(t, out.Benchmark, verify.Bytes)
		if v.OK || v.Level != verify.Records || len(v.Problems) != 2 {
			t.Fatalf("level %s with %+v, want records and two problems", v.Level, v.Problems)
		}
		for _, x := range v.Problems {
			if x.Code != verify.BlobDeleted || x.Step != "fetch/a" || !x.Missing() {
				t.Errorf("%+v, want a deleted blob of fetch/a", x)
			}
			for _, says := range []string{"2026-11-25", "data office", "consent was withdrawn", f.Tombstone.String()} {
				if !strings.Contains(x.Got, says) {
					t.Errorf("%q does not say %q", x.Got, says)
				}
			}
		}
	}
	deleted()
	if err := p.gc.Close(); err != nil {
		t.Fatal(err)
	}
	if r := p.collect(t, false); r.Blobs > 0 {
		t.Errorf("a collection took %v", names(r))
	}
	deleted()

	r := &resolve.Resolver{Store: p.Store, Cache: p.Cache, Plugins: p.Plugins, Env: p.Env}
	_, id := p.Manifest(t, "a", "b")
	_, err = r.Prepare(t.Context(), activities.PrepareRequest{Manifest: id})
	wantKind(t, err, activities.Refused, "fetch/a", "data office", "consent was withdrawn", f.Tombstone.String(), "cairn gc --restore "+raw.String())
	if _, err := r.Prepare(t.Context(), activities.PrepareRequest{Manifest: id, Only: []string{"curate/b"}}); err != nil {
		t.Errorf("steps that do not need it: %v", err)
	}
	p.Upgrade(t) // another action gives the same files
	err = p.refetch(t)
	wantKind(t, err, activities.Refused, f.Tombstone.String())

	if err := p.gc.Restore(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	wantKind(t, p.gc.Restore(t.Context(), raw), activities.Invalid, "not forgotten")
	if err := open(t, p.Dir).refetch(t); err != nil {
		t.Error(err)
	}
	if v := p.verify(t, out.Benchmark, verify.Bytes); !v.OK {
		t.Errorf("after it was fetched again: %+v", v.Problems)
	}
}

// refetch does the step fetch/a.
func (p *process) refetch(t *testing.T) error {
	t.Helper()
	_, id := p.Manifest(t, "a", "b")
	r := &resolve.Resolver{Store: p.Store, Cache: p.Cache, Plugins: p.Plugins, Env: p.Env}
	todo, err := r.Prepare(t.Context(), activities.PrepareRequest{Manifest: id, Only: []string{"fetch/a"}})
	if err != nil {
		t.Fatal(err)
	}
	e := &execute.Executor{Store: p.Store, Cache: p.Cache, Plugins: p.Plugins, Env: p.Env, Key: p.Key, Scratch: p.Scratch(), Workers: 1, Now: activitytest.Now()}
	_, err = e.Execute(t.Context(), activities.ExecuteRequest{Plan: todo.Plan, Step: "fetch/a"}, execute.Attempt{})
	return err
}

// TestForgetShared: bytes that another artifact has too are not taken from it unseen.
func TestForgetShared(t *testing.T) {
	p := open(t, t.TempDir())
	one, err := pack(t.Context(), p, "shared")
	if err != nil {
		t.Fatal(err)
	}
	m, err := artifact.ReadManifest(t.Context(), p.Store, one)
	if err != nil {
		t.Fatal(err)
	}
	m.Layers = m.Layers[1:]
	two := keepManifest(t, p, m)
	named := map[string]ocispec.Descriptor{"one": {Digest: one}, "two": {Digest: two}}
	if err := errors.Join(p.Store.Tag(t.Context(), named), p.gc.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = p.gc.Forget(t.Context(), order(one))
	wantKind(t, err, activities.Refused, two.String(), "--force")
	if err := whole(t.Context(), p, one); err != nil {
		t.Fatal(err)
	}
	forced := order(one)
	forced.Force = true
	done, err := p.gc.Forget(t.Context(), forced)
	if err != nil || len(done[0].Kept) != 1 || done[0].Kept[0].By.Digest != two || done[0].Blobs != 1 {
		t.Fatalf("%+v, %v; want one blob gone and one kept by the other", done, err)
	}
	if err := whole(t.Context(), p, two); err != nil {
		t.Error(err)
	}
	done, err = p.gc.Forget(t.Context(), order(one, two))
	if err != nil || done[0].Blobs != 1 || done[1].Blobs != 1 || len(done[0].Kept)+len(done[1].Kept) > 0 {
		t.Fatalf("%+v, %v; want the shared blob gone from both", done, err)
	}
	if _, err := p.Store.Stat(t.Context(), m.Layers[0].Digest); err == nil {
		t.Error("the shared blob is still there")
	}
}

// TestForgetBeside: bytes that something else is known to share rightly stay; models go as datasets do, under the name that is given.
func TestForgetBeside(t *testing.T) {
	p := open(t, t.TempDir())
	p.run(t, "r")
	one, err := pack(t.Context(), p, "shared")
	if err != nil {
		t.Fatal(err)
	}
	m, err := artifact.ReadManifest(t.Context(), p.Store, one)
	if err != nil {
		t.Fatal(err)
	}
	m.Layers = m.Layers[1:]
	two, model := keepManifest(t, p, m), p.ref(t, "small/pretrain/all")
	named := map[string]ocispec.Descriptor{"two": {Digest: two}}
	if err := errors.Join(p.Store.Tag(t.Context(), named), p.gc.Close()); err != nil {
		t.Fatal(err)
	}
	ask := order(one, model)
	ask.Beside, ask.Names = []digest.Digest{two}, map[digest.Digest]string{one: "small/curate/old", model: "not this"}
	done, err := p.gc.Forget(t.Context(), ask)
	if err != nil || len(done[0].Kept) != 0 || done[0].Blobs != 1 || done[0].Name != "small/curate/old" || done[1].Name != "small/pretrain/all" || done[1].Blobs == 0 {
		t.Fatalf("%+v, %v; want one blob gone of the first, and all of the model", done, err)
	}
	if err := whole(t.Context(), p, two); err != nil {
		t.Error(err)
	}
}

// TestForgetRefuses names what stands against it.
func TestForgetRefuses(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir)
	p.run(t, "r")
	_, err := p.gc.Forget(t.Context(), order(p.ref(t, "small/"+verify.DocumentsStep)))
	wantKind(t, err, activities.Invalid, "only the bytes of datasets")
	raw := p.ref(t, "small/fetch/a")
	unsaid := order(raw)
	unsaid.Reason = " "
	_, err = p.gc.Forget(t.Context(), unsaid)
	wantKind(t, err, activities.Invalid, "why")

	worker := open(t, dir)
	worker.SetSource("b", "other")
	worker.begin(t, "next")
	_, err = p.gc.Forget(t.Context(), order(raw))
	wantKind(t, err, activities.Refused, "process of", "--force")
	if err := whole(t.Context(), p, raw); err != nil {
		t.Error(err)
	}
	forced := order(raw)
	forced.Force = true
	if _, err := p.gc.Forget(t.Context(), forced); err != nil {
		t.Error(err)
	}
	if err := worker.gc.Close(); err != nil { // it lives until here
		t.Error(err)
	}
}

func keepManifest(t *testing.T, p *process, m ocispec.Manifest) digest.Digest {
	t.Helper()
	return keep(t, p, string(marshal(t, m))).Digest
}
