package trust

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests/envelope"
)

// Identity is somebody who is known by what an issuer of identities says of them, such as a workflow of a repository. It
// has no key of its own: Sigstore gives it a certificate for each signature.
type Identity struct {
	Name         string
	Issuer       string    // URL of who says so, exactly as in the certificate
	Subject      string    // URI or mail address, exactly as in the certificate
	Since, Until time.Time // of the signature, as others have witnessed it; the zero time: always; until is exclusive
}

// Signer is who has signed a bundle.
type Signer struct {
	Issuer, Subject string
	At              time.Time // when, as a log or an authority for timestamps has witnessed it
}

func (s Signer) String() string { return fmt.Sprintf("%s of %s", s.Subject, s.Issuer) }

// Bundles judges Sigstore bundles by a trusted root.
type Bundles interface {
	// Signer says who has signed an envelope that came in a bundle. The error names the step that does not hold; the signer
	// is then the one that the bundle claims, as far as it can be read.
	Signer(envelope.Envelope) (Signer, error)
}

// judgeBundle says whether a bundle vouches for a step. When it was signed is proven, so the time that the record says
// does not matter.
func (p *Policy) judgeBundle(j *Judgement, e envelope.Envelope, allowed func(string) bool) {
	if p.Bundles == nil {
		j.Unknown = append(j.Unknown, "a Sigstore bundle (the policy has no roots)")
		return
	}
	who, err := p.Bundles.Signer(e)
	id, ok := p.identity(who)
	switch {
	case err != nil && ok:
		j.Wrong = fmt.Sprintf("the bundle that names identity %s (%s) does not hold: %v", id.Name, who, err)
	case err != nil:
		j.Unknown = append(j.Unknown, fmt.Sprintf("a Sigstore bundle that does not hold: %v", err))
	case !ok:
		j.Unknown = append(j.Unknown, who.String())
	case !allowed(id.Name):
		j.Unknown = append(j.Unknown, id.Name+" (not for this kind)")
	case outside(who.At, id.Since, id.Until):
		j.Unknown = append(j.Unknown, fmt.Sprintf("%s (not at %s)", id.Name, who.At.UTC().Format(time.RFC3339)))
	default:
		j.By = append(j.By, id.Name)
	}
}

func (p *Policy) identity(who Signer) (Identity, bool) {
	for _, id := range p.Identities {
		if id.Issuer == who.Issuer && id.Subject == who.Subject {
			return id, true
		}
	}
	return Identity{}, false
}

// voters are the names that a rule may use.
func (p *Policy) voters() []string {
	var out []string
	for _, k := range p.Keys {
		out = append(out, k.Name)
	}
	for _, id := range p.Identities {
		out = append(out, id.Name)
	}
	return out
}

// fileID is the YAML of an identity.
type fileID struct {
	Issuer  string `yaml:"issuer"`
	Subject string `yaml:"subject"`
	Since   string `yaml:"since"`
	Until   string `yaml:"until"`
}

func (r *reader) identities(p *Policy, root *yaml.Node, f file) {
	p.Roots = f.Roots
	if (f.Roots == "") != (len(f.Identities) == 0) {
		r.fail(here(root, "identities"), "roots", "want roots, the file of Sigstore's trusted root as seen from this one, and identities together")
	}
	for _, name := range slices.Sorted(maps.Keys(f.Identities)) {
		at, path := here(here(root, "identities"), name), "identities."+name
		id := r.identity(at, path, f.Identities[name])
		id.Name = name
		r.named(at, path, name)
		if slices.Contains(p.voters(), name) {
			r.fail(at, path, "there is a key %s: want names of which each is one vote", name)
		}
		if other, again := p.identity(Signer{Issuer: id.Issuer, Subject: id.Subject}); again {
			r.fail(at, path, "the same identity as %s: one identity is one vote", other.Name)
		}
		p.Identities = append(p.Identities, id)
	}
}

func (r *reader) identity(n *yaml.Node, path string, f fileID) Identity {
	if f.Issuer == "" {
		r.fail(here(n, "issuer"), path+".issuer", "want the URL of who issues the identity, such as https://token.actions.githubusercontent.com")
	}
	if f.Subject == "" {
		r.fail(here(n, "subject"), path+".subject", "want the subject of its certificates, such as the address of a workflow with its branch; there are no patterns")
	}
	since, until := r.span(n, path, f.Since, f.Until)
	return Identity{Issuer: f.Issuer, Subject: f.Subject, Since: since, Until: until}
}
