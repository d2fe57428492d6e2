// Package provenance makes records: the statement that an action gave an artifact, by which tool and when.
//
// A record is an in-toto Statement (v1) with the SLSA provenance predicate (v1), signed in a DSSE envelope. Its subject is
// the artifact, its external parameters are the action, its resolved dependencies are the inputs. It is kept as an OCI
// manifest whose subject is the artifact, so any OCI tool finds it by referrers. The envelope is the first layer; those
// after it are what the statement names: a statement of the numbers of an evaluation, and approvals of terms. A record
// holds times, so its digest differs from run to run and stands in no lock.
package provenance

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/ledger"
)

// Types of the documents.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://slsa.dev/provenance/v1"
	BuildType     = "https://cairn-bench.github.io/action/v1"
	MediaType     = "application/vnd.in-toto+json"
)

// Statement is an in-toto statement with SLSA provenance.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     Predicate `json:"predicate"`
}

// Subject is an artifact by name and digest.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// Predicate is SLSA provenance v1.
type Predicate struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition says what was to be done.
type BuildDefinition struct {
	BuildType            string     `json:"buildType"`
	ExternalParameters   Parameters `json:"externalParameters"`
	InternalParameters   *Internal  `json:"internalParameters,omitempty"` // nil where there are none
	ResolvedDependencies []Subject  `json:"resolvedDependencies"`
}

// Parameters are the action and its ID.
type Parameters struct {
	ID     action.ID     `json:"id"`
	Action action.Action `json:"action"`
}

// Internal are parameters that only the one who did it knew.
type Internal struct {
	Approvals []Subject `json:"approvals"` // signed statements that terms were accepted, by the ID of the terms
}

// RunDetails say who did it and when.
type RunDetails struct {
	Builder    Builder   `json:"builder"`
	Metadata   Metadata  `json:"metadata"`
	Byproducts []Subject `json:"byproducts,omitempty"` // by name: EvaluationName, LedgerName, CommitmentName
}

// Builder is the tool.
type Builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

// Metadata is the invocation.
type Metadata struct {
	InvocationID string    `json:"invocationId,omitempty"`
	StartedOn    time.Time `json:"startedOn"`
	FinishedOn   time.Time `json:"finishedOn"`
}

// Execution is what a record adds to an action and its artifact.
type Execution struct {
	Step       string
	Builder    Builder
	Invocation string
	Started    time.Time
	Finished   time.Time
	Approvals  []Approval // of a fetch, of the terms that somebody had accepted
	Evaluation []byte     // of an evaluation, the envelope of the statement of its numbers; nil for none
	Ledger     []byte     // of a benchmark, the proof that the records of its steps are in a ledger; nil for none

	// Commitments are the envelopes of what a benchmark has committed itself to, in the order in which they came into the ledger.
	Commitments [][]byte
}

// Names of byproducts.
const (
	EvaluationName = "evaluation" // the signed statement of an evaluation's numbers
	LedgerName     = "ledger"     // a proof that records are in a ledger (package ledger)
	CommitmentName = "commitment" // a signed statement of what is claimed; there may be several
)

// Named is a document that a statement names by digest.
type Named struct {
	MediaType string
	Text      []byte
}

// Approval is a signed statement that terms were accepted.
type Approval struct {
	Terms    string // their ID
	Envelope []byte // DSSE, JSON
}

// EnvelopeType is the media type of what is signed: the statement of a record, that of an evaluation, an approval.
const EnvelopeType = envelope.MediaType

