package provenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// Types of a tombstone.
const (
	TombstoneType   = "https://cairn-bench.github.io/tombstone/v1"
	RemovedListType = "text/plain" // of the layer that lists the removed blobs
)

// Tombstone is the statement that blobs of an artifact were deleted on purpose. Its subject is the artifact, whose
// manifest stays, and it is kept as a record is: an OCI manifest with that subject. The first layer is the
// statement, the second lists the removed blobs, a digest a line, sorted, so that the statement stays small.
type Tombstone struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Deletion  `json:"predicate"`
}

// Deletion says what was deleted, why, by whom and when.
type Deletion struct {
	Reason  string    `json:"reason"`
	By      string    `json:"by"`
	On      time.Time `json:"deletedOn"`
	Removed Removed   `json:"removed"`
}

// Removed sums up the removed blobs.
type Removed struct {
	Blobs int           `json:"blobs"`
	Bytes int64         `json:"bytes"`
	List  digest.Digest `json:"list"`
}

// NewTombstone returns the canonical bytes of a statement. name is what the artifact is called here.
func NewTombstone(name string, artifact digest.Digest, d Deletion) ([]byte, error) {
	d.On = d.On.UTC().Truncate(time.Second)
	t := Tombstone{Type: StatementType, Subject: []Subject{subject(name, artifact)}, PredicateType: TombstoneType, Predicate: d}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("tombstone of %s: %w", artifact, err)
	}
	return canonical.Marshal(t)
}

// TombstoneManifest returns the OCI manifest that ties a tombstone to its subject.
func TombstoneManifest(subject, statement, list, config ocispec.Descriptor) ([]byte, error) {
	return Tie(TombstoneType, subject, config, statement, list)
}

// RemovedList returns the text of a list of blobs, which are sorted.
func RemovedList(blobs []digest.Digest) []byte {
	var b bytes.Buffer
	for _, d := range blobs {
		fmt.Fprintln(&b, d)
	}
	return b.Bytes()
}

// ReadTombstone reads a tombstone from the digest of its manifest, and the blobs that it says were removed. read
// gives the checked bytes of a blob.
func ReadTombstone(manifest digest.Digest, read func(digest.Digest) ([]byte, error)) (Tombstone, []digest.Digest, error) {
	t, removed, err := readTombstone(manifest, read)
	if err != nil {
		return t, nil, fmt.Errorf("tombstone %s: %w", manifest, err)
	}
	return t, removed, nil
}

func readTombstone(manifest digest.Digest, read func(digest.Digest) ([]byte, error)) (Tombstone, []digest.Digest, error) {
	text, err := read(manifest)
	if err != nil {
		return Tombstone{}, nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil || len(m.Layers) != 2 || m.Subject == nil {
		return Tombstone{}, nil, errors.New("not a manifest with a subject and two layers")
	}
	if text, err = read(m.Layers[0].Digest); err != nil {
		return Tombstone{}, nil, err
	}
	t, err := ParseTombstone(text)
	if err != nil {
		return t, nil, err
	}
	if m.Subject.Digest != t.Artifact() || m.Layers[1].Digest != t.Predicate.Removed.List {
		return t, nil, errors.New("its manifest is about something else than its statement")
	}
	if text, err = read(t.Predicate.Removed.List); err != nil {
		return t, nil, err
	}
	removed, err := parseRemoved(text)
	return t, removed, err
}

func parseRemoved(text []byte) ([]digest.Digest, error) {
	var out []digest.Digest
	for line := range strings.Lines(string(text)) {
		d := digest.Digest(strings.TrimSuffix(line, "\n"))
		if err := d.Validate(); err != nil {
			return nil, fmt.Errorf("list of removed blobs: %q: %w", line, err)
		}
		out = append(out, d)
	}
	return out, nil
}

// ParseTombstone reads a statement as NewTombstone writes it, and no other.
func ParseTombstone(text []byte) (Tombstone, error) {
	var t Tombstone
	if err := json.Unmarshal(text, &t); err != nil {
		return t, err
	}
	if err := t.check(); err != nil {
		return t, err
	}
	if want, err := NewTombstone(t.Subject[0].Name, t.Artifact(), t.Predicate); err != nil || !bytes.Equal(want, text) {
		return t, errors.New("its bytes are not those that are written")
	}
	return t, nil
}

func (t Tombstone) check() error {
	switch {
	case t.Type != StatementType || t.PredicateType != TombstoneType:
		return fmt.Errorf("type %q, predicate %q: not a tombstone", t.Type, t.PredicateType)
	case len(t.Subject) != 1:
		return fmt.Errorf("%d subjects, want one", len(t.Subject))
	case strings.TrimSpace(t.Predicate.Reason) == "" || strings.TrimSpace(t.Predicate.By) == "":
		return errors.New("it has to say why and by whom")
	}
	if err := t.Predicate.Removed.List.Validate(); err != nil {
		return fmt.Errorf("list %q: %w", t.Predicate.Removed.List, err)
	}
	return checkArtifact(t.Artifact())
}

// Artifact returns the digest of the tombstone's subject.
func (t Tombstone) Artifact() digest.Digest { return Statement{Subject: t.Subject}.Artifact() }

// String says in one line what happened.
func (t Tombstone) String() string {
	p := t.Predicate
	return fmt.Sprintf("deleted on %s by %s: %s", p.On.Format(time.DateOnly), p.By, p.Reason)
}
