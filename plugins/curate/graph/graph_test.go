package graph_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/curate/graph"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func curate(params string, in plugintest.Files) plugintest.Case {
	return plugintest.Case{
		Plugin: graph.Plugin(), Params: params, Inputs: map[string]plugintest.Files{"raw": in},
		Dataset: &action.Dataset{ID: "t", Modality: "graph", Licence: "CC0-1.0", Access: "open"},
	}
}

func array(t testing.TB, out plugintest.Files, m document.Media) npy.Array {
	t.Helper()
	a, err := npy.Decode(out[m.Path])
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// tiny has a path of three nodes of which one edge is given one way, a pair with a double edge, a graph
// without nodes and one with an unknown label. The nodes of graphs 1 and 2 stand mixed.
func tiny() plugintest.Files {
	return plugintest.Files{
		"x/DS_graph_labels.txt":    []byte("1\n-1\n1\n7\n"),
		"x/DS_graph_indicator.txt": []byte("1\r\n2\r\n1\r\n2\r\n1\r\n4\r\n"),
		"x/DS_A.txt":               []byte("1, 3\n3, 1\n3, 5\n4, 2\n2, 4\n2,4\n"),
		"x/DS_node_labels.txt":     []byte("5\n0\n2\n0\n5\n2\n\n"),
		"x/DS_node_attributes.txt": []byte("0.5, 1\n1, 2\n-2.5, 0\n0,0\n1e3, 1\n0, 1\n"),
	}
}

const tinyParams = `{"degree": true, "labels": {"1": "enzyme", "-1": "other"}, "split": {"train": 1, "validation": 0, "test": 0}}`

func TestTiny(t *testing.T) {
	out := curate(tinyParams, tiny()).Deterministic(t)
	samples, report, info := plugintest.Curated(t, out)
	if diff := cmp.Diff([]string{"label=0", "label=2", "label=5", "degree", "attribute-1", "attribute-2"}, info.Features); diff != "" {
		t.Error(diff)
	}
	first := samples["DS-1"]
	nodes := array(t, out, first.Media[0])
	if diff := cmp.Diff([]float32{0, 0, 1, 1, 0.5, 1 /**/, 0, 1, 0, 2, -2.5, 0 /**/, 0, 0, 1, 1, 1000, 1}, nodes.Float32()); diff != "" || cmp.Diff([]int{3, 6}, nodes.Shape) != "" {
		t.Error(nodes.Shape, diff)
	}
	edges := array(t, out, first.Media[1])
	if diff := cmp.Diff([]int32{0, 1, 1, 0, 1, 2, 2, 1}, edges.Int32()); diff != "" || cmp.Diff([]int{4, 2}, edges.Shape) != "" {
		t.Error(edges.Shape, diff)
	}
	if diff := cmp.Diff([]int32{0, 1, 1, 0}, array(t, out, samples["DS-2"].Media[1]).Int32()); diff != "" {
		t.Error(diff)
	}
	if first.Labels[0] != "enzyme" || samples["DS-2"].Labels[0] != "other" {
		t.Errorf("labels %v and %v", first.Labels, samples["DS-2"].Labels)
	}
	var got []string
	for _, o := range append(report.Excluded, report.Warnings...) {
		got = append(got, o.Sample+" "+o.Code+": "+o.Reason)
	}
	want := []string{
		"DS-3 no-nodes: graph 3 has no node",
		`DS-4 unknown-label: graph 4: label "7" is not in labels`,
		"DS-1 one-way-edges: edges given in one direction only: 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The digests change only together with the version of the plugin.
func TestGolden(t *testing.T) {
	out := curate(tinyParams, tiny()).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	for i, want := range []digest.Digest{
		"sha256:317cec2922db72f43baa0513f8f8b499ba7ec2c8bf6f06ec664478cd82932c3e",
		"sha256:8db44b9271442f54effaac755a5a675877a63b67ee78eb5f68b9ff564bf16212",
	} {
		if got := digest.FromBytes(out[samples["DS-1"].Media[i].Path]); got != want {
			t.Errorf("%s: %s, want %s", samples["DS-1"].Media[i].Path, got, want)
		}
	}
}

func TestDirected(t *testing.T) {
	out := curate(`{"directed": true}`, tiny()).Must(t)
	samples, report, _ := plugintest.Curated(t, out)
	if diff := cmp.Diff([]int32{0, 1, 1, 0, 1, 2}, array(t, out, samples["DS-1"].Media[1]).Int32()); diff != "" || len(report.Warnings) != 0 {
		t.Error(diff, report.Warnings)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"A", "1, 9\n", `x/DS_A.txt:1: node "9" is not a number from 1 to 6`},
		{"A", "1, 3\n0, 1\n", `x/DS_A.txt:2: node "0"`},
		{"A", "1 3\n", "x/DS_A.txt:1: \"1 3\": want two nodes"},
		{"A", "1, 2\n", "x/DS_A.txt:1: node 1 is of graph 1, but node 2 of graph 2"},
		{"A", "1, 3\n\n3, 1\n", "x/DS_A.txt:2: an empty line"},
		{"graph_indicator", "1\n5\n", `x/DS_graph_indicator.txt:2: graph "5" is not a number from 1 to 4`},
		{"graph_labels", "", "x/DS_graph_labels.txt: no graph"},
		{"node_labels", "1\n", "x/DS_node_labels.txt: 1 lines for 6 nodes"},
		{"node_labels", "1\nC\n", `x/DS_node_labels.txt:2: node label "C" is not a whole number`},
		{"node_labels", "1\n1\n1\n1\n1\n1\n1\n", "x/DS_node_labels.txt:7: more lines than the 6 nodes"},
		{"node_attributes", "1,2\n1\n", "x/DS_node_attributes.txt:2: 1 attributes, want 2"},
		{"node_attributes", "1,NaN\n", `x/DS_node_attributes.txt:1: attribute "NaN" is not a finite number`},
		{"A", strings.Repeat("1", 2<<20), "x/DS_A.txt:1: bufio.Scanner: token too long"},
	} {
		in := tiny()
		in["x/DS_"+c.file+".txt"] = []byte(c.text)
		_, err := curate("", in).Run(t.Context(), 1, "")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.20q: error %v, want %q", c.file, c.text, err, c.want)
		}
	}
}

func TestFindsOneDataset(t *testing.T) {
	in := tiny()
	in["y/OTHER_graph_indicator.txt"] = []byte("1\n")
	_, err := curate("", in).Run(t.Context(), 1, "")
	if err == nil || !strings.Contains(err.Error(), `["x/DS" "y/OTHER"]`) {
		t.Errorf("error %v", err)
	}
	if _, report, _ := plugintest.Curated(t, curate(`{"name": "DS"}`, in).Must(t)); report.Done != 3 {
		t.Errorf("done %d, want 3", report.Done)
	}
}

func TestNeedsFeatures(t *testing.T) {
	in := tiny()
	delete(in, "x/DS_node_labels.txt")
	delete(in, "x/DS_node_attributes.txt")
	if _, err := curate("", in).Run(t.Context(), 1, ""); err == nil || !strings.Contains(err.Error(), "set degree: true") {
		t.Errorf("error %v", err)
	}
	if _, _, info := plugintest.Curated(t, curate(`{"degree": true}`, in).Must(t)); cmp.Diff([]string{"degree"}, info.Features) != "" {
		t.Errorf("features %q", info.Features)
	}
}

// Counts are those of `sort | uniq -c` over the label file and `wc -l` over the others.
func TestProteins(t *testing.T) {
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	in := plugintest.Files{}
	for _, part := range []string{"A", "graph_indicator", "graph_labels", "node_labels"} {
		name := "PROTEINS_full_" + part + ".txt"
		b, err := os.ReadFile(filepath.Join(root, "PROTEINS_full", name))
		if err != nil {
			t.Skipf("real data are not here: %v", err)
		}
		in[name] = b
	}
	out := curate(`{"labels": {"1": "enzyme", "2": "other"}}`, in).Must(t)
	samples, report, info := plugintest.Curated(t, out)
	total, nodes, edges, largest := map[string]int{}, 0, 0, 0
	for _, s := range samples {
		total[s.Labels[0]]++
		nodes += s.Media[0].Shape[0]
		edges += s.Media[1].Shape[0]
		largest = max(largest, s.Media[0].Shape[0])
	}
	if diff := cmp.Diff(map[string]int{"enzyme": 663, "other": 450}, total); diff != "" || report.Done != 1113 {
		t.Error(report.Done, diff)
	}
	if nodes != 43471 || edges != 162088 || largest != 620 || len(report.Warnings) != 0 {
		t.Errorf("%d nodes, %d edges, largest graph %d, %d warnings", nodes, edges, largest, len(report.Warnings))
	}
	if diff := cmp.Diff([]string{"label=0", "label=1", "label=2"}, info.Features); diff != "" {
		t.Error(diff)
	}
	copies, conflicts := 0, 0
	for _, g := range report.Duplicates {
		copies += len(g.Samples)
		if g.Conflict {
			conflicts++
		}
	}
	// As a few lines of Python over the text files count them: graphs with the same node labels and edges, of one label or two.
	if len(report.Duplicates) != 13 || copies != 50 || conflicts != 1 {
		t.Errorf("%d groups of %d graphs that are the same, %d with both labels; want 13, 50 and 1", len(report.Duplicates), copies, conflicts)
	}
}

func FuzzTU(f *testing.F) {
	f.Add("1\n2\n", "1\n1\n2\n", "1, 2\n2, 1\n", "0\n1\n0\n", "1,2\n3,4\n5,6\n")
	f.Add("1", "1", "1,1", "-5", "1e30")
	f.Fuzz(func(t *testing.T, labels, indicator, edges, node, attributes string) {
		in := plugintest.Files{
			"D_graph_labels.txt": []byte(labels), "D_graph_indicator.txt": []byte(indicator), "D_A.txt": []byte(edges),
			"D_node_labels.txt": []byte(node), "D_node_attributes.txt": []byte(attributes),
		}
		out, err := curate("", in).Run(t.Context(), 1, "")
		if err != nil {
			return
		}
		samples, report, _ := plugintest.Curated(t, out)
		if len(samples) != report.Done || len(report.Failed) > 0 {
			t.Fatalf("%d samples, report %+v", len(samples), report)
		}
	})
}
