package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// document is a manifest and its bytes.
type document struct {
	digest  digest.Digest
	text    []byte
	blobs   []ocispec.Descriptor // that it names
	lists   []ocispec.Descriptor // manifests that it names
	record  bool                 // whether it is one
	carrier bool                 // whether it carries manifests as blobs
	subject digest.Digest        // "" if it has none
}

// readDocument reads the bytes of a manifest, which have been checked.
func readDocument(d digest.Digest, text []byte) (document, error) {
	doc := document{digest: d, text: text}
	if mediaType(text) == ocispec.MediaTypeImageIndex {
		var ix ocispec.Index
		if err := json.Unmarshal(text, &ix); err != nil {
			return doc, fmt.Errorf("index %s: %w", d, err)
		}
		for _, m := range ix.Manifests {
			if err := cas.Check(m.Digest); err != nil {
				return doc, fmt.Errorf("index %s: %w", d, err)
			}
		}
		doc.lists = ix.Manifests
		return doc, nil
	}
	m, err := artifact.ParseManifest(text)
	if err != nil {
		return doc, fmt.Errorf("%s: %w", d, err)
	}
	if m.Subject != nil {
		doc.subject = m.Subject.Digest
	}
	doc.record = m.ArtifactType == provenance.MediaType
	doc.carrier = m.ArtifactType == CarrierType
	doc.blobs = append([]ocispec.Descriptor{m.Config}, m.Layers...)
	return doc, nil
}

// maxDepth bounds indexes in indexes.
const maxDepth = 4

// parcel is an artifact with all that it needs.
type parcel struct {
	documents []document // each after those that it lists
	top       document
	loose     []ocispec.Descriptor
	seen      map[digest.Digest]bool
}

// reader gives the checked bytes of a small blob, or of a manifest: a registry must be told which.
type reader func(ctx context.Context, kind string, d digest.Digest) ([]byte, error)

// The kinds.
const (
	manifests = "manifests"
	blobs     = "blobs"
)

// add notes a manifest and what it lists.
func (p *parcel) add(ctx context.Context, read reader, d digest.Digest, depth int) error {
	if p.seen[d] {
		return nil
	}
	text, err := read(ctx, manifests, d)
	if err != nil {
		return err
	}
	return p.addText(ctx, read, d, text, depth)
}

func (p *parcel) addText(ctx context.Context, read reader, d digest.Digest, text []byte, depth int) error {
	if p.seen[d] {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("%s: an index in more than %d others", d, maxDepth)
	}
	doc, err := readDocument(d, text)
	if err != nil {
		return err
	}
	p.seen[d] = true
	texts, err := readAll(ctx, read, doc.lists)
	if err != nil {
		return err
	}
	for i, m := range doc.lists {
		if err := p.addText(ctx, read, m.Digest, texts[i], depth+1); err != nil {
			return err
		}
	}
	p.documents = append(p.documents, doc)
	return nil
}

// readers is how many manifests are read at once.
const readers = 8

func readAll(ctx context.Context, read reader, list []ocispec.Descriptor) ([][]byte, error) {
	out := make([][]byte, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, m := range list {
		g.Go(func() (err error) {
			out[i], err = read(ctx, manifests, m.Digest)
			return err
		})
	}
	return out, g.Wait()
}

// newParcel collects an artifact. Of a benchmark that is also the actions and the plan, which no manifest names but
// which it takes to verify it.
func newParcel(ctx context.Context, read reader, root digest.Digest, more ...digest.Digest) (*parcel, error) {
	p := &parcel{seen: map[digest.Digest]bool{}}
	if err := p.add(ctx, read, root, 0); err != nil {
		return nil, err
	}
	p.top = p.documents[len(p.documents)-1]
	for _, d := range more {
		if err := p.add(ctx, read, d, 0); err != nil {
			return nil, err
		}
	}
	return p, p.addLoose(ctx, read)
}

// Types of the blobs of a benchmark that no manifest of a store names.
const (
	LooseType  = "application/vnd.cairn.actions.v1" // of the artifact that names them in a registry
	actionType = "application/vnd.cairn.action.v1+json"
	planType   = "application/vnd.cairn.plan.v1+json"
)

func (p *parcel) addLoose(ctx context.Context, read reader) error {
	known := map[digest.Digest]bool{}
	for _, m := range p.top.lists {
		id := digest.Digest(m.Annotations[verify.ActionKey])
		if id.Validate() == nil && !known[id] {
			known[id] = true
			p.loose = append(p.loose, ocispec.Descriptor{MediaType: actionType, Digest: id})
		}
	}
	at := slices.IndexFunc(p.top.lists, func(m ocispec.Descriptor) bool {
		return m.Annotations[verify.StepKey] == verify.DocumentsStep && m.ArtifactType != provenance.MediaType
	})
	if at < 0 {
		return nil
	}
	plan, err := p.plan(ctx, read, p.top.lists[at].Digest)
	if err == nil {
		p.loose = append(p.loose, ocispec.Descriptor{MediaType: planType, Digest: plan})
	}
	return err
}

// plan finds the plan through the lock.
func (p *parcel) plan(ctx context.Context, read reader, documents digest.Digest) (digest.Digest, error) {
	at := slices.IndexFunc(p.documents, func(d document) bool { return d.digest == documents })
	lockID, ok := verify.LockOf(p.documents[at].text)
	if !ok {
		return "", fmt.Errorf("%s names no %s", documents, verify.LockFile)
	}
	text, err := read(ctx, blobs, lockID)
	if err != nil {
		return "", err
	}
	l, err := lock.Parse(verify.LockFile, text)
	if err != nil && !errors.Is(err, lock.ErrTampered) { // that is for verify to say
		return "", err
	}
	return l.Plan, nil
}

// blobs lists the blobs of all manifests, each once.
func (p *parcel) blobs(choose func(document) []ocispec.Descriptor) []ocispec.Descriptor {
	var out []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, doc := range p.documents {
		for _, b := range choose(doc) {
			if !seen[b.Digest] {
				seen[b.Digest] = true
				out = append(out, b)
			}
		}
	}
	return out
}
