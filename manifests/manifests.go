// Package manifests reads the manifest of a benchmark: the YAML that a person writes.
//
//	apiVersion: cairn/v1
//	kind: Benchmark
//	name: demo
//	datasets:
//	  ecg:
//	    title: 12-lead ECG
//	    modality: ecg
//	    licence: CC-BY-4.0
//	    access: open
//	    fetch: {plugin: dir, params: {path: records}}
//	    curate: {plugin: ecg, seed: 1}
//	models:
//	  single: {plugin: go, datasets: [ecg], each: true, seed: 7}
//	evaluations:
//	  results: {models: [single], metrics: [auroc]}
//	claims:
//	  - {evaluation: results, model: single, dataset: ecg, metric: auroc, value: 0.9, tolerance: 0.05, source: "doi:..."}
//
// Reading is strict. An unknown key, a wrong type, a missing reference, a parameter that the plugin does not
// have: each is one error with file, line, column, path and, where a word is unknown, the nearest known one.
// All errors of a file come in one go.
//
// A manifest has no order of its own: steps follow from references, and references only go from evaluations
// to models to datasets, so there can be no cycle.
package manifests

import (
	"encoding/json"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// What a manifest says it is.
const (
	APIVersion = "cairn/v1"
	Kind       = "Benchmark"
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

// Words that a manifest may use.
var (
	accesses   = []string{"open", "registration", "credentialed", "application", "competition-rules"}
	metrics    = []string{"auroc", "auprc", "sensitivity", "specificity", "f1", "accuracy", "balanced_accuracy"}
	splits     = []string{"train", "validation", "test"}
	modalities = []string{"ecg", "eeg", "image", "xray", "ct", "mri", "ultrasound", "dermoscopy", "fundus", "mammography",
		"pathology", "microscopy", "gene-expression", "gait", "graph", "ehr", "table", "video", "text", "multimodal"}
)

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
	slices.SortFunc(out, func(x, y ExpandedModel) int {
		switch {
		case x.ID < y.ID:
			return -1
		case x.ID > y.ID:
			return 1
		}
		return 0
	})
	return out
}
