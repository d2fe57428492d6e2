// Package origins finds out from a store where its artifacts come from, so that a terms policy (manifests/terms) can be asked what may
// become of them, and keeps the records that somebody put the policy aside.
//
// What is known of an artifact is what the action cache and the benchmarks of the store say: which action gave it, from which
// inputs, up to the curations, which state licence and access; for datasets that nothing is curated from, the manifest of
// the benchmark, or the note of a run that published none; and what a curated dataset says of itself. What these say is believed: an origin guards against mistakes, not against
// the owner of the store.
package origins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/terms"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// maxDocument bounds a document that is read whole.
const maxDocument = 64 << 20

// Store is where artifacts lie.
type Store interface {
	cas.Store
	Index(ctx context.Context) (ocispec.Index, error)
}

// Finder knows where the artifacts of a store come from.
type Finder struct {
	store  Store
	known  terms.Origins
	noted  map[made]bool
	opened map[digest.Digest]bool // artifacts that were asked what they say of themselves
}

type made struct{ action, artifact digest.Digest }

// New reads what the action cache, the benchmarks of a store and the notes of its home say. Documents that are not there say nothing.
func New(ctx context.Context, s Store, cache *actioncache.Cache, notes *Notes) (*Finder, error) {
	f := &Finder{store: s, noted: map[made]bool{}, opened: map[digest.Digest]bool{}}
	ids, err := cache.Entries()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		e, err := cache.Peek(id)
		if err != nil {
			continue // a damaged entry is as good as none, everywhere
		}
		if err := f.note(ctx, id.Digest(), e.Artifact); err != nil {
			return nil, fmt.Errorf("where artifacts come from: %w", err)
		}
	}
	err = notes.each(func(d digest.Digest, t terms.Term) { f.known.Says(d, terms.Raw, t) })
	if err != nil {
		return nil, err
	}
	ix, err := s.Index(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range ix.Manifests {
		if m.MediaType != ocispec.MediaTypeImageIndex {
			continue
		}
		if err := f.benchmark(ctx, m.Digest); err != nil {
			return nil, fmt.Errorf("where the artifacts of %s come from: %w", m.Annotations[ocispec.AnnotationRefName], err)
		}
	}
	return f, nil
}

// read reads a document, or nothing if it is not there.
func (f *Finder) read(ctx context.Context, d digest.Digest) ([]byte, error) {
	text, err := cas.ReadAll(ctx, f.store, d, maxDocument)
	if errors.Is(err, cas.ErrNotFound) {
		return nil, nil
	}
	return text, err
}

// note notes that an action gave an artifact, once.
func (f *Finder) note(ctx context.Context, id, artifact digest.Digest) error {
	if !canonical.IsSHA256(id) || f.noted[made{id, artifact}] {
		return nil
	}
	f.noted[made{id, artifact}] = true
	text, err := f.read(ctx, id)
	if err != nil || text == nil {
		return err
	}
	a, err := action.Parse(text)
	if err != nil {
		return fmt.Errorf("action %s: %w", id, err)
	}
	f.known.Made(artifact, a)
	return nil
}

// benchmark notes what a benchmark says of its parts.
func (f *Finder) benchmark(ctx context.Context, d digest.Digest) error {
	text, err := f.read(ctx, d)
	if err != nil || text == nil {
		return err
	}
	var ix ocispec.Index
	if err := json.Unmarshal(text, &ix); err != nil {
		return err
	}
	for _, m := range ix.Manifests {
		if m.ArtifactType == provenance.MediaType {
			continue
		}
		if err := f.note(ctx, digest.Digest(m.Annotations[verify.ActionKey]), m.Digest); err != nil {
			return err
		}
		if m.Annotations[verify.StepKey] == verify.DocumentsStep {
			if err := f.documents(ctx, m.Digest); err != nil {
				return err
			}
		}
	}
	return nil
}

// written is what counts here of a manifest.
type written struct {
	Datasets map[string]struct{ Licence, Access string }
}

// statement is what a manifest says of what a step fetches.
type statement struct {
	step string
	terms.Term
}

func stated(w written, p *plan.Plan) []statement {
	var out []statement
	for _, s := range p.Steps {
		id, fetched := strings.CutPrefix(s.Name, plan.FetchStep(""))
		if d, ok := w.Datasets[id]; ok && fetched && s.Plugin.Kind == string(catalog.Fetch) {
			out = append(out, statement{s.Name, terms.Term{Dataset: id, Licence: d.Licence, Access: d.Access}})
		}
	}
	return out
}

