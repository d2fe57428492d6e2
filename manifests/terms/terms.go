// Package terms decides what may become of data and of what is made of them, under the licence and access of every
// dataset that they derive from. Records, digests, metrics and documents hold no data and are never asked about here.
//
// # A policy
//
// A policy is a list of rules. Of those that fit, the first that names the verb decides; what no rule is about is refused. An
// expression of several licences is decided for each of them, and something made of several datasets for each of these: one refusal
// refuses.
//
//	apiVersion: cairn/v1
//	kind: TermsPolicy
//	rules:
//	  - name: our-registry                    # named in refusals and overrides
//	    licence: [CC-BY-*, LicenseRef-Ours]   # SPDX identifiers, * stands for anything; absent: any, also none
//	    access: [open, registration]          # words of manifests.Accesses; absent: any, also none
//	    what: [raw, curated]                  # absent: raw, curated, model, predictions
//	    to: [ghcr.io/our-lab/*]               # destinations; absent: anywhere
//	    allow: [push]                         # push, export, render, list
//	  - name: nobody-else
//	    access: [registration]
//	    refuse: [push, export]
//	    reason: whoever wants it has to register at its publisher's
//	    instead: push the records (cairn push --records)
//
// A refusal needs its reason, and what is allowed instead. Destinations are addresses, such as ghcr.io/our-lab/climb or s3://bucket/x,
// and these words:
//
//	registry  a registry that is not named (cairn terms)
//	folder    an exported folder that others on this machine can read
//	private   an exported folder that only its owner can open
//	page      the page of a dataset (cairn show --html)
//	report    the report of a benchmark
//
// The policy that comes with Cairn is Default.
package terms

import (
	"cmp"
	_ "embed" // the policy that comes with Cairn
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
)

// Kind is what a policy says that it is.
const Kind = "TermsPolicy"

// Verb is what somebody wants to do with data.
type Verb string

// The verbs.
const (
	Push   Verb = "push"   // bring it to a registry
	Export Verb = "export" // write it into a folder
	Render Verb = "render" // draw samples
	List   Verb = "list"   // name samples, without their data
)

// Verbs lists the verbs.
func Verbs() []Verb { return []Verb{Push, Export, Render, List} }

// done is the verb in a sentence of what may not be.
func (v Verb) done() string {
	return map[Verb]string{Push: "pushed", Export: "exported", Render: "drawn", List: "listed by sample"}[v]
}

// What is a kind of things that hold data.
type What string

// The kinds.
const (
	Raw         What = "raw"         // as it was fetched
	Curated     What = "curated"     // made of raw data
	Model       What = "model"       // trained on curated data
	Predictions What = "predictions" // of an evaluation: scores and labels, sample by sample
)

// Whats lists the kinds.
func Whats() []What { return []What{Raw, Curated, Model, Predictions} }

// Destinations that are words and no addresses.
const (
	Registry = "registry"
	Folder   = "folder"
	Private  = "private"
	Page     = "page"
	Report   = "report"
)

// Policy is a list of rules, of which the first that fits decides.
type Policy struct {
	File   string // where it stands, for messages
	Digest digest.Digest
	Rules  []Rule
}

// Rule is one rule. What a list leaves out is not asked.
type Rule struct {
	Name    string   `json:"name" jsonschema:"lower-case letters, digits and dashes"`
	Licence []string `json:"licence,omitempty" jsonschema:"SPDX identifiers, * stands for anything"`
	Access  []string `json:"access,omitempty" jsonschema:"how a person comes to the data"`
	What    []What   `json:"what,omitempty" jsonschema:"what holds the data"`
	To      []string `json:"to,omitempty" jsonschema:"destinations, * stands for anything"`
	Allow   []Verb   `json:"allow,omitempty" jsonschema:"what may be done"`
	Refuse  []Verb   `json:"refuse,omitempty" jsonschema:"what may not be done"`
	Reason  string   `json:"reason,omitempty" jsonschema:"why it may not"`
	Instead string   `json:"instead,omitempty" jsonschema:"what may be done instead"`

	line int
}

