// Package connectome curates brain networks: a matrix of connectivity between regions becomes a graph.
//
// Matrices come one a file (text, .npy or .mat), found and labelled like images are, or as a stack: one array of three axes in
// a .npy file, in a dictionary that NumPy pickled, or in a .mat file, there also as cells. The labels of a stack are another
// array of the same file, or stand in a table under the names in a file of ids, line by line the names of the matrices; they
// are never paired by their places in another table.
//
// A sample's arrays are nodes, float32 [regions, regions]: what each region is described by is its row of the matrix; edges,
// int32 [edges, 2], and weights, float32 [edges]. Two regions are connected if the weight between them is beyond a threshold; of
// these the strongest share can be kept.
package connectome

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Params are the parameters of the plugin.
type Params struct {
	Files string `json:"files" jsonschema:"glob of the files, matched with the base name or, if it holds a slash, with the whole path"`
	Stack Stack  `json:"stack" jsonschema:"one file holds the matrices of all samples"`
	Key   string `json:"key" jsonschema:"name of the array in a .mat file or a dictionary; in a .mat file empty means the first"`
	View  int    `json:"view" jsonschema:"which matrix of several along a last axis, from 0 on"`
	label.Place
	Threshold float64           `json:"threshold" jsonschema:"regions are connected if the weight is beyond it"`
	Sign      string            `json:"sign" jsonschema:"any: the magnitude of a weight counts; positive: weights above the threshold only"`
	Top       float64           `json:"top" jsonschema:"share of all pairs of regions that are kept, the strongest; 0 keeps all that are connected"`
	Loops     bool              `json:"loops" jsonschema:"a region is connected to itself by what stands on the diagonal"`
	NotFinite string            `json:"notFinite" jsonschema:"what becomes of a matrix with NaN: exclude, or zero for no connection"`
	Split     plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Stack says where the facts about the matrices of a stack are.
type Stack struct {
	On    bool     `json:"on" jsonschema:"the file is a stack"`
	Label string   `json:"label" jsonschema:"name of the array of labels in the same file, by labels.classes; empty means a table, by labels and ids"`
	Meta  []string `json:"meta" jsonschema:"names of arrays in the same file that are kept as facts, such as site"`
	IDs   string   `json:"ids" jsonschema:"path of a file of which each line is the name of a matrix and its subject; empty means that they have none"`
}

// Words of the parameters.
const (
	Any      = "any"
	Positive = "positive"
	Exclude  = "exclude"
	Zero     = "zero"
)

// maxRegions bounds a matrix to 128 MiB.
const maxRegions = 1 << 12

func defaults() Params {
	return Params{Files: "*.npy", Stack: Stack{Meta: []string{}}, Place: label.Default(), Sign: Any, NotFinite: Exclude, Split: plugins.DefaultSplit()}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	switch {
	case p.View < 0:
		return fmt.Errorf("view: %d is negative", p.View)
	case !(p.Threshold >= 0) || math.IsInf(p.Threshold, 0):
		return fmt.Errorf("threshold: %v is no weight of 0 or more", p.Threshold)
	case p.Sign != Any && p.Sign != Positive:
		return fmt.Errorf("sign: %q, want %s or %s", p.Sign, Any, Positive)
	case !(p.Top >= 0 && p.Top <= 1):
		return fmt.Errorf("top: %v is not between 0 and 1", p.Top)
	case p.NotFinite != Exclude && p.NotFinite != Zero:
		return fmt.Errorf("notFinite: %q, want %s or %s", p.NotFinite, Exclude, Zero)
	case !p.Stack.On && (p.Stack.Label != "" || p.Stack.IDs != "" || len(p.Stack.Meta) > 0):
		return fmt.Errorf("stack: label, meta and ids are for stack.on")
	case p.Stack.On && p.Stack.Label == "" && (p.Stack.IDs == "" || p.Labels.From != label.FromTable):
		return fmt.Errorf("stack: labels are in an array (label), or in a table (labels from csv) under names (ids)")
	}
	return p.Place.Validate()
}

// Plugin makes the plugin curate/connectome.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "connectome", Version: "1", Summary: "matrices of connectivity as graphs with weighted edges",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 4 << 30,
		Modalities: []string{"graph"},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}

// recipe keeps what Plan read for Make, which comes later and only reads it.
type recipe struct {
	Params
	stack   stack
	regions int
}

