package plugins

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/withdrawal"
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
	Labels   []string          // names of classes, all that are positive
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

// Curate makes a plugin of kind curate. split takes the split rule out of the parameters. The framework's own parameters
// (Frame) are added to those of P, which must not have any of the same name.
func Curate[P any](spec catalog.Spec, defaults P, split func(P) SplitRule, recipe func(P) (Recipe, error)) Plugin {
	spec, own := typed(spec, catalog.Curate, defaults)
	framed, err := addFrame(&spec)
	if err != nil {
		panic(fmt.Sprintf("plugin %s/%s: %v", spec.Kind, spec.Name, err))
	}
	decode := func(params json.RawMessage) (P, Frame, error) {
		mine, frames, err := framed.part(params)
		if err != nil {
			var none P
			return none, Frame{}, fmt.Errorf("%s/%s: params: %w", spec.Kind, spec.Name, err)
		}
		p, err := own(mine)
		if err != nil {
			return p, Frame{}, err
		}
		if err := split(p).Validate(); err != nil {
			return p, Frame{}, err
		}
		f, err := framed.decode(frames)
		withdrawal.Sort(f.Withdrawn)
		return p, f, err
	}
	return Plugin{
		spec: spec,
		normalise: func(params json.RawMessage) (json.RawMessage, error) {
			p, f, err := decode(params)
			if err != nil {
				return nil, err
			}
			return join(p, f)
		},
		run: func(ctx context.Context, c Call) error {
			p, f, err := decode(c.Params)
			if err != nil {
				return err
			}
			r, err := recipe(p)
			if err != nil {
				return err
			}
			return runCurate(ctx, c, rules{split(p), f, labelMaps(p)}, r)
		},
		sides: func(ctx context.Context, c Call) (Sides, error) {
			p, f, err := decode(c.Params)
			if err != nil {
				return Sides{}, err
			}
			r, err := recipe(p)
			if err != nil {
				return Sides{}, err
			}
			return drawnSides(ctx, c, rules{split(p), f, labelMaps(p)}, r)
		},
	}
}