// New returns the canonical bytes of a statement.
func New(a action.Action, artifact digest.Digest, e Execution) ([]byte, error) {
	written, err := a.Canonical()
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", e.Step, err)
	}
	if a, err = action.Parse(written); err != nil { // as it lies in the store
		return nil, fmt.Errorf("record of %s: %w", e.Step, err)
	}
	if err := checkArtifact(artifact); err != nil {
		return nil, fmt.Errorf("record of %s: %w", e.Step, err)
	}
	text, err := canonical.Marshal(Statement{
		Type: StatementType, PredicateType: PredicateType,
		Subject: []Subject{subject(e.Step, artifact)},
		Predicate: Predicate{
			BuildDefinition: BuildDefinition{
				BuildType:            BuildType,
				ExternalParameters:   Parameters{ID: action.ID(digest.FromBytes(written)), Action: a},
				ResolvedDependencies: dependencies(a),
				InternalParameters:   e.internal(),
			},
			RunDetails: RunDetails{Builder: e.Builder, Metadata: Metadata{
				InvocationID: e.Invocation, StartedOn: e.Started.UTC().Truncate(time.Millisecond), FinishedOn: e.Finished.UTC().Truncate(time.Millisecond)},
				Byproducts: e.byproducts()},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", e.Step, err)
	}
	return text, nil
}

// Named are the documents that the statement names by digest, in the order in which they are kept.
func (e Execution) Named() []Named {
	var out []Named
	if e.Evaluation != nil {
		out = append(out, Named{EnvelopeType, e.Evaluation})
	}
	if e.Ledger != nil {
		out = append(out, Named{ledger.MediaType, e.Ledger})
	}
	for _, c := range e.Commitments {
		out = append(out, Named{EnvelopeType, c})
	}
	for _, a := range e.Approvals {
		out = append(out, Named{EnvelopeType, a.Envelope})
	}
	return out
}

func (e Execution) byproducts() []Subject {
	var out []Subject
	if e.Evaluation != nil {
		out = append(out, subject(EvaluationName, digest.FromBytes(e.Evaluation)))
	}
	if e.Ledger != nil {
		out = append(out, subject(LedgerName, digest.FromBytes(e.Ledger)))
	}
	for _, c := range e.Commitments {
		out = append(out, subject(CommitmentName, digest.FromBytes(c)))
	}
	return out
}

func (e Execution) internal() *Internal {
	if len(e.Approvals) == 0 {
		return nil
	}
	var in Internal
	for _, a := range e.Approvals {
		in.Approvals = append(in.Approvals, subject(a.Terms, digest.FromBytes(a.Envelope)))
	}
	return &in
}

func subject(name string, d digest.Digest) Subject {
	return Subject{Name: name, Digest: map[string]string{d.Algorithm().String(): d.Encoded()}}
}

func dependencies(a action.Action) []Subject {
	out := []Subject{}
	for _, in := range a.Inputs {
		out = append(out, subject(in.Name, in.Artifact))
	}
	return out
}

// Manifest returns the OCI manifest that ties a statement, and the documents that it names, to its subject.
func Manifest(subject, statement, config ocispec.Descriptor, named ...ocispec.Descriptor) ([]byte, error) {
	return Tie(PredicateType, subject, config, append([]ocispec.Descriptor{statement}, named...)...)
}

// PredicateKey is the annotation by which in-toto tells the predicate of a statement from outside.
const PredicateKey = "in-toto.io/predicate-type"

// Tie returns the OCI manifest that ties a statement with some predicate, the first of its layers, to what it is about.
func Tie(predicate string, subject, config ocispec.Descriptor, layers ...ocispec.Descriptor) ([]byte, error) {
	return canonical.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: MediaType,
		Config:       config,
		Layers:       layers,
		Subject:      &subject,
		Annotations:  map[string]string{PredicateKey: predicate},
	})
}

// Parse reads a statement and checks that it is one of ours, written as New writes it, and agrees with itself.
func Parse(text []byte) (Statement, error) {
	var s Statement
	if err := parse(text, &s, func() error { return s.check() }); err != nil {
		return s, fmt.Errorf("record: %w", err)
	}
	return s, nil
}

func (s Statement) check() error {
	definition := s.Predicate.BuildDefinition
	if s.Type != StatementType || s.PredicateType != PredicateType || definition.BuildType != BuildType {
		return fmt.Errorf("type %q, predicate %q, build type %q: not a record of an action", s.Type, s.PredicateType, definition.BuildType)
	}
	p := definition.ExternalParameters
	id, err := p.Action.ID()
	if err != nil {
		return err
	}
	if id != p.ID {
		return fmt.Errorf("its action has ID %s, it says %s", id, p.ID)
	}
	if len(s.Subject) != 1 {
		return fmt.Errorf("%d subjects, want one", len(s.Subject))
	}
	if err := checkArtifact(s.Artifact()); err != nil {
		return err
	}
	if want := dependencies(p.Action); !slices.EqualFunc(want, definition.ResolvedDependencies, same) {
		return fmt.Errorf("its dependencies %v are not the inputs of its action %v", definition.ResolvedDependencies, want)
	}
	return nil
}

// CheckLayers says whether the layers of a record's manifest are the statement and what it names.
func (s Statement) CheckLayers(m ocispec.Manifest) error {
	var want []string
	for _, b := range s.Predicate.RunDetails.Byproducts {
		want = append(want, b.Digest[digest.SHA256.String()])
	}
	if in := s.Predicate.BuildDefinition.InternalParameters; in != nil {
		for _, a := range in.Approvals {
			want = append(want, a.Digest[digest.SHA256.String()])
		}
	}
	var got []string
	for _, l := range m.Layers[min(1, len(m.Layers)):] {
		got = append(got, l.Digest.Encoded())
	}
	if !slices.Equal(want, got) {
		return fmt.Errorf("beside the statement its layers are %q, the statement names %q", got, want)
	}
	return nil
}

func checkArtifact(d digest.Digest) error {
	if !canonical.IsSHA256(d) {
		return fmt.Errorf("its artifact %q is not a sha256 digest", d)
	}
	return nil
}

func same(x, y Subject) bool { return x.Name == y.Name && maps.Equal(x.Digest, y.Digest) }

// Byproduct is the digest of the first byproduct of a name, "" if there is none.
func (s Statement) Byproduct(name string) digest.Digest {
	for _, d := range s.Byproducts(name) {
		return d
	}
	return ""
}

// Byproducts are the digests of all byproducts of a name.
func (s Statement) Byproducts(name string) []digest.Digest {
	var out []digest.Digest
	for _, b := range s.Predicate.RunDetails.Byproducts {
		if b.Name == name {
			out = append(out, digest.NewDigestFromEncoded(digest.SHA256, b.Digest[digest.SHA256.String()]))
		}
	}
	return out
}

// Artifact returns the digest of a record's subject, which is not valid if the record is not.
func (s Statement) Artifact() digest.Digest {
	if len(s.Subject) != 1 {
		return ""
	}
	return digest.NewDigestFromEncoded(digest.SHA256, s.Subject[0].Digest[digest.SHA256.String()])
}
