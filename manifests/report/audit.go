package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/terms"
	"github.com/cairn-bench/cairn/manifests/verify"
)

//go:embed audit.tmpl
var auditText string

//go:embed audit.css
var auditStyle string

// Audit is one verification of a benchmark, for somebody who has never seen Cairn. It takes nothing from a report or a
// dataset: numbers are those of the lock, and the way back to the sources is the plan that the lock names.
type Audit struct {
	Lock    *lock.Lock
	Plan    *plan.Plan // nil where it is not here or not the one that the lock names: then no chain is drawn
	Verdict verify.Verdict
}

// auditView is what the template sees.
type auditView struct {
	Audit
	Style     template.CSS
	StyleHash string
	LockID    digest.Digest
	Level     string // in words
	Proven    []string
	Open      []string // what is not proven
	Problems  []verify.Problem
	Chains    []chain
	Steps     []auditStep
	Terms     []term
}

// chain is the way from the numbers of one model on one dataset back to the publishers.
type chain struct {
	ID                         string
	Evaluation, Model, Dataset string
	Numbers                    []lock.Result
	Root                       *node // nil where the plan is not here
}

// node is a step in the drawing of a chain, and what it was made of. A publisher is a node without a step.
type node struct {
	Role, Name, About string
	Step              *auditStep
	ID, Above         string // anchors: of this drawing of a model, and of the one in which its sources are drawn
	From              []node
}

// auditStep is one step: what is known of it, and how far that is proven.
type auditStep struct {
	ID, Name, Kind, Plugin string
	Class                  string // of determinism, in words
	Action, Artifact       digest.Digest
	Proven                 bool // at some level
	Level                  string
	Signed, Unseen         []string
}

// term is what one dataset may be used for.
type term struct {
	ID, Title, Licence, Access, Restricted, Source string
	Accepted                                       []manifests.Term
}

// AuditHTML returns the page of a verification: one file, the same bytes for the same verdict.
func AuditHTML(a Audit) ([]byte, error) {
	t, err := template.New("audit").Funcs(auditFunctions()).Parse(auditText)
	if err != nil {
		return nil, fmt.Errorf("report: parse page: %w", err)
	}
	style := styleText + auditStyle
	sum := sha256.Sum256([]byte(style))
	m := newAuditor(a)
	v := auditView{
		Audit: m.Audit, Style: template.CSS(style), StyleHash: base64.StdEncoding.EncodeToString(sum[:]), LockID: digest.FromBytes(a.Lock.Marshal()),
		Level: levelText(a.Verdict.Level), Proven: m.proven(), Open: m.open(), Problems: m.problems(), Chains: m.chains(), Terms: m.terms(),
	}
	for _, s := range m.steps {
		v.Steps = append(v.Steps, *s)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("report: audit of %s: %w", a.Lock.Benchmark, err)
	}
	return out.Bytes(), nil
}

func auditFunctions() template.FuncMap {
	f := functions()
	maps.Copy(f, template.FuncMap{"exact": exact, "words": func() [][2]string { return auditWords }})
	return f
}

// exact is a number as the lock has it.
func exact(v *float64) string {
	if v == nil {
		return "undefined"
	}
	return fmt.Sprint(*v)
}

// auditor makes the parts of the page.
type auditor struct {
	Audit
	steps   []*auditStep // in the order of the lock, the documents last
	byName  map[string]*auditStep
	planned map[string]plan.Step
	drawn   map[string]string // model -> the anchor where its sources are drawn, so that a page grows as its numbers do
}

func newAuditor(a Audit) *auditor {
	a.Verdict = withoutPaths(a.Verdict)
	m := &auditor{Audit: a, byName: map[string]*auditStep{}, planned: map[string]plan.Step{}, drawn: map[string]string{}}
	if a.Plan != nil {
		for _, s := range a.Plan.Steps {
			m.planned[s.Name] = s
		}
	}
	found := map[string]verify.Step{}
	for _, s := range a.Verdict.Steps {
		found[s.Name] = s
	}
	for _, s := range a.Lock.Steps {
		m.step(s.Name, s, found)
	}
	for _, s := range a.Verdict.Steps {
		if m.byName[s.Name] == nil {
			m.step(s.Name, lock.Step{Plugin: "publish/benchmark"}, found)
		}
	}
	return m
}

// withoutPaths leaves of the files that a verdict names, the policy and what was verified, their names alone: where they
// lie on somebody's disk is nobody else's business.
func withoutPaths(v verify.Verdict) verify.Verdict {
	files := []string{v.Subject}
	if v.Signed != nil {
		s := *v.Signed
		files = append(files, s.Policy)
		s.Policy = path.Base(s.Policy)
		v.Signed = &s
	}
	tidy := func(text string) string {
		for _, f := range files {
			if strings.Contains(f, "/") {
				text = strings.ReplaceAll(text, f, path.Base(f))
			}
		}
		return text
	}
	v.Problems = slices.Clone(v.Problems)
	for i, p := range v.Problems {
		p.Path, p.Want, p.Got = tidy(p.Path), tidy(p.Want), tidy(p.Got)
		v.Problems[i] = p
	}
	return v
}

func (m *auditor) step(name string, s lock.Step, found map[string]verify.Step) {
	kind, _, _ := strings.Cut(s.Plugin, "/")
	f, seen := found[name]
	one := &auditStep{ID: fmt.Sprintf("step-%d", len(m.steps)+1), Name: name, Kind: kind, Plugin: s.Plugin, Action: s.Action, Artifact: s.Artifact,
		Class: classText(m.planned[name].Determinism), Level: cmp.Or(f.Level, verify.None), Signed: f.Signed, Unseen: f.Unseen}
	one.Proven = seen && one.Level != verify.None
	m.steps = append(m.steps, one)
	m.byName[name] = one
}

