// Package plan compiles a manifest into the steps that rebuild it.
//
// A Plan is data, computed once and kept as a blob: a better planner never disturbs a run that is under way.
// Its steps stand in an order in which every step comes after what it needs, and sorted by name within that,
// so one manifest has one plan. A step becomes an action when its inputs are known (Bind).
package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// Schema names the document and its version.
const Schema = "cairn/plan/v1"

// Plan is every step of a benchmark, in an order in which it can be done.
type Plan struct {
	Schema      string        `json:"schema"`
	Benchmark   string        `json:"benchmark"`
	Manifest    digest.Digest `json:"manifest"` // digest of the manifest's meaning
	Steps       []Step        `json:"steps"`
	Evaluations []Evaluation  `json:"evaluations"`

	Claims []manifests.Claim `json:"claims,omitempty"` // published numbers, in the order of the manifest
}

// Step is one node of the graph.
type Step struct {
	Name        string              `json:"name"` // kind/what
	Plugin      action.Plugin       `json:"plugin"`
	Determinism catalog.Determinism `json:"determinism"`
	Params      json.RawMessage     `json:"params"`
	Seed        string              `json:"seed,omitempty"`
	Dataset     *action.Dataset     `json:"dataset,omitempty"`
	Source      digest.Digest       `json:"source,omitempty"`
	Needs       []Need              `json:"needs,omitempty"`    // sorted by input
	Rerun       tolerance.Bounds    `json:"rerun,omitzero"`     // of class tolerance: how close a second computation has to come
	Platform    string              `json:"platform,omitempty"` // of class platform: where it is done
	Hints       action.Hints        `json:"hints"`
	Gate        *Gate               `json:"gate,omitempty"` // of a fetch; can decide whether bytes arrive, never which
}

// Gate is what a person has accepted before a dataset is fetched.
type Gate struct {
	Dataset string           `json:"dataset"`
	Version string           `json:"version,omitempty"`
	Terms   []manifests.Term `json:"terms"`
}

// Need is one input of a step: the artifact of another step.
type Need struct {
	Input string `json:"input"`
	Step  string `json:"step"`
}

// Evaluation says which step holds the numbers of one model on one dataset.
type Evaluation struct {
	Name    string `json:"name"`
	Model   string `json:"model"` // expanded: "single/ecg"
	Group   string `json:"group"` // as in the manifest: "single"
	Dataset string `json:"dataset"`
	Step    string `json:"step"`
}

// Resolved is what the world adds to a step of the manifest: the plugin's promise, its parameters with every
// default, what a local source holds, and the platform that a promise of class platform is about.
type Resolved struct {
	Spec     catalog.Spec
	Params   json.RawMessage
	Source   digest.Digest
	Platform string
}

// Resolver looks a plugin up.
type Resolver func(kind catalog.Kind, plugin string, params json.RawMessage) (Resolved, error)

// Compile makes the plan of a manifest.
func Compile(b *manifests.Benchmark, resolve Resolver) (*Plan, error) {
	id, err := b.Digest()
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", b.Name, err)
	}
	c := &compiler{plan: &Plan{Schema: Schema, Benchmark: b.Name, Manifest: id, Claims: b.Claims}, resolve: resolve, folders: b.Plugins}
	for _, name := range sorted(b.Datasets) {
		c.dataset(name, b.Datasets)
	}
	for _, m := range b.Expanded() {
		c.model(m)
	}
	for _, name := range sorted(b.Evaluations) {
		c.evaluation(name, b.Evaluations[name], b.Expanded())
	}
	if c.err != nil {
		return nil, fmt.Errorf("plan %s: %w", b.Name, c.err)
	}
	return c.plan, nil
}

// compiler collects steps and keeps the first error.
type compiler struct {
	plan    *Plan
	resolve Resolver
	folders map[string]string // of external plugins
	err     error
}

