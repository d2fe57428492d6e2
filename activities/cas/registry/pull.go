package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// FirstKey is the annotation of a shard's layer with the first of its paths. Shards are in the order of paths.
const FirstKey = "io.cairn-bench.first"

// Paths selects files of artifacts. The zero value selects all.
type Paths struct {
	Spans []Span // where all paths lie that match
	Match func(path string) bool
}

// Span is a run of paths in their order.
type Span struct {
	From string
	To   string // the first path behind it; "" if it has no end
}

// Exactly is the span of one path.
func Exactly(path string) Span { return Span{path, path + "\x00"} }

// Behind is the span of the paths that begin with a text.
func Behind(text string) Span {
	end := []byte(text)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return Span{text, string(end[:i+1])}
		}
	}
	return Span{text, ""}
}

// Pulled says what a pull did.
type Pulled struct {
	Digest    digest.Digest
	Manifests int
	Fetched   int // blobs
	Present   int
	LeftOut   int // of other paths
	Bytes     int64
	Root      ocispec.Descriptor   // of the artifact
	Lists     []ocispec.Descriptor // what it lists, if it is an index
	Stated    []digest.Digest      // manifests with a subject that came with it: its records, if it is no index, and what was stated later
}

// Pull brings an artifact into a store: ref is a tag, or a digest after @. A manifest comes after all that it names,
// so that a pull that is killed leaves no artifact with holes, and is gone on with by the next one.
func (r *Repository) Pull(ctx context.Context, ref string, into cas.Store, only Paths) (Pulled, error) {
	root, text, err := r.getManifest(ctx, strings.TrimPrefix(ref, "@"))
	if status(err) == http.StatusNotFound {
		err = fmt.Errorf("%w; `cairn push` puts something there", err)
	}
	if err != nil {
		return Pulled{}, err
	}
	if ix, ok := recordsCopy(text); ok {
		return r.pullRecords(ctx, ix, into, only)
	}
	read := func(ctx context.Context, kind string, d digest.Digest) ([]byte, error) {
		if d == root.Digest {
			return text, nil
		}
		return r.document(ctx, into, kind, d)
	}
	records, err := r.records(ctx, root)
	if err != nil {
		return Pulled{}, err
	}
	p, err := newParcel(ctx, read, root.Digest, records...)
	if err != nil {
		return Pulled{}, fmt.Errorf("pull %s: %w", root.Digest, err)
	}
	out := Pulled{Digest: root.Digest, Manifests: len(p.documents), Root: root, Lists: p.top.lists, Stated: records}
	wanted := p.blobs(func(d document) []ocispec.Descriptor { return only.of(d, d.digest == root.Digest) })
	out.LeftOut = len(p.blobs(func(d document) []ocispec.Descriptor { return d.blobs })) - len(wanted)
	if err := r.fetchAll(ctx, into, append(wanted, p.loose...), &out); err != nil {
		return out, err
	}
	for _, doc := range p.documents {
		if _, _, err := into.Put(ctx, doc.digest, bytes.NewReader(doc.text)); err != nil {
			return out, err
		}
	}
	return out, nil
}

// records lists what is stated of an artifact. A benchmark lists its records itself, and not what was stated of it later.
func (r *Repository) records(ctx context.Context, root ocispec.Descriptor) ([]digest.Digest, error) {
	var out []digest.Digest
	found, err := r.Referrers(ctx, root.Digest, provenance.MediaType)
	for _, d := range found {
		if err := cas.Check(d.Digest); err != nil {
			return nil, fmt.Errorf("referrers of %s: %w", root.Digest, err)
		}
		out = append(out, d.Digest)
	}
	return out, err
}

// document reads a manifest or a small blob from the store, or else from the registry.
func (r *Repository) document(ctx context.Context, have cas.Store, kind string, d digest.Digest) ([]byte, error) {
	if text, err := cas.ReadAll(ctx, have, d, maxDocument); err == nil {
		return text, nil
	}
	if kind == blobs {
		return cas.ReadAll(ctx, r, d, maxDocument)
	}
	_, text, err := r.getManifest(ctx, d.String())
	return text, err
}

