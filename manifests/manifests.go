// Package manifests reads, checks and formats the manifest of a benchmark: the YAML that a person writes.
//
// # The file
//
//	apiVersion: cairn/v1
//	kind: Benchmark
//	name: demo                      # letters a-z, digits and dashes, as all names
//	title: Single-task against multitask
//	description: What one encoder gains from the others.
//
//	plugins:                        # plugins of your own, for steps to name; package plugins/host says what is in a folder
//	  my-curate: plugins/my-curate  # below the folder of the manifest
//
//	datasets:                       # what is fetched, and what is made of it
//	  ecg:
//	    title: 12-lead ECG
//	    modality: ecg               # one of Modalities
//	    licence: CC-BY-4.0          # an SPDX expression, or LicenseRef- and a name of your own
//	    access: open                # one of Accesses
//	    size: 6.2 GB                # to fetch, as the publisher says; a number and B, kB, MB, GB or TB, in thousands
//	    citation: "doi:10.13026/..."
//	    homepage: https://physionet.org/content/challenge-2021/
//	    fetch:
//	      plugin: dir
//	      params: {path: records}   # checked against the plugin's own schema
//	    curate:
//	      plugin: ecg
//	      seed: 1                   # 0 to 2^64-1; default 0
//	      params: {rate: 100}
//	  xray:
//	    title: Chest X-ray
//	    modality: xray
//	    licence: LicenseRef-Kermany
//	    access: registration
//	    version: "2"                # the publisher's
//	    terms:                      # what a person accepts (cairn approve) before anything is fetched
//	      - id: Kermany-2018
//	        url: https://data.mendeley.com/datasets/rscbjbr9sj/2
//	        steps: [Make an account and sign the agreement.]
//	    fetch: {plugin: dir, params: {path: images}}
//	    curate: {plugin: image}
//
//	overlap:                        # samples that two datasets have in common, on two sides of them
//	  same: fail                    # the same bytes or arrays: report (the default) or fail, which ends a run before anything is trained
//	  near: report                  # images and signals that are nearly the same
//	  subject: report               # different samples of one subject,
//	  subjects: [[ecg, xray]]       # who has the same name in these datasets
//
//	models:                         # what is trained on which datasets
//	  multitask: {plugin: go, datasets: [ecg, xray], seed: 7}
//	  single: {plugin: go, datasets: [ecg, xray], each: true, seed: 7}   # single/ecg and single/xray
//
//	evaluations:                    # every model of the list, on each dataset that it was trained on
//	  results:
//	    plugin: classification      # the default
//	    models: [multitask, single]
//	    datasets: [ecg, xray]       # default: all
//	    split: test                 # the default
//	    metrics: [auroc, accuracy]  # default: the plugin's
//
//	                                # of a plugin that promises class tolerance, a model or an evaluation says how close a second
//	                                # computation has to come: rerun: {compare: tensors, absolute: 1e-6, relative: 1e-4}, or
//	                                # rerun: {compare: metrics, absolute: 0.01}; see package tolerance
//
//	claims:                         # published numbers to reproduce
//	  - evaluation: results
//	    model: single               # or single/ecg; with the dataset it names one number
//	    dataset: ecg
//	    metric: auroc
//	    value: 0.9                  # 0 to 1
//	    tolerance: 0.05             # holds when ours is at most that far off
//	    rule: within                # the default; or at-least, at-most, interval (with level: 0.95), see package compare
//	    source: "doi:10.1000/paper, table 2"
//
// Required are apiVersion, kind, name and datasets; of a dataset title, modality, licence, access and
// fetch, and curate if a model is trained on it; of a term id and url; of a step its plugin; of a model plugin and datasets; of an evaluation models; of a claim everything but rule and level.
//
// # Strictness
//
// Parse reports everything that is wrong with a file at once, each with file, line, column and path, and the
// nearest known word where one is unknown: unknown and duplicate keys, missing keys, wrong types, references
// to what does not exist or gives no number, unknown plugins, parameters that the plugin does not take, and
// numbers out of range. One mistake gives one error. Not read are aliases, merge keys, tags, several documents in a file,
// and files over 16 MiB.
//
// References only go from claims to evaluations to models to datasets, so there can be no cycle.
//
// # Meaning
//
// The digest of a manifest is that of what it means. Comments, the order of keys, the order in lists of
// models and datasets, and writing a default out do not change it.
package manifests

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// What a manifest says it is.
const (
	APIVersion = "cairn/v1"
	Kind       = "Benchmark"
)