// file is a policy as it is written.
type file struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Rules      []Rule `json:"rules"`
}

//go:embed default.yaml
var shipped []byte

// DefaultText is the policy that comes with Cairn, to be read and changed.
func DefaultText() []byte { return slices.Clone(shipped) }

// DefaultDigest is the digest of that text.
func DefaultDigest() digest.Digest { return digest.FromBytes(shipped) }

// Default is the policy that comes with Cairn.
func Default() *Policy {
	p, err := Parse("terms.yaml of cairn", shipped)
	if err != nil {
		panic(err) // a test reads it
	}
	return p
}

// Parse reads a policy. The error is a manifests.Errors with everything that is wrong with it.
func Parse(name string, text []byte) (*Policy, error) {
	shape, err := schema()
	if err != nil {
		return nil, err
	}
	var f file
	doc, err := manifests.Decode(name, text, shape, &f)
	if err != nil {
		return nil, err
	}
	if len(f.Rules) == 0 {
		doc.Fail("rules", "want at least one rule; a policy without any refuses everything")
	}
	seen := map[string]bool{}
	for i := range f.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		if seen[f.Rules[i].Name] {
			doc.Fail(at+".name", "there is another rule %q before it", f.Rules[i].Name)
		}
		seen[f.Rules[i].Name] = true
		f.Rules[i].line = doc.Line(at)
		f.Rules[i].check(doc, at)
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return &Policy{File: name, Digest: digest.FromBytes(text), Rules: f.Rules}, nil
}

func schema() (*jsonschema.Schema, error) {
	s, err := jsonschema.For[file](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Verb](): {Type: "string"}, reflect.TypeFor[What](): {Type: "string"},
	}})
	if err != nil {
		return nil, fmt.Errorf("schema of kind %s: %w", Kind, err)
	}
	one := func(s *jsonschema.Schema, word string) { s.Enum = []any{word} }
	one(s.Properties["apiVersion"], manifests.APIVersion)
	one(s.Properties["kind"], Kind)
	rule := s.Properties["rules"].Items
	words(rule.Properties["access"].Items, manifests.Accesses())
	words(rule.Properties["what"].Items, Whats())
	words(rule.Properties["allow"].Items, Verbs())
	words(rule.Properties["refuse"].Items, Verbs())
	return s, nil
}

func words[T ~string](s *jsonschema.Schema, all []T) {
	for _, w := range all {
		s.Enum = append(s.Enum, string(w))
	}
}

// check says what a schema cannot.
func (r Rule) check(doc *manifests.Document, at string) {
	switch {
	case !manifests.IsName(r.Name):
		doc.Fail(at+".name", "%q is no name: want lower-case letters, digits and dashes", r.Name)
	case len(r.Allow)+len(r.Refuse) == 0:
		doc.Fail(at, "the rule %s decides nothing; say what it allows or refuses: %s", r.Name, joined(Verbs()))
	}
	for i, v := range r.Refuse {
		if slices.Contains(r.Allow, v) {
			doc.Fail(fmt.Sprintf("%s.refuse[%d]", at, i), "the rule %s allows %s, too", r.Name, v)
		}
	}
	if len(r.Refuse) > 0 && (r.Reason == "" || r.Instead == "") {
		doc.Fail(at, "the rule %s refuses; say why (reason) and what may be done instead (instead)", r.Name)
	}
	for key, patterns := range map[string][]string{"licence": r.Licence, "to": r.To} {
		for i, p := range patterns {
			if strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				doc.Fail(fmt.Sprintf("%s.%s[%d]", at, key, i), "%q has a blank in it; want one identifier or address, in which * stands for anything", p)
			}
		}
	}
}

func joined[T ~string](all []T) string {
	var out []string
	for _, w := range all {
		out = append(out, string(w))
	}
	return strings.Join(out, ", ")
}

