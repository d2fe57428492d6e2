package provenance

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// CommitmentType is the predicate of the statement of what a benchmark claims.
const CommitmentType = "https://cairn-bench.github.io/commitment/v1"

// CommitmentStatement is an in-toto statement of the published numbers that a benchmark sets out to reproduce, how far
// off they may be, and how close second computations have to come. Its subject is the manifest by the digest of its meaning. It holds no time: when it was made is said by
// the ledger in which its envelope is, and a rule is fixed before a result if it stands there before the result's record.
type CommitmentStatement struct {
	Type          string     `json:"_type"`
	Subject       []Subject  `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     Commitment `json:"predicate"`
}

// Commitment is what was claimed.
type Commitment struct {
	Benchmark string            `json:"benchmark"`
	Claims    []manifests.Claim `json:"claims"` // in the order of the manifest

	Bounds []tolerance.OfStep `json:"bounds,omitempty"` // how close second computations have to come, in the order of the plan
}

var errNoStep = errors.New("the step has no name")

// NewCommitment returns the canonical bytes of a statement. manifest is the digest of the manifest's meaning.
func NewCommitment(manifest digest.Digest, c Commitment) ([]byte, error) {
	s := CommitmentStatement{Type: StatementType, Subject: []Subject{subject(c.Benchmark, manifest)}, PredicateType: CommitmentType, Predicate: c}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("commitment of %s: %w", c.Benchmark, err)
	}
	return canonical.Marshal(s)
}

// ParseCommitment reads the envelope of a statement as NewCommitment writes it, and no other. It checks no signature.
func ParseCommitment(text []byte) (CommitmentStatement, envelope.Envelope, error) {
	var s CommitmentStatement
	e, err := ParseSigned(text, &s, func() error { return s.check() })
	if err != nil {
		return s, e, fmt.Errorf("commitment: %w", err)
	}
	return s, e, nil
}

func (s CommitmentStatement) check() error {
	if s.Type != StatementType || s.PredicateType != CommitmentType || len(s.Subject) != 1 {
		return fmt.Errorf("type %q, predicate %q, %d subjects: not a statement of a commitment", s.Type, s.PredicateType, len(s.Subject))
	}
	if d := (Statement{Subject: s.Subject}).Artifact(); !canonical.IsSHA256(d) {
		return fmt.Errorf("its manifest %q is not a sha256 digest", d)
	}
	if s.Subject[0].Name != s.Predicate.Benchmark || len(s.Predicate.Claims)+len(s.Predicate.Bounds) == 0 {
		return fmt.Errorf("it is about %q, and has %d claims and %d bounds of %q", s.Subject[0].Name, len(s.Predicate.Claims), len(s.Predicate.Bounds), s.Predicate.Benchmark)
	}
	for i, c := range s.Predicate.Claims {
		if err := c.Check(); err != nil {
			return fmt.Errorf("claim %d: %w", i, err)
		}
	}
	for i, b := range s.Predicate.Bounds {
		if err := b.Check(); err != nil || b.Step == "" {
			return fmt.Errorf("bounds %d, of step %q: %w", i, b.Step, cmp.Or(err, errNoStep))
		}
	}
	return nil
}
