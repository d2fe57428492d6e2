// Package override makes the record that a person has put a terms policy aside: something was done with data although the policy
// refused it, by whom and why.
//
// It is an in-toto Statement (v1) with a predicate of ours in a DSSE envelope, kept as a record is: an OCI manifest whose subject is what
// was pushed, exported or drawn. The subjects of the statement are that artifact and every artifact that was refused. An override
// excuses nothing and opens nothing: it is what an auditor finds.
package override

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/terms"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// PredicateType names the predicate and its version.
const PredicateType = "https://cairn-bench.github.io/override/v1"

// Name begins the names of overrides in a store's index, before the hex digits of their manifests. So they stay when the data go that
// they are about, and travel with a copy of the store.
const Name = "override/"

// Override says what was done although it was refused.
type Override struct {
	Verb    terms.Verb `json:"verb"`
	To      string     `json:"to"`
	Refused []Refusal  `json:"refused"`
	By      string     `json:"by"`
	Reason  string     `json:"reason"`
	At      time.Time  `json:"at"`

	Name     string        `json:"-"` // of the artifact that was pushed, exported or drawn
	Artifact digest.Digest `json:"-"`
}

// Refusal is one decision that was put aside.
type Refusal struct {
	Name     string        `json:"name"` // of the artifact that was refused
	Artifact digest.Digest `json:"artifact"`
	What     terms.What    `json:"what"`
	Dataset  string        `json:"dataset"` // "" if nothing says where the artifact comes from
	Licence  string        `json:"licence"`
	Access   string        `json:"access"`
	Rule     string        `json:"rule"` // "" if no rule is about it
	Reason   string        `json:"reason"`
}

// NewRefusal notes a decision about an artifact.
func NewRefusal(name string, artifact digest.Digest, d terms.Decision) Refusal {
	return Refusal{Name: name, Artifact: artifact, What: d.What, Dataset: d.Dataset, Licence: d.Licence, Access: d.Access, Rule: d.Rule, Reason: d.Reason}
}

// statement is an in-toto statement with an override.
type statement struct {
	Type          string               `json:"_type"`
	Subject       []provenance.Subject `json:"subject"`
	PredicateType string               `json:"predicateType"`
	Predicate     Override             `json:"predicate"`
}

func (o Override) statement() statement {
	s := statement{Type: provenance.StatementType, PredicateType: PredicateType, Predicate: o}
	seen := map[digest.Digest]bool{}
	add := func(name string, d digest.Digest) {
		if !seen[d] {
			seen[d] = true
			s.Subject = append(s.Subject, provenance.Subject{Name: name, Digest: map[string]string{digest.SHA256.String(): d.Encoded()}})
		}
	}
	add(o.Name, o.Artifact)
	for _, r := range o.Refused {
		add(r.Name, r.Artifact)
	}
	return s
}

// About says whether it is about an artifact.
func (o Override) About(artifact digest.Digest) bool {
	return o.Artifact == artifact || slices.ContainsFunc(o.Refused, func(r Refusal) bool { return r.Artifact == artifact })
}

// Check says what is missing of an override.
func (o Override) Check() error {
	switch {
	case !manifests.IsLine(o.By):
		return fmt.Errorf("name %q: want the name of the person who does it all the same, on one line", o.By)
	case strings.TrimSpace(o.Reason) == "":
		return errors.New("it has no reason")
	case o.At.IsZero():
		return errors.New("it has no time")
	case !slices.Contains(terms.Verbs(), o.Verb) || !manifests.IsLine(o.To):
		return fmt.Errorf("%q to %q: want one of %v and a destination", o.Verb, o.To, terms.Verbs())
	case !canonical.IsSHA256(o.Artifact):
		return fmt.Errorf("its artifact %q is not a sha256 digest", o.Artifact)
	case len(o.Refused) == 0:
		return errors.New("nothing was refused")
	}
	for _, r := range o.Refused {
		if !canonical.IsSHA256(r.Artifact) {
			return fmt.Errorf("%s: %q is not a sha256 digest", r.Name, r.Artifact)
		}
	}
	return nil
}

// Sign returns the envelope as JSON.
func (o Override) Sign(ctx context.Context, key dsse.Signer) ([]byte, error) {
	o.At = o.At.UTC().Truncate(time.Second)
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("override: %w", err)
	}
	text, err := canonical.Marshal(o.statement())
	if err != nil {
		return nil, fmt.Errorf("override: %w", err)
	}
	return envelope.Sign(ctx, provenance.MediaType, text, key)
}

// Manifest returns the OCI manifest that ties an envelope to what it is about.
func Manifest(subject, signed, config ocispec.Descriptor) ([]byte, error) {
	return provenance.Tie(PredicateType, subject, config, signed)
}

// IsManifest says whether a manifest says that it holds an override.
func IsManifest(m ocispec.Manifest) bool {
	return m.ArtifactType == provenance.MediaType && m.Subject != nil && len(m.Layers) == 1 && m.Annotations[provenance.PredicateKey] == PredicateType
}

// Signed is an override as it was signed.
type Signed struct {
	Override
	Key    string // ID of the key; where it is none of the known, as the envelope says
	Signer string // what the key is called among the known; "" if it is none of them
}

// Open reads an envelope, as Sign writes it. One that a known key is said to have signed, and has not, is refused; of other keys nothing
// is known here.
func Open(text []byte, known ...trust.Key) (Signed, error) {
	var s statement
	e, err := provenance.ParseSigned(text, &s, func() error { return s.check() })
	if err == nil && len(e.Signatures) != 1 {
		err = fmt.Errorf("%d signatures, want one", len(e.Signatures))
	}
	if err != nil {
		return Signed{}, fmt.Errorf("override: %w", err)
	}
	j := trust.Known("those that are known here", known...).Signed(e)
	if j.Wrong != "" {
		return Signed{}, fmt.Errorf("override: %s", j.Wrong)
	}
	out := Signed{Override: s.override(), Key: e.Signatures[0].KeyID}
	for _, k := range known {
		if slices.Contains(j.By, k.Name) {
			out.Key, out.Signer = k.Public.ID, k.Name
		}
	}
	return out, nil
}

// override is what a statement says, with the subject that it is first about.
func (s statement) override() Override {
	o := s.Predicate
	if len(s.Subject) > 0 {
		o.Name, o.Artifact = s.Subject[0].Name, digest.NewDigestFromEncoded(digest.SHA256, s.Subject[0].Digest[digest.SHA256.String()])
	}
	return o
}

func (s statement) check() error {
	o := s.override()
	if err := o.Check(); err != nil {
		return err
	}
	if want := o.statement(); s.Type != want.Type || s.PredicateType != want.PredicateType || !reflect.DeepEqual(s.Subject, want.Subject) {
		return errors.New("its statement is not one of an override, or does not agree with itself")
	}
	return nil
}

// String says in a line what was done.
func (o Override) String() string {
	var names []string
	for _, r := range o.Refused {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	const few = 3
	said := strings.Join(names[:min(len(names), few)], ", ")
	if n := len(names) - few; n > 0 {
		said += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s to %s on %s by %s although refused (%s): %s", o.Verb, o.To, o.At.Format(time.DateOnly), o.By, said, o.Reason)
}
