package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/array"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
)

// The files of a dataset, after its name.
const (
	graphFile   = "-G.json"
	classFile   = "-class_map.json"
	featureFile = "-feats.npy"
	idFile      = "-id_map.json"
)

// Limits, so that a wrong file is an error and not a full memory.
const (
	maxBytes    = 1 << 31 // of a file, unpacked
	maxNodes    = 1 << 22
	maxLinks    = 1 << 27
	maxClasses  = 1 << 12
	maxLabels   = 1 << 26
	maxElements = 1 << 28
)

// dataset is what the files say.
type dataset struct {
	files      []string
	nodes      []node
	place      map[string]int
	neighbours [][]int32 // of each node, sorted
	links      int
	multilabel bool
	classes    int
	labels     int // that are held
	width      int
	values     []float32
}

// node is one node of the graph.
type node struct {
	id, side string
	labels   []int // nil if nothing is said of it
	row      int   // of its features, -1 if none
}

func read(ctx context.Context, in plugins.Tree, prefix string) (*dataset, error) {
	d := &dataset{place: map[string]int{}}
	for _, part := range []struct {
		suffix string
		read   func(context.Context, io.Reader) error
	}{{graphFile, d.readGraph}, {classFile, d.readClasses}, {idFile, d.readRows}, {featureFile, d.readFeatures}} {
		file := prefix + part.suffix
		r, err := inflate.Open(in, file, maxBytes)
		if err != nil {
			return nil, err
		}
		err = part.read(ctx, r)
		if err == nil {
			_, err = io.Copy(io.Discard, r) // to the end, where a tree has checked the digest
		}
		r.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		d.files = append(d.files, file)
	}
	return d, nil
}

// members gives the members of an object to use, which reads the value.
func members(ctx context.Context, d *json.Decoder, use func(name string) error) error {
	if err := want(d, json.Delim('{')); err != nil {
		return err
	}
	for n := 0; d.More(); n++ {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := use(t.(string)); err != nil {
			return err
		}
	}
	return want(d, json.Delim('}'))
}

// elements gives the elements of a list to use, which reads them.
func elements(ctx context.Context, d *json.Decoder, use func(i int) error) error {
	if err := want(d, json.Delim('[')); err != nil {
		return err
	}
	for i := 0; d.More(); i++ {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := use(i); err != nil {
			return err
		}
	}
	return want(d, json.Delim(']'))
}

func want(d *json.Decoder, delim json.Delim) error {
	t, err := d.Token()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is cut off")
	}
	if err == nil && t != delim {
		err = fmt.Errorf("at byte %d: want %q, have %.40q", d.InputOffset(), delim.String(), fmt.Sprint(t))
	}
	return err
}

func (d *dataset) readGraph(ctx context.Context, r io.Reader) error {
	dec := json.NewDecoder(r)
	linked := false
	err := members(ctx, dec, func(name string) error {
		switch name {
		case "nodes":
			return elements(ctx, dec, func(int) error { return d.readNode(dec) })
		case "links":
			linked = true
			if d.nodes == nil {
				return errors.New("links stand before nodes")
			}
			d.neighbours = make([][]int32, len(d.nodes))
			return elements(ctx, dec, func(int) error { return d.readLink(dec) })
		}
		var other json.RawMessage
		return dec.Decode(&other)
	})
	if err == nil && (len(d.nodes) == 0 || !linked) {
		err = errors.New("no nodes or no links")
	}
	for i := range d.neighbours {
		slices.Sort(d.neighbours[i])
		d.neighbours[i] = slices.Compact(d.neighbours[i])
	}
	return err
}

