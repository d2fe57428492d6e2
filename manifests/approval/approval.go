// Package approval makes the record that a person has accepted the terms of one version of a dataset.
//
// It is an in-toto Statement (v1) with a predicate of ours in a DSSE envelope. Its subject is the text that was
// accepted, by name and address, for that dataset in that version; so another version, or other terms, need another
// approval. It proves who said so, if the key is known, and nothing about what the publisher thinks.
package approval

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// PredicateType names the predicate and its version.
const PredicateType = "https://cairn-bench.github.io/approval/v1"

// Approval says that somebody has accepted terms.
type Approval struct {
	Dataset string    `json:"dataset"`
	Version string    `json:"version"` // "" where the manifest has none
	Terms   Terms     `json:"terms"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

// Terms are those of a manifest, without what to do about them.
type Terms struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// statement is an in-toto statement with an approval.
type statement struct {
	Type          string               `json:"_type"`
	Subject       []provenance.Subject `json:"subject"`
	PredicateType string               `json:"predicateType"`
	Predicate     Approval             `json:"predicate"`
}

// Covers says whether it is about one of the terms of a gate.
func (a Approval) Covers(g plan.Gate, t manifests.Term) bool {
	return a.Dataset == g.Dataset && a.Version == g.Version && a.Terms == Terms{t.ID, t.URL}
}

// Check says what is missing of an approval.
func (a Approval) Check() error {
	switch {
	case !manifests.IsName(a.Dataset):
		return fmt.Errorf("dataset %q: want the name of a dataset", a.Dataset)
	case a.Terms.ID == "" || a.Terms.URL == "":
		return errors.New("the terms have no ID or no address")
	case !manifests.IsLine(a.By):
		return fmt.Errorf("name %q: want the name of the person who accepts, on one line", a.By)
	case a.At.IsZero():
		return errors.New("it has no time")
	}
	return nil
}

func (a Approval) statement() (statement, error) {
	id, err := canonical.Digest(struct {
		Dataset string `json:"dataset"`
		Version string `json:"version"`
		Terms   Terms  `json:"terms"`
	}{a.Dataset, a.Version, a.Terms})
	if err != nil {
		return statement{}, err
	}
	return statement{Type: provenance.StatementType, PredicateType: PredicateType, Predicate: a,
		Subject: []provenance.Subject{{Name: a.Dataset + "/" + a.Terms.ID, Digest: map[string]string{digest.SHA256.String(): id.Encoded()}}}}, nil
}

// Sign returns the envelope as JSON.
func (a Approval) Sign(ctx context.Context, key dsse.Signer) ([]byte, error) {
	a.At = a.At.UTC().Truncate(time.Second)
	if err := a.Check(); err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	s, err := a.statement()
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	text, err := canonical.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	return envelope.Sign(ctx, provenance.MediaType, text, key)
}

// Open reads an envelope that one of the keys has signed, as Sign writes it.
func Open(text []byte, known ...trust.PublicKey) (Approval, error) {
	var s statement
	e, err := provenance.ParseSigned(text, &s, func() error { return s.check() })
	if err != nil {
		return Approval{}, fmt.Errorf("approval: %w", err)
	}
	by := &trust.Policy{}
	for _, k := range known {
		by.Keys = append(by.Keys, trust.Key{Name: k.ID, Public: k})
	}
	if j := by.Signed(e); !j.OK() {
		return Approval{}, fmt.Errorf("approval: not signed by a key that counts here: %s", j.Why())
	}
	return s.Predicate, nil
}

func (s statement) check() error {
	if err := s.Predicate.Check(); err != nil {
		return err
	}
	if want, err := s.Predicate.statement(); err != nil || !reflect.DeepEqual(want, s) {
		return errors.New("its statement is not one of an approval, or does not agree with itself")
	}
	return nil
}