// What an evaluation is when it does not say.
const (
	DefaultEvaluation = "classification"
	DefaultSplit      = "test"
)

// Benchmark is a manifest.
type Benchmark struct {
	APIVersion  string                `json:"apiVersion" jsonschema:"version of the format"`
	Kind        string                `json:"kind" jsonschema:"what the file describes"`
	Name        string                `json:"name" jsonschema:"lower-case letters, digits and dashes"`
	Title       string                `json:"title,omitempty" jsonschema:"one line"`
	Description string                `json:"description,omitempty" jsonschema:"a paragraph"`
	Plugins     map[string]string     `json:"plugins,omitempty" jsonschema:"folders of plugins that come with the manifest, by name"`
	Datasets    map[string]Dataset    `json:"datasets" jsonschema:"what is fetched and what is made of it, by name"`
	Overlap     Overlap               `json:"overlap,omitzero" jsonschema:"what becomes of samples that datasets have in common, on more than one side"`
	Models      map[string]Model      `json:"models,omitempty" jsonschema:"what is trained on which datasets, by name"`
	Evaluations map[string]Evaluation `json:"evaluations,omitempty" jsonschema:"what is scored, by name"`
	Claims      []Claim               `json:"claims,omitempty" jsonschema:"published numbers to reproduce"`
}

// Dataset is one source of samples and what is made of it.
type Dataset struct {
	Title    string `json:"title" jsonschema:"one line"`
	Modality string `json:"modality" jsonschema:"what a sample is"`
	Licence  string `json:"licence" jsonschema:"an SPDX expression, or LicenseRef- and a name of your own"`
	Access   string `json:"access" jsonschema:"how a person comes to the data"`
	Version  string `json:"version,omitempty" jsonschema:"the publisher's, such as 1.0.3; terms are accepted for one version"`
	Size     Size   `json:"size,omitempty" jsonschema:"what has to be fetched, as the publisher says: a number and B, kB, MB, GB or TB, which count in thousands, such as 163.6 GB"`
	Terms    []Term `json:"terms,omitempty" jsonschema:"what a person accepts before anything is fetched"`
	Citation string `json:"citation,omitempty" jsonschema:"a reference or a DOI"`
	Homepage string `json:"homepage,omitempty" jsonschema:"where a person reads about it"`
	Fetch    Step   `json:"fetch" jsonschema:"where the bytes come from"`
	Curate   Step   `json:"curate,omitzero" jsonschema:"how samples are made of them; not needed for what no model is trained on"`
}

// Overlap says what becomes of samples, or subjects, that several datasets have in common, on more than one side: "" is to report them.
type Overlap struct {
	Same string `json:"same,omitempty" jsonschema:"samples with the same bytes or arrays: report, or fail, which ends a run before anything is trained and publishes nothing"`
	Near string `json:"near,omitempty" jsonschema:"images and signals that are nearly the same: report, or fail, which ends a run before anything is trained and publishes nothing"`

	Subject  string     `json:"subject,omitempty" jsonschema:"samples of one subject: report, or fail, which ends a run before anything is trained and publishes nothing"`
	Subjects [][]string `json:"subjects,omitempty" jsonschema:"lists of datasets that name their subjects alike: the same name in two of a list is one subject"`
}

// Fails says whether datasets may not have everything in common.
func (o Overlap) Fails() bool {
	return o.Same == OverlapFail || o.Near == OverlapFail || o.Subject == OverlapFail
}