// fetchAll fetches blobs, several at a time.
func (r *Repository) fetchAll(ctx context.Context, into cas.Store, all []ocispec.Descriptor, out *Pulled) error {
	var mu sync.Mutex
	return r.each(ctx, all, func(ctx context.Context, b ocispec.Descriptor) error {
		n, fetched, err := r.fetch(ctx, into, b)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
		case fetched:
			out.Fetched++
			out.Bytes += n
		default:
			out.Present++
		}
		return err
	})
}

// each announces blobs and moves them, several at a time.
func (r *Repository) each(ctx context.Context, all []ocispec.Descriptor, move func(context.Context, ocispec.Descriptor) error) error {
	var total int64
	for _, b := range all {
		total += b.Size
	}
	r.opts.Planned(total)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.opts.Jobs)
	for _, b := range all {
		g.Go(func() error { return move(ctx, b) })
	}
	return g.Wait()
}

// fetch brings a blob into the store, unless it is there. A size of 0 is not known.
func (r *Repository) fetch(ctx context.Context, into cas.Store, b ocispec.Descriptor) (n int64, fetched bool, err error) {
	if err := cas.Use(ctx, into, b.Digest); err != nil { // before the look: what is there shall stay
		return 0, false, err
	}
	size, err := into.Stat(ctx, b.Digest)
	if err == nil && (b.Size == 0 || b.Size == size) {
		r.opts.Moved(b.Size)
		return size, false, nil
	}
	if err != nil && !errors.Is(err, cas.ErrNotFound) {
		return 0, false, err
	}
	release, err := r.acquire(ctx)
	if err != nil {
		return 0, false, err
	}
	defer release()
	n, err = r.into(ctx, into, b.Digest)
	if err == nil && b.Size > 0 && n != b.Size {
		err = fmt.Errorf("blob %s has %d bytes, its manifest says %d", b.Digest, n, b.Size)
	}
	return n, true, err
}

// into puts a blob into a store, which checks it.
func (r *Repository) into(ctx context.Context, into cas.Store, d digest.Digest) (int64, error) {
	from, err := r.open(ctx, d)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	_, n, err := into.Put(ctx, d, from)
	var wrong *cas.MismatchError
	if errors.As(err, &wrong) {
		err = r.liar(wrong)
	}
	return n, err
}

// of chooses the blobs of an artifact that its wanted files are in. Of what a benchmark lists, that is a part of
// datasets only; lock, records and numbers are needed to verify it.
func (p Paths) of(d document, alone bool) []ocispec.Descriptor {
	if p.Match == nil || d.record || len(d.blobs) < 2 {
		return d.blobs
	}
	layers, out := d.blobs[1:], d.blobs[:1:1]
	for i, l := range layers {
		title, file := l.Annotations[ocispec.AnnotationTitle]
		if file && (!alone || p.Match(title)) || !file && p.inShard(layers, i) {
			out = append(out, l)
		}
	}
	return out
}

// inShard says whether a layer of a dataset may hold a wanted file. The first says what is in the others. Where the
// layers do not say with which path they begin, in their order, any may.
func (p Paths) inShard(layers []ocispec.Descriptor, i int) bool {
	unknown := func(l ocispec.Descriptor) bool { return l.Annotations[FirstKey] == "" }
	if i == 0 || slices.ContainsFunc(layers[1:], unknown) || !slices.IsSortedFunc(layers[1:], byFirst) {
		return true
	}
	next := ""
	if i+1 < len(layers) {
		next = layers[i+1].Annotations[FirstKey]
	}
	return p.within(layers[i].Annotations[FirstKey], next)
}

func byFirst(x, y ocispec.Descriptor) int {
	return strings.Compare(x.Annotations[FirstKey], y.Annotations[FirstKey])
}

// within says whether a wanted path can lie at or after first and before next, which may be open.
func (p Paths) within(first, next string) bool {
	return slices.ContainsFunc(p.Spans, func(s Span) bool {
		return (s.To == "" || first < s.To) && (next == "" || s.From < next)
	})
}
