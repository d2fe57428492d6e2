package gc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// Forget asks for the bytes of datasets, and of what was made of them, to go for good.
type Forget struct {
	Artifacts []digest.Digest
	Names     map[digest.Digest]string // of those that may have none in the store; may be nil
	Beside    []digest.Digest          // artifacts that are known to hold nothing of what must go: the layers that they have, too, stay, and nobody is asked
	Reason    string
	By        string
	Now       time.Time
	Force     bool // also if a run is at work on them, or if some of their bytes stay because another artifact has them
	Dry       bool
}

// Named is an artifact and what it is called here.
type Named struct {
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest"`
}

// Forgotten says what became of one of them.
type Forgotten struct {
	Named
	Tombstone digest.Digest `json:"tombstone,omitempty"`
	Blobs     int           `json:"blobs"`
	Bytes     int64         `json:"bytes"`
	Kept      []Shared      `json:"kept"`    // blobs that stay
	Derived   []Named       `json:"derived"` // what was made of it and is still there

	manifest ocispec.Descriptor
	removed  []digest.Digest // also by an earlier tombstone
	stone    ocispec.Descriptor
}

// Shared is a blob that another artifact has too.
type Shared struct {
	Blob digest.Digest `json:"blob"`
	By   Named         `json:"by"`
}

// Forget removes the layers of datasets, models and evaluations and leaves a tombstone of each. Manifest, records and everything that was
// made of them stay. What another artifact has as well stays too, which is refused unless it is forced.
func (h *Home) Forget(ctx context.Context, f Forget) ([]Forgotten, error) {
	c, err := h.look(ctx)
	if err != nil {
		return nil, err
	}
	s := &survey{collection: c}
	if err := s.survey(); err != nil {
		return nil, err
	}
	all := make([]Forgotten, len(f.Artifacts))
	for i, d := range f.Artifacts {
		if all[i], err = s.forget(d, f); err != nil {
			return nil, fmt.Errorf("forget %s: %w", d, err)
		}
	}
	if f.Dry {
		return all, nil
	}
	if err := s.bury(all, f); err != nil {
		return nil, fmt.Errorf("forget: %w", err)
	}
	return all, nil
}

// survey knows every artifact that is in use, what it is called, and what was made of what.
type survey struct {
	*collection
	manifests map[digest.Digest]ocispec.Manifest
	names     map[digest.Digest]string
	made      map[digest.Digest][]digest.Digest // artifact -> those made of it
	holders   map[digest.Digest][]digest.Digest // layer -> artifacts that have it and are not forgotten
}

