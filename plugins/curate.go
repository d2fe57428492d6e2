package plugins

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Recipe turns a raw tree into samples. Order, parallelism, splits, duplicates and the report are the
// framework's.
type Recipe interface {
	// Plan reads what is needed to name every sample the tree could give, in any order. A sample that can
	// already be seen to be unusable carries its exclusion, so that it is counted.
	Plan(ctx context.Context, in Tree) (Curation, error)
	// Make decodes and transforms one candidate. It is called from many goroutines. An error made with
	// Exclude leaves the sample out with that reason; any other error counts it as failed.
	Make(ctx context.Context, in Tree, c Candidate) (Made, error)
}

// Curation is what a recipe found in a tree.
type Curation struct {
	Task       document.Task // Classes may be empty: then they are the sorted labels that occur
	Features   []string      // names of channels, columns or node features
	Candidates []Candidate
}

// Candidate is a sample before it is decoded.
type Candidate struct {
	ID       string            // unique, stable and made with Key: it becomes a file name
	Subject  string            // who must stay on one side; "" means the sample stands alone
	Split    string            // the publisher's side, "" if the publisher gives none
	Labels   []string          // names of classes
	Files    []string          // raw files it is made of, first the one whose bytes tell duplicates
	Meta     map[string]string // facts worth keeping: age, sex, site
	Index    int               // for recipes whose samples are rows of one file
	Row      int               // its place in the publisher's table of labels, from 1; 0 if there is none
	Excluded *Exclusion
}

// Exclusion is why a sample was left out.
type Exclusion struct {
	Code   string // a stable word such as short-record
	Reason string // a sentence for a person
}

func (e *Exclusion) Error() string { return e.Code + ": " + e.Reason }

// Exclude makes the error that leaves a sample out.
func Exclude(code, format string, args ...any) error {
	return &Exclusion{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// Made is a decoded sample.
type Made struct {
	Media    []MadeMedia
	Labels   []string // replaces the candidate's labels if not nil
	Text     string
	Meta     map[string]string
	Warnings []Exclusion // kept, but worth knowing
}

// MadeMedia is one array of a sample, as the bytes of a .npy file.
type MadeMedia struct {
	Ext          string // "npy", "edges.npy": the path becomes <split>/<key>.<ext>
	Type         string // signal, image, nodes, edges, table, text
	Shape        []int
	DType        string
	SamplingRate float64
	Data         []byte
}

// SplitRule is part of the parameters of every curate plugin, by custom under the name "split".
type SplitRule struct {
	Rule       string  `json:"rule" jsonschema:"publisher keeps the publisher's sides; seeded draws them by subject over sorted ids; prefix, pandas and sklearn draw as published programs do"`
	Train      float64 `json:"train" jsonschema:"share of the subjects, seeded only"`
	Validation float64 `json:"validation" jsonschema:"share of the subjects; with rule publisher and no published validation side it is taken from train"`
	Test       float64 `json:"test" jsonschema:"share of the subjects, seeded only"`
	Stratify   bool    `json:"stratify" jsonschema:"keep the class shares alike on every side"`
	Duplicates string  `json:"duplicates" jsonschema:"what to do with byte-identical samples on two sides: report or drop-test"`

	Draw  *Draw    `json:"draw,omitempty" jsonschema:"prefix, pandas and sklearn: what is drawn"`
	Flaws []string `json:"flaws,omitempty" jsonschema:"what is known to be wrong with this recipe, one sentence each; they are warnings about the whole dataset"`
}

// DefaultSplit is 70/10/20 by subject, stratified.
func DefaultSplit() SplitRule {
	return SplitRule{Rule: "seeded", Train: 0.7, Validation: 0.1, Test: 0.2, Stratify: true, Duplicates: "report"}
}

// Curate makes a plugin of kind curate. split takes the split rule out of the parameters.
func Curate[P any](spec catalog.Spec, defaults P, split func(P) SplitRule, recipe func(P) (Recipe, error)) Plugin {
	spec, raw := typed(spec, catalog.Curate, defaults)
	decode := func(params json.RawMessage) (P, error) {
		p, err := raw(params)
		if err == nil {
			err = split(p).Validate()
		}
		return p, err
	}
	return Plugin{
		spec:      spec,
		normalise: normaliser(decode),
		run: func(ctx context.Context, c Call) error {
			p, err := decode(c.Params)
			if err != nil {
				return err
			}
			r, err := recipe(p)
			if err != nil {
				return err
			}
			return runCurate(ctx, c, split(p), r)
		},
	}
}