// Names is what the subjects of a dataset are named by: of two datasets with the same, one name is one subject.
func (o Overlap) Names(dataset string) string {
	for _, alike := range o.Subjects {
		if slices.Contains(alike, dataset) {
			return alike[0]
		}
	}
	return dataset
}

// The words of an Overlap.
const (
	OverlapReport = "report"
	OverlapFail   = "fail"
)

// Step names a plugin and its parameters.
type Step struct {
	Plugin string          `json:"plugin" jsonschema:"name of the plugin"`
	Seed   uint64          `json:"seed,omitempty,string" jsonschema:"0 to 2^64-1"`
	Params json.RawMessage `json:"params,omitempty" jsonschema:"what the plugin takes"`
	With   []string        `json:"with,omitempty" jsonschema:"of curate: datasets whose fetched files lie beside this one's, each in a folder of its name"`
}

// Model is what is trained on which datasets.
type Model struct {
	Title    string           `json:"title,omitempty" jsonschema:"one line"`
	Plugin   string           `json:"plugin" jsonschema:"name of the plugin"`
	Datasets []string         `json:"datasets" jsonschema:"what it is trained on"`
	Rerun    tolerance.Bounds `json:"rerun,omitzero" jsonschema:"of a plugin of class tolerance: how close a second computation has to come; fixed before the run"`
	Each     bool             `json:"each,omitempty" jsonschema:"one model for each dataset instead of one over all"`
	Seed     uint64           `json:"seed,omitempty,string" jsonschema:"0 to 2^64-1"`
	Params   json.RawMessage  `json:"params,omitempty" jsonschema:"what the plugin takes"`
}

// Evaluation scores models on one side of datasets.
type Evaluation struct {
	Title    string           `json:"title,omitempty" jsonschema:"one line"`
	Plugin   string           `json:"plugin,omitempty" jsonschema:"name of the plugin"`
	Models   []string         `json:"models" jsonschema:"what is scored; of a model with each, all"`
	Datasets []string         `json:"datasets,omitempty" jsonschema:"on which datasets; all of each model if absent"`
	Split    string           `json:"split,omitempty" jsonschema:"on which side"`
	Rerun    tolerance.Bounds `json:"rerun,omitzero" jsonschema:"of a plugin of class tolerance: how close a second computation has to come; fixed before the run"`
	Metrics  []string         `json:"metrics,omitempty" jsonschema:"which numbers; those of the plugin if absent"`
	Seed     uint64           `json:"seed,omitempty,string" jsonschema:"0 to 2^64-1"`
	Params   json.RawMessage  `json:"params,omitempty" jsonschema:"what the plugin takes"`
}

// Claim is a published number to reproduce.
type Claim struct {
	Evaluation string  `json:"evaluation" jsonschema:"name of the evaluation"`
	Model      string  `json:"model" jsonschema:"name of the model; of a model with each also model/dataset"`
	Dataset    string  `json:"dataset" jsonschema:"name of the dataset"`
	Metric     string  `json:"metric" jsonschema:"which number"`
	Value      float64 `json:"value" jsonschema:"the published number, 0 to 1"`
	Tolerance  float64 `json:"tolerance" jsonschema:"how far off ours may be"`
	Rule       string  `json:"rule,omitempty" jsonschema:"how it is judged: within the tolerance; at-least or at-most, where only falling short of or exceeding it counts; or interval, where the published number lies in our interval, which reaches no farther than the tolerance"`
	Level      float64 `json:"level,omitempty" jsonschema:"of a claim of rule interval: the level that our interval has to have, such as 0.95"`
	Source     string  `json:"source" jsonschema:"where it was published"`
}

// Number names one number that an evaluation gives. Model is the ID of an expanded model.
type Number struct {
	Evaluation, Model, Dataset, Metric string
}

// Numbers lists the numbers that a claim can be about: its model as it is written, or the one model of an
// "each" that the dataset picks. A manifest has only one of them.
func (c Claim) Numbers() []Number {
	n := Number{Evaluation: c.Evaluation, Model: c.Model, Dataset: c.Dataset, Metric: c.Metric}
	one := n
	one.Model += "/" + c.Dataset
	return []Number{n, one}
}

