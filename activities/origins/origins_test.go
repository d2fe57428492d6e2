package origins_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/activities/origins"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/override"
	"github.com/cairn-bench/cairn/manifests/terms"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// rebuilt is a home with a benchmark of an open dataset, a closed one, and one that is only fetched. It returns the benchmark artifact.
func rebuilt(t *testing.T) (*activitytest.Home, digest.Digest) {
	t.Helper()
	h := activitytest.New(t)
	text := strings.Replace(activitytest.Text("a", "b"), "b, modality: ecg, licence: CC0-1.0, access: open", "b, modality: ecg, licence: MIT, access: credentialed", 1)
	text = strings.Replace(text, "models:", "  extra: {title: e, modality: ecg, licence: LicenseRef-x, access: open, fetch: {plugin: memory, seed: 1, params: {name: extra}}}\nmodels:", 1)
	id, err := cas.PutBytes(t.Context(), h.Store, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	pub := &publish.Publisher{Resolver: &resolve.Resolver{Store: h.Store, Cache: h.Cache, Plugins: h.Plugins, Env: h.Env}, Tag: h.Store.Tag, Key: h.Key, Now: activitytest.Now()}
	todo, err := pub.Resolver.Prepare(t.Context(), activities.PrepareRequest{Manifest: id})
	if err != nil {
		t.Fatal(err)
	}
	e := &execute.Executor{Store: h.Store, Cache: h.Cache, Plugins: h.Plugins, Env: h.Env, Key: h.Key, Scratch: h.Scratch(), Workers: 1, Now: activitytest.Now()}
	made := map[string]digest.Digest{}
	for _, n := range todo.Todo {
		in := slices.Clone(n.Inputs)
		for _, i := range n.After {
			in = append(in, activities.Bound{Step: todo.Todo[i].Step, Artifact: made[todo.Todo[i].Step]})
		}
		res, err := e.Execute(t.Context(), activities.ExecuteRequest{Plan: todo.Plan, Step: n.Step, Inputs: in}, execute.Attempt{})
		if err != nil {
			t.Fatal(err)
		}
		made[n.Step] = res.Artifact
	}
	out, err := pub.Publish(t.Context(), activities.PublishRequest{Plan: todo.Plan, Manifest: id}, "run")
	if err != nil {
		t.Fatal(err)
	}
	return h, out.Benchmark
}

// found are the origins of all parts of a benchmark, by step.
func found(t *testing.T, h *activitytest.Home, bench digest.Digest) map[string]terms.Origin {
	t.Helper()
	f, err := origins.New(t.Context(), h.Store, h.Cache, origins.OpenNotes(h.Dir))
	if err != nil {
		t.Fatal(err)
	}
	parts, err := f.Parts(t.Context(), bench)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]terms.Origin{}
	for _, p := range parts {
		out[p.Name] = p.Origin
	}
	return out
}

