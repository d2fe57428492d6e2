package provenance

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// EvaluationType is the predicate of the statement of an evaluation's numbers.
const EvaluationType = "https://cairn-bench.github.io/evaluation/v1"

// EvaluationStatement is an in-toto statement of the numbers of an evaluation, so that they are signed by themselves and
// can be read without the artifact. Its subject is the artifact.
type EvaluationStatement struct {
	Type          string     `json:"_type"`
	Subject       []Subject  `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     Evaluation `json:"predicate"`
}

// Evaluation is the numbers, and on what they were computed.
type Evaluation struct {
	Action      action.ID         `json:"action"`
	Dataset     string            `json:"dataset"`
	Split       Split             `json:"split"`
	Determinism string            `json:"determinism"` // class of the plugin: how close a second computation has to come
	Metrics     []document.Metric `json:"metrics"`
}

// Split is the side of the dataset on which an evaluation scored.
type Split struct {
	Name    string        `json:"name"`
	Samples int           `json:"samples"`
	IDs     digest.Digest `json:"ids,omitempty"` // of the curated dataset's file of the ids of that side, "" if it has none
}

// NewEvaluation returns the canonical bytes of a statement. step is what the evaluation is called here.
func NewEvaluation(step string, artifact digest.Digest, e Evaluation) ([]byte, error) {
	s := EvaluationStatement{Type: StatementType, Subject: []Subject{subject(step, artifact)}, PredicateType: EvaluationType, Predicate: e}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("evaluation of %s: %w", step, err)
	}
	return canonical.Marshal(s)
}

// ParseEvaluation reads the envelope of a statement as NewEvaluation writes it, and no other. It checks no signature: the
// record that names the envelope by digest is signed.
func ParseEvaluation(text []byte) (EvaluationStatement, error) {
	var s EvaluationStatement
	if _, err := ParseSigned(text, &s, func() error { return s.check() }); err != nil {
		return s, fmt.Errorf("evaluation: %w", err)
	}
	return s, nil
}

func (s EvaluationStatement) check() error {
	if s.Type != StatementType || s.PredicateType != EvaluationType || len(s.Subject) != 1 {
		return fmt.Errorf("type %q, predicate %q, %d subjects: not a statement of an evaluation", s.Type, s.PredicateType, len(s.Subject))
	}
	if !canonical.IsSHA256(s.Predicate.Action.Digest()) {
		return fmt.Errorf("its action %q is not a sha256 digest", s.Predicate.Action)
	}
	return checkArtifact(s.Artifact())
}

// Artifact returns the digest of the statement's subject.
func (s EvaluationStatement) Artifact() digest.Digest {
	return Statement{Subject: s.Subject}.Artifact()
}
