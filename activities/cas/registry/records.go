package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// A registry takes no manifest whose blobs it does not have. So what goes without some of its data goes as a records copy: an OCI index
// whose subject is the artifact, and which lists
//
//	carriers     manifests whose layers are the manifests that cannot go as such, the benchmark's index among them, what may go of
//	             their blobs, the actions and the plan
//	everything   else of it, as it is: records, documents, artifacts that are whole
//
// Any OCI tool copies it, and who pulls it has every manifest under its own digest.

// Types of a records copy.
const (
	RecordsType = "application/vnd.cairn.records.v1"               // of the index
	CarrierType = "application/vnd.cairn.carried.v1"               // of a carrier
	carriedType = "application/vnd.cairn.carried.manifest.v1+json" // of a manifest in it; registries want to have what has a manifest's own type
	keptType    = "application/vnd.cairn.carried.blob.v1"          // of any other blob in it
)

// PushRecords is Push without the blobs that are withheld. Manifests that name one of these are carried.
func (r *Repository) PushRecords(ctx context.Context, from cas.Store, root digest.Digest, tag string, withheld map[digest.Digest]bool, records ...digest.Digest) (Pushed, error) {
	read := func(ctx context.Context, _ string, d digest.Digest) ([]byte, error) {
		return cas.ReadAll(ctx, from, d, maxDocument)
	}
	p, err := newParcel(ctx, read, root, records...)
	if err == nil {
		err = p.weigh(ctx, from)
	}
	if err != nil {
		return Pushed{}, fmt.Errorf("push the records of %s: %w", root, err)
	}
	whole, carried, left := p.part(withheld)
	carriers, err := bundle(ctx, from, CarrierType, nil, append(carried, p.loose...))
	if err != nil {
		return Pushed{}, fmt.Errorf("push the records of %s: %w", root, err)
	}
	top, err := p.recordsIndex(append(carriers, whole...))
	if err != nil {
		return Pushed{}, fmt.Errorf("push the records of %s: %w", root, err)
	}
	p.documents = append(append(carriers, whole...), top)
	out := Pushed{Digest: root, Manifests: len(p.documents), LeftOut: left}
	if err := r.sendAll(ctx, from, p.blobs(func(d document) []ocispec.Descriptor { return d.blobs }), &out); err != nil {
		return out, err
	}
	if err := r.sendManifests(ctx, p.documents); err != nil || tag == "" {
		return out, err
	}
	_, err = r.putManifest(ctx, tag, top.text)
	return out, err
}

// part tells the manifests that can go as they are from those that are carried, as blobs, with what may go of their own blobs. left are
// the blobs that stay.
func (p *parcel) part(withheld map[digest.Digest]bool) (whole []document, carried, left []ocispec.Descriptor) {
	held := map[digest.Digest]bool{} // manifests that cannot go as such
	seen := map[digest.Digest]bool{}
	once := func(list []ocispec.Descriptor, b ocispec.Descriptor) []ocispec.Descriptor {
		if seen[b.Digest] {
			return list
		}
		seen[b.Digest] = true
		return append(list, b)
	}
	for _, doc := range p.documents { // each after those that it lists
		held[doc.digest] = doc.digest == p.top.digest ||
			slices.ContainsFunc(doc.blobs, func(b ocispec.Descriptor) bool { return withheld[b.Digest] }) ||
			slices.ContainsFunc(doc.lists, func(m ocispec.Descriptor) bool { return held[m.Digest] })
		if !held[doc.digest] {
			whole = append(whole, doc)
			continue
		}
		carried = once(carried, ocispec.Descriptor{MediaType: carriedType, Digest: doc.digest, Size: int64(len(doc.text))})
		for _, b := range doc.blobs {
			if withheld[b.Digest] {
				left = once(left, b)
			} else {
				carried = once(carried, ocispec.Descriptor{MediaType: keptType, Digest: b.Digest, Size: b.Size})
			}
		}
	}
	return whole, carried, left
}