func (s *survey) survey() error {
	s.manifests, s.made = map[digest.Digest]ocispec.Manifest{}, map[digest.Digest][]digest.Digest{}
	for _, b := range s.all {
		if !s.has(b.digest) {
			continue
		}
		in := s.look(b)
		if in.kind != "blob" {
			s.inner[b.digest] = in
		}
		if len(in.manifest.Layers) > 0 {
			s.manifests[b.digest] = in.manifest
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
	}
	s.names = s.collection.names()
	if err := s.hold(); err != nil {
		return err
	}
	for _, id := range s.actions {
		if err := s.derive(id); err != nil {
			return err
		}
	}
	return nil
}

// hold notes which layers are whose.
func (s *survey) hold() error {
	s.holders = map[digest.Digest][]digest.Digest{}
	for _, d := range slices.Sorted(maps.Keys(s.manifests)) {
		_, buried, err := s.h.graves.of(s.ctx, d)
		if err != nil {
			return err
		}
		if buried {
			continue
		}
		for _, l := range s.manifests[d].Layers {
			s.holders[l.Digest] = append(s.holders[l.Digest], d)
		}
	}
	return nil
}

// derive notes what an action has made of its inputs, as far as that can be read.
func (s *survey) derive(id action.ID) error {
	text, err := cas.ReadAll(s.ctx, s.h.store, id.Digest(), maxSniffed)
	if errors.Is(err, cas.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	a, malformed := action.Parse(text)
	e, unread := s.h.cache.Peek(id)
	if malformed == nil && unread == nil {
		for _, in := range a.Inputs {
			s.made[in.Artifact] = append(s.made[in.Artifact], e.Artifact)
		}
	}
	return nil
}

func (s *survey) named(d digest.Digest) Named { return Named{cmp.Or(s.names[d], "(no name)"), d} }

// forget works out what is to be done with one artifact.
func (s *survey) forget(d digest.Digest, f Forget) (Forgotten, error) {
	out := Forgotten{Named: Named{cmp.Or(s.names[d], f.Names[d], "(no name)"), d}, Kept: []Shared{}, Derived: s.derived(d, slices.Concat(f.Artifacts, f.Beside))}
	m, err := artifact.ReadManifest(s.ctx, s.h.store, d)
	if err != nil {
		return out, err
	}
	if kind := kindOf(m); !slices.Contains([]string{"dataset", "model", "evaluation"}, kind) {
		return out, activities.Permanent(activities.Invalid, fmt.Errorf("it is a %s; only the bytes of datasets, models and evaluations are forgotten", kind))
	}
	size, err := s.h.store.Stat(s.ctx, d)
	if err != nil {
		return out, err
	}
	out.manifest = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: size}
	if err := s.choose(&out, m, f); err != nil {
		return out, err
	}
	if len(out.Kept) > 0 && !f.Force {
		k := out.Kept[0]
		return out, activities.Permanent(activities.Refused, fmt.Errorf("%s %s has %d of the same blobs, such as %s; forget both at once, or give --force to leave these bytes where they are",
			k.By.Name, k.By.Digest, len(out.Kept), k.Blob))
	}
	return out, nil
}

// choose picks the layers that go.
func (s *survey) choose(out *Forgotten, m ocispec.Manifest, f Forget) error {
	before, err := s.removedBefore(out.Digest)
	if err != nil {
		return err
	}
	for _, l := range m.Layers {
		if aboutAll[l.Annotations[ocispec.AnnotationTitle]] || s.stays(l.Digest, f.Beside) {
			continue
		}
		holder, shared := s.holder(l.Digest, f.Artifacts)
		switch _, err := s.h.store.Stat(s.ctx, l.Digest); {
		case errors.Is(err, cas.ErrNotFound):
			if slices.Contains(before, l.Digest) {
				out.removed = append(out.removed, l.Digest)
			}
		case err != nil:
			return err
		case shared:
			out.Kept = append(out.Kept, Shared{l.Digest, holder})
		default:
			out.removed = append(out.removed, l.Digest)
			out.Blobs, out.Bytes = out.Blobs+1, out.Bytes+l.Size
		}
	}
	slices.Sort(out.removed)
	out.removed = slices.Compact(out.removed)
	return nil
}

func (s *survey) removedBefore(d digest.Digest) ([]digest.Digest, error) {
	st, ok, err := s.h.graves.of(s.ctx, d)
	if err != nil || !ok {
		return nil, err
	}
	_, removed, err := provenance.ReadTombstone(st.manifest, s.read)
	return removed, err
}

func (s *survey) read(d digest.Digest) ([]byte, error) {
	return cas.ReadAll(s.ctx, s.h.store, d, maxDocument)
}

// aboutAll are the documents of models and evaluations that are about all samples at once and hold nothing of any: they stay, so that the
// numbers of a lock can still be checked, and so that no other model is refused for a document that it has in common.
var aboutAll = map[string]bool{document.ModelFile: true, document.CurveFile: true, document.CardFile: true, document.MetricsFile: true}

// stays says whether one of these artifacts has a layer.
func (s *survey) stays(layer digest.Digest, beside []digest.Digest) bool {
	return slices.ContainsFunc(s.holders[layer], func(d digest.Digest) bool { return slices.Contains(beside, d) })
}

// holder is another artifact in use with that layer. One that is forgotten too, now or before, is none.
func (s *survey) holder(layer digest.Digest, going []digest.Digest) (Named, bool) {
	for _, d := range s.holders[layer] {
		if !slices.Contains(going, d) {
			return s.named(d), true
		}
	}
	return Named{}, false
}

// derived are the artifacts that were made of one, and of these, and are still there, but for those of which nobody needs to hear.
func (s *survey) derived(d digest.Digest, but []digest.Digest) []Named {
	out := []Named{}
	seen := map[digest.Digest]bool{d: true}
	for todo := []digest.Digest{d}; len(todo) > 0; todo = todo[1:] {
		for _, made := range s.made[todo[0]] {
			if seen[made] {
				continue
			}
			seen[made] = true
			todo = append(todo, made)
			if _, err := s.h.store.Stat(s.ctx, made); err == nil && kindOf(s.manifests[made]) != "artifact" && !slices.Contains(but, made) {
				out = append(out, s.named(made))
			}
		}
	}
	slices.SortFunc(out, func(x, y Named) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(string(x.Digest), string(y.Digest)))
	})
	return out
}