// Plan finds the matrices.
func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	labels, err := r.Place.Read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	var files []string
	for _, f := range in.Files() {
		if label.Matches(r.Files, f.Path) {
			files = append(files, f.Path)
		}
	}
	if len(files) == 0 {
		return plugins.Curation{}, fmt.Errorf("files: no file matches %q", r.Files)
	}
	out := plugins.Curation{Task: labels.Task()}
	if r.Stack.On {
		out.Task.Type = document.Multiclass
		if out.Candidates, err = r.planStack(ctx, in, files, labels); err != nil {
			return plugins.Curation{}, err
		}
	} else {
		for _, f := range files {
			out.Candidates = append(out.Candidates, labels.Candidate(f))
		}
		r.regions = r.size(in, files)
	}
	if r.regions == 0 {
		return plugins.Curation{}, fmt.Errorf("files: no file that matches %q holds a matrix that can be read", r.Files)
	}
	for i := range r.regions {
		out.Features = append(out.Features, fmt.Sprintf("region-%03d", i+1))
	}
	return out, nil
}

// size is the number of regions in the first matrix that can be read.
func (r *recipe) size(in plugins.Tree, files []string) int {
	for _, f := range files {
		if _, n, err := r.one(in, f); err == nil {
			return n
		}
	}
	return 0
}

// Make turns one matrix into a graph.
func (r *recipe) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	var m []float64
	n := r.regions
	var err error
	if r.Stack.On {
		m, err = r.stack.matrix(c.Index)
	} else {
		m, n, err = r.one(in, c.Files[0])
	}
	switch {
	case err != nil:
		return plugins.Made{}, plugins.Exclude("unreadable", "%v", err)
	case n != r.regions:
		return plugins.Made{}, plugins.Exclude("other-size", "%d regions, where others have %d", n, r.regions)
	}
	made := plugins.Made{}
	warn := func(code, format string, args ...any) {
		made.Warnings = append(made.Warnings, plugins.Exclusion{Code: code, Reason: fmt.Sprintf(format, args...)})
	}
	if bad := finite(m); bad > 0 && r.NotFinite == Exclude {
		return plugins.Made{}, plugins.Exclude("not-finite", "%d of %d weights are no finite numbers", bad, n*n)
	} else if bad > 0 {
		warn("not-finite", "%d of %d weights are no finite numbers and count as no connection", bad, n*n)
	}
	if odd := asymmetric(m, n); odd > 0 {
		warn("asymmetric", "%d pairs of regions have another weight in each direction", odd)
	}
	edges, weights := r.edges(m, n)
	rows := make([]float32, n*n)
	for i, v := range m {
		rows[i] = float32(v)
	}
	nodes, list, flat := []int{n, n}, []int{len(weights), 2}, []int{len(weights)}
	made.Media = []plugins.MadeMedia{
		{Ext: "npy", Type: "nodes", Shape: nodes, DType: "float32", Data: npy.Float32(nodes, rows)},
		{Ext: "edges.npy", Type: "edges", Shape: list, DType: "int32", Data: npy.Int32(list, edges)},
		{Ext: "weights.npy", Type: "weights", Shape: flat, DType: "float32", Data: npy.Float32(flat, weights)},
	}
	return made, nil
}

// finite replaces what is no finite float32 by zero and counts it.
func finite(m []float64) int {
	n := 0
	for i, v := range m {
		if math.IsNaN(v) || math.Abs(v) > math.MaxFloat32 {
			m[i] = 0
			n++
		}
	}
	return n
}

func asymmetric(m []float64, n int) int {
	odd := 0
	for i := range n {
		for j := range i {
			if m[i*n+j] != m[j*n+i] {
				odd++
			}
		}
	}
	return odd
}

// edges lists the connections, row by row.
func (r *recipe) edges(m []float64, n int) (edges []int32, weights []float32) {
	kept := r.strongest(m, n)
	for i := range n {
		for j := range n {
			w := m[i*n+j]
			if i == j && !r.Loops || !r.connected(w) || i != j && kept != nil && !kept[[2]int{min(i, j), max(i, j)}] {
				continue
			}
			edges, weights = append(edges, int32(i), int32(j)), append(weights, float32(w))
		}
	}
	return edges, weights
}

func (r *recipe) strength(w float64) float64 {
	if r.Sign == Any {
		return math.Abs(w)
	}
	return w
}

func (r *recipe) connected(w float64) bool { return r.strength(w) > r.Threshold }

// strongest returns the pairs of regions that are kept, nil for all. Of pairs of one strength the first are kept.
func (r *recipe) strongest(m []float64, n int) map[[2]int]bool {
	if r.Top == 0 {
		return nil
	}
	type pair struct {
		at       [2]int
		strength float64
	}
	var pairs []pair
	for i := range n {
		for j := i + 1; j < n; j++ {
			if s := max(r.strength(m[i*n+j]), r.strength(m[j*n+i])); s > r.Threshold {
				pairs = append(pairs, pair{[2]int{i, j}, s})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int {
		switch {
		case a.strength > b.strength:
			return -1
		case a.strength < b.strength:
			return 1
		}
		return 0
	})
	room := int(math.Round(r.Top * float64(n) * float64(n-1) / 2))
	kept := map[[2]int]bool{}
	for _, p := range pairs[:min(room, len(pairs))] {
		kept[p.at] = true
	}
	return kept
}
