// Package graph curates graphs in the text format of the TU collection (Morris et al. 2020).
//
// A dataset DS is up to five files: DS_graph_indicator.txt has a line for every node with the number of
// its graph, DS_A.txt a line "row, col" for every edge, DS_graph_labels.txt a line for every graph, and
// DS_node_labels.txt and DS_node_attributes.txt, both optional, a line for every node. Nodes and graphs
// are numbered from 1, nodes across all graphs.
//
// A sample is one graph, its ID is DS and the number of the graph padded with zeros. Its arrays are nodes,
// float32 [nodes, features], and edges, int32 [edges, 2], numbered from 0 within the graph and sorted. The features
// are the node's label one-hot over the sorted labels of the dataset, then, if asked for, its degree, then
// its attributes. Unless the graph is directed, an edge of which only one direction is given gets the other,
// and the graph a warning.
package graph

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Params are the parameters of the plugin.
type Params struct {
	Name     string            `json:"name" jsonschema:"name of the dataset, the part before _graph_indicator.txt; empty means the only one in the tree"`
	Labels   labelmap.Map      `json:"labels" jsonschema:"a map, or the name of a shipped one, that renames and merges graph labels; an empty class drops its graphs; if given, other labels are left out"`
	Degree   bool              `json:"degree" jsonschema:"add the degree of a node as a feature"`
	Directed bool              `json:"directed" jsonschema:"keep edges as they are given"`
	Split    plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// maxElements bounds the node array of one graph.
const maxElements = 1 << 26

func defaults() Params {
	return Params{Labels: labelmap.Map{}, Split: plugins.DefaultSplit()}
}

// Plugin makes the plugin curate/graph.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "graph", Version: "2", Summary: "graphs in TU text format as node features and edge lists",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 1 << 30,
		Modalities: []string{"graph"},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}

// recipe keeps what Plan read for Make, which comes later and only reads it.
type recipe struct {
	Params
	data  *dataset
	names []string // of the node features
}

// Plan reads the dataset.
func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	prefix, err := r.prefix(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	if r.data, err = read(ctx, in, prefix); err != nil {
		return plugins.Curation{}, err
	}
	r.names = r.features()
	out := plugins.Curation{Task: document.Task{Type: document.Multiclass, Classes: r.Labels.Classes()}, Features: r.names}
	if len(r.names) == 0 {
		return plugins.Curation{}, fmt.Errorf("%s: nodes have neither labels nor attributes; set degree: true", prefix)
	}
	width := len(strconv.Itoa(len(r.data.graphs)))
	for g := range r.data.graphs {
		id := fmt.Sprintf("%s-%0*d", plugins.Key(path.Base(prefix)), width, g+1)
		out.Candidates = append(out.Candidates, r.candidate(id, g))
	}
	return out, nil
}

// prefix finds the dataset: the path of its files up to the underscore.
func (r *recipe) prefix(in plugins.Tree) (string, error) {
	var found []string
	for _, f := range in.Files() {
		p, ok := strings.CutSuffix(f.Path, indicatorFile)
		if ok && (r.Name == "" || path.Base(p) == r.Name) {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("name %q: want one dataset with a file *%s, have %q", r.Name, indicatorFile, found)
	}
	return found[0], nil
}

func (r *recipe) features() []string {
	var out []string
	for _, l := range r.data.nodeLabels {
		out = append(out, "label="+strconv.Itoa(int(l)))
	}
	if r.Degree {
		out = append(out, "degree")
	}
	for i := range r.data.width {
		out = append(out, "attribute-"+strconv.Itoa(i+1))
	}
	return out
}

func (r *recipe) candidate(id string, g int) plugins.Candidate {
	c := plugins.Candidate{ID: id, Index: g, Files: r.data.files}
	this := r.data.graphs[g]
	class, known := r.Labels.Class(this.label)
	switch {
	case len(this.nodes) == 0:
		c.Excluded = &plugins.Exclusion{Code: "no-nodes", Reason: fmt.Sprintf("graph %d has no node", g+1)}
	case len(this.nodes) > maxElements/len(r.names):
		c.Excluded = &plugins.Exclusion{Code: "too-large", Reason: fmt.Sprintf("graph %d has %d nodes of %d features", g+1, len(this.nodes), len(r.names))}
	case len(r.Labels) == 0:
		c.Labels = []string{this.label}
	case !known:
		c.Excluded = &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("graph %d: label %q is not in labels", g+1, this.label)}
	case class == "":
		c.Excluded = &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("graph %d: label %q is dropped by labels", g+1, this.label)}
	default:
		c.Labels = []string{class}
	}
	return c
}

// Make lays out one graph.
func (r *recipe) Make(_ context.Context, _ plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	g := r.data.graphs[c.Index]
	edges, added := g.sorted(r.Directed)
	flat := make([]int32, 0, 2*len(edges))
	for _, e := range edges {
		flat = append(flat, e[0], e[1])
	}
	width := len(r.names)
	nodes, list := []int{len(g.nodes), width}, []int{len(edges), 2}
	made := plugins.Made{Media: []plugins.MadeMedia{
		{Ext: "npy", Type: "nodes", Shape: nodes, DType: "float32", Data: npy.Float32(nodes, r.nodes(g, edges, width))},
		{Ext: "edges.npy", Type: "edges", Shape: list, DType: "int32", Data: npy.Int32(list, flat)},
	}}
	if added > 0 {
		made.Warnings = []plugins.Exclusion{{Code: "one-way-edges", Reason: fmt.Sprintf("edges given in one direction only: %d", added)}}
	}
	return made, nil
}

// nodes fills the feature rows.
func (r *recipe) nodes(g graph, edges [][2]int32, width int) []float32 {
	out := make([]float32, len(g.nodes)*width)
	degree := len(r.data.nodeLabels)
	first := degree
	if r.Degree {
		first++
		for _, e := range edges {
			out[int(e[0])*width+degree]++
		}
	}
	for i, n := range g.nodes {
		row := out[i*width : (i+1)*width]
		if degree > 0 {
			place, _ := slices.BinarySearch(r.data.nodeLabels, r.data.labelOf[n])
			row[place] = 1
		}
		copy(row[first:], r.data.attributes[int(n)*r.data.width:][:r.data.width])
	}
	return out
}
