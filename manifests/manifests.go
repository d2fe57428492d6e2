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
//	datasets:                       # what is fetched, and what is made of it
//	  ecg:
//	    title: 12-lead ECG
//	    modality: ecg               # one of Modalities
//	    licence: CC-BY-4.0          # an SPDX expression, or LicenseRef- and a name of your own
//	    access: open                # one of Accesses
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
//	    fetch: {plugin: dir, params: {path: images}}
//	    curate: {plugin: image}
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
//	claims:                         # published numbers to reproduce
//	  - evaluation: results
//	    model: single               # or single/ecg; with the dataset it names one number
//	    dataset: ecg
//	    metric: auroc
//	    value: 0.9                  # 0 to 1
//	    tolerance: 0.05             # holds when ours is at most that far off
//	    source: "doi:10.1000/paper, table 2"
//
// Required are apiVersion, kind, name and datasets; of a dataset title, modality, licence, access, fetch and
// curate; of a step its plugin; of a model plugin and datasets; of an evaluation models; of a claim everything.
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
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
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
	APIVersion  string                `json:"apiVersion"`
	Kind        string                `json:"kind"`
	Name        string                `json:"name"`
	Title       string                `json:"title,omitempty"`
	Description string                `json:"description,omitempty"`
	Datasets    map[string]Dataset    `json:"datasets"`
	Models      map[string]Model      `json:"models,omitempty"`
	Evaluations map[string]Evaluation `json:"evaluations,omitempty"`
	Claims      []Claim               `json:"claims,omitempty"`
}

// Dataset is one source of samples and what is made of it.
type Dataset struct {
	Title    string `json:"title"`
	Modality string `json:"modality"`
	Licence  string `json:"licence"` // SPDX or LicenseRef-
	Access   string `json:"access"`
	Citation string `json:"citation,omitempty"`
	Homepage string `json:"homepage,omitempty"`
	Fetch    Step   `json:"fetch"`
	Curate   Step   `json:"curate"`
}

// Step names a plugin and its parameters.
type Step struct {
	Plugin string          `json:"plugin"`
	Seed   uint64          `json:"seed,omitempty,string"`
	Params json.RawMessage `json:"params,omitempty"`
}

// Model is what is trained on which datasets.
type Model struct {
	Title    string          `json:"title,omitempty"`
	Plugin   string          `json:"plugin"`
	Datasets []string        `json:"datasets"`
	Each     bool            `json:"each,omitempty"` // one model for each dataset instead of one over all
	Seed     uint64          `json:"seed,omitempty,string"`
	Params   json.RawMessage `json:"params,omitempty"`
}

// Evaluation scores models on one side of datasets.
type Evaluation struct {
	Title    string          `json:"title,omitempty"`
	Plugin   string          `json:"plugin,omitempty"` // default: classification
	Models   []string        `json:"models"`
	Datasets []string        `json:"datasets,omitempty"` // default: all that a model knows
	Split    string          `json:"split,omitempty"`    // default: test
	Metrics  []string        `json:"metrics,omitempty"`
	Seed     uint64          `json:"seed,omitempty,string"`
	Params   json.RawMessage `json:"params,omitempty"`
}

// Claim is a published number to reproduce.
type Claim struct {
	Evaluation string  `json:"evaluation"`
	Model      string  `json:"model"`
	Dataset    string  `json:"dataset"`
	Metric     string  `json:"metric"`
	Value      float64 `json:"value"`
	Tolerance  float64 `json:"tolerance"`
	Source     string  `json:"source"`
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
