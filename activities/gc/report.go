package gc

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// Item is something that goes.
type Item struct {
	Kind   string        `json:"kind"` // dataset, model, evaluation, record, benchmark, action, plan, ..., entry, scratch, download
	Name   string        `json:"name,omitempty"`
	Digest digest.Digest `json:"digest,omitempty"`
	Path   string        `json:"path,omitempty"`
	Blobs  int           `json:"blobs"`
	Bytes  int64         `json:"bytes"`

	blobs []blob
}

// maxSniffed bounds a blob that is looked into for what it is.
const maxSniffed = 16 << 20

// inside is what is known of a document by its own words.
type inside struct {
	manifest ocispec.Manifest // of an artifact or a record, or an index
	parts    []ocispec.Descriptor
	kind     string
	name     string
}

// look reads a small blob. What is no document we know is of kind blob.
func (c *collection) look(b blob) inside {
	out := inside{kind: "blob"}
	if text, err := c.h.isText(c.ctx, b.digest); b.size > maxSniffed || err != nil || !text {
		return out
	}
	text, err := cas.ReadAll(c.ctx, c.h.store, b.digest, maxSniffed)
	if err != nil {
		return out
	}
	if strings.Contains(string(text[:min(len(text), 256)]), "kind: BenchmarkLock") {
		out.kind = "lock"
		return out
	}
	var head struct {
		Schema    string               `json:"schema"`
		Manifests []ocispec.Descriptor `json:"manifests"`
	}
	if json.Unmarshal(text, &head) != nil {
		return out
	}
	if _, word, ok := strings.Cut(head.Schema, "cairn/"); ok {
		out.kind, _, _ = strings.Cut(word, "/")
	}
	if json.Unmarshal(text, &out.manifest) != nil {
		return out
	}
	switch out.manifest.MediaType {
	case ocispec.MediaTypeImageIndex:
		out.kind, out.name, out.parts = "benchmark", out.manifest.Annotations[ocispec.AnnotationTitle], head.Manifests
	case ocispec.MediaTypeImageManifest:
		out.kind = kindOf(out.manifest)
	}
	return out
}

// kindOf says what an OCI manifest is of.
func kindOf(m ocispec.Manifest) string {
	switch {
	case m.ArtifactType == provenance.MediaType:
		return "record"
	case m.ArtifactType == artifact.ModelType:
		return "model"
	case m.ArtifactType == artifact.EvaluationType:
		return "evaluation"
	case m.Config.MediaType == ocispec.MediaTypeImageConfig:
		return "dataset"
	}
	return "artifact"
}

// examine looks into the blobs that are not reached: what they are, and which are about something else.
func (c *collection) examine() error {
	c.inner = map[digest.Digest]inside{}
	for _, b := range c.garbage() {
		in := c.look(b)
		if in.kind != "blob" {
			c.inner[b.digest] = in
		}
		if in.manifest.Subject != nil {
			r := referrer{manifest: b.digest, parts: []digest.Digest{in.manifest.Config.Digest}}
			for _, l := range in.manifest.Layers {
				r.parts = append(r.parts, l.Digest)
			}
			c.referrers[in.manifest.Subject.Digest] = append(c.referrers[in.manifest.Subject.Digest], r)
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// items puts what goes together: an artifact with the blobs that only it holds is one item.
func (c *collection) items() []Item {
	g := grouping{left: map[digest.Digest]int64{}, inner: c.inner, names: c.names()}
	garbage := c.garbage()
	for _, b := range garbage {
		g.left[b.digest] = b.size
	}
	for _, b := range garbage { // artifacts first, so that nothing that is in one is on its own
		if len(c.inner[b.digest].manifest.Layers) > 0 {
			g.add(b.digest)
		}
	}
	for _, b := range garbage {
		g.add(b.digest)
	}
	return g.items
}

type grouping struct {
	left  map[digest.Digest]int64 // blobs that are in no item, with their sizes
	inner map[digest.Digest]inside
	names map[digest.Digest]string
	items []Item
}

// add makes an item of a blob and of what it holds, unless it is in one.
func (g *grouping) add(d digest.Digest) {
	if _, ok := g.left[d]; !ok {
		return
	}
	in := g.inner[d]
	i := Item{Kind: cmp.Or(in.kind, "blob"), Name: cmp.Or(g.names[d], in.name), Digest: d}
	for _, part := range append([]ocispec.Descriptor{{Digest: d}, in.manifest.Config}, in.manifest.Layers...) {
		if size, ok := g.left[part.Digest]; ok {
			i.blobs = append(i.blobs, blob{part.Digest, size})
			delete(g.left, part.Digest)
		}
	}
	g.items = append(g.items, i)
}

// names finds out what artifacts were called: a benchmark and a record say it of those they name.
func (c *collection) names() map[digest.Digest]string {
	names := map[digest.Digest]string{}
	for d, in := range c.inner {
		if in.kind == "record" && in.manifest.Subject != nil {
			if step := c.step(in.manifest); step != "" {
				names[d] = step
				names[in.manifest.Subject.Digest] = step
			}
		}
	}
	for _, in := range c.inner {
		for _, p := range in.parts {
			if step := p.Annotations[verify.StepKey]; step != "" {
				names[p.Digest] = in.name + "/" + step
			}
		}
	}
	return names
}

// step is what a record calls its subject.
func (c *collection) step(record ocispec.Manifest) string {
	if len(record.Layers) == 0 {
		return ""
	}
	text, err := cas.ReadAll(c.ctx, c.h.store, record.Layers[0].Digest, maxSniffed)
	if err != nil {
		return ""
	}
	var st struct {
		Subject []provenance.Subject `json:"subject"`
	}
	if json.Unmarshal(text, &st) != nil || len(st.Subject) == 0 {
		return ""
	}
	return st.Subject[0].Name
}

// report sums up, without the blobs that somebody has begun to use meanwhile.
func (c *collection) report(items, left []Item) Report {
	r := Report{Items: []Item{}, Roots: c.roots, Stayed: len(c.all)}
	for _, i := range items {
		for _, b := range i.blobs {
			if !c.has(b.digest) {
				i.Blobs, i.Bytes = i.Blobs+1, i.Bytes+b.size
			}
		}
		if i.Blobs > 0 {
			r.Items = append(r.Items, i)
		}
	}
	r.Items = sorted(append(r.Items, left...))
	for _, i := range r.Items {
		r.Blobs, r.Bytes, r.Stayed = r.Blobs+i.Blobs, r.Bytes+i.Bytes, r.Stayed-i.Blobs
	}
	return r
}

// sorted puts the largest first.
func sorted(items []Item) []Item {
	slices.SortFunc(items, func(x, y Item) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), strings.Compare(x.Kind, y.Kind), strings.Compare(x.Name, y.Name),
			strings.Compare(string(x.Digest), string(y.Digest)), strings.Compare(x.Path, y.Path))
	})
	return items
}
