package terms_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/benchmarks/climb"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// formerly is how it was decided before there were policies: data whose access is open and whose licence is known, not its
// publisher's own and not without derivatives, may be passed on.
func formerly(licence, access string) bool {
	ids, err := spdxexp.ExtractLicenses(licence)
	if access != "open" || len(licence) > 500 || err != nil || len(ids) == 0 {
		return false
	}
	return !slices.ContainsFunc(ids, func(id string) bool {
		id = strings.ToUpper(id)
		return strings.Contains(id, "LICENSEREF-") || strings.Contains(id, "-ND")
	})
}

// free are the datasets of CLIMB that the policy lets go, under these terms.
var free = map[string]string{
	"ptb-xl": "CC-BY-4.0", "chapman-shaoxing": "CC-BY-4.0", "cpsc": "CC-BY-4.0", "covid-19-cxr": "CC-BY-4.0", "coronahack": "CC-BY-4.0",
	"cbis-ddsm": "CC-BY-3.0", "cmmd": "CC-BY-4.0", "isic-2020": "CC-BY-NC-4.0", "ham10000": "CC-BY-NC-SA-4.0", "pad-ufes-20": "CC-BY-4.0",
	"jichi": "CC-BY-4.0", "lndb": "CC-BY-4.0", "kits23": "CC-BY-NC-SA-4.0", "hemorrhage": "CC-BY-4.0", "covid-us": "AGPL-3.0",
	"brain-tumor": "MIT", "ppi": "MIT", "bcss": "CC0-1.0", "vital": "Apache-2.0",
}

// TestCatalog decides every dataset of CLIMB, for everything that can be done with it.
func TestCatalog(t *testing.T) {
	c, err := climb.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	p := terms.Default()
	seen := map[string]string{}
	for _, e := range c.Entries {
		licence := ""
		if e.Licence.Expression != nil {
			licence = *e.Licence.Expression
		}
		term := terms.Term{Dataset: e.ID, Licence: licence, Access: e.Access.Kind}
		for _, what := range terms.Whats() {
			for _, q := range []terms.Question{
				{Verb: terms.Push, To: terms.Registry}, {Verb: terms.Push, To: "ghcr.io/lab/climb"}, {Verb: terms.Export, To: terms.Folder},
				{Verb: terms.Export, To: "s3://bucket/x"}, {Verb: terms.Render, To: terms.Page}, {Verb: terms.List, To: terms.Report},
			} {
				q.What = what
				d := p.Decide(q, term)
				if want := free[e.ID] == licence && licence != ""; d.Allowed != want || d.Allowed && !formerly(licence, term.Access) {
					t.Errorf("%s, %s: %+v is %v, want %v", e.ID, term, q, d.Allowed, want)
				}
				if !d.Allowed && (d.Rule == "" || d.Reason == "" || d.Instead == "" || !strings.Contains(d.At, ":")) {
					t.Errorf("%s: refused without saying why: %+v", e.ID, d)
				}
			}
			if d := p.Decide(terms.Question{Verb: terms.Export, What: what, To: terms.Private}, term); !d.Allowed {
				t.Errorf("%s: who has it cannot export it for themselves: %+v", e.ID, d)
			}
		}
		if p.Decide(terms.Question{Verb: terms.Push, What: terms.Raw, To: terms.Registry}, term).Allowed {
			seen[e.ID] = licence
		}
	}
	if diff := cmp.Diff(free, seen); diff != "" {
		t.Errorf("what may be pushed (-want +got):\n%s", diff)
	}
}

// TestAsStrictAsBefore: whatever licence and access there may be, nothing is allowed that was not before.
func TestAsStrictAsBefore(t *testing.T) {
	p := terms.Default()
	for _, c := range []struct {
		licence, access string
		want            bool
		rule            string
	}{
		{"CC-BY-4.0", "open", true, "open"},
		{"cc-by-4.0", "open", true, "open"},
		{"CC0-1.0", "open", true, "open"},
		{"CC-BY-NC-SA-4.0", "open", true, "open"},
		{"MIT OR Apache-2.0", "open", true, "open"},
		{"ODbL-1.0", "open", true, "open"},
		{"CC-BY-4.0", "credentialed", false, "closed-access"},
		{"CC-BY-4.0", "registration", false, "closed-access"},
		{"CC-BY-4.0", "", false, "unknown"},
		{"CC-BY-4.0", "Open", false, "unknown"},
		{"", "open", false, "unknown"},
		{"", "", false, "unknown"},
		{"CC-BY-ND-4.0", "open", false, "no-derivatives"},
		{"CC-BY-NC-ND-4.0", "open", false, "no-derivatives"},
		{"LicenseRef-PhysioNet-Credentialed-1.5.0", "open", false, "own-terms"},
		{"LicenseRef-CC-BY-4.0", "open", false, "own-terms"},
		{"MIT AND LicenseRef-terms", "open", false, "own-terms"},
		{"MIT OR CC-BY-ND-4.0", "open", false, "no-derivatives"},
		{"Beerware", "open", false, "unknown"},
		{"free for all", "open", false, "unknown"},
		{strings.Repeat("(", 1000), "open", false, "unknown"},
		{strings.Repeat("MIT OR ", 100) + "MIT", "open", false, "unknown"},
	} {
		d := p.Decide(terms.Question{Verb: terms.Push, What: terms.Curated, To: terms.Registry}, terms.Term{Dataset: "d", Licence: c.licence, Access: c.access})
		if d.Allowed != c.want || d.Rule != c.rule || d.Allowed && !formerly(c.licence, c.access) {
			t.Errorf("%.60s, %s: %+v, want %v by %s", c.licence, c.access, d, c.want, c.rule)
		}
	}
}

