package verify

import (
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/provenance"
)

// grave is a tombstone and the blobs that it says were deleted.
type grave struct {
	manifest digest.Digest
	stone    provenance.Tombstone
	removed  []digest.Digest // sorted
}

// absent tells a blob of a part that was deleted on purpose from one that is missing.
func (v *verifier) absent(p part, d digest.Digest, path string, err error) {
	g := v.grave(p.digest)
	if _, listed := slices.BinarySearch(g.removed, d); !listed {
		v.unopened(d, path, err)
		return
	}
	v.problem(Problem{Code: BlobDeleted, Path: path, Digest: d, Got: fmt.Sprintf("%s (tombstone %s)", g.stone, g.manifest)})
}

// grave reads the tombstone of an artifact, once. One that is not whole, or not about the artifact, explains nothing.
func (v *verifier) grave(artifact digest.Digest) grave {
	g, known := v.graves[artifact]
	if !known {
		g = v.readGrave(artifact)
		v.graves[artifact] = g
	}
	return g
}

func (v *verifier) readGrave(artifact digest.Digest) grave {
	yard, ok := v.store.(Graveyard)
	if !ok {
		return grave{}
	}
	d, err := yard.Tombstone(v.ctx, artifact)
	if err != nil || d == "" {
		return grave{}
	}
	stone, removed, err := provenance.ReadTombstone(d, v.quietly)
	if err != nil || stone.Artifact() != artifact {
		return grave{}
	}
	slices.Sort(removed)
	return grave{d, stone, removed}
}

// quietly reads a small blob and checks its bytes; what is wrong with it is no problem of what is verified.
func (v *verifier) quietly(d digest.Digest) ([]byte, error) {
	r, err := v.store.Open(v.ctx, d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(r, v.limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > v.limit || digest.FromBytes(text) != d {
		return nil, fmt.Errorf("blob %s: more than %d bytes, or other bytes", d, v.limit)
	}
	return text, nil
}