// TestOrigins: where an artifact comes from is known from the action cache and from benchmarks, and from one of them alone as far as it
// says.
func TestOrigins(t *testing.T) {
	h, bench := rebuilt(t)
	a, b, x := terms.Term{Dataset: "a", Licence: "CC0-1.0", Access: "open"}, terms.Term{Dataset: "b", Licence: "MIT", Access: "credentialed"}, terms.Term{Dataset: "extra", Licence: "LicenseRef-x", Access: "open"}
	of := func(w terms.What, t ...terms.Term) terms.Origin { return terms.Origin{What: []terms.What{w}, Terms: t} }
	want := map[string]terms.Origin{
		"fetch/a": of(terms.Raw, a), "fetch/b": of(terms.Raw, b), "fetch/extra": of(terms.Raw, x),
		"curate/a": of(terms.Curated, a), "curate/b": of(terms.Curated, b), "pretrain/all": of(terms.Model, a, b),
		"evaluate/test/all/a": of(terms.Predictions, a, b), "evaluate/test/all/b": of(terms.Predictions, a, b), "documents": {},
	}
	same := cmpopts.EquateEmpty()
	if diff := cmp.Diff(want, found(t, h, bench), same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	actions := filepath.Join(h.Dir, "actions")
	if err := os.Rename(actions, actions+".aside"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, found(t, h, bench), same); diff != "" {
		t.Errorf("without the action cache (-want +got):\n%s", diff)
	}
	untag(t, h)
	f := found(t, h, bench)
	for name, o := range f {
		if curated := strings.HasPrefix(name, "curate/"); curated && !cmp.Equal(o, want[name], same) || !curated && (name == "documents") != (len(o.Unknown) == 0) {
			t.Errorf("of %s, of which nothing but itself is left: %+v", name, o)
		}
	}
	if err := os.Rename(actions+".aside", actions); err != nil {
		t.Fatal(err)
	}
	raw := want["fetch/extra"]
	want["fetch/extra"] = terms.Origin{What: raw.What, Unknown: found(t, h, bench)["fetch/extra"].Unknown}
	if len(want["fetch/extra"].Unknown) != 1 {
		t.Error("only a manifest says what is only fetched, and there is none")
	}
	if diff := cmp.Diff(want, found(t, h, bench), same); diff != "" {
		t.Errorf("without a benchmark (-want +got):\n%s", diff)
	}

	notes, extra := origins.OpenNotes(h.Dir), want["fetch/extra"].Unknown[0]
	for _, term := range []terms.Term{x, a, x} {
		if err := notes.Add(extra, term); err != nil {
			t.Fatal(err)
		}
	}
	want["fetch/extra"] = of(terms.Raw, a, x)
	if diff := cmp.Diff(want, found(t, h, bench), same); diff != "" {
		t.Errorf("with a note of two manifests (-want +got):\n%s", diff)
	}
	if err := notes.Add("sha256:x", x); err == nil {
		t.Error("a note of what is no digest")
	}
	if err := os.WriteFile(filepath.Join(h.Dir, "origins", extra.Encoded()+".json"), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := origins.New(t.Context(), h.Store, h.Cache, notes); err == nil || !strings.Contains(err.Error(), "origins/"+extra.Encoded()) {
		t.Errorf("a note that is cut: %v", err)
	}
}

// untag takes all names from a store.
func untag(t *testing.T, h *activitytest.Home) {
	t.Helper()
	err := h.Store.Untag(t.Context(), func(ix ocispec.Index) (all []string, _ error) {
		for _, m := range ix.Manifests {
			all = append(all, m.Annotations[ocispec.AnnotationRefName])
		}
		return all, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamage: a document that is there and damaged is no document that says nothing.
func TestDamage(t *testing.T) {
	h, bench := rebuilt(t)
	ids, err := h.Cache.Entries()
	if err != nil {
		t.Fatal(err)
	}
	file := h.Store.Path(ids[0].Digest())
	if err := errors.Join(os.Chmod(file, 0o600), os.WriteFile(file, []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var wrong *cas.MismatchError
	if _, err := origins.New(t.Context(), h.Store, h.Cache, origins.OpenNotes(h.Dir)); !errors.As(err, &wrong) {
		t.Errorf("%v, of %s", err, bench)
	}
}

// TestOverrides: what was recorded is found by what it is about, until its bytes are others, and where it is pulled to.
func TestOverrides(t *testing.T) {
	h, bench := rebuilt(t)
	parts := func() []digest.Digest {
		f, err := origins.New(t.Context(), h.Store, h.Cache, origins.OpenNotes(h.Dir))
		if err != nil {
			t.Fatal(err)
		}
		all, err := f.Parts(t.Context(), bench)
		if err != nil {
			t.Fatal(err)
		}
		return []digest.Digest{all[0].Digest, all[1].Digest}
	}()
	key := keys.Home(t.TempDir(), "")
	public, err := key.Known()
	if err != nil {
		t.Fatal(err)
	}
	known := []trust.Key{{Name: "the lab", Public: public}}
	kept := origins.OpenOverrides(h.Store, key)
	o := override.Override{Verb: terms.Push, To: "x/y", By: "Ada", Reason: "so", At: time.Unix(1e9, 0), Name: "small", Artifact: bench,
		Refused: []override.Refusal{override.NewRefusal("small/a", parts[0], terms.Decision{})}}
	d, err := kept.Record(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	about := func(known []trust.Key, of ...digest.Digest) []origins.Kept {
		all, err := kept.About(t.Context(), known, of...)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, of := range []digest.Digest{bench, parts[0]} {
		if got := about(known, of); len(got) != 1 || got[0].Manifest != d || got[0].Signer != "the lab" || got[0].By != "Ada" {
			t.Errorf("about %s: %+v", of, got)
		}
	}
	if got := about(known, parts[1]); len(got) != 0 {
		t.Errorf("about what was not refused: %+v", got)
	}
	untag(t, h)
	if err := kept.Keep(t.Context(), parts[0], d); err != nil {
		t.Fatal(err)
	}
	if got := about(nil, bench); len(got) != 1 || got[0].Checked || got[0].Signer != "" || !strings.HasPrefix(got[0].Key, "SHA256:") {
		t.Errorf("elsewhere: %+v", got)
	}
	file := h.Store.Path(d)
	if err := errors.Join(os.Chmod(file, 0o600), os.WriteFile(file, []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := about(nil, parts[1]); len(got) != 1 || got[0].Bad == nil {
		t.Errorf("a damaged one: %+v", got)
	}
}
