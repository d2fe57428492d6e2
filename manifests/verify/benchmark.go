package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// What a benchmark artifact, an OCI index, says of its parts.
const (
	StepKey       = "io.cairn-bench.step"     // annotation: the step an artifact or record is of
	ActionKey     = "io.cairn-bench.action"   // annotation: its action
	AttachedKey   = "io.cairn-bench.attached" // annotation: a bundle that somebody has put beside the record of a step later
	DocumentsStep = "documents"               // the artifact that holds manifest, lock and report
	LockFile      = "benchmark.lock"          // title of the lock's layer
)

// Benchmark verifies a benchmark artifact: the lock in it, and every artifact and record that it lists. It
// needs no action cache, because the artifact names the records.
func Benchmark(ctx context.Context, subject string, ref digest.Digest, s Store, by *trust.Policy, level string) (Verdict, error) {
	return benchmark(ctx, subject, ref, nil, s, by, level)
}

// ErrOtherLock says that a benchmark artifact holds another lock.
var ErrOtherLock = errors.New("the benchmark artifact holds another lock")

// Held verifies a benchmark artifact that holds the text of a lock, as Benchmark does. If the lock that it holds can be read
// and is another one, it goes no further: the error is ErrOtherLock.
func Held(ctx context.Context, file string, text []byte, ref digest.Digest, s Store, by *trust.Policy, level string) (Verdict, error) {
	return benchmark(ctx, file, ref, text, s, by, level)
}

func benchmark(ctx context.Context, subject string, ref digest.Digest, held []byte, s Store, by *trust.Policy, level string) (Verdict, error) {
	listed := &listed{Store: s, records: map[digest.Digest][]digest.Digest{}, artifacts: map[digest.Digest]bool{}}
	v := newVerifier(ctx, subject, listed, level)
	if err := v.trusts(by); err != nil {
		return Verdict{}, err
	}
	text, ok := v.read(ref, "benchmark")
	if !ok {
		return v.verdict(), ctx.Err()
	}
	var ix ocispec.Index
	if err := json.Unmarshal(text, &ix); err != nil {
		v.problem(Problem{Code: Malformed, Path: "benchmark", Digest: ref, Got: err.Error()})
		return v.verdict(), ctx.Err()
	}
	documents := listed.read(ix)
	v.documents(documents)
	var l *lock.Lock
	if text, ok := v.lockText(documents.Artifact); ok {
		if held != nil && !bytes.Equal(held, text) {
			return Verdict{}, ErrOtherLock
		}
		if l = v.parse(LockFile, text, documents.Artifact); l == nil {
			return v.verdict(), ctx.Err()
		}
		v.complete(l, ref, listed.artifacts)
		v.lock(l)
	}
	v.ledger(listed.all(v.bundles))
	if l != nil {
		v.pinned(l, listed.records)
	}
	v.listed(ix)
	return v.verdict(), ctx.Err()
}

// listed is a store whose records are those that a benchmark artifact names.
type listed struct {
	Store
	records   map[digest.Digest][]digest.Digest // by action
	artifacts map[digest.Digest]bool
	documents digest.Digest // their action
}

// all are the records of the steps, without those of the documents, which hold the proof. Bundles that stand beside a record
// may have come later, from elsewhere: they are in a log of their own.
func (l *listed) all(bundles map[digest.Digest]bool) []digest.Digest {
	var out []digest.Digest
	for _, action := range slices.Sorted(maps.Keys(l.records)) {
		if action == l.documents {
			continue
		}
		all := l.records[action]
		own := slices.DeleteFunc(slices.Clone(all), func(d digest.Digest) bool { return bundles[d] })
		if len(own) == 0 {
			own = all
		}
		out = append(out, own...)
	}
	return out
}

func (l *listed) Records(_ context.Context, action, _ digest.Digest) ([]digest.Digest, error) {
	return l.records[action], nil
}

// Tombstone asks the store.
func (l *listed) Tombstone(ctx context.Context, artifact digest.Digest) (digest.Digest, error) {
	if g, ok := l.Store.(Graveyard); ok {
		return g.Tombstone(ctx, artifact)
	}
	return "", nil
}

// read notes what an index lists and returns the artifact of the documents.
func (l *listed) read(ix ocispec.Index) lock.Step {
	var documents lock.Step
	for _, d := range ix.Manifests {
		action := digest.Digest(d.Annotations[ActionKey])
		switch {
		case d.ArtifactType == provenance.MediaType:
			l.records[action] = append(l.records[action], d.Digest)
		case d.Annotations[StepKey] == DocumentsStep:
			documents = lock.Step{Name: DocumentsStep, Action: action, Artifact: d.Digest}
			l.documents = action
		}
		l.artifacts[d.Digest] = true
	}
	return documents
}

// listed checks what the index says of what it lists. What the lock does not name is looked at here; what it names and
// is not here has been said.
func (v *verifier) listed(ix ocispec.Index) {
	for _, d := range ix.Manifests {
		v.step = d.Annotations[StepKey]
		if !v.followed[d.Digest] {
			v.artifact(d.Digest)
		}
		if n, read := v.seen[d.Digest]; read && n != d.Size {
			v.problem(Problem{Code: Malformed, Path: "benchmark", Digest: d.Digest, Want: fmt.Sprintf("%d bytes, as the index says", d.Size), Got: fmt.Sprintf("%d bytes", n)})
		}
	}
	v.step = ""
}

// complete checks that the index lists what the lock names: who takes the one takes the other.
func (v *verifier) complete(l *lock.Lock, ref digest.Digest, artifacts map[digest.Digest]bool) {
	for _, s := range l.Steps {
		if !artifacts[s.Artifact] {
			v.problem(Problem{Code: Malformed, Step: s.Name, Path: "benchmark", Digest: ref, Want: s.Artifact.String(), Got: "not in the index"})
		}
	}
}

// documents checks the action and the record of the documents; the lock cannot name them.
func (v *verifier) documents(s lock.Step) {
	if s.Artifact == "" {
		return // lockText says so
	}
	v.begin(DocumentsStep)
	v.artifact(s.Artifact)
	v.action(nil, s, nil, v.records(s))
	v.step = ""
}

// lockText reads the lock out of the artifact of the documents.
func (v *verifier) lockText(documents digest.Digest) ([]byte, bool) {
	v.step = DocumentsStep
	defer func() { v.step = "" }()
	if documents == "" {
		v.problem(Problem{Code: Malformed, Path: "benchmark", Want: "an artifact of the documents"})
		return nil, false
	}
	raw, ok := v.read(documents, "manifest")
	if !ok {
		return nil, false
	}
	d, ok := LockOf(raw)
	if !ok {
		v.problem(Problem{Code: Malformed, Path: "manifest", Digest: documents, Want: "a layer titled " + LockFile})
		return nil, false
	}
	return v.read(d, LockFile)
}

// LockOf returns the digest of the lock in the manifest of the artifact of the documents.
func LockOf(manifest []byte) (digest.Digest, bool) {
	var m ocispec.Manifest
	if json.Unmarshal(manifest, &m) != nil {
		return "", false
	}
	for _, l := range m.Layers {
		if l.Annotations[ocispec.AnnotationTitle] == LockFile {
			return l.Digest, true
		}
	}
	return "", false
}