// documents notes what the manifest of a benchmark says of what was fetched: of a dataset that is only fetched, such as a list of labels
// that others are curated with, nothing else says it.
func (f *Finder) documents(ctx context.Context, d digest.Digest) error {
	raw, err := f.read(ctx, d)
	if err != nil || raw == nil {
		return err
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return err
	}
	var w written
	var p *plan.Plan
	var l *lock.Lock
	for _, layer := range m.Layers {
		text, err := f.read(ctx, layer.Digest)
		switch {
		case err != nil:
			return err
		case text == nil:
		case layer.MediaType == publish.ManifestType:
			err = yaml.Unmarshal(text, &w)
		case layer.MediaType == publish.LockType:
			if l, err = lock.Parse(verify.LockFile, text); err == nil {
				p, err = resolve.ReadPlan(ctx, f.store, l.Plan)
			}
		}
		if err != nil && !errors.Is(err, cas.ErrNotFound) {
			return err
		}
	}
	if p == nil {
		return nil
	}
	given := l.ByName()
	for _, s := range stated(w, p) {
		f.known.Says(given[s.step].Artifact, terms.Raw, s.Term)
	}
	return nil
}

// Of follows an artifact back to all datasets that it derives from.
func (f *Finder) Of(ctx context.Context, d digest.Digest, m ocispec.Manifest) (terms.Origin, error) {
	if m.ArtifactType == provenance.MediaType || m.ArtifactType == publish.DocumentsType {
		return terms.Origin{}, nil
	}
	if artifact.IsDataset(m) && !f.opened[d] {
		f.opened[d] = true
		if err := f.itself(ctx, d); err != nil {
			return terms.Origin{}, err
		}
	}
	return f.known.Of(d), nil
}

// itself notes what a curated dataset says of itself, if it is here.
func (f *Finder) itself(ctx context.Context, d digest.Digest) error {
	file, err := sandbox.OpenFile(ctx, f.store, d, document.DatasetFile)
	if errors.Is(err, cas.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxDocument))
	if err != nil {
		return err
	}
	var info document.Dataset
	if err := json.Unmarshal(text, &info); err != nil {
		return fmt.Errorf("%s of %s: %w", document.DatasetFile, d, err)
	}
	if info.Stage == string(terms.Curated) {
		f.known.Says(d, terms.Curated, terms.Term{Dataset: info.ID, Licence: info.Licence, Access: info.Access})
	}
	return nil
}

// Part is an artifact on its own, or one of those that a benchmark lists.
type Part struct {
	Name     string // of its step; "" if it is on its own
	Digest   digest.Digest
	Manifest ocispec.Manifest
	Origin   terms.Origin
}

// Parts are the artifact itself, or all that a benchmark lists but records.
func (f *Finder) Parts(ctx context.Context, root digest.Digest) ([]Part, error) {
	text, err := cas.ReadAll(ctx, f.store, root, maxDocument)
	if err != nil {
		return nil, err
	}
	var ix ocispec.Index
	if json.Unmarshal(text, &ix) != nil || len(ix.Manifests) == 0 {
		p, err := f.part(ctx, "", root)
		return []Part{p}, err
	}
	var out []Part
	for _, m := range ix.Manifests {
		if m.ArtifactType == provenance.MediaType {
			continue
		}
		p, err := f.part(ctx, m.Annotations[verify.StepKey], m.Digest)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func (f *Finder) part(ctx context.Context, name string, d digest.Digest) (Part, error) {
	text, err := cas.ReadAll(ctx, f.store, d, maxDocument)
	if err != nil {
		return Part{}, err
	}
	m, err := artifact.ParseManifest(text)
	if err != nil {
		return Part{}, fmt.Errorf("%s: %w", d, err)
	}
	p := Part{Name: name, Digest: d, Manifest: m}
	p.Origin, err = f.Of(ctx, d, m)
	return p, err
}

// Data are the blobs of a part that hold data: its layers, but for the metrics of an evaluation.
func (p Part) Data() []digest.Digest {
	var out []digest.Digest
	for _, l := range p.Manifest.Layers {
		if l.Annotations[ocispec.AnnotationTitle] != document.MetricsFile {
			out = append(out, l.Digest)
		}
	}
	return out
}