// The rules by which a claim is judged; package compare does it.
const (
	RuleWithin   = "within" // the default, which is written as ""
	RuleAtLeast  = "at-least"
	RuleAtMost   = "at-most"
	RuleInterval = "interval"
)

// Rules lists the rules.
func Rules() []string { return []string{RuleWithin, RuleAtLeast, RuleAtMost, RuleInterval} }

// Check says what is wrong with the numbers and the rule of a claim, if anything is. The default rule has one spelling, "".
func (c Claim) Check() error {
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	switch {
	case !finite(c.Value) || !finite(c.Tolerance) || c.Tolerance < 0:
		return fmt.Errorf("%v within %v is no bound", c.Value, c.Tolerance)
	case c.Rule == RuleWithin || c.Rule != "" && !slices.Contains(Rules(), c.Rule):
		return fmt.Errorf("%q is no rule", c.Rule)
	case (c.Rule == RuleInterval) != (c.Level > 0 && c.Level < 1) || c.Rule != RuleInterval && c.Level != 0:
		return fmt.Errorf("rule %q with level %v: of an interval, and of nothing else, there is a level between 0 and 1", c.Rule, c.Level)
	}
	return nil
}

// Bound is how close to what a number has to come, and by which rule. Who else has published the same, and how a model is spelled, are not
// part of it.
type Bound struct {
	Number           // with the model as the manifest calls it, without the dataset of an "each"
	Value, Tolerance float64
	Rule             string
	Level            float64
}

// Bound is what decides whether a claim holds.
func (c Claim) Bound() Bound {
	return Bound{Number{c.Evaluation, strings.TrimSuffix(c.Model, "/"+c.Dataset), c.Dataset, c.Metric}, c.Value, c.Tolerance, c.Rule, c.Level}
}

func (b Bound) String() string {
	switch b.Rule {
	case "":
		return fmt.Sprintf("%v within %v", b.Value, b.Tolerance)
	case RuleInterval:
		return fmt.Sprintf("%v in an interval of level %v that reaches no farther than %v", b.Value, b.Level, b.Tolerance)
	}
	return fmt.Sprintf("%s %v within %v", b.Rule, b.Value, b.Tolerance)
}

// Changed finds a claim of before about the number of a claim, with other bounds that are not claimed any more. To claim
// a second published value of a number beside the first changes nothing.
func (c Claim) Changed(before, now []Claim) (was Claim, changed bool) {
	is := c.Bound()
	for _, old := range before {
		b := old.Bound()
		if b == is {
			return Claim{}, false
		}
		if b.Number == is.Number && !slices.ContainsFunc(now, func(n Claim) bool { return n.Bound() == b }) {
			was, changed = old, true
		}
	}
	return was, changed
}

// Canonical returns the canonical bytes of the manifest's meaning: no comment, no order of keys.
func (b *Benchmark) Canonical() ([]byte, error) { return canonical.Marshal(b) }

// Digest is the digest of the manifest's meaning.
func (b *Benchmark) Digest() (digest.Digest, error) { return canonical.Digest(b) }

// ExpandedModel is one model that is really trained.
type ExpandedModel struct {
	ID       string // "multitask", or "single/ecg" for a model with each
	Name     string // as in the manifest
	Datasets []string
	Model    Model
}

// Expanded lists the models that are really trained, sorted by ID.
func (b *Benchmark) Expanded() []ExpandedModel {
	var out []ExpandedModel
	for name, m := range b.Models {
		if !m.Each {
			out = append(out, ExpandedModel{ID: name, Name: name, Datasets: slices.Sorted(slices.Values(m.Datasets)), Model: m})
			continue
		}
		for _, d := range m.Datasets {
			out = append(out, ExpandedModel{ID: name + "/" + d, Name: name, Datasets: []string{d}, Model: m})
		}
	}
	slices.SortFunc(out, func(x, y ExpandedModel) int { return strings.Compare(x.ID, y.ID) })
	return out
}
