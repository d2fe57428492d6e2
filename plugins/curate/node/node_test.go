package node

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func curate(params string, in plugintest.Files) plugintest.Case {
	return plugintest.Case{
		Plugin: Plugin(), Params: params, Inputs: map[string]plugintest.Files{"raw": in},
		Dataset: &action.Dataset{ID: "t", Modality: "graph", Licence: "CC0-1.0", Access: "open"},
	}
}

// floats is an array of float64, as GraphSAGE's features are.
func floats(shape string, values ...float64) []byte {
	dict := "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + ", }"
	dict += strings.Repeat(" ", 117-len(dict)) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00\x76\x00"), dict...)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// tiny has a path a - b - c with a link to itself and one given twice, an edge d - e on the test side, and f, of which
// nothing more is said. It has the form of GraphSAGE's example data.
func tiny() plugintest.Files {
	return plugintest.Files{
		"ppi/p-G.json": []byte(`{"directed": false, "graph": {"name": "disjoint_union( , )"}, "nodes": [
			{"test": false, "id": "a", "feature": [1, 2], "val": false, "label": [0, 1]}, {"test": false, "id": 1, "val": false}, {"test": false, "id": "c", "val": true},
			{"test": true, "id": "d", "val": false}, {"test": true, "id": "e", "val": false}, {"id": "f"}],
			"links": [{"source": 0, "target": 1, "train_removed": false}, {"source": 2, "target": 1}, {"source": 1, "target": 2}, {"source": 0, "target": 0}, {"source": 3, "target": 4}],
			"multigraph": false}`),
		"ppi/p-class_map.json":    []byte(`{"a": [1, 0, 1], "1": [0, 0, 0], "c": [0, 1, 0], "d": [1, 1, 1], "f": [0, 0, 1], "gone": 7}`),
		"ppi/p-id_map.json":       []byte(`{"a": 4, "1": 1, "c": 2, "d": 3, "e": 0}`),
		"ppi/p-feats.npy":         floats("(5, 2)", 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5),
		"__MACOSX/ppi/._p-G.json": []byte("x"),
		"ppi/p-walks.txt":         []byte("0\t1\n"),
	}
}

func arrays(t *testing.T, out plugintest.Files, s document.Sample) ([]float32, []int32) {
	t.Helper()
	nodes, err := npy.Decode(out[s.Media[0].Path])
	if err != nil {
		t.Fatal(err)
	}
	edges, err := npy.Decode(out[s.Media[1].Path])
	if err != nil {
		t.Fatal(err)
	}
	return nodes.Float32(), edges.Int32()
}

func TestTiny(t *testing.T) {
	out := curate(`{"classes": {"1": "one"}}`, tiny()).Deterministic(t)
	samples, report, info := plugintest.Curated(t, out)
	if diff := cmp.Diff([]string{"feature-1", "feature-2", "centre"}, info.Features); diff != "" || cmp.Diff([]string{"0", "2", "one"}, info.Task.Classes) != "" || info.Task.Type != document.Multilabel {
		t.Error(diff, info.Task)
	}
	for id, want := range map[string]struct {
		split, subject string
		labels         []string
		nodes          []float32
		edges          []int32
	}{
		"p-a": {"train", "component-0", []string{"0", "2"}, []float32{4, 4.5, 1, 1, 1.5, 0}, []int32{0, 0, 0, 1, 1, 0}},
		"p-1": {"train", "component-0", []string{}, []float32{1, 1.5, 1, 4, 4.5, 0, 2, 2.5, 0}, []int32{0, 1, 0, 2, 1, 0, 1, 1, 2, 0}},
		"p-c": {"validation", "component-0", []string{"one"}, []float32{2, 2.5, 1, 1, 1.5, 0}, []int32{0, 1, 1, 0}},
		"p-d": {"test", "component-3", []string{"0", "2", "one"}, []float32{3, 3.5, 1, 0, 0.5, 0}, []int32{0, 1, 1, 0}},
	} {
		s := samples[id]
		nodes, edges := arrays(t, out, s)
		if s.Split != want.split || s.Subject != want.subject || cmp.Diff(want.labels, s.Labels) != "" || cmp.Diff(want.nodes, nodes) != "" || cmp.Diff(want.edges, edges) != "" {
			t.Errorf("%s: %+v %v %v", id, s, nodes, edges)
		}
	}
	var got []string
	for _, o := range append(report.Excluded, report.Warnings...) {
		got = append(got, o.Sample+" "+o.Code)
	}
	if diff := cmp.Diff([]string{"p-e no-label", "p-f no-side", "p-c subject-on-two-sides"}, got); diff != "" {
		t.Error(diff)
	}
}