func (d *dataset) readNode(dec *json.Decoder) error {
	var n struct {
		ID   json.RawMessage `json:"id"`
		Val  *bool           `json:"val"`
		Test *bool           `json:"test"`
	}
	if err := dec.Decode(&n); err != nil {
		return fmt.Errorf("node %d: %w", len(d.nodes), err)
	}
	id, err := plain(n.ID)
	if err != nil {
		return fmt.Errorf("node %d: %w", len(d.nodes), err)
	}
	if _, twice := d.place[id]; twice {
		return fmt.Errorf("node %q is there twice", id)
	}
	if len(d.nodes) == maxNodes {
		return fmt.Errorf("more than %d nodes", maxNodes)
	}
	this := node{id: id, row: -1}
	if n.Val != nil && n.Test != nil {
		switch {
		case *n.Val && *n.Test:
			return fmt.Errorf("node %q is of validation and of test", id)
		case *n.Test:
			this.side = "test"
		case *n.Val:
			this.side = "validation"
		default:
			this.side = "train"
		}
	}
	d.place[id] = len(d.nodes)
	d.nodes = append(d.nodes, this)
	return nil
}

// plain gives the text of a name, which may be a number.
func plain(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if text == "" || len(text) > 100 {
			return "", fmt.Errorf("id %.40q is empty or longer than 100 bytes", text)
		}
		return text, nil
	}
	var n int64
	if err := json.Unmarshal(raw, &n); err != nil || raw == nil {
		return "", fmt.Errorf("id %.40q is neither text nor a whole number", raw)
	}
	return strconv.FormatInt(n, 10), nil
}

func (d *dataset) readLink(dec *json.Decoder) error {
	var l struct{ Source, Target *int }
	if err := dec.Decode(&l); err != nil {
		return fmt.Errorf("link %d: %w", d.links, err)
	}
	if l.Source == nil || l.Target == nil || !d.has(*l.Source) || !d.has(*l.Target) {
		return fmt.Errorf("link %d: source and target are no places of %d nodes", d.links, len(d.nodes))
	}
	if d.links++; d.links > maxLinks {
		return fmt.Errorf("more than %d links", maxLinks)
	}
	d.neighbours[*l.Source] = append(d.neighbours[*l.Source], int32(*l.Target))
	if *l.Source != *l.Target {
		d.neighbours[*l.Target] = append(d.neighbours[*l.Target], int32(*l.Source))
	}
	return nil
}

func (d *dataset) has(i int) bool { return i >= 0 && i < len(d.nodes) }

func (d *dataset) readClasses(ctx context.Context, r io.Reader) error {
	dec := json.NewDecoder(r)
	first := true
	err := members(ctx, dec, func(id string) error {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		i, known := d.place[id]
		if !known {
			return nil // GraphSAGE leaves out nodes, too
		}
		labels, many, count, err := classesOf(raw)
		if err != nil {
			return fmt.Errorf("node %q: %w", id, err)
		}
		if !first && (many != d.multilabel || many && count != d.classes) {
			return fmt.Errorf("node %q: %d classes, others have %d", id, count, d.classes)
		}
		if d.labels += len(labels) + 1; d.labels > maxLabels {
			return fmt.Errorf("more than %d labels", maxLabels)
		}
		d.multilabel, d.classes, first = many, max(d.classes, count), false
		d.nodes[i].labels = labels
		return nil
	})
	if err == nil && first {
		err = errors.New("no class of any node")
	}
	return err
}

// classesOf reads a list of 0 and 1, or the number of the one class.
func classesOf(raw json.RawMessage) (labels []int, many bool, count int, err error) {
	var list []float64
	if err := json.Unmarshal(raw, &list); err != nil || list == nil {
		var one int
		if err := json.Unmarshal(raw, &one); err != nil || one < 0 || one >= maxClasses || string(raw) == "null" {
			return nil, false, 0, fmt.Errorf("%.40q is neither a list of 0 and 1 nor a class", raw)
		}
		return []int{one}, false, one + 1, nil
	}
	if len(list) > maxClasses {
		return nil, true, 0, fmt.Errorf("more than %d classes", maxClasses)
	}
	labels = []int{}
	for i, v := range list {
		switch v {
		case 1:
			labels = append(labels, i)
		case 0:
		default:
			return nil, true, 0, fmt.Errorf("class %d is %v, want 0 or 1", i, v)
		}
	}
	return labels, true, len(list), nil
}