// TestSameRefusal: of several licences that are refused, it is always the same one that is told, as a refusal is signed and exported.
func TestSameRefusal(t *testing.T) {
	for range 50 {
		for licence, rule := range map[string]string{"LicenseRef-x AND CC-BY-ND-4.0 AND MIT": "no-derivatives", "MIT AND Apache-2.0 AND LicenseRef-x AND MPL-2.0 AND PSF-2.0": "own-terms"} {
			if d := terms.Default().Decide(terms.Question{Verb: terms.Push, What: terms.Curated, To: terms.Registry}, terms.Term{Licence: licence, Access: "open"}); d.Rule != rule {
				t.Fatalf("%s: %+v, want %s", licence, d, rule)
			}
		}
	}
	for term, want := range map[terms.Term]bool{{Licence: "MIT", Access: "open"}: true, {Licence: "MIT", Access: "credentialed"}: false, {Licence: "CC-BY-ND-4.0", Access: "open"}: false, {}: false} {
		if why := terms.Closed(term); (why == "") != want {
			t.Errorf("%s: closed because %q", term, why)
		}
	}
}

// TestFirstRuleThatFits: the order of the rules decides, for each verb on its own.
func TestFirstRuleThatFits(t *testing.T) {
	p, err := terms.Parse("terms.yaml", []byte(`apiVersion: cairn/v1
kind: TermsPolicy
rules:
  - name: ours
    licence: [LicenseRef-Ours*]
    to: ["ghcr.io/lab/*"]
    what: [curated]
    allow: [push]
  - name: nobody
    access: [open]
    refuse: [push]
    allow: [export]
    reason: no
    instead: nothing
  - name: rest
    allow: [push, list]
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		q       terms.Question
		access  string
		allowed bool
		rule    string
		at      string
	}{
		{terms.Question{Verb: terms.Push, What: terms.Curated, To: "ghcr.io/lab/x"}, "open", true, "ours", "terms.yaml:4"},
		{terms.Question{Verb: terms.Push, What: terms.Curated, To: "GHCR.io/lab/x/y"}, "open", true, "ours", "terms.yaml:4"},
		{terms.Question{Verb: terms.Push, What: terms.Curated, To: "evil.io/ghcr.io/lab/x"}, "open", false, "nobody", "terms.yaml:9"},
		{terms.Question{Verb: terms.Push, What: terms.Raw, To: "ghcr.io/lab/x"}, "open", false, "nobody", "terms.yaml:9"},
		{terms.Question{Verb: terms.Export, What: terms.Raw, To: "folder"}, "open", true, "nobody", "terms.yaml:9"},
		{terms.Question{Verb: terms.Push, What: terms.Raw, To: "ghcr.io/lab/x"}, "", true, "rest", "terms.yaml:15"},
		{terms.Question{Verb: terms.List, What: terms.Raw, To: "page"}, "open", true, "rest", "terms.yaml:15"},
		{terms.Question{Verb: terms.Render, What: terms.Raw, To: "page"}, "open", false, "", ""},
	} {
		d := p.Decide(c.q, terms.Term{Dataset: "d", Licence: "LicenseRef-Ours-2", Access: c.access})
		if d.Allowed != c.allowed || d.Rule != c.rule || d.At != c.at || d.Allowed != (d.Reason == "") {
			t.Errorf("%+v: %+v", c, d)
		}
	}
	stated, err := terms.Parse("terms.yaml", []byte("apiVersion: cairn/v1\nkind: TermsPolicy\nrules:\n  - {name: any, licence: [\"*\"], allow: [push]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for licence, want := range map[string]bool{"MIT": true, "LicenseRef-x": true, "": false, "free for all": false} {
		if d := stated.Decide(terms.Question{Verb: terms.Push}, terms.Term{Licence: licence}); d.Allowed != want {
			t.Errorf("%q: %+v, want %v: a licence that is not stated is not any licence", licence, d, want)
		}
	}
	whole, err := terms.Parse("terms.yaml", []byte("apiVersion: cairn/v1\nkind: TermsPolicy\nrules:\n  - {name: mit, licence: [MIT], to: [ghcr.io/lab, page, \"*/ours\"], allow: [push]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		licence, to string
		want        bool
	}{
		{"MIT", "ghcr.io/lab", true}, {"MIT", "x/y/ours", true}, {"MIT", "page", true},
		{"MIT-0", "page", false}, {"MIT", "ghcr.io/laboratory", false}, {"MIT", "x/ours/y", false}, {"MIT", "pag", false}, {"MIT", "", false},
	} {
		if d := whole.Decide(terms.Question{Verb: terms.Push, To: c.to}, terms.Term{Licence: c.licence}); d.Allowed != c.want {
			t.Errorf("%s to %q: %+v, want %v: a pattern is the whole of a text", c.licence, c.to, d, c.want)
		}
	}
	refused := p.Decide(terms.Question{Verb: terms.Push, What: terms.Raw, To: "ghcr.io/lab/x"}, terms.Term{Dataset: "d", Licence: "MIT", Access: "open"}).Refusal("x/fetch/d")
	const want = "x/fetch/d (raw) may not be pushed to ghcr.io/lab/x because of the dataset d (licence MIT, access open): no (rule nobody, terms.yaml:9); allowed instead: nothing"
	if refused != want {
		t.Errorf("%s, want\n%s", refused, want)
	}
}

// TestMistakes: what is wrong with a policy is said with its place.
func TestMistakes(t *testing.T) {
	const head = "apiVersion: cairn/v1\nkind: TermsPolicy\nrules:\n"
	for text, want := range map[string]string{
		"": "terms.yaml",
		"apiVersion: cairn/v1\nkind: Policy\nrules: []\n":                              "terms.yaml:2",
		"apiVersion: cairn/v1\nkind: TermsPolicy\nrules: []\n":                         "at least one rule",
		head + "  - {name: a}\n":                                                       "decides nothing",
		head + "  - {name: a, allow: [publish]}\n":                                     "terms.yaml:4",
		head + "  - {name: a, allow: [push], acess: [open]}\n":                         "acess",
		head + "  - {name: a, allow: [push], access: [public]}\n":                      "public",
		head + "  - {name: a, allow: [push], what: [weights]}\n":                       "weights",
		head + "  - {name: a, refuse: [push], reason: no}\n":                           "what may be done instead",
		head + "  - {name: a, refuse: [push], instead: b}\n":                           "say why (reason)",
		head + "  - {name: a, allow: [push], to: [\"a\\x7fb\"]}\n":                     "has a blank",
		head + "  - {name: a, allow: [push], to: [\"a\\tb\"]}\n":                       "has a blank",
		head + "  - {name: a, allow: [push], refuse: [push], reason: a, instead: b}\n": "allows push, too",
		head + "  - {name: a, allow: [push]}\n  - {name: a, allow: [list]}\n":          "terms.yaml:5",
		head + "  - {name: A b, allow: [push]}\n":                                      "no name",
		head + "  - {name: a, allow: [push], to: [\"ghcr.io/ x\"]}\n":                  "has a blank",
		head + "  - {name: a, allow: [push], licence: \"*\"}\n":                        "licence",
		head + "  - &x {name: a, allow: [push]}\n  - *x\n":                             "terms.yaml:5",
	} {
		_, err := terms.Parse("terms.yaml", []byte(text))
		var all manifests.Errors
		if !errors.As(err, &all) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(terms.DefaultText())
	f.Add([]byte("apiVersion: cairn/v1\nkind: TermsPolicy\nrules:\n  - {name: a, to: [\"*a*b*\"], allow: [push]}\n"))
	f.Add([]byte("apiVersion: cairn/v1\nkind: TermsPolicy\nrules: [{name: [], allow: {}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := terms.Parse("terms.yaml", text)
		if err != nil {
			return
		}
		d := p.Decide(terms.Question{Verb: terms.Push, What: terms.Raw, To: "a/b"}, terms.Term{Dataset: "d", Licence: "MIT", Access: "open"})
		if d.Allowed == (d.Reason != "") || d.Rule != "" && !slices.ContainsFunc(p.Rules, func(r terms.Rule) bool { return r.Name == d.Rule }) {
			t.Errorf("%s", fmt.Sprint(d))
		}
	})
}

// TestDocumented: the policies that the documentation shows are ones.
func TestDocumented(t *testing.T) {
	for file, prefix := range map[string]string{"../../README.md": "    ", "terms.go": "//\t"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), prefix+"apiVersion: cairn/v1\n"+prefix+"kind: TermsPolicy\n")
		policy := "apiVersion: cairn/v1\nkind: TermsPolicy\n"
		for line := range strings.Lines(rest) {
			body, in := strings.CutPrefix(line, prefix)
			if !in {
				break
			}
			policy += body
		}
		p, err := terms.Parse(file, []byte(policy))
		if err != nil || len(p.Rules) != 2 {
			t.Errorf("%v\n%s", err, policy)
		}
	}
}
