package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests"
)

// Kind of the document.
const Kind = "TrustPolicy"

// maxPolicy bounds what is read.
const maxPolicy = 1 << 20

// file is the YAML of a policy.
type file struct {
	APIVersion string             `yaml:"apiVersion"`
	Kind       string             `yaml:"kind"`
	Ledger     string             `yaml:"ledger"`
	Roots      string             `yaml:"roots"`
	Keys       map[string]fileKey `yaml:"keys"`
	Identities map[string]fileID  `yaml:"identities"`
	Rules      []fileRule         `yaml:"rules"`
}

type fileKey struct {
	Public string `yaml:"public"`
	Since  string `yaml:"since"`
	Until  string `yaml:"until"`
}

type fileRule struct {
	Kinds []string `yaml:"kinds"`
	Keys  []string `yaml:"keys"`
	Agree *int     `yaml:"agree"`
}

// known are the keys of each mapping, by what they stand in.
var known = map[string][]string{
	"":           {"apiVersion", "kind", "ledger", "roots", "keys", "identities", "rules"},
	"keys":       {"public", "since", "until"},
	"identities": {"issuer", "subject", "since", "until"},
	"rules":      {"kinds", "keys", "agree"},
}

// Verify is the kind under which a rule says whose verdicts count in a challenge, and how many of them must agree.
const Verify = "verify"

// kinds of steps, what puts the documents together, and who checks both.
var kinds = []string{"fetch", "curate", "pretrain", "evaluate", "publish", Verify}

// Parse reads a policy. An error names file, line and field.
func Parse(name string, text []byte) (*Policy, error) {
	if len(text) > maxPolicy {
		return nil, fmt.Errorf("%s: %d bytes, want a trust policy of at most %d", name, len(text), maxPolicy)
	}
	r := reader{name: name}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil || len(doc.Content) != 1 {
		return nil, fmt.Errorf("%s: want a trust policy in YAML: %w", name, errOr(err, "it is empty"))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: want one document, there is a second", name)
	}
	root := doc.Content[0]
	r.keys(root)
	var f file
	if err := root.Decode(&f); err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
	if r.err != nil {
		return nil, r.err
	}
	p := r.policy(root, f)
	return p, r.err
}

func errOr(err error, text string) error {
	if err == nil {
		return errors.New(text)
	}
	return err
}

// reader keeps the first thing that is wrong.
type reader struct {
	name string
	err  error
}

func (r *reader) fail(n *yaml.Node, path, format string, args ...any) {
	if r.err == nil {
		r.err = manifests.Errors{{File: r.name, Line: n.Line, Column: n.Column, Path: path, Message: fmt.Sprintf(format, args...)}}
	}
}

// keys refuses keys that nobody knows, and aliases, which would let a name stand for something else.
func (r *reader) keys(root *yaml.Node) {
	r.mapping(root, "", known[""])
	for _, in := range []string{"keys", "identities"} {
		for i, n := range all(child(root, in)) {
			if i%2 == 1 {
				r.mapping(n, in, known[in])
			}
		}
	}
	for i, n := range all(child(root, "rules")) {
		r.mapping(n, fmt.Sprintf("rules[%d]", i), known["rules"])
	}
}

func all(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	return n.Content
}

func (r *reader) mapping(n *yaml.Node, path string, want []string) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "want a mapping with %s", strings.Join(want, ", "))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !slices.Contains(want, key.Value) {
			hint := "want one of " + strings.Join(want, ", ")
			if near := manifests.Nearest(key.Value, want); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			r.fail(key, path, "unknown key %q; %s", key.Value, hint)
		}
	}
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// here is the node of a key, or the one it should be in.
func here(n *yaml.Node, key string) *yaml.Node {
	if c := child(n, key); c != nil {
		return c
	}
	return n
}

func (r *reader) policy(root *yaml.Node, f file) *Policy {
	p := &Policy{Name: r.name, Strict: true}
	if f.APIVersion != manifests.APIVersion || f.Kind != Kind {
		r.fail(here(root, "kind"), "kind", "apiVersion %q and kind %q, want %s and %s", f.APIVersion, f.Kind, manifests.APIVersion, Kind)
	}
	switch f.Ledger {
	case "", "optional":
	case "required":
		p.Ledger = true
	default:
		r.fail(here(root, "ledger"), "ledger", "%q, want required or optional", f.Ledger)
	}
	if len(f.Keys) == 0 && len(f.Identities) == 0 {
		r.fail(here(root, "keys"), "keys", "no key and no identity: want at least one whose signature counts")
	}
	byID := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(f.Keys)) {
		at := here(here(root, "keys"), name)
		k := r.key(at, name, f.Keys[name])
		if other, again := byID[k.Public.ID]; again {
			r.fail(at, "keys."+name, "the same key as %s: one key is one vote", other)
		}
		byID[k.Public.ID] = name
		p.Keys = append(p.Keys, k)
	}
	r.identities(p, root, f)
	for i, rule := range f.Rules {
		p.Rules = append(p.Rules, r.rule(all(child(root, "rules"))[i], fmt.Sprintf("rules[%d]", i), rule, p.voters()))
	}
	return p
}

func (r *reader) key(n *yaml.Node, name string, f fileKey) Key {
	path := "keys." + name
	k := Key{Name: name}
	r.named(n, path, name)
	var err error
	if k.Public, err = ParsePublicKey(f.Public); err != nil {
		r.fail(here(n, "public"), path+".public", "%v", err)
	}
	k.Since, k.Until = r.span(n, path, f.Since, f.Until)
	return k
}

func (r *reader) named(n *yaml.Node, path, name string) {
	if !manifests.IsName(name) {
		r.fail(n, path, "want a name of lower-case letters, digits and hyphens")
	}
}

// span reads from when until when somebody counts.
func (r *reader) span(n *yaml.Node, path, from, to string) (since, until time.Time) {
	since, until = r.time(n, path, "since", from), r.time(n, path, "until", to)
	if !until.IsZero() && !since.Before(until) {
		r.fail(here(n, "until"), path+".until", "it ends before it begins")
	}
	return since, until
}

// time reads a day, which begins at midnight UTC, or a time.
func (r *reader) time(n *yaml.Node, path, key, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t
		}
	}
	r.fail(here(n, key), path+"."+key, "%q, want a day such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z", text)
	return time.Time{}
}

func (r *reader) rule(n *yaml.Node, path string, f fileRule, voters []string) Rule {
	out := Rule{Kinds: f.Kinds, Keys: f.Keys, Agree: 1}
	for _, k := range f.Kinds {
		if !slices.Contains(kinds, k) {
			r.fail(here(n, "kinds"), path+".kinds", "%q, want some of %s", k, strings.Join(kinds, ", "))
		}
	}
	for _, k := range f.Keys {
		if !slices.Contains(voters, k) {
			r.fail(here(n, "keys"), path+".keys", "there is no key %q and no identity of that name", k)
		}
	}
	most := len(voters)
	if len(f.Keys) > 0 {
		most = len(slices.Compact(slices.Sorted(slices.Values(f.Keys))))
	}
	if f.Agree != nil {
		out.Agree = *f.Agree
	}
	if out.Agree < 1 || out.Agree > most {
		r.fail(here(n, "agree"), path+".agree", "%d, want 1 to %d, as many as may vouch", out.Agree, most)
	}
	return out
}