func (c *compiler) add(s Step, kind catalog.Kind, plugin string, params json.RawMessage, seed uint64) {
	if c.err != nil {
		return
	}
	r, err := c.resolve(kind, plugin, params)
	if err != nil {
		c.err = fmt.Errorf("step %s: %w", s.Name, err)
		return
	}
	s.Plugin, s.Determinism, s.Params, s.Source = r.Spec.Identity(), r.Spec.Determinism, r.Params, r.Source
	if s.Determinism == catalog.Platform {
		s.Platform = r.Platform
	}
	if err := s.Rerun.CheckOf(kind, s.Determinism); err != nil && !s.Rerun.None() {
		c.err = fmt.Errorf("step %s: rerun: %w", s.Name, err)
		return
	}
	if seed != 0 {
		s.Seed = strconv.FormatUint(seed, 10)
	}
	s.Hints.Queue, s.Hints.MemoryBytes = r.Spec.Queue, r.Spec.MemoryBytes
	if r.Spec.Digest != "" {
		s.Hints.Folder = c.folders[plugin]
	}
	slices.SortFunc(s.Needs, func(x, y Need) int { return strings.Compare(x.Input, y.Input) })
	c.plan.Steps = append(c.plan.Steps, s)
}

// FetchStep is the name of the step that fetches a dataset.
func FetchStep(dataset string) string { return "fetch/" + dataset }

// Step names.
func curateStep(dataset string) string { return "curate/" + dataset }
func modelStep(model string) string    { return "pretrain/" + model }

// dataset adds the steps of a dataset. What it is curated with is fetched before, so that a plan can be done in its order.
func (c *compiler) dataset(id string, all map[string]manifests.Dataset) {
	d := all[id]
	c.fetch(id, d)
	if d.Curate.Plugin == "" {
		return
	}
	needs := []Need{{Input: "raw", Step: FetchStep(id)}}
	for _, other := range d.Curate.With {
		c.fetch(other, all[other])
		needs = append(needs, Need{Input: other, Step: FetchStep(other)})
	}
	c.add(Step{
		Name:    curateStep(id),
		Dataset: &action.Dataset{ID: id, Modality: d.Modality, Licence: d.Licence, Access: d.Access},
		Needs:   needs,
		Hints:   action.Hints{Title: d.Title},
	}, catalog.Curate, d.Curate.Plugin, d.Curate.Params, d.Curate.Seed)
}

// fetch adds the fetch of a dataset, once.
func (c *compiler) fetch(id string, d manifests.Dataset) {
	if slices.ContainsFunc(c.plan.Steps, func(s Step) bool { return s.Name == FetchStep(id) }) {
		return
	}
	fetch := Step{Name: FetchStep(id), Hints: action.Hints{Title: d.Title, FetchBytes: int64(d.Size)}}
	if len(d.Terms) > 0 {
		fetch.Gate = &Gate{Dataset: id, Version: d.Version, Terms: d.Terms}
	}
	c.add(fetch, catalog.Fetch, d.Fetch.Plugin, d.Fetch.Params, d.Fetch.Seed)
}

func (c *compiler) model(m manifests.ExpandedModel) {
	s := Step{Name: modelStep(m.ID), Rerun: m.Model.Rerun, Hints: action.Hints{Title: m.Model.Title}}
	for _, d := range m.Datasets {
		s.Needs = append(s.Needs, Need{Input: d, Step: curateStep(d)})
	}
	c.add(s, catalog.Pretrain, m.Model.Plugin, m.Model.Params, m.Model.Seed)
}

func (c *compiler) evaluation(name string, e manifests.Evaluation, models []manifests.ExpandedModel) {
	for _, m := range models {
		if !slices.Contains(e.Models, m.Name) {
			continue
		}
		for _, d := range m.Datasets {
			if len(e.Datasets) > 0 && !slices.Contains(e.Datasets, d) {
				continue
			}
			c.evaluate(name, e, m, d)
		}
	}
}

func (c *compiler) evaluate(name string, e manifests.Evaluation, m manifests.ExpandedModel, dataset string) {
	params, err := evaluationParams(e)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("evaluation %s: %w", name, err)
	}
	step := Step{
		Name:  "evaluate/" + name + "/" + m.ID,
		Needs: []Need{{Input: "model", Step: modelStep(m.ID)}, {Input: "dataset", Step: curateStep(dataset)}},
		Rerun: e.Rerun,
		Hints: action.Hints{Title: e.Title},
	}
	if m.ID != m.Name+"/"+dataset {
		step.Name += "/" + dataset
	}
	c.add(step, catalog.Evaluate, e.Plugin, params, e.Seed)
	c.plan.Evaluations = append(c.plan.Evaluations, Evaluation{Name: name, Model: m.ID, Group: m.Name, Dataset: dataset, Step: step.Name})
}

