// Package node curates nodes of large graphs in the files of GraphSAGE (Hamilton et al. 2017): what is predicted is said of
// each node, not of a graph.
//
// A dataset P is four files: P-G.json, the graph as NetworkX 1.11 writes it, whose nodes have the publisher's sides as
// "val" and "test" and whose links are pairs of places in the list of nodes; P-class_map.json, for each node a list of
// 0 and 1 or one number; P-feats.npy, a row of numbers for each node; and P-id_map.json, which row that is.
//
// A sample is a node with its surroundings, so that networks for graphs can learn from it: the nodes that are so many hops away, in
// the order of their distance and place, of which those behind a number are left out. Its arrays are nodes, float32
// [nodes, features + 1], where the last column is 1 for the node itself, which stands first, and edges, int32 [edges, 2], both
// ways, numbered from 0 and sorted. Nodes that are connected are of one subject.
package node

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Params are the parameters of the plugin.
type Params struct {
	Name    string            `json:"name" jsonschema:"name of the dataset, the part before -G.json; empty means the only one in the tree"`
	Hops    int               `json:"hops" jsonschema:"how far the surroundings of a node reach"`
	Nodes   int               `json:"nodes" jsonschema:"how many nodes a sample has at most"`
	Classes map[string]string `json:"classes" jsonschema:"names for the classes, which are numbers from 0 on; a class without one is called by its number"`
	Split   plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

func defaults() Params {
	split := plugins.DefaultSplit()
	split.Rule, split.Stratify = plugins.RulePublisher, false
	return Params{Hops: 1, Nodes: 256, Classes: map[string]string{}, Split: split}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	switch {
	case p.Hops < 0 || p.Hops > 8:
		return fmt.Errorf("hops: %d is not between 0 and 8", p.Hops)
	case p.Nodes < 1 || p.Nodes > 1<<16:
		return fmt.Errorf("nodes: %d is not between 1 and %d", p.Nodes, 1<<16)
	}
	return nil
}

// Plugin makes the plugin curate/node.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "node", Version: "1", Summary: "nodes of graphs in GraphSAGE's files with their surroundings",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 2 << 30,
		Modalities: []string{"graph"},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}

// recipe keeps what Plan read for Make, which comes later and only reads it.
type recipe struct {
	Params
	data *dataset
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
	task := document.Task{Type: document.Multiclass}
	if r.data.multilabel {
		task.Type = document.Multilabel
	}
	for i := range r.data.classes {
		task.Classes = append(task.Classes, r.class(i))
	}
	slices.Sort(task.Classes)
	if len(slices.Compact(slices.Clone(task.Classes))) != len(task.Classes) {
		return plugins.Curation{}, fmt.Errorf("classes: two of %q are called alike", slices.Sorted(maps.Values(r.Classes)))
	}
	out := plugins.Curation{Task: task}
	for i := range r.data.width {
		out.Features = append(out.Features, "feature-"+strconv.Itoa(i+1))
	}
	out.Features = append(out.Features, "centre")
	component := r.data.components()
	for i := range r.data.nodes {
		out.Candidates = append(out.Candidates, r.candidate(path.Base(prefix), i, component[i]))
	}
	return out, nil
}

// prefix finds the dataset: the path of its files up to the dash. What a Mac adds to an archive is none.
func (r *recipe) prefix(in plugins.Tree) (string, error) {
	var found []string
	for _, f := range in.Files() {
		p, ok := strings.CutSuffix(f.Path, graphFile)
		if ok && (r.Name == "" || path.Base(p) == r.Name) && !strings.HasPrefix(path.Base(p), "._") {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("name %q: want one dataset with a file *%s, have %q", r.Name, graphFile, found)
	}
	return found[0], nil
}

// class names a class; numbers have zeros before them, so that they sort.
func (r *recipe) class(i int) string {
	if name := r.Classes[strconv.Itoa(i)]; name != "" {
		return name
	}
	return fmt.Sprintf("%0*d", len(strconv.Itoa(r.data.classes-1)), i)
}

func (r *recipe) candidate(name string, i, component int) plugins.Candidate {
	n := r.data.nodes[i]
	c := plugins.Candidate{
		ID: plugins.Key(name + "-" + n.id), Index: i, Files: r.data.files,
		Subject: fmt.Sprintf("component-%d", component), Split: n.side,
	}
	switch {
	case n.side == "" && r.Split.Rule == plugins.RulePublisher:
		c.Excluded = &plugins.Exclusion{Code: "no-side", Reason: fmt.Sprintf("node %s has no val and test", n.id)}
	case n.labels == nil:
		c.Excluded = &plugins.Exclusion{Code: "no-label", Reason: fmt.Sprintf("node %s is not in the class map", n.id)}
	case n.row < 0:
		c.Excluded = &plugins.Exclusion{Code: "no-features", Reason: fmt.Sprintf("node %s is not in the id map", n.id)}
	}
	for _, l := range n.labels {
		c.Labels = append(c.Labels, r.class(l))
	}
	return c
}

// Make lays out the surroundings of one node.
func (r *recipe) Make(_ context.Context, _ plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	around, more := r.data.around(c.Index, r.Hops, r.Nodes)
	width := r.data.width + 1
	values := make([]float32, len(around)*width)
	for i, n := range around {
		copy(values[i*width:], r.data.features(n))
	}
	values[width-1] = 1
	edges := r.data.among(around)
	nodes, list := []int{len(around), width}, []int{len(edges) / 2, 2}
	made := plugins.Made{Media: []plugins.MadeMedia{
		{Ext: "npy", Type: "nodes", Shape: nodes, DType: "float32", Data: npy.Float32(nodes, values)},
		{Ext: "edges.npy", Type: "edges", Shape: list, DType: "int32", Data: npy.Int32(list, edges)},
	}}
	if more > 0 {
		made.Warnings = []plugins.Exclusion{{Code: "surroundings-cut", Reason: fmt.Sprintf("more than %d nodes within %d hops", r.Nodes, r.Hops)}}
	}
	return made, nil
}
