package synthetic

import (
	"bytes"
	"fmt"
	"slices"
)

const (
	singleGraph = 4 // this graph is one node
	repeatGraph = 6 // this one repeats the one before it
)

// molecule is one graph: an edge stands once, with the smaller node first.
type molecule struct {
	class  int
	labels []int
	edges  [][2]int
}

func graphFiles(g generator) []file {
	name := "SYN"
	if g.Site == "b" {
		name = "SYNB"
	}
	whole := func(write func(b *bytes.Buffer, first int, graph int, m molecule)) func() []byte {
		return func() []byte {
			var b bytes.Buffer
			first := 1
			for n := 1; n <= g.Samples; n++ {
				m := newMolecule(g, n)
				write(&b, first, n, m)
				first += len(m.labels)
			}
			return b.Bytes()
		}
	}
	return []file{
		{name + "_A.txt", whole(writeEdges)},
		{name + "_graph_indicator.txt", whole(func(b *bytes.Buffer, _, graph int, m molecule) {
			for range m.labels {
				fmt.Fprintln(b, graph)
			}
		})},
		{name + "_graph_labels.txt", whole(func(b *bytes.Buffer, _, _ int, m molecule) { fmt.Fprintln(b, m.class) })},
		{name + "_node_labels.txt", whole(func(b *bytes.Buffer, _, _ int, m molecule) {
			for _, l := range m.labels {
				fmt.Fprintln(b, l)
			}
		})},
	}
}

// writeEdges writes every edge in both directions, as TU files do.
func writeEdges(b *bytes.Buffer, first, _ int, m molecule) {
	var both [][2]int
	for _, e := range m.edges {
		both = append(both, e, [2]int{e[1], e[0]})
	}
	slices.SortFunc(both, func(x, y [2]int) int {
		if x[0] != y[0] {
			return x[0] - y[0]
		}
		return x[1] - y[1]
	})
	for _, e := range both {
		fmt.Fprintf(b, "%d, %d\n", first+e[0], first+e[1])
	}
}

// newMolecule draws one graph: a random tree of label 0 with some rings, and on it pairs of nodes. In class 1
// a pair binds label 1 to label 2; in class 2 one pair binds 1 to 1 and the next 2 to 2, so that both
// classes hold as many nodes of each label.
func newMolecule(g generator, n int) molecule {
	if g.quirky() && n == repeatGraph {
		n--
	}
	d := g.stream("graph", n)
	share, least := 0.5, 10
	if g.Site == "b" {
		share, least = 0.35, 16
	}
	m := molecule{class: 2}
	if d.chance(share) {
		m.class = 1
	}
	if g.quirky() && n == singleGraph {
		m.labels = []int{0}
		return m
	}
	m.backbone(d, least+d.intn(16))
	pairs := 2 * (1 + d.intn(2))
	for pair := range pairs {
		mixed := m.class == 1
		if d.chance(float64(0.45 * g.Difficulty)) {
			mixed = !mixed
		}
		m.bind(d, pair, mixed)
	}
	return m
}

// backbone grows a tree with a few rings.
func (m *molecule) backbone(d draw, nodes int) {
	m.labels = make([]int, nodes)
	for node := 1; node < nodes; node++ {
		m.edges = append(m.edges, [2]int{max(0, node-1-d.intn(3)), node})
	}
	for range nodes / 8 {
		from := d.intn(nodes - 5)
		if ring := [2]int{from, from + 4 + d.intn(2)}; ring[1] < nodes && !slices.Contains(m.edges, ring) {
			m.edges = append(m.edges, ring)
		}
	}
}

// bind hangs two labelled nodes that are bound to each other onto the backbone.
func (m *molecule) bind(d draw, pair int, mixed bool) {
	labels := [2]int{1, 2}
	if !mixed {
		labels = [2]int{1 + pair%2, 1 + pair%2}
	}
	node := len(m.labels)
	m.edges = append(m.edges, [2]int{d.intn(node), node}, [2]int{node, node + 1})
	m.labels = append(m.labels, labels[:]...)
}
