package manifests

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Term is what a person accepts before data is fetched: a licence, a data use agreement, the rules of a competition.
type Term struct {
	ID    string   `json:"id" jsonschema:"a name for this text in this version, such as PhysioNet-Credentialed-1.5.0"`
	URL   string   `json:"url" jsonschema:"where the text is"`
	Steps []string `json:"steps,omitempty" jsonschema:"what a person does to be let in, one sentence each"`
}

// termID is what the ID of a term is made of, as after LicenseRef- in SPDX.
var termID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$`)

const termRule = "want letters, digits, dots and dashes, at most 100, that begin with a letter or digit"

func (r *reader) terms(f fields) []Term {
	n := f.get("terms")
	if n == nil {
		return nil
	}
	var out []Term
	seen := map[string]bool{}
	for i, item := range f.items("terms", n) {
		path := fmt.Sprintf("%s[%d]", f.at("terms"), i)
		t, at := r.term(item, path)
		if seen[t.ID] && t.ID != "" {
			r.fail(at, path, "the term %q is already in the list", t.ID)
		}
		seen[t.ID] = true
		out = append(out, t)
	}
	return out
}

func (r *reader) term(n *yaml.Node, path string) (Term, *yaml.Node) {
	f := r.fields(n, path, termKeys)
	t := Term{ID: f.required("id"), URL: f.required("url")}
	if t.ID != "" && !termID.MatchString(t.ID) {
		r.fail(f.get("id"), f.at("id"), "%s, have %q", termRule, shorten(t.ID))
	}
	r.webAddress(f, "url", t.URL)
	if steps := f.get("steps"); steps != nil {
		for i, s := range f.items("steps", steps) {
			if !isText(s) || strings.TrimSpace(s.Value) == "" {
				r.fail(s, fmt.Sprintf("%s[%d]", f.at("steps"), i), "want a sentence, have %s%s", describe(s), quoteHint(s))
			}
			t.Steps = append(t.Steps, s.Value)
		}
	}
	return t, n
}

// items are those of a list that is not empty.
func (f fields) items(key string, n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		f.p.fail(n, f.at(key), "want a list, have %s", describe(n))
		return nil
	}
	if len(n.Content) == 0 {
		f.p.fail(n, f.at(key), "the list is empty")
	}
	return n.Content
}

// curated reads what is made of a dataset. A manifest that only fetches it says nothing.
func (r *reader) curated(f fields) Step {
	if f.get("curate") == nil && !f.meant["curate"] {
		return Step{}
	}
	return r.step(f, "curate", "curate")
}

// together checks what a dataset is curated with. What is made of them is this dataset, so nobody may be asked for more to see the others.
func (r *reader) together(e entry) {
	d := r.bench.Datasets[e.key]
	for _, name := range d.Curate.With {
		other, known := r.bench.Datasets[name]
		at := e.path + ".curate.with"
		switch {
		case name == e.key:
			r.fail(e.value, at, "%q is curated with itself", name)
		case known && other.Access != "open" && other.Access != d.Access:
			r.fail(e.value, at, "%q is %s, so what is made with it cannot be %s", name, other.Access, d.Access)
		}
	}
}

// wantCurated says that the datasets of a model have to be curated.
func (r *reader) wantCurated(f fields, m Model) {
	for _, d := range m.Datasets {
		if set := r.bench.Datasets[d]; set.Curate.Plugin == "" && !r.broken["datasets."+d] {
			r.fail(f.get("datasets"), f.at("datasets"), "the dataset %q has no curate, so nothing can be trained on it", d)
		}
	}
}
