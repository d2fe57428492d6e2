package registry

import (
	"context"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// Pushed says what a push did.
type Pushed struct {
	Digest    digest.Digest // of the artifact
	Manifests int           // that were sent or were there
	Sent      int           // blobs
	Skipped   int
	Mounted   int
	Bytes     int64                // of the blobs that were sent
	LeftOut   []ocispec.Descriptor // blobs that stayed, of a records copy
}

// Push brings an artifact to the repository, under a tag if it is not empty. What it names is there before it is,
// and a record is listed as a referrer of its artifact. records are manifests that go with it.
func (r *Repository) Push(ctx context.Context, from cas.Store, root digest.Digest, tag string, records ...digest.Digest) (Pushed, error) {
	read := func(ctx context.Context, _ string, d digest.Digest) ([]byte, error) {
		return cas.ReadAll(ctx, from, d, maxDocument)
	}
	p, err := newParcel(ctx, read, root, records...)
	if err != nil {
		return Pushed{}, fmt.Errorf("push %s: %w", root, err)
	}
	if err := p.bind(ctx, from, root); err != nil {
		return Pushed{}, fmt.Errorf("push %s: %w", root, err)
	}
	out := Pushed{Digest: root, Manifests: len(p.documents)}
	if err := r.sendAll(ctx, from, p.blobs(func(d document) []ocispec.Descriptor { return d.blobs }), &out); err != nil {
		return out, err
	}
	if err := r.sendManifests(ctx, p.documents); err != nil {
		return out, err
	}
	if tag == "" {
		return out, nil
	}
	_, err = r.putManifest(ctx, tag, p.top.text)
	return out, err
}

// maxDocument bounds the documents of a store that are held in memory.
const maxDocument = 64 << 20

// maxLayers bounds the layers of one manifest of loose blobs.
const maxLayers = 10_000

// bind makes manifests of the loose blobs, or a registry would take them for litter. The benchmark is their subject.
func (p *parcel) bind(ctx context.Context, from cas.Store, root digest.Digest) error {
	size, err := from.Stat(ctx, root)
	if err != nil {
		return err
	}
	if err := p.weigh(ctx, from); err != nil {
		return err
	}
	subject := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: root, Size: size}
	made, err := bundle(ctx, from, LooseType, &subject, p.loose)
	p.documents = append(p.documents, made...)
	return err
}

// weigh finds out the sizes of the loose blobs.
func (p *parcel) weigh(ctx context.Context, from cas.Store) (err error) {
	for i := range p.loose {
		if p.loose[i].Size, err = from.Stat(ctx, p.loose[i].Digest); err != nil {
			return err
		}
	}
	return nil
}

// bundle makes manifests that name blobs, each as many as fit.
func bundle(ctx context.Context, from cas.Store, artifactType string, subject *ocispec.Descriptor, blobs []ocispec.Descriptor) ([]document, error) {
	config, err := cas.PutBytes(ctx, from, []byte("{}"))
	if err != nil {
		return nil, err
	}
	var out []document
	for start := 0; start < len(blobs); start += maxLayers {
		m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
			Config:  ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: config, Size: 2},
			Layers:  blobs[start:min(start+maxLayers, len(blobs))],
			Subject: subject}
		text, err := canonical.Marshal(m)
		if err != nil {
			return nil, err
		}
		doc, err := readDocument(digest.FromBytes(text), text)
		if err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	return out, nil
}

// sendAll sends blobs, several at a time.
func (r *Repository) sendAll(ctx context.Context, from cas.Store, all []ocispec.Descriptor, out *Pushed) error {
	var mu sync.Mutex
	return r.each(ctx, all, func(ctx context.Context, b ocispec.Descriptor) error {
		fate, err := r.sendFrom(ctx, from, b)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			out.count(fate, b.Size)
		}
		return err
	})
}

func (p *Pushed) count(f Fate, size int64) {
	switch f {
	case Sent:
		p.Sent++
		p.Bytes += size
	case Mounted:
		p.Mounted++
	case Skipped:
		p.Skipped++
	}
}

// sendFrom sends a blob of a store. One whose size is not what its manifest says is refused here.
func (r *Repository) sendFrom(ctx context.Context, from cas.Store, b ocispec.Descriptor) (Fate, error) {
	size, err := from.Stat(ctx, b.Digest)
	if err != nil {
		return 0, err
	}
	if size != b.Size {
		return 0, fmt.Errorf("blob %s has %d bytes, its manifest says %d", b.Digest, size, b.Size)
	}
	f, err := from.OpenAt(ctx, b.Digest)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fate, err := r.Send(ctx, b.Digest, size, f)
	if fate != Sent {
		r.opts.Moved(size) // nothing of it is to come
	}
	return fate, err
}

// sendManifests sends those that list no others, several at a time, and then the others in their order.
func (r *Repository) sendManifests(ctx context.Context, all []document) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(r.opts.Jobs)
	for _, doc := range all {
		if len(doc.lists) == 0 {
			g.Go(func() error { return r.sendManifest(inner, doc) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, doc := range all {
		if len(doc.lists) > 0 {
			if err := r.sendManifest(ctx, doc); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendManifest sends a manifest that the registry does not have. One with a subject is sent in any case: only the
// answer tells whether the registry lists it as a referrer.
func (r *Repository) sendManifest(ctx context.Context, doc document) error {
	if doc.subject == "" {
		if _, ok, err := r.hasManifest(ctx, doc.digest.String()); ok || err != nil {
			return err
		}
	}
	return r.keepManifest(ctx, doc.digest.String(), doc.text)
}
