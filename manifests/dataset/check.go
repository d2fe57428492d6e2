package dataset

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cairn-bench/cairn/manifests"
)

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// checker reports what a schema cannot say of an entry.
type checker struct {
	*manifests.Document
	e *Entry
}

func (c *Catalog) checkEntry(doc *manifests.Document, e *Entry) {
	k := checker{doc, e}
	k.name("id", e.ID)
	k.name("domain", e.Domain)
	if e.InPaper != (e.Group != nil) {
		k.Fail("group", "want a group for what the paper counts, and null for what it does not")
	}
	k.selection(c.Selection.Tiers)
	k.licence()
	k.locators()
	k.counts()
	k.classCounts()
	k.reruns()
	k.conflicts()
}

func (k checker) name(path, s string) {
	if !manifests.IsName(s) {
		k.Fail(path, "want lower-case letters, digits and dashes, have %q", s)
	}
}

func (k checker) url(path string, s *string) {
	if s != nil && !strings.HasPrefix(*s, "https://") && !strings.HasPrefix(*s, "http://") {
		k.Fail(path, "want a URL that starts with https://, have %q", *s)
	}
}

func (k checker) selection(tiers []Tier) {
	s := k.e.Selection
	if s.Tier == nil {
		return
	}
	t, _ := find(tiers, *s.Tier, func(t Tier) string { return t.ID })
	if s.Stage == nil || *s.Stage != t.Stage {
		k.Fail("selection.stage", "want %d, the stage of tier %s", t.Stage, t.ID)
	}
	if s.Basis == "" {
		k.Fail("selection", "the tier %s needs a basis: what says so", t.ID)
	}
}

func (k checker) licence() {
	l := k.e.Licence
	k.url("licence.url", l.URL)
	if l.Expression == nil {
		return
	}
	switch normal, err := manifests.Licence(*l.Expression); {
	case err != nil:
		k.Fail("licence.expression", "%v", err)
	case normal != *l.Expression:
		k.Fail("licence.expression", "want %q, as SPDX writes it, have %q", normal, *l.Expression)
	}
}

func (k checker) locators() {
	k.url("access.page", k.e.Access.Page)
	for i, l := range k.e.Locators {
		if l.File == nil {
			continue
		}
		path := fmt.Sprintf("locators[%d]", i)
		k.url(path+".place", &l.Place)
		if !sha256Hex.MatchString(l.File.SHA256) {
			k.Fail(path+".file.sha256", "want 64 digits of lower-case hex, have %q", l.File.SHA256)
		}
		if l.File.Bytes < 0 {
			k.Fail(path+".file.bytes", "want a size, have %d", l.File.Bytes)
		}
	}
	if s := k.e.Size; s != nil && s.Bytes != nil && *s.Bytes < 0 {
		k.Fail("size.bytes", "want a size, have %d", *s.Bytes)
	}
}

// counts checks that the parts add up to the total, or that a conflict says what they add up to.
func (k checker) counts() {
	c := k.e.Counts
	for name, n := range c.all() {
		if n != nil && n.Value < 0 {
			k.Fail("counts."+name, "want a count, have %d", n.Value)
		}
	}
	if c.Train == nil || c.Test == nil || c.Total == nil {
		return
	}
	sum := c.Train.Value + c.Test.Value
	if c.Validation != nil {
		sum += c.Validation.Value
	}
	if sum != c.Total.Value && !k.admitted("counts.total", sum) {
		k.Fail("counts.total", "the parts add up to %d, not %d; correct it, or add a conflict about counts.total that has %d as a value",
			sum, c.Total.Value, sum)
	}
}

// all are the counts by name.
func (c Counts) all() map[string]*Number {
	return map[string]*Number{"train": c.Train, "validation": c.Validation, "test": c.Test, "total": c.Total, "subjects": c.Subjects}
}

// classCounts checks that the classes of a part add up to it, or to what a conflict says of it.
func (k checker) classCounts() {
	seen := map[string]bool{}
	for i, c := range k.e.ClassCounts {
		path := fmt.Sprintf("classCounts[%d]", i)
		if seen[c.Part+" "+c.Source] {
			k.Fail(path+".part", "the classes of part %s are already there from this source", c.Part)
		}
		seen[c.Part+" "+c.Source] = true
		part := c.Part
		if part == "all" {
			part = "total"
		}
		n := k.e.Counts.all()[part]
		if about := "counts." + part; (n == nil || n.Value != c.Sum()) && !k.admitted(about, c.Sum()) {
			k.Fail(path+".counts", "the classes add up to %d, which is not %s; correct it, or add a conflict about %s that has %d as a value",
				c.Sum(), about, about, c.Sum())
		}
	}
}

