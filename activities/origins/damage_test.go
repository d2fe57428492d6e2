package origins_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/activities/origins"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/override"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/terms"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// TestNotes: a run notes what its manifest says of what was fetched and made, and a note that is damaged is not written over.
func TestNotes(t *testing.T) {
	dir := t.TempDir()
	notes := origins.OpenNotes(dir)
	p := &plan.Plan{Steps: []plan.Step{{Name: "fetch/a", Plugin: action.Plugin{Kind: string(catalog.Fetch)}}, {Name: "fetch/b", Plugin: action.Plugin{Kind: string(catalog.Fetch)}}, {Name: "curate/a", Plugin: action.Plugin{Kind: string(catalog.Curate)}}}}
	made := map[string]digest.Digest{"fetch/a": digest.FromString("a"), "curate/a": digest.FromString("curated")}
	text := []byte("datasets: {a: {licence: MIT, access: open}, b: {licence: MIT, access: open}}")
	for range 2 {
		if err := notes.Run(text, p, made); err != nil {
			t.Fatal(err)
		}
	}
	if err := notes.Run([]byte("{"), p, made); err == nil {
		t.Error("noted of no manifest")
	}
	all, err := os.ReadDir(filepath.Join(dir, "origins"))
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v: want the one dataset that was fetched", all, err)
	}
	file := filepath.Join(dir, "origins", all[0].Name())
	if got, err := os.ReadFile(file); err != nil || string(got) != `[{"dataset":"a","licence":"MIT","access":"open"}]` {
		t.Errorf("%s, %v", got, err)
	}
	if err := os.WriteFile(file, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := notes.Run(text, p, made); err == nil {
		t.Error("noted over a damaged note")
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "[{" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestNotHere: documents and data that are not here say nothing, and neither does what is not a note.
func TestNotHere(t *testing.T) {
	h, bench := rebuilt(t)
	f, err := origins.New(t.Context(), h.Store, h.Cache, origins.OpenNotes(h.Dir))
	if err != nil {
		t.Fatal(err)
	}
	parts, err := f.Parts(t.Context(), bench)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if p.Name == "evaluate/test/all/a" {
			if all := p.Manifest.Layers; len(p.Data()) != len(all)-1 || slices.ContainsFunc(all, func(l ocispec.Descriptor) bool {
				return (l.Annotations[ocispec.AnnotationTitle] == document.MetricsFile) == slices.Contains(p.Data(), l.Digest)
			}) {
				t.Errorf("data of an evaluation are %v", p.Data())
			}
		}
		one, err := f.Parts(t.Context(), p.Digest)
		if err != nil || len(one) != 1 || one[0].Digest != p.Digest || len(one[0].Origin.Terms) != len(p.Origin.Terms) {
			t.Errorf("%s alone: %+v, %v", p.Name, one, err)
		}
	}
	for name, text := range map[string]string{"x.tmp": "x", "y.json": "x"} {
		if err := os.MkdirAll(filepath.Join(h.Dir, "origins"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.Dir, "origins", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := h.Cache.Entries()
	if err != nil {
		t.Fatal(err)
	}
	gone := []digest.Digest{ids[0].Digest()}
	for _, p := range parts {
		for _, l := range p.Manifest.Layers {
			gone = append(gone, l.Digest)
		}
	}
	for _, d := range gone {
		if err := h.Store.Remove(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	found(t, h, bench)
	for _, p := range parts {
		if p.Name == "documents" {
			if err := h.Store.Remove(t.Context(), p.Digest); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := origins.New(t.Context(), h.Store, h.Cache, origins.OpenNotes(h.Dir)); err != nil {
		t.Error(err)
	}
	if err := h.Store.Remove(t.Context(), bench); err != nil {
		t.Fatal(err)
	}
	if _, err := origins.New(t.Context(), h.Store, h.Cache, origins.OpenNotes(h.Dir)); err != nil {
		t.Error(err)
	}
}

// posing signs with one key and names another.
type posing struct {
	keys.Signer
	name string
}

func (p posing) KeyID() (string, error) { return p.name, nil }

// TestBadOverrides: what is called an override and is none, or is about something else than it says, or is not of the key that it
// names, is told.
func TestBadOverrides(t *testing.T) {
	h, bench := rebuilt(t)
	key := keys.Home(t.TempDir(), "")
	public, err := key.Known()
	if err != nil {
		t.Fatal(err)
	}
	ix, err := cas.ReadAll(t.Context(), h.Store, bench, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	o := override.Override{Verb: terms.Push, To: "x/y", By: "Ada", Reason: "so", At: time.Unix(1e9, 0), Name: "small", Artifact: bench,
		Refused: []override.Refusal{override.NewRefusal("small/a", digest.FromString("a"), terms.Decision{})}}
	put := func(mediaType string, text []byte) ocispec.Descriptor {
		d, err := cas.PutBytes(t.Context(), h.Store, text)
		if err != nil {
			t.Fatal(err)
		}
		return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(text))}
	}
	signed := func(k interface {
		KeyID() (string, error)
		Sign(context.Context, []byte) ([]byte, error)
	}) []byte {
		text, err := o.Sign(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	about := put(ocispec.MediaTypeImageIndex, ix)
	config := put(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	other := put(ocispec.MediaTypeImageManifest, []byte("other"))
	manifest := func(subject ocispec.Descriptor, text []byte) []byte {
		m, err := override.Manifest(subject, put(provenance.EnvelopeType, text), config)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	plain, err := envelope.Sign(t.Context(), "text/plain", []byte("x"), key)
	if err != nil {
		t.Fatal(err)
	}
	record, err := provenance.Manifest(about, put(provenance.EnvelopeType, signed(key)), config)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		bad  string
	}{
		"as it is":            {manifest(about, signed(key)), ""},
		"of another key":      {manifest(about, signed(posing{keys.Home(t.TempDir(), ""), public.ID})), "is not of it"},
		"about another":       {manifest(other, signed(key)), "its statement about"},
		"of another kind":     {record, "its manifest is of something else"},
		"of another envelope": {manifest(about, plain), "its payload is"},
		"of no manifest":      {[]byte("{}"), "override sha256:"},
	} {
		d := put(ocispec.MediaTypeImageManifest, c.text)
		if err := h.Store.Tag(t.Context(), map[string]ocispec.Descriptor{override.Name + d.Digest.Encoded(): d}); err != nil {
			t.Fatal(err)
		}
		all, err := origins.OpenOverrides(h.Store, key).About(t.Context(), []trust.Key{{Name: "the lab", Public: public}}, bench)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(k origins.Kept) bool { return k.Manifest == d.Digest })
		if i < 0 || (all[i].Bad == nil) != (c.bad == "") || c.bad != "" && !strings.Contains(all[i].Bad.Error(), c.bad) || c.bad == "" && all[i].Signer != "the lab" {
			t.Errorf("%s: %d of %+v, want %q", name, i, all, c.bad)
		}
	}
	kept, err := origins.OpenOverrides(h.Store, key).Record(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var m ocispec.Manifest
	if text, err := cas.ReadAll(t.Context(), h.Store, kept, 1<<20); err != nil || json.Unmarshal(text, &m) != nil || m.Subject.MediaType != ocispec.MediaTypeImageIndex {
		t.Errorf("%+v, %v: want an index as its subject", m.Subject, err)
	}
}