// chains groups the numbers of the lock by evaluation, model and dataset.
func (m *auditor) chains() []chain {
	var out []chain
	for _, r := range m.Lock.Results {
		n := len(out)
		if n == 0 || out[n-1].Evaluation != r.Evaluation || out[n-1].Model != r.Model || out[n-1].Dataset != r.Dataset {
			out = append(out, chain{ID: fmt.Sprintf("chain-%d", n+1), Evaluation: r.Evaluation, Model: r.Model, Dataset: r.Dataset, Root: m.root(r)})
			n++
		}
		out[n-1].Numbers = append(out[n-1].Numbers, r)
	}
	return out
}

// root is the evaluation that a number comes from, as the plan says.
func (m *auditor) root(r lock.Result) *node {
	if m.Plan == nil {
		return nil
	}
	for _, e := range m.Plan.Evaluations {
		if e.Name == r.Evaluation && e.Model == r.Model && e.Dataset == r.Dataset {
			n := m.node("evaluation", e.Step)
			return &n
		}
	}
	return nil
}

// roles are what the inputs of a step are called in a chain.
var roles = map[string]string{string(catalog.Evaluate): "evaluation", string(catalog.Pretrain): "trained model", string(catalog.Curate): "curated dataset", string(catalog.Fetch): "raw data"}

func (m *auditor) node(role, step string) node {
	s := m.planned[step]
	n := node{Role: cmp.Or(roles[s.Plugin.Kind], role), Name: step, About: s.Hints.Title, Step: m.byName[step]}
	if s.Plugin.Kind == string(catalog.Fetch) {
		n.From = []node{{Role: "publisher", Name: publisher(s)}}
	}
	if s.Plugin.Kind == string(catalog.Pretrain) {
		if n.Above = m.drawn[step]; n.Above != "" {
			return n
		}
		n.ID = fmt.Sprintf("model-%d", len(m.drawn)+1)
		m.drawn[step] = n.ID
	}
	for _, need := range s.Needs {
		if s.Plugin.Kind == string(catalog.Evaluate) && need.Input == "dataset" {
			n.From = append(n.From, m.node("test data", need.Step))
			n.From[len(n.From)-1].Role = "the data it is tested on"
			continue
		}
		n.From = append(n.From, m.node(need.Input, need.Step))
	}
	return n
}

// publisher says where a fetch has its bytes from: addresses on the web, never a path of somebody's disk.
func publisher(s plan.Step) string {
	var params any
	if json.Unmarshal(s.Params, &params) == nil {
		if all := addresses(params, nil); len(all) > 0 {
			slices.Sort(all)
			all = slices.Compact(all)
			if more := len(all) - 1; more > 0 {
				return fmt.Sprintf("%s, and %s more", all[0], count(more))
			}
			return all[0]
		}
	}
	switch {
	case s.Plugin.Name == "synthetic":
		return "made by a program, of its parameters and seed"
	case s.Source != "":
		return "a folder of whoever ran it, whose files had the digest " + s.Source.String()
	}
	return "what the plugin " + s.Plugin.Name + " fetches"
}

// addresses are the texts within a value that are addresses on the web.
func addresses(v any, all []string) []string {
	switch v := v.(type) {
	case string:
		if web(v) {
			all = append(all, v)
		}
	case []any:
		for _, x := range v {
			all = addresses(x, all)
		}
	case map[string]any:
		for _, x := range v {
			all = addresses(x, all)
		}
	}
	return all
}

// terms lists the licence and access of every dataset of the plan.
func (m *auditor) terms() []term {
	if m.Plan == nil {
		return nil
	}
	var out []term
	for _, s := range m.Plan.Steps {
		id, is := strings.CutPrefix(s.Name, plan.FetchStep(""))
		if !is || s.Plugin.Kind != string(catalog.Fetch) {
			continue
		}
		t := term{ID: id, Title: s.Hints.Title, Source: publisher(s)}
		t.Licence, t.Access = m.licence(s.Name)
		t.Restricted = terms.Closed(terms.Term{Licence: t.Licence, Access: t.Access})
		if s.Gate != nil {
			t.Accepted = s.Gate.Terms
		}
		out = append(out, t)
	}
	return out
}

// licence is what the curation of a fetched dataset carries.
func (m *auditor) licence(fetch string) (licence, access string) {
	for _, s := range m.Plan.Steps {
		if s.Dataset != nil && slices.ContainsFunc(s.Needs, func(n plan.Need) bool { return n.Step == fetch }) {
			return s.Dataset.Licence, s.Dataset.Access
		}
	}
	return "", ""
}

// problems are those of the verdict. The names of files within data that may not be passed on are left out: they may name a
// person.
func (m *auditor) problems() []verify.Problem {
	all := slices.Clone(m.Verdict.Problems)
	for i, p := range all {
		if p.Code == verify.FilesDiffer && m.restricted(p.Step) {
			all[i].Path, all[i].Want, all[i].Got = "a file whose name may not be passed on", "", ""
		}
	}
	return all
}

// restricted says whether the data of a step may not be passed on. What is not known is.
func (m *auditor) restricted(step string) bool {
	s, ok := m.planned[step]
	if !ok {
		return true
	}
	fetch := s.Name
	for _, n := range s.Needs {
		fetch = n.Step
	}
	if s.Dataset != nil {
		return terms.Closed(terms.Term{Licence: s.Dataset.Licence, Access: s.Dataset.Access}) != ""
	}
	licence, access := m.licence(fetch)
	return terms.Closed(terms.Term{Licence: licence, Access: access}) != ""
}
