// Package proof writes and checks the proof that one file belongs to an artifact. Whoever has it and the file needs
// neither the store nor the rest of the data:
//
//   - the file's bytes have the size and the digest that the proof says;
//   - its entry and about log2(n) hashes give the root of the tree (manifests/artifact, MerkleRoot);
//   - the root stands in the manifest, whose text is in the proof; for a model or an evaluation it is the file itself
//     that stands there, and there are no hashes;
//   - the manifest's text has the digest of the artifact, which records, locks and papers name.
//
// A proof is one JSON object, written in its canonical bytes. Its largest member is the manifest: some 300 bytes a
// shard, so 50 kB for 10 GB and at most 4 MB. Index and count say how the hashes are put together; no more than that
// is proven of them.
package proof

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// Schema of a proof.
const Schema = "cairn/proof/v1"

// Mode of every file.
const Mode = "100644"

// Proof says that an artifact has a file. One that Parse gave is well formed; Check says whether it is true.
type Proof struct {
	Schema   string          `json:"schema"`
	Artifact digest.Digest   `json:"artifact"`
	Manifest string          `json:"manifest"` // the text with the digest Artifact
	Path     string          `json:"path"`
	Size     int64           `json:"size"`
	Digest   digest.Digest   `json:"digest"`
	Mode     string          `json:"mode"`
	Index    uint64          `json:"index"`
	Count    uint64          `json:"count"`
	Hashes   []digest.Digest `json:"hashes"` // the lowest first
}

// ErrNoFile says that an artifact has no file of a name; its neighbours prove it.
var ErrNoFile = errors.New("the artifact has no such file")

// New proves a file of an artifact, of whose manifest text is the text.
func New(ctx context.Context, src artifact.Source, text []byte, path string) (Proof, error) {
	m, err := artifact.ParseManifest(text)
	if err != nil {
		return Proof{}, err
	}
	r, err := artifact.NewReader(ctx, src, m)
	if err != nil {
		return Proof{}, err
	}
	defer func() { _ = r.Close() }() // only read
	var f artifact.Proven
	var ok bool
	if artifact.IsDataset(m) {
		f, ok, err = r.ProveFile(path)
	} else {
		f.Place, ok, err = r.Find(path)
	}
	if err != nil {
		return Proof{}, err
	}
	if !ok {
		return Proof{}, fmt.Errorf("%s: %w", path, ErrNoFile)
	}
	p := Proof{Schema: Schema, Artifact: digest.FromBytes(text), Manifest: string(text), Path: path, Size: f.Size, Digest: f.Digest, Mode: Mode,
		Index: f.Index, Count: f.Count, Hashes: []digest.Digest{}}
	for _, h := range f.Hashes {
		p.Hashes = append(p.Hashes, artifact.Digest(h))
	}
	return p, nil
}

// Marshal returns the canonical bytes.
func (p Proof) Marshal() ([]byte, error) { return canonical.Marshal(p) }

// Is says whether a text is meant to be a proof, of any version.
func Is(text []byte) bool {
	var head struct {
		Schema string `json:"schema"`
	}
	return json.Unmarshal(text, &head) == nil && strings.HasPrefix(head.Schema, "cairn/proof/")
}

// Parse reads a proof and refuses what is none: an unknown member, something behind it, a digest that is no SHA-256.
// It need not be in canonical bytes.
func Parse(text []byte) (Proof, error) {
	var p Proof
	if _, err := canonical.Transform(text); err != nil { // a member twice, or text that is not UTF-8
		return p, fmt.Errorf("proof: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return p, fmt.Errorf("proof: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return p, errors.New("proof: there is something behind it")
	}
	if p.Schema != Schema {
		return p, fmt.Errorf("proof: schema is %q, want %q", p.Schema, Schema)
	}
	if p.Mode != Mode || p.Size < 0 || p.Path == "" {
		return p, fmt.Errorf("proof: path %q, size %d, mode %q: want those of a file of mode %s", p.Path, p.Size, p.Mode, Mode)
	}
	for _, d := range append([]digest.Digest{p.Artifact, p.Digest}, p.Hashes...) {
		if !canonical.IsSHA256(d) {
			return p, fmt.Errorf("proof: %q is not a sha256 digest", d)
		}
	}
	return p, nil
}

// Check follows the proof from the file's entry to the digest of the artifact. The bytes of the file are for the caller
// to compare.
func (p Proof) Check(ctx context.Context) error {
	if got := digest.FromString(p.Manifest); got != p.Artifact {
		return fmt.Errorf("the manifest has digest %s, not %s", got, p.Artifact)
	}
	m, err := artifact.ParseManifest([]byte(p.Manifest))
	if err != nil {
		return err
	}
	f := artifact.File{Path: p.Path, Size: p.Size, Digest: p.Digest}
	if !artifact.IsDataset(m) {
		if len(p.Hashes) > 0 || p.Index > 0 || p.Count > 0 {
			return fmt.Errorf("%w: its files are layers and have no tree", artifact.ErrProof)
		}
		return isLayer(ctx, m, f)
	}
	root := digest.Digest(m.Annotations[artifact.RootAnnotation])
	hashes := make([]artifact.Sum, len(p.Hashes))
	for i, d := range p.Hashes {
		if _, err := hex.Decode(hashes[i][:], []byte(d.Encoded())); err != nil {
			return err
		}
	}
	return artifact.CheckPath(root, f, p.Index, p.Count, hashes)
}

// isLayer looks for a file among the layers of a manifest.
func isLayer(ctx context.Context, m ocispec.Manifest, f artifact.File) error {
	r, err := artifact.NewReader(ctx, nil, m) // it reads no blob of such an artifact
	if err != nil {
		return err
	}
	have, ok, err := r.Find(f.Path)
	if err == nil && (!ok || have.File != f) {
		err = fmt.Errorf("%s: %w: no layer of the manifest is it", f.Path, artifact.ErrProof)
	}
	return err
}