// The digest changes only together with the version of the plugin.
func TestGolden(t *testing.T) {
	out := curate("", tiny()).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	const want = digest.Digest("sha256:75af205f154c2e79de88af9bf85d8d8888e1e0eb65fe0f476a24c6ef109e0b55")
	if got := digest.FromBytes(append(out[samples["p-1"].Media[0].Path], out[samples["p-1"].Media[1].Path]...)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSurroundings(t *testing.T) {
	out := curate(`{"hops": 2}`, tiny()).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	if nodes, edges := arrays(t, out, samples["p-a"]); cmp.Diff([]float32{4, 4.5, 1, 1, 1.5, 0, 2, 2.5, 0}, nodes) != "" || len(edges) != 2*5 {
		t.Error(nodes, edges)
	}
	out = curate(`{"hops": 0}`, tiny()).Must(t)
	samples, _, _ = plugintest.Curated(t, out)
	if nodes, edges := arrays(t, out, samples["p-c"]); len(nodes) != 3 || len(edges) != 0 {
		t.Error(nodes, edges)
	}
	out = curate(`{"nodes": 2}`, tiny()).Must(t)
	samples, report, _ := plugintest.Curated(t, out)
	if nodes, _ := arrays(t, out, samples["p-1"]); cmp.Diff([]float32{1, 1.5, 1, 4, 4.5, 0}, nodes) != "" {
		t.Error(nodes)
	}
	cut := 0
	for _, w := range report.Warnings {
		if w.Code == "surroundings-cut" && w.Sample == "p-1" {
			cut++
		}
	}
	if cut != 1 {
		t.Errorf("%+v", report.Warnings)
	}
}

func TestMulticlass(t *testing.T) {
	in := tiny()
	in["ppi/p-class_map.json"] = []byte(`{"a": 0, "1": 11, "c": 2, "d": 0, "e": 1}`)
	samples, _, info := plugintest.Curated(t, curate("", in).Must(t))
	if info.Task.Type != document.Multiclass || len(info.Task.Classes) != 12 || samples["p-1"].Labels[0] != "11" || samples["p-c"].Labels[0] != "02" {
		t.Errorf("%+v %v", info.Task, samples["p-c"].Labels)
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"G.json", "", "p-G.json: the file is cut off"},
		{"G.json", "[]", `want "{", have "["`},
		{"G.json", `{"links": []}`, "links stand before nodes"},
		{"G.json", `{"nodes": [{"id": "a"}]}`, "no nodes or no links"},
		{"G.json", `{"nodes": [{"id": "a"}, {"id": "a"}]}`, `node "a" is there twice`},
		{"G.json", `{"nodes": [{"id": ""}]}`, "node 0: id"},
		{"G.json", `{"nodes": [{"id": 1.5}]}`, "neither text nor a whole number"},
		{"G.json", `{"nodes": [{"x": 1}]}`, "neither text nor a whole number"},
		{"G.json", `{"nodes": [{"id": "a", "val": true, "test": true}]}`, "of validation and of test"},
		{"G.json", `{"nodes": [{"id": "a"}], "links": [{"source": 0, "target": 1}]}`, "link 0: source and target are no places of 1 nodes"},
		{"G.json", `{"nodes": [{"id": "a"}], "links": [{"source": 0}]}`, "link 0:"},
		{"class_map.json", `{"a": [2]}`, `node "a": class 0 is 2, want 0 or 1`},
		{"class_map.json", `{"a": [1], "c": [1, 0]}`, `node "c": 2 classes, others have 1`},
		{"class_map.json", `{"a": "x"}`, "neither a list"},
		{"class_map.json", `{"a": -1}`, "neither a list"},
		{"class_map.json", `{}`, "no class of any node"},
		{"id_map.json", `{"a": 99}`, `node "a" has row 99 of 5`},
		{"id_map.json", `{"a": -1}`, `node "a" has no row`},
		{"feats.npy", "x", "p-feats.npy: read npy: not a .npy file"},
		{"feats.npy", string(floats("(5, 2)", 1)), "cut short"},
		{"feats.npy", string(floats("(1, 2)", 1, math.NaN())), "element 1 is not finite"},
		{"feats.npy", string(floats("(2,)", 1, 2)), "want rows of features"},
	} {
		in := tiny()
		in["ppi/p-"+c.file] = []byte(c.text)
		_, err := curate("", in).Run(t.Context(), 1, "")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.40q: error %v, want %q", c.file, c.text, err, c.want)
		}
	}
	for params, want := range map[string]string{
		`{"hops": 9}`: "hops:", `{"nodes": 0}`: "nodes:", `{"name": "q"}`: `name "q": want one dataset`, `{"classes": {"0": "x", "1": "x"}}`: "called alike",
	} {
		if _, err := curate(params, tiny()).Run(t.Context(), 1, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

func FuzzNode(f *testing.F) {
	in := tiny()
	f.Add(string(in["ppi/p-G.json"]), string(in["ppi/p-class_map.json"]), string(in["ppi/p-id_map.json"]), in["ppi/p-feats.npy"])
	f.Fuzz(func(t *testing.T, graph, classes, ids string, features []byte) {
		in := plugintest.Files{"p-G.json": []byte(graph), "p-class_map.json": []byte(classes), "p-id_map.json": []byte(ids), "p-feats.npy": features}
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
