// Package verdict makes the outcome of a verification a statement that can be signed and passed on: a SLSA verification
// summary (https://slsa.dev/verification_summary/v1) in an in-toto statement. Its subject is the lock or the artifact that
// was verified. A verdict that something is wrong is one as well.
//
// SLSA's members say who has verified what, when, by which policy, and whether it passed. What it has no members for stands
// in one more, which other readers pass over, as in-toto wants them to: the level that was reached, the steps that were
// done again, and every problem.
package verdict

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// PredicateType is that of a verification summary.
const PredicateType = "https://slsa.dev/verification_summary/v1"

// The results.
const (
	Passed = "PASSED"
	Failed = "FAILED"
)

// Outcomes of a step that was to be done again.
const (
	Agrees       = "agrees"        // the same bytes
	AgreesWithin = "agrees-within" // other bytes, as close as the bounds in the lock want of a plugin of class tolerance
	Differs      = "differs"
	CouldNot     = "could-not"
)

// Statement is an in-toto statement of a verdict.
type Statement struct {
	Type          string               `json:"_type"`
	Subject       []provenance.Subject `json:"subject"`
	PredicateType string               `json:"predicateType"`
	Predicate     Summary              `json:"predicate"`
}

// Summary is a SLSA verification summary.
type Summary struct {
	Verifier     Verifier  `json:"verifier"`
	TimeVerified time.Time `json:"timeVerified"`
	ResourceURI  string    `json:"resourceUri"`
	Policy       Policy    `json:"policy"`
	Result       string    `json:"verificationResult"`         // Passed or Failed
	Levels       []string  `json:"verifiedLevels"`             // of SLSA, which this program does not judge: none
	Inputs       []Input   `json:"inputAttestations,omitzero"` // verdicts of others that it sums up; nil: it is its own work
	Details      Details   `json:"https://cairn-bench.github.io/verdict/v1"`
}

// Verifier is the program.
type Verifier struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

// Policy is the trust policy.
type Policy struct {
	URI    string            `json:"uri"` // its name
	Digest map[string]string `json:"digest,omitempty"`
}

// Input is the envelope of a statement that a summary is made of.
type Input struct {
	Digest map[string]string `json:"digest"`
}

// InputOf names an envelope by its bytes.
func InputOf(text []byte) Input {
	return Input{Digest: map[string]string{"sha256": digest.FromBytes(text).Encoded()}}
}

// Details are what SLSA has no members for.
type Details struct {
	Benchmark string           `json:"benchmark"`
	Level     string           `json:"level"`
	Reruns    []Rerun          `json:"reruns"` // steps that were to be done again, in the order of the lock
	Problems  []verify.Problem `json:"problems"`
}

// Rerun is what became of a step that was to be done again.
type Rerun struct {
	Step     string        `json:"step"`
	Class    string        `json:"class"` // of its plugin, by which it was judged
	Outcome  string        `json:"outcome"`
	Artifact digest.Digest `json:"artifact,omitempty"` // that it gave, "" if it could not
	Why      string        `json:"why,omitempty"`      // the first difference, how close it came, or why it could not
}

// failedThere begins the reason of a step that failed when it was done again.
const failedThere = "it failed there: "

// Fail is of a step that failed when it was done again. Of the reason only the class of the error is told: an error may name
// folders and credentials, and a verdict is passed on.
func Fail(step, class, kind string) Rerun {
	return Rerun{Step: step, Class: class, Outcome: CouldNot, Why: failedThere + kind}
}

// Failed says whether the step failed when it was done again.
func (r Rerun) Failed() bool { return r.Outcome == CouldNot && strings.HasPrefix(r.Why, failedThere) }

// normal is a summary as it is written.
func (s Summary) normal() Summary {
	s.TimeVerified = s.TimeVerified.UTC().Truncate(time.Second)
	if s.Levels == nil {
		s.Levels = []string{}
	}
	if s.Details.Reruns == nil {
		s.Details.Reruns = []Rerun{}
	}
	if s.Details.Problems == nil {
		s.Details.Problems = []verify.Problem{}
	}
	return s
}

// New returns the canonical bytes of a statement about a subject.
func New(name string, subject digest.Digest, s Summary) ([]byte, error) {
	s = s.normal()
	st := Statement{Type: provenance.StatementType, PredicateType: PredicateType, Predicate: s,
		Subject: []provenance.Subject{{Name: name, Digest: map[string]string{subject.Algorithm().String(): subject.Encoded()}}}}
	if err := st.check(); err != nil {
		return nil, fmt.Errorf("verdict of %s: %w", name, err)
	}
	return canonical.Marshal(st)
}

// Parse reads the envelope of a statement as New writes it, and no other. It checks no signature.
func Parse(text []byte) (Statement, envelope.Envelope, error) {
	var s Statement
	e, err := provenance.ParseSigned(text, &s, func() error {
		err := s.check()
		s.Predicate = s.Predicate.normal()
		return err
	})
	if err != nil {
		return s, e, fmt.Errorf("verdict: %w", err)
	}
	return s, e, nil
}

func (s Statement) check() error {
	if s.Type != provenance.StatementType || s.PredicateType != PredicateType || len(s.Subject) != 1 {
		return fmt.Errorf("type %q, predicate %q, %d subjects: not a verification summary", s.Type, s.PredicateType, len(s.Subject))
	}
	if d := s.Of(); !canonical.IsSHA256(d) {
		return fmt.Errorf("its subject %q is not a sha256 digest", d)
	}
	p := s.Predicate
	for i, in := range p.Inputs {
		if d := digest.NewDigestFromEncoded(digest.SHA256, in.Digest["sha256"]); !canonical.IsSHA256(d) || len(in.Digest) != 1 {
			return fmt.Errorf("inputAttestations[%d] %v is not a sha256 digest", i, in.Digest)
		}
	}
	if p.Inputs != nil && len(p.Details.Reruns) > 0 {
		return errors.New("it sums up verdicts of others and has steps done again: want one of the two")
	}
	wrong := len(p.Details.Problems) > 0
	for _, r := range p.Details.Reruns {
		if !slices.Contains([]string{Agrees, AgreesWithin, Differs, CouldNot}, r.Outcome) || r.Step == "" {
			return fmt.Errorf("step %q %q: want a step that %s, %s, %s or %s", r.Step, r.Outcome, Agrees, AgreesWithin, Differs, CouldNot)
		}
		if (r.Outcome == CouldNot) == canonical.IsSHA256(r.Artifact) {
			return fmt.Errorf("step %q %s with artifact %q", r.Step, r.Outcome, r.Artifact)
		}
		wrong = wrong || r.Outcome == Differs
	}
	if want := result(!wrong); p.Result != want {
		return fmt.Errorf("its result is %q, and what it says makes it %s", p.Result, want)
	}
	return nil
}

func result(ok bool) string {
	if ok {
		return Passed
	}
	return Failed
}

// Of is the digest of the subject.
func (s Statement) Of() digest.Digest {
	return provenance.Statement{Subject: s.Subject}.Artifact()
}

// Result is that of a verdict.
func Result(v verify.Verdict) string { return result(v.OK) }