// Term is under which terms a dataset is.
type Term struct {
	Dataset string `json:"dataset"`
	Licence string `json:"licence"`
	Access  string `json:"access"`
}

// String says a term in words.
func (t Term) String() string {
	return fmt.Sprintf("licence %s, access %s", cmp.Or(t.Licence, "not stated"), cmp.Or(t.Access, "not stated"))
}

// Question is what somebody wants to do.
type Question struct {
	Verb Verb   `json:"verb"`
	What What   `json:"what"`
	To   string `json:"to"`
}

// Decision is the answer for one dataset.
type Decision struct {
	Question
	Term
	Allowed bool   `json:"allowed"`
	Rule    string `json:"rule,omitempty"` // none: no rule is about it
	At      string `json:"at,omitempty"`   // file and line of the rule
	Reason  string `json:"reason,omitempty"`
	Instead string `json:"instead,omitempty"`
}

// Decide answers a question about data of one dataset.
func (p *Policy) Decide(q Question, t Term) Decision {
	out := Decision{}
	for _, id := range identifiers(t.Licence) {
		if out = p.decide(q, t, id); !out.Allowed {
			return out
		}
	}
	return out
}

func (p *Policy) decide(q Question, t Term, licence string) Decision {
	d := Decision{Question: q, Term: t, Reason: "no rule is about it, and what is not known is not allowed", Instead: "a rule of your own can decide it"}
	for _, r := range p.Rules {
		allow := slices.Contains(r.Allow, q.Verb)
		if !allow && !slices.Contains(r.Refuse, q.Verb) || !r.fits(q, t.Access, licence) {
			continue
		}
		d.Allowed, d.Rule, d.At = allow, r.Name, fmt.Sprintf("%s:%d", p.File, r.line)
		d.Reason, d.Instead = r.Reason, r.Instead
		if allow {
			d.Reason, d.Instead = "", ""
		}
		break
	}
	return d
}

func (r Rule) fits(q Question, access, licence string) bool {
	return (len(r.What) == 0 || slices.Contains(r.What, q.What)) &&
		(len(r.Access) == 0 || slices.Contains(r.Access, access)) &&
		(len(r.Licence) == 0 || licence != "" && matchesAny(r.Licence, licence)) &&
		(len(r.To) == 0 || matchesAny(r.To, q.To))
}

// maxLicence bounds what the SPDX parser is given; no true expression is longer.
const maxLicence = 500

// Closed says why not everybody may have data of these terms, by the policy that comes with Cairn; "" if everybody may. It
// is for documents that may depend on no home.
func Closed(t Term) string {
	d := Default().Decide(Question{Verb: Push, What: Curated, To: Registry}, t)
	if d.Allowed {
		return ""
	}
	return d.Reason
}

// identifiers are the licences of an expression, sorted; one that is none, or that nobody states, is the one without a name.
func identifiers(expression string) []string {
	if len(expression) > maxLicence {
		return []string{""}
	}
	ids, err := spdxexp.ExtractLicenses(expression)
	if err != nil || len(ids) == 0 {
		return []string{""}
	}
	slices.Sort(ids) // they come from a map
	return ids
}

func matchesAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(strings.ToLower(p), strings.ToLower(text)) })
}

// matches says whether a pattern, in which * stands for anything, is the whole of a text.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	for _, p := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// Refusal says in words what may not be done, because of which dataset, and what may. name is what is asked about.
func (d Decision) Refusal(name string) string {
	by := "no rule"
	if d.Rule != "" {
		by = fmt.Sprintf("rule %s, %s", d.Rule, d.At)
	}
	of := ""
	if d.Dataset != "" {
		of = fmt.Sprintf(" because of the dataset %s (%s)", d.Dataset, d.Term)
	}
	what := ""
	if d.What != "" {
		what = fmt.Sprintf(" (%s)", d.What)
	}
	return fmt.Sprintf("%s%s may not be %s to %s%s: %s (%s); allowed instead: %s", name, what, d.Verb.done(), d.To, of, d.Reason, by, d.Instead)
}