// bury writes the tombstones first and removes second: whoever looks in between finds nothing that is not explained.
func (s *survey) bury(all []Forgotten, f Forget) error {
	for i := range all {
		if err := s.carve(&all[i], f); err != nil {
			return err
		}
	}
	return s.alone(func() error {
		if err := s.inUse(all, f); err != nil {
			return err
		}
		named := map[string]ocispec.Descriptor{}
		for _, g := range all {
			named[graveName+g.Digest.Encoded()] = g.stone
		}
		if err := s.h.store.Tag(s.ctx, named); err != nil {
			return err
		}
		for _, g := range all {
			for _, b := range g.removed {
				if err := s.h.store.Remove(s.ctx, b); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// carve puts a tombstone into the store.
func (s *survey) carve(g *Forgotten, f Forget) error {
	list, err := s.put(provenance.RemovedListType, provenance.RemovedList(g.removed))
	if err != nil {
		return err
	}
	text, err := provenance.NewTombstone(g.Name, g.Digest, provenance.Deletion{Reason: f.Reason, By: f.By, On: f.Now,
		Removed: provenance.Removed{Blobs: len(g.removed), Bytes: g.Bytes, List: list.Digest}})
	if err != nil {
		return activities.Permanent(activities.Invalid, err)
	}
	statement, err := s.put(provenance.MediaType, text)
	if err != nil {
		return err
	}
	config, err := s.put(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	if err != nil {
		return err
	}
	if text, err = provenance.TombstoneManifest(g.manifest, statement, list, config); err != nil {
		return err
	}
	g.stone, err = s.put(ocispec.MediaTypeImageManifest, text)
	g.stone.ArtifactType, g.Tombstone = provenance.MediaType, g.stone.Digest
	return err
}

func (s *survey) put(mediaType string, text []byte) (ocispec.Descriptor, error) {
	d, n, err := s.h.store.Put(s.ctx, "", bytes.NewReader(text))
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: n}, err
}

// inUse refuses what a process that lives is at work on.
func (s *survey) inUse(all []Forgotten, f Forget) error {
	if f.Force {
		return nil
	}
	journals, err := s.h.noted()
	if err != nil {
		return err
	}
	going := map[digest.Digest]bool{}
	for _, g := range all {
		going[g.Digest] = true
		for _, b := range g.removed {
			going[b] = true
		}
	}
	for _, n := range journals {
		if !n.lives {
			continue
		}
		for _, d := range n.uses {
			e, err := s.h.cache.Peek(action.ID(d))
			if going[d] || err == nil && going[e.Artifact] {
				return activities.Permanent(activities.Refused, fmt.Errorf("it is in use by %s; wait for it, or give --force", n.who))
			}
		}
	}
	return nil
}

// Restore lifts the tombstone of an artifact, so that its bytes may be taken in again.
func (h *Home) Restore(ctx context.Context, d digest.Digest) error {
	_, ok, err := h.graves.of(ctx, d)
	if err != nil {
		return err
	}
	if !ok {
		return activities.Permanent(activities.Invalid, fmt.Errorf("%s was not forgotten here", d))
	}
	return h.store.Untag(ctx, func(ocispec.Index) ([]string, error) { return []string{graveName + d.Encoded()}, nil })
}