// recordsIndex makes the index of a records copy. Two copies of one artifact that leave out the same are the same.
func (p *parcel) recordsIndex(listed []document) (document, error) {
	subject := ocispec.Descriptor{MediaType: mediaType(p.top.text), Digest: p.top.digest, Size: int64(len(p.top.text))}
	ix := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, ArtifactType: RecordsType, Subject: &subject}
	for _, doc := range listed {
		ix.Manifests = append(ix.Manifests, ocispec.Descriptor{MediaType: mediaType(doc.text), Digest: doc.digest, Size: int64(len(doc.text))})
	}
	text, err := canonical.Marshal(ix)
	if err != nil {
		return document{}, err
	}
	doc, err := readDocument(digest.FromBytes(text), text)
	doc.subject = subject.Digest
	return doc, err
}

// recordsCopy reads the index of a records copy.
func recordsCopy(text []byte) (ocispec.Index, bool) {
	var ix ocispec.Index
	return ix, json.Unmarshal(text, &ix) == nil && ix.ArtifactType == RecordsType && ix.Subject != nil
}

// pullRecords brings a records copy into a store: the artifact that it is of, under its own digest, with holes.
func (r *Repository) pullRecords(ctx context.Context, ix ocispec.Index, into cas.Store, only Paths) (Pulled, error) {
	root := *ix.Subject
	fail := func(err error) (Pulled, error) {
		return Pulled{}, fmt.Errorf("pull the records of %s: %w", root.Digest, err)
	}
	if err := cas.Check(root.Digest); err != nil {
		return fail(err)
	}
	read := func(ctx context.Context, kind string, d digest.Digest) ([]byte, error) {
		return r.document(ctx, into, kind, d)
	}
	p := &parcel{seen: map[digest.Digest]bool{}}
	for _, m := range ix.Manifests {
		if err := cas.Check(m.Digest); err != nil {
			return fail(err)
		}
		if err := p.add(ctx, read, m.Digest, 0); err != nil {
			return fail(err)
		}
	}
	out := Pulled{Digest: root.Digest, Manifests: len(p.documents), Root: root}
	all := p.blobs(func(d document) []ocispec.Descriptor { return d.blobs })
	wanted := p.blobs(func(d document) []ocispec.Descriptor {
		if d.carrier {
			return d.blobs
		}
		return only.of(d, false)
	})
	if err := r.fetchAll(ctx, into, wanted, &out); err != nil {
		return out, err
	}
	for _, doc := range p.documents {
		if doc.carrier {
			continue
		}
		if _, _, err := into.Put(ctx, doc.digest, bytes.NewReader(doc.text)); err != nil {
			return out, err
		}
		if doc.subject != "" {
			out.Stated = append(out.Stated, doc.digest)
		}
	}
	text, err := cas.ReadAll(ctx, into, root.Digest, maxDocument)
	if err != nil {
		return fail(fmt.Errorf("it carries no such artifact: %w", err))
	}
	top, err := readDocument(root.Digest, text)
	if err != nil {
		return fail(err)
	}
	out.Lists = top.lists
	left, err := p.holes(ctx, into)
	out.LeftOut = len(all) - len(wanted) + left
	if err != nil {
		return fail(err)
	}
	return out, nil
}

// holes counts the blobs that carried manifests name and that a store does not have.
func (p *parcel) holes(ctx context.Context, in cas.Store) (int, error) {
	missing := map[digest.Digest]bool{}
	for _, c := range p.documents {
		if !c.carrier {
			continue
		}
		for _, l := range c.blobs {
			if l.MediaType != carriedType {
				continue
			}
			text, err := cas.ReadAll(ctx, in, l.Digest, maxDocument)
			if err != nil {
				return 0, err
			}
			doc, err := readDocument(l.Digest, text)
			if err != nil {
				return 0, err
			}
			for _, b := range doc.blobs {
				if _, err := in.Stat(ctx, b.Digest); errors.Is(err, cas.ErrNotFound) {
					missing[b.Digest] = true
				} else if err != nil {
					return 0, err
				}
			}
		}
	}
	return len(missing), nil
}
