// Package dossier is what is known of a finished rebuild, put together from its lock, its plan, its manifest and its
// report: what the exports of a whole benchmark are made of. It reads no disk; activities/export fills it.
//
// Nothing in it is of the machine that did the work. Two machines that rebuilt one manifest to one lock have equal dossiers,
// and so equal exports. The exception is Times, which is empty unless somebody asks for it: when each step was done stands
// in the records, and no two rebuilds share that.
package dossier

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// Home is where the words of Cairn are defined; identifiers of its tools begin with it.
const Home = "https://cairn-bench.github.io/"

// Dossier is a finished rebuild.
type Dossier struct {
	Benchmark *manifests.Benchmark
	Lock      *lock.Lock
	Plan      *plan.Plan
	Report    report.Report
	Manifest  []byte // benchmark.yaml as its author wrote it
	LockText  []byte // benchmark.lock
	ReportDoc []byte // report.json

	// Date stands where a format demands a date and no clock may be asked. It is the caller's SOURCE_DATE_EPOCH, or else
	// Undated, which everybody can tell from a date.
	Date time.Time

	// Times says when steps were done, by their names; empty unless asked for.
	Times map[string]Times
}

// Undated is 1970-01-01, the date of what has none.
func Undated() time.Time { return time.Unix(0, 0).UTC() }

// Times are those of a record.
type Times struct{ Started, Finished time.Time }

// Step is one step of the plan with what it gave.
type Step struct {
	plan.Step
	Kind     catalog.Kind
	Subject  string // the dataset of a fetch or a curation, else ""
	Action   digest.Digest
	Artifact digest.Digest
	Inputs   []Input
	Times    *Times
}

// Input is an artifact that a step read, and the step that gave it.
type Input struct {
	Name     string
	Step     string
	Artifact digest.Digest
}

// Steps lists the steps in an order in which they can be done. A step of the plan that the lock does not have is an error.
func (d *Dossier) Steps() ([]Step, error) {
	given := d.Lock.ByName()
	var out []Step
	for _, p := range d.Plan.Steps {
		g, ok := given[p.Name]
		if !ok {
			return nil, fmt.Errorf("the lock has no step %q, which is in its plan", p.Name)
		}
		s := Step{Step: p, Kind: catalog.Kind(p.Plugin.Kind), Action: g.Action, Artifact: g.Artifact, Subject: subject(p)}
		for _, n := range p.Needs {
			s.Inputs = append(s.Inputs, Input{Name: n.Input, Step: n.Step, Artifact: given[n.Step].Artifact})
		}
		if t, ok := d.Times[p.Name]; ok {
			s.Times = &t
		}
		out = append(out, s)
	}
	return out, nil
}

func subject(p plan.Step) string {
	if p.Dataset != nil {
		return p.Dataset.ID
	}
	if name, ok := strings.CutPrefix(p.Name, plan.FetchStep("")); ok {
		return name
	}
	return ""
}

// Tool is a plugin that did a step.
type Tool struct {
	ID     string // an absolute URI
	Plugin action.Plugin
}

// ToolOf names the plugin of a step.
func ToolOf(p action.Plugin) Tool {
	id := Home + "plugin/" + p.String()
	if p.Digest != "" {
		id += "#" + p.Digest.String()
	}
	return Tool{ID: id, Plugin: p}
}

// Tools lists the plugins of all steps, each once, sorted.
func (d *Dossier) Tools() []Tool {
	var out []Tool
	for _, s := range d.Plan.Steps {
		t := ToolOf(s.Plugin)
		if !slices.ContainsFunc(out, func(x Tool) bool { return x.ID == t.ID }) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(x, y Tool) int { return strings.Compare(x.ID, y.ID) })
	return out
}

// Card finds what the report says of a curated dataset; nil if it is none.
func (d *Dossier) Card(dataset string) *report.Dataset {
	i := slices.IndexFunc(d.Report.Datasets, func(c report.Dataset) bool { return c.ID == dataset })
	if i < 0 {
		return nil
	}
	return &d.Report.Datasets[i]
}

// About is dataset.json of what a step of a dataset gave; its Schema is empty if the report does not have it.
func (d *Dossier) About(s Step) document.Dataset {
	c := d.Card(s.Subject)
	switch {
	case c == nil:
		return document.Dataset{}
	case s.Kind == catalog.Fetch:
		return c.Raw
	}
	return c.Curated
}

// Name is the title of the benchmark, or else its name.
func (d *Dossier) Name() string {
	if d.Benchmark.Title != "" {
		return d.Benchmark.Title
	}
	return d.Benchmark.Name
}

// LockDigest is that of the bytes of the lock, by which two results are told apart.
func (d *Dossier) LockDigest() digest.Digest { return digest.FromBytes(d.LockText) }

// Restricted lists the datasets of which only counts may be told, sorted.
func (d *Dossier) Restricted() []string {
	var out []string
	for id, set := range d.Benchmark.Datasets {
		if terms.Closed(terms.Term{Dataset: id, Licence: set.Licence, Access: set.Access}) != "" {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// HostPaths lists what in the manifest names a place of the machine that it was written on, such as
// "datasets.ecg.fetch.params.path". A path below the folder of the manifest is none: it is the same everywhere.
func (d *Dossier) HostPaths() []string {
	var out []string
	for id, set := range d.Benchmark.Datasets {
		s, ok := d.Plan.Find(plan.FetchStep(id))
		if !ok || s.Source == "" {
			continue // not of this machine: what is local has its digest in the plan
		}
		var params any
		if json.Unmarshal(set.Fetch.Params, &params) == nil {
			out = append(out, absolute("datasets."+id+".fetch.params", params)...)
		}
	}
	for name, folder := range d.Benchmark.Plugins {
		out = append(out, absolute("plugins."+name, folder)...)
	}
	slices.Sort(out)
	return out
}

func absolute(at string, v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		drive := len(v) > 2 && v[1] == ':' && (v[2] == '\\' || v[2] == '/')
		if drive || strings.HasPrefix(v, `\\`) || strings.HasPrefix(v, "~/") || len(v) > 1 && v[0] == '/' {
			out = append(out, at)
		}
	case []any:
		for i, x := range v {
			out = append(out, absolute(fmt.Sprintf("%s[%d]", at, i), x)...)
		}
	case map[string]any:
		for k, x := range v {
			out = append(out, absolute(at+"."+k, x)...)
		}
	}
	return out
}
