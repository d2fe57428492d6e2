package graph

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
)

// The files of a dataset, after its name.
const (
	edgeFile      = "_A.txt"
	indicatorFile = "_graph_indicator.txt"
	graphFile     = "_graph_labels.txt"
	nodeFile      = "_node_labels.txt"
	attributeFile = "_node_attributes.txt"
)

// Limits, so that a wrong file is an error and not a full memory.
const (
	maxLine       = 1 << 20
	maxNodes      = 1 << 27
	maxEdges      = 1 << 28
	maxNodeLabels = 1 << 12
)

// dataset is what the files say.
type dataset struct {
	files      []string
	graphs     []graph
	graphOf    []int32 // of every node
	placeOf    []int32 // of every node within its graph
	labelOf    []int32 // of every node, nil without node labels
	nodeLabels []int32 // sorted
	attributes []float32
	width      int // attributes of a node
}

// graph is one sample.
type graph struct {
	label string
	nodes []int32 // numbers across the dataset, from 0
	edges [][2]int32
}

// sorted returns every edge once, in order, and the number of reversed edges that were added.
func (g graph) sorted(directed bool) (edges [][2]int32, added int) {
	edges = distinct(slices.Clone(g.edges))
	if directed {
		return edges, 0
	}
	given := len(edges)
	for _, e := range edges[:given] {
		edges = append(edges, [2]int32{e[1], e[0]})
	}
	edges = distinct(edges)
	return edges, len(edges) - given
}

func distinct(edges [][2]int32) [][2]int32 {
	slices.SortFunc(edges, func(a, b [2]int32) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(edges)
}

// read reads all files of a dataset.
func read(ctx context.Context, in plugins.Tree, prefix string) (*dataset, error) {
	there := map[string]bool{}
	for _, f := range in.Files() {
		there[f.Path] = true
	}
	d := &dataset{}
	for _, part := range []struct {
		suffix   string
		optional bool
		line     func(string) error
		end      func() error
	}{
		{graphFile, false, d.graphLine, d.someGraphs},
		{indicatorFile, false, d.indicatorLine, nothing},
		{edgeFile, false, d.edgeLine, nothing},
		{nodeFile, true, d.nodeLine, d.nodesLabelled},
		{attributeFile, true, d.attributeLine, d.nodesAttributed},
	} {
		file := prefix + part.suffix
		if part.optional && !there[file] {
			continue
		}
		if err := lines(ctx, in, file, part.line); err != nil {
			return nil, err
		}
		if err := part.end(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		d.files = append(d.files, file)
	}
	return d, nil
}

func nothing() error { return nil }

// lines gives every line of a file to parse. Empty lines at the end are not lines.
func lines(ctx context.Context, in plugins.Tree, file string, parse func(string) error) error {
	r, err := in.Open(file)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer r.Close()
	return scan(ctx, r, file, parse)
}

func scan(ctx context.Context, r io.Reader, file string, parse func(string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	empty := 0
	n := 1
	for ; s.Scan(); n++ {
		text := strings.TrimSpace(s.Text())
		switch {
		case n%4096 == 0 && ctx.Err() != nil:
			return ctx.Err()
		case text == "":
			empty++
			continue
		case empty > 0:
			return fmt.Errorf("%s:%d: an empty line within the file", file, n-1)
		}
		if err := parse(text); err != nil {
			return fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", file, n, err)
	}
	return nil
}

func (d *dataset) graphLine(text string) error {
	if len(d.graphs) == maxNodes {
		return fmt.Errorf("more than %d graphs", maxNodes)
	}
	d.graphs = append(d.graphs, graph{label: text})
	return nil
}

func (d *dataset) someGraphs() error {
	if len(d.graphs) == 0 {
		return errors.New("no graph")
	}
	return nil
}

func (d *dataset) indicatorLine(text string) error {
	if len(d.graphOf) == maxNodes {
		return fmt.Errorf("more than %d nodes", maxNodes)
	}
	g, err := number(text, len(d.graphs), "graph")
	if err != nil {
		return err
	}
	this := &d.graphs[g]
	d.placeOf = append(d.placeOf, int32(len(this.nodes)))
	this.nodes = append(this.nodes, int32(len(d.graphOf)))
	d.graphOf = append(d.graphOf, g)
	return nil
}

func (d *dataset) edgeLine(text string) error {
	from, to, ok := strings.Cut(text, ",")
	if !ok {
		return fmt.Errorf("%q: want two nodes with a comma between", short(text))
	}
	a, err := number(from, len(d.graphOf), "node")
	if err != nil {
		return err
	}
	b, err := number(to, len(d.graphOf), "node")
	if err != nil {
		return err
	}
	if d.graphOf[a] != d.graphOf[b] {
		return fmt.Errorf("node %d is of graph %d, but node %d of graph %d", a+1, d.graphOf[a]+1, b+1, d.graphOf[b]+1)
	}
	g := &d.graphs[d.graphOf[a]]
	if len(g.edges) == maxEdges {
		return fmt.Errorf("graph %d has more than %d edges", d.graphOf[a]+1, maxEdges)
	}
	g.edges = append(g.edges, [2]int32{d.placeOf[a], d.placeOf[b]})
	return nil
}

// number reads a number from 1 to limit and gives it counted from 0.
func number(text string, limit int, what string) (int32, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		return 0, fmt.Errorf("%s %q is not a number from 1 to %d", what, short(text), limit)
	}
	return int32(n - 1), nil
}

// short keeps a hostile line out of an error.
func short(text string) string {
	if len(text) > 40 {
		return text[:40] + "..."
	}
	return text
}

func (d *dataset) nodeLine(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return fmt.Errorf("node label %q is not a whole number", short(text))
	}
	d.labelOf = append(d.labelOf, int32(n))
	if i, known := slices.BinarySearch(d.nodeLabels, int32(n)); !known {
		d.nodeLabels = slices.Insert(d.nodeLabels, i, int32(n))
	}
	if len(d.nodeLabels) > maxNodeLabels {
		return fmt.Errorf("more than %d different node labels", maxNodeLabels)
	}
	return d.notMore(len(d.labelOf))
}

func (d *dataset) notMore(n int) error {
	if n > len(d.graphOf) {
		return fmt.Errorf("more lines than the %d nodes", len(d.graphOf))
	}
	return nil
}

func (d *dataset) nodesLabelled() error { return d.asMany(len(d.labelOf)) }

func (d *dataset) nodesAttributed() error { return d.asMany(len(d.attributes) / max(1, d.width)) }

func (d *dataset) asMany(n int) error {
	if n != len(d.graphOf) {
		return fmt.Errorf("%d lines for %d nodes", n, len(d.graphOf))
	}
	return nil
}

func (d *dataset) attributeLine(text string) error {
	cells := strings.Split(text, ",")
	if d.width == 0 {
		d.width = len(cells)
	}
	if len(cells) != d.width {
		return fmt.Errorf("%d attributes, want %d as in the first line", len(cells), d.width)
	}
	for _, cell := range cells {
		v, err := strconv.ParseFloat(strings.TrimSpace(cell), 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("attribute %q is not a finite number", short(cell))
		}
		d.attributes = append(d.attributes, float32(v))
	}
	return d.notMore(len(d.attributes) / d.width)
}