// reruns checks that the samples of the list are on the sides or left out, and that a difference is explained and nothing else is.
func (k checker) reruns() {
	for i, r := range k.e.Reruns {
		path := fmt.Sprintf("reruns[%d]", i)
		var labels int64
		for _, n := range r.List.Labels {
			labels += n
		}
		if len(r.List.Labels) > 0 && labels != r.List.Samples {
			k.Fail(path+".list.labels", "the labels add up to %d, not %d", labels, r.List.Samples)
		}
		if r.List.SHA256 != nil && !sha256Hex.MatchString(*r.List.SHA256) {
			k.Fail(path+".list.sha256", "want 64 digits of lower-case hex, have %q", *r.List.SHA256)
		}
		if sum := r.Counts.Train + r.Counts.Validation + r.Counts.Test + r.LeftOut; sum != r.List.Samples {
			k.Fail(path+".counts", "the sides and what is left out add up to %d, the list to %d", sum, r.List.Samples)
		}
		if agrees := r.Counts.Agrees(k.e.Counts); agrees != (r.Reason == nil) {
			k.Fail(path+".reason", "want a reason where the counts differ from the entry's, and null where they do not")
		}
	}
}

// admitted says whether a conflict about something names a count.
func (k checker) admitted(about string, n int64) bool {
	for _, c := range k.e.Disputed(about) {
		if c.Says(Value(fmt.Sprint(n))) {
			return true
		}
	}
	return false
}

// conflicts checks that there are two sides at least, and that what the entry shows is one of them.
func (k checker) conflicts() {
	shown := k.e.shown()
	for i, c := range k.e.Conflicts {
		path := fmt.Sprintf("conflicts[%d]", i)
		values := map[Value]bool{}
		for _, side := range c.Values {
			values[side.Value] = true
		}
		if len(values) < 2 {
			k.Fail(path+".values", "want at least two different values, have %d", len(values))
		}
		if v, ok := shown[c.About]; ok && !values[v] {
			k.Fail(path+".values", "the entry shows %s for %s, so it is one of the values", v, c.About)
		}
	}
}

// shown is what an entry shows for what can be disputed, as far as that is one value.
func (e *Entry) shown() map[string]Value {
	out := map[string]Value{"host": Value(e.Host), "access": Value(e.Access.Kind)}
	for name, n := range e.Counts.all() {
		if n != nil {
			out["counts."+name] = Value(fmt.Sprint(n.Value))
		}
	}
	if e.Version != nil {
		out["version"] = Value(e.Version.Value)
	}
	if e.Group != nil {
		out["group"] = Value(*e.Group)
	}
	if e.Licence.Expression != nil {
		out["licence"] = Value(*e.Licence.Expression)
	}
	return out
}

func checkSources(doc *manifests.Document, s *Sources) {
	for i, one := range s.Sources {
		checkID(doc, fmt.Sprintf("sources[%d]", i), one.ID, ids(s.Sources[:i], func(s Source) string { return s.ID }))
		checker{Document: doc}.url(fmt.Sprintf("sources[%d].url", i), one.URL)
	}
}

func checkAccess(doc *manifests.Document, a *Accesses) {
	for i, one := range a.Procedures {
		path := fmt.Sprintf("procedures[%d]", i)
		checkID(doc, path, one.ID, ids(a.Procedures[:i], func(p Procedure) string { return p.ID }))
		checker{Document: doc}.url(path+".checked", one.Checked)
		if len(one.Steps) == 0 {
			doc.Fail(path+".steps", "want at least one step")
		}
	}
}

func checkSelection(doc *manifests.Document, s *Selection) {
	stages := map[int64]bool{}
	for i, one := range s.Stages {
		if stages[one.Stage] {
			doc.Fail(fmt.Sprintf("stages[%d].stage", i), "the stage %d is already there", one.Stage)
		}
		stages[one.Stage] = true
	}
	for i, one := range s.Tiers {
		path := fmt.Sprintf("tiers[%d]", i)
		checkID(doc, path, one.ID, ids(s.Tiers[:i], func(t Tier) string { return t.ID }))
		if !stages[one.Stage] {
			doc.Fail(path+".stage", "there is no stage %d", one.Stage)
		}
	}
	for i, one := range s.Groups {
		path := fmt.Sprintf("groups[%d]", i)
		checkID(doc, path, one.ID, ids(s.Groups[:i], func(g Group) string { return g.ID }))
		if !(one.Share >= 0 && one.Share <= 100) {
			doc.Fail(path+".share", "want percent from 0 to 100, have %g", one.Share)
		}
	}
	if s.Totals.Samples.To <= 0 {
		doc.Fail("totals.samples.to", "want what the number is rounded to, from 1, have %d", s.Totals.Samples.To)
	}
}

// checkID asks for a name that none of those before has.
func checkID(doc *manifests.Document, path, id string, before []string) {
	if !manifests.IsName(id) {
		doc.Fail(path+".id", "want lower-case letters, digits and dashes, have %q", id)
	}
	for _, b := range before {
		if b == id {
			doc.Fail(path+".id", "the name %q is already there", id)
		}
	}
}
