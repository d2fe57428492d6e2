// Package pledge keeps what the benchmarks of a home have claimed, before it is known whether it holds: the signed
// commitments, a file each, in a folder for each benchmark. When each was made is said by the ledger of the home, in which
// the digest of the file is.
package pledge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// Book is that of one home. A nil one has no commitments.
type Book struct{ dir string }

// Open returns the book of a home, which need not be there before something is added.
func Open(home string) *Book { return &Book{filepath.Join(home, "commitments")} }

// Kept is a commitment as it was signed.
type Kept struct {
	provenance.Commitment
	Text   []byte // the envelope
	Digest digest.Digest
}

// Add keeps the envelope of a commitment. When it returns it is on the disk.
func (b *Book) Add(text []byte) (Kept, error) {
	s, _, err := provenance.ParseCommitment(text)
	if err != nil {
		return Kept{}, err
	}
	k := Kept{s.Predicate, text, digest.FromBytes(text)}
	if !manifests.IsName(k.Benchmark) {
		return Kept{}, fmt.Errorf("commitment: %q is not the name of a benchmark", k.Benchmark)
	}
	dir := filepath.Join(b.dir, k.Benchmark)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Kept{}, fmt.Errorf("commitment: %w", err)
	}
	return k, cas.ReplaceFile(dir, filepath.Join(dir, k.Digest.Encoded()+".json"), text)
}

// Of lists the commitments of a benchmark, in the order of their digests.
func (b *Book) Of(benchmark string) ([]Kept, error) {
	if b == nil || !manifests.IsName(benchmark) {
		return nil, nil
	}
	dir := filepath.Join(b.dir, benchmark)
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("commitments of %s: %w", benchmark, err)
	}
	var out []Kept
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".json" { // one that is being written
			continue
		}
		file := filepath.Join(dir, f.Name())
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		k := Kept{Text: text, Digest: digest.FromBytes(text)}
		var s provenance.CommitmentStatement
		if err == nil {
			s, _, err = provenance.ParseCommitment(text)
		}
		if err == nil && (s.Predicate.Benchmark != benchmark || f.Name() != k.Digest.Encoded()+".json") {
			err = errors.New("it is not what its name says; a commitment is never changed: take the file from a backup, or away")
		}
		if err != nil {
			return nil, fmt.Errorf("commitments of %s: %s: %w", benchmark, file, err)
		}
		k.Commitment = s.Predicate
		out = append(out, k)
	}
	return out, nil
}
