package provenance_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/provenance"
)

// grave keeps blobs in memory.
type grave map[digest.Digest][]byte

func (g grave) put(text []byte) ocispec.Descriptor {
	d := digest.FromBytes(text)
	g[d] = text
	return ocispec.Descriptor{Digest: d, Size: int64(len(text))}
}

func (g grave) read(d digest.Digest) ([]byte, error) {
	if text, ok := g[d]; ok {
		return text, nil
	}
	return nil, errors.New("no such blob")
}

// bury makes a tombstone of a dataset whose blobs a and b were removed.
func bury(t *testing.T, change func(d *provenance.Deletion, subject *ocispec.Descriptor)) (grave, digest.Digest, error) {
	t.Helper()
	g := grave{}
	blobs := []digest.Digest{digest.FromString("a"), digest.FromString("b")}
	slices.Sort(blobs)
	list := g.put(provenance.RemovedList(blobs))
	subject := ocispec.Descriptor{Digest: digest.FromString("dataset"), Size: 7}
	deletion := provenance.Deletion{Reason: "consent was withdrawn", By: "data office",
		On: time.Date(2026, 11, 25, 23, 0, 0, 5, time.FixedZone("", -3600)), Removed: provenance.Removed{Blobs: 2, Bytes: 100, List: list.Digest}}
	change(&deletion, &subject)
	text, err := provenance.NewTombstone("fetch/a", digest.FromString("dataset"), deletion)
	if err != nil {
		return g, "", err
	}
	manifest, err := provenance.TombstoneManifest(subject, g.put(text), list, g.put([]byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	return g, g.put(manifest).Digest, nil
}

// TestTombstone reads what was written.
func TestTombstone(t *testing.T) {
	g, d, err := bury(t, func(*provenance.Deletion, *ocispec.Descriptor) {})
	if err != nil {
		t.Fatal(err)
	}
	stone, removed, err := provenance.ReadTombstone(d, g.read)
	if err != nil || len(removed) != 2 || stone.Artifact() != digest.FromString("dataset") || stone.Predicate.Removed.Bytes != 100 {
		t.Fatalf("ReadTombstone = %+v, %v, %v", stone, removed, err)
	}
	if got, want := stone.String(), "deleted on 2026-11-26 by data office: consent was withdrawn"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// TestTombstoneRefuses what explains nothing.
func TestTombstoneRefuses(t *testing.T) {
	for name, change := range map[string]func(d *provenance.Deletion, subject *ocispec.Descriptor){
		"no reason":       func(d *provenance.Deletion, _ *ocispec.Descriptor) { d.Reason = " " },
		"nobody":          func(d *provenance.Deletion, _ *ocispec.Descriptor) { d.By = "" },
		"another list":    func(d *provenance.Deletion, _ *ocispec.Descriptor) { d.Removed.List = digest.FromString("other") },
		"no list":         func(d *provenance.Deletion, _ *ocispec.Descriptor) { d.Removed.List = "" },
		"another subject": func(_ *provenance.Deletion, s *ocispec.Descriptor) { s.Digest = digest.FromString("other") },
	} {
		t.Run(name, func(t *testing.T) {
			g, d, err := bury(t, change)
			if err == nil {
				_, _, err = provenance.ReadTombstone(d, g.read)
			}
			if err == nil {
				t.Error("accepted")
			}
		})
	}
}

// TestTombstoneManifest: a manifest that is not whole, or is about something else, explains nothing.
func TestTombstoneManifest(t *testing.T) {
	g, d, err := bury(t, func(*provenance.Deletion, *ocispec.Descriptor) {})
	if err != nil {
		t.Fatal(err)
	}
	var good ocispec.Manifest
	if err := json.Unmarshal(g[d], &good); err != nil {
		t.Fatal(err)
	}
	other := g.put(provenance.RemovedList([]digest.Digest{digest.FromString("c")}))
	for name, change := range map[string]func(m *ocispec.Manifest){
		"no subject":   func(m *ocispec.Manifest) { m.Subject = nil },
		"one layer":    func(m *ocispec.Manifest) { m.Layers = m.Layers[:1] },
		"three layers": func(m *ocispec.Manifest) { m.Layers = append(m.Layers, other) },
		"another list": func(m *ocispec.Manifest) { m.Layers[1] = other },
		"no statement": func(m *ocispec.Manifest) { m.Layers[0] = other },
	} {
		m := good
		m.Layers = slices.Clone(good.Layers)
		change(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if stone, _, err := provenance.ReadTombstone(g.put(text).Digest, g.read); err == nil {
			t.Errorf("%s: %+v", name, stone)
		}
	}
	if stone, _, err := provenance.ReadTombstone(g.put([]byte("{")).Digest, g.read); err == nil || !strings.Contains(err.Error(), "not a manifest") {
		t.Errorf("no JSON: %+v, %v", stone, err)
	}
	for _, gone := range []digest.Digest{d, good.Layers[0].Digest, good.Layers[1].Digest} {
		part := maps.Clone(g)
		delete(part, gone)
		if stone, _, err := provenance.ReadTombstone(d, part.read); err == nil || !strings.Contains(err.Error(), "no such blob") {
			t.Errorf("without %s: %+v, %v", gone, stone, err)
		}
	}
	bad := g.put([]byte("sha256:x\n"))
	g, d, err = bury(t, func(d *provenance.Deletion, _ *ocispec.Descriptor) { d.Removed.List = bad.Digest })
	if err != nil {
		t.Fatal(err)
	}
	m := good
	if err := json.Unmarshal(g[d], &m); err != nil {
		t.Fatal(err)
	}
	m.Layers[1] = g.put([]byte("sha256:x\n"))
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if stone, _, err := provenance.ReadTombstone(g.put(text).Digest, g.read); err == nil || !strings.Contains(err.Error(), "list of removed blobs") {
		t.Errorf("a list of no digests: %+v, %v", stone, err)
	}
}

func TestParseTombstoneRefuses(t *testing.T) {
	sum := digest.FromString("dataset").Encoded()
	text, err := provenance.NewTombstone("fetch/a", digest.FromString("dataset"), provenance.Deletion{Reason: "r", By: "b", Removed: provenance.Removed{List: digest.FromString("l")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new string }{
		"another statement": {"Statement/v1", "Statement/v2"},
		"another predicate": {"tombstone/v1", "tombstone/v2"},
		"no subject":        {`"subject":[{"digest":{"sha256":"` + sum + `"},"name":"fetch/a"}]`, `"subject":[]`},
		"two subjects":      {`"subject":[`, `"subject":[{"digest":{},"name":"x"},`},
		"no artifact":       {sum, "x"},
		"an unknown member": {`"predicateType"`, `"note":1,"predicateType"`},
	} {
		if !strings.Contains(string(text), c.old) {
			t.Fatalf("%s: no %q in %s", name, c.old, text)
		}
		if stone, err := provenance.ParseTombstone([]byte(strings.Replace(string(text), c.old, c.new, 1))); err == nil {
			t.Errorf("%s: accepted as %+v", name, stone)
		}
	}
}

func FuzzParseTombstone(f *testing.F) {
	text, err := provenance.NewTombstone("fetch/a", digest.FromString("dataset"), provenance.Deletion{Reason: "r", By: "b", Removed: provenance.Removed{List: digest.FromString("l")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(strings.Replace(string(text), `"r"`, `"\u0072"`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		stone, err := provenance.ParseTombstone(text)
		if err != nil {
			return
		}
		again, err := provenance.NewTombstone(stone.Subject[0].Name, stone.Artifact(), stone.Predicate)
		if err != nil || string(again) != string(text) {
			t.Errorf("%s was accepted and is written as %s, %v", text, again, err)
		}
	})
}