func (d *dataset) readRows(ctx context.Context, r io.Reader) error {
	dec := json.NewDecoder(r)
	return members(ctx, dec, func(id string) error {
		var row int
		if err := dec.Decode(&row); err != nil || row < 0 || row >= maxElements {
			return errors.Join(fmt.Errorf("node %q has no row", id), err)
		}
		if i, known := d.place[id]; known {
			d.nodes[i].row = row
		}
		return nil
	})
}

func (d *dataset) readFeatures(_ context.Context, r io.Reader) error {
	a, err := array.NewReader(r)
	if err != nil {
		return err
	}
	if len(a.Shape) != 2 || a.Fortran || a.Len() > maxElements || a.Len() == 0 {
		return fmt.Errorf("shape %v, want rows of features, at most %d numbers", a.Shape, maxElements)
	}
	d.width = a.Shape[1]
	row := make([]float64, min(d.width, 1<<12))
	for left := a.Len(); left > 0; left -= len(row) {
		row = row[:min(len(row), left)]
		if err := a.Read(row); err != nil {
			return err
		}
		for _, v := range row {
			if math.IsNaN(v) || math.Abs(v) > math.MaxFloat32 {
				return fmt.Errorf("element %d is not finite", len(d.values))
			}
			d.values = append(d.values, float32(v))
		}
	}
	for _, n := range d.nodes {
		if n.row >= a.Shape[0] {
			return fmt.Errorf("node %q has row %d of %d", n.id, n.row, a.Shape[0])
		}
	}
	return nil
}

// features are the numbers of one node, none if it has no row.
func (d *dataset) features(i int) []float32 {
	if row := d.nodes[i].row; row >= 0 {
		return d.values[row*d.width : (row+1)*d.width]
	}
	return nil
}

// components gives for each node the least node that it is connected to.
func (d *dataset) components() []int {
	out := make([]int, len(d.nodes))
	for i := range out {
		out[i] = -1
	}
	for i := range out {
		if out[i] >= 0 {
			continue
		}
		out[i] = i
		for queue := []int{i}; len(queue) > 0; {
			n := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			for _, next := range d.neighbours[n] {
				if out[next] < 0 {
					out[next] = i
					queue = append(queue, int(next))
				}
			}
		}
	}
	return out
}

// around lists nodes by their distance and place, the node itself first, and counts one that there was no room for.
func (d *dataset) around(centre, hops, room int) (nodes []int, more int) {
	nodes = []int{centre}
	seen := map[int]bool{centre: true}
	from := 0
	for range hops {
		var ring []int
		for _, n := range nodes[from:] {
			for _, next := range d.neighbours[n] {
				if !seen[int(next)] {
					seen[int(next)] = true
					ring = append(ring, int(next))
				}
			}
		}
		slices.Sort(ring)
		from = len(nodes)
		if left := room - len(nodes); len(ring) > left {
			return append(nodes, ring[:left]...), len(ring) - left
		}
		nodes = append(nodes, ring...)
	}
	return nodes, 0
}

// among lists the edges between some nodes, by their places in the list.
func (d *dataset) among(nodes []int) []int32 {
	place := make(map[int32]int32, len(nodes))
	for i, n := range nodes {
		place[int32(n)] = int32(i)
	}
	var out []int32
	for i, n := range nodes {
		first := len(out) / 2
		for _, next := range d.neighbours[n] {
			if to, there := place[next]; there {
				out = append(out, int32(i), to)
			}
		}
		sortPairs(out[2*first:])
	}
	return out
}

// sortPairs sorts edges of one source by their target.
func sortPairs(pairs []int32) {
	to := make([]int32, 0, len(pairs)/2)
	for i := 1; i < len(pairs); i += 2 {
		to = append(to, pairs[i])
	}
	slices.Sort(to)
	for i, t := range to {
		pairs[2*i+1] = t
	}
}