// evaluationParams adds what a manifest says of an evaluation in fields of its own to the plugin's parameters.
func evaluationParams(e manifests.Evaluation) (json.RawMessage, error) {
	var all map[string]any
	if len(e.Params) > 0 {
		if err := json.Unmarshal(e.Params, &all); err != nil {
			return nil, fmt.Errorf("params: %w", err)
		}
	}
	if all == nil { // no parameters, or null
		all = map[string]any{}
	}
	if e.Split != "" {
		all["split"] = e.Split
	}
	if len(e.Metrics) > 0 {
		all["metrics"] = e.Metrics
	}
	return canonical.Marshal(all)
}

// Bind makes the action of a step from the artifacts of the steps it needs.
func (s Step) Bind(artifact func(step string) (digest.Digest, bool)) (action.Action, error) {
	a := action.Action{Schema: action.Schema, Plugin: s.Plugin, Params: s.Params, Dataset: s.Dataset, Source: s.Source, Seed: s.Seed, Platform: s.Platform}
	for _, n := range s.Needs {
		d, ok := artifact(n.Step)
		if !ok {
			return action.Action{}, fmt.Errorf("bind %s: step %s has no artifact yet", s.Name, n.Step)
		}
		a.Inputs = append(a.Inputs, action.Input{Name: n.Input, Artifact: d})
	}
	return a, nil
}

// Bounds lists how close a second computation has to come, of the steps that have bounds, in the order of the plan.
func (p *Plan) Bounds() []tolerance.OfStep {
	var out []tolerance.OfStep
	for _, s := range p.Steps {
		if !s.Rerun.None() {
			out = append(out, tolerance.OfStep{Step: s.Name, Bounds: s.Rerun})
		}
	}
	return out
}

// Find returns the step of that name.
func (p *Plan) Find(name string) (Step, bool) {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return p.Steps[i], true
}

// Closure returns the named steps and all that they need. A name may be a step, or the own name of a dataset,
// model or evaluation, which stands for every step that has it in its name.
func (p *Plan) Closure(names ...string) (map[string]bool, error) {
	keep := map[string]bool{}
	for _, name := range names {
		found := false
		for _, s := range p.Steps {
			if s.Name == name || strings.Contains(s.Name+"/", "/"+name+"/") {
				keep[s.Name], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no step %q; steps are called like %q", name, FetchStep("NAME"))
		}
	}
	for _, s := range slices.Backward(p.Steps) {
		if keep[s.Name] {
			for _, n := range s.Needs {
				keep[n.Step] = true
			}
		}
	}
	return keep, nil
}

// Parse reads the bytes of a plan. It refuses a plan with parts that this program does not know, as it would
// do something else than the plan says, and one that cannot be done in its order.
func Parse(text []byte) (*Plan, error) {
	var p Plan
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("plan: there is more behind the plan")
	}
	if p.Schema != Schema {
		return nil, fmt.Errorf("plan: schema is %q, want %q", p.Schema, Schema)
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return &p, nil
}

func (p *Plan) check() error {
	before := map[string]bool{}
	for _, s := range p.Steps {
		if s.Name == "" {
			return errors.New("there is a step without a name")
		}
		if before[s.Name] {
			return fmt.Errorf("step %q is there twice", s.Name)
		}
		if err := s.check(before); err != nil {
			return err
		}
		before[s.Name] = true
	}
	for _, e := range p.Evaluations {
		if !before[e.Step] {
			return fmt.Errorf("evaluation %q names the step %q, which is not there", e.Name, e.Step)
		}
	}
	return nil
}

func (s Step) check(before map[string]bool) error {
	if err := s.Rerun.Check(); err != nil && !s.Rerun.None() {
		return fmt.Errorf("step %q: rerun: %w", s.Name, err)
	}
	inputs := map[string]bool{}
	for _, n := range s.Needs {
		if !before[n.Step] {
			return fmt.Errorf("step %q needs %q, which does not come before it", s.Name, n.Step)
		}
		if inputs[n.Input] {
			return fmt.Errorf("step %q has the input %q twice", s.Name, n.Input)
		}
		inputs[n.Input] = true
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
