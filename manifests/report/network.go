package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Network is a graph: edges between the nodes 0 to Nodes-1, each in one direction or in both.
type Network struct {
	Nodes int
	Edges [][2]int
}

// networkSize is the side of a drawing of a graph, in its own units.
const networkSize = 320

// margin stays free around it, for the dots.
const margin = 8

// sketch is what the template draws of a graph.
type sketch struct {
	Size  int
	Lines []line
	Dots  []tickPoint
	Desc  string
	Dot   float64
}

// line is an edge; one that is no part of the tree that places the nodes is fainter.
type line struct {
	X1, Y1, X2, Y2 float64
	Faint          bool
}

type tickPoint struct{ X, Y float64 }

// layout draws a graph as a tree from its middle outwards: the node with most neighbours is the middle of its
// component, who is reached in k steps lies on the k-th ring, and each branch has an angle as wide as its leaves. Several
// components share one middle that is not drawn. The same graph has the same drawing.
func layout(n Network) sketch {
	t := spread(n)
	s := sketch{Size: networkSize, Desc: fmt.Sprintf("a graph of %s and %s", plural(n.Nodes, "node"), plural(len(t.edges), "edge"))}
	s.Dot = tenth(max(2, min(5, float64(60/math.Sqrt(float64(max(n.Nodes, 1)))))))
	at := t.places()
	fit(at)
	for _, e := range t.edges {
		a, b := at[e[0]], at[e[1]]
		s.Lines = append(s.Lines, line{a.X, a.Y, b.X, b.Y, t.parent[e[0]] != e[1] && t.parent[e[1]] != e[0]})
	}
	s.Dots = at
	return s
}

// branches is a graph with the tree by which it is drawn.
type branches struct {
	edges  [][2]int // smaller node first, sorted, each once, no loops
	parent []int    // -1 at the middle of a component
	ring   []int
	kids   [][]int
	roots  []int
	order  []int // parents before children
}

func spread(n Network) *branches {
	t := &branches{parent: make([]int, n.Nodes), ring: make([]int, n.Nodes), kids: make([][]int, n.Nodes)}
	near := make([][]int, n.Nodes)
	for _, e := range n.Edges {
		a, b := min(e[0], e[1]), max(e[0], e[1])
		if a >= 0 && b < n.Nodes && a != b {
			t.edges = append(t.edges, [2]int{a, b})
		}
	}
	slices.SortFunc(t.edges, func(x, y [2]int) int { return cmp.Or(x[0]-y[0], x[1]-y[1]) })
	t.edges = slices.Compact(t.edges)
	for _, e := range t.edges {
		near[e[0]], near[e[1]] = append(near[e[0]], e[1]), append(near[e[1]], e[0])
	}
	byDegree := make([]int, n.Nodes)
	for i := range byDegree {
		byDegree[i], t.parent[i] = i, -1
	}
	slices.SortStableFunc(byDegree, func(a, b int) int { return len(near[b]) - len(near[a]) })
	seen := make([]bool, n.Nodes)
	for _, root := range byDegree {
		if !seen[root] {
			t.roots = append(t.roots, root)
			t.walk(root, near, seen)
		}
	}
	return t
}

// walk visits a component ring after ring.
func (t *branches) walk(root int, near [][]int, seen []bool) {
	queue := []int{root}
	seen[root] = true
	for len(queue) > 0 {
		a := queue[0]
		queue = queue[1:]
		t.order = append(t.order, a)
		for _, b := range near[a] {
			if !seen[b] {
				seen[b] = true
				t.parent[b], t.ring[b] = a, t.ring[a]+1
				t.kids[a] = append(t.kids[a], b)
				queue = append(queue, b)
			}
		}
	}
}

// places gives every node its place. Angles are in turns.
func (t *branches) places() []tickPoint {
	leaves := make([]float64, len(t.parent))
	for _, a := range slices.Backward(t.order) {
		if len(t.kids[a]) == 0 {
			leaves[a] = 1
		}
		if p := t.parent[a]; p >= 0 {
			leaves[p] += leaves[a]
		}
	}
	from, to := make([]float64, len(t.parent)), make([]float64, len(t.parent))
	share(t.roots, leaves, from, to, 0, 1)
	inner := 0
	if len(t.roots) > 1 {
		inner = 1
	}
	rings := 1
	for _, a := range t.order {
		share(t.kids[a], leaves, from, to, from[a], to[a])
		rings = max(rings, t.ring[a]+inner)
	}
	out := make([]tickPoint, len(t.parent))
	step := (networkSize/2 - margin) / float64(rings)
	for a := range out {
		radius := step * float64(t.ring[a]+inner)
		sin, cos := math.Sincos(math.Pi * (from[a] + to[a]))
		out[a] = tickPoint{tenth(networkSize/2 + float64(radius*sin)), tenth(networkSize/2 - float64(radius*cos))}
	}
	return out
}

// fit makes a drawing as large as its frame and puts it in the middle.
func fit(at []tickPoint) {
	if len(at) == 0 {
		return
	}
	low, high := at[0], at[0]
	for _, p := range at {
		low, high = tickPoint{min(low.X, p.X), min(low.Y, p.Y)}, tickPoint{max(high.X, p.X), max(high.Y, p.Y)}
	}
	const inside = networkSize - 2*margin
	scale := 1.0
	if side := max(high.X-low.X, high.Y-low.Y); side > 0 {
		scale = inside / side
	}
	for i, p := range at {
		at[i] = tickPoint{
			tenth(networkSize/2 + float64(scale*(p.X-(low.X+high.X)/2))),
			tenth(networkSize/2 + float64(scale*(p.Y-(low.Y+high.Y)/2))),
		}
	}
}

// share cuts an angle into parts, each as wide as the leaves of a node.
func share(nodes []int, leaves, from, to []float64, start, end float64) {
	sum := 0.0
	for _, a := range nodes {
		sum += leaves[a]
	}
	at := start
	for _, a := range nodes {
		from[a] = at
		at += float64((end - start) * leaves[a] / sum)
		to[a] = at
	}
}
