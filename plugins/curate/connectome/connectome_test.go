package connectome

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
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

func testdata(t testing.TB, names ...string) plugintest.Files {
	t.Helper()
	out := plugintest.Files{}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	return out
}

type graph struct {
	Nodes   []float32
	Edges   []int32
	Weights []float32
}

func graphOf(t testing.TB, out plugintest.Files, s document.Sample) graph {
	t.Helper()
	var arrays []npy.Array
	for _, m := range s.Media {
		a, err := npy.Decode(out[m.Path])
		if err != nil {
			t.Fatal(err)
		}
		arrays = append(arrays, a)
	}
	return graph{arrays[0].Float32(), arrays[1].Int32(), arrays[2].Float32()}
}

func golden(t testing.TB) []graph {
	t.Helper()
	var out []graph
	if err := json.Unmarshal(testdata(t, "golden.json")["golden.json"], &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// With loops and a threshold of 0 the graphs are CLIMB's. testdata/make.py made the files.
func TestStacks(t *testing.T) {
	for name, c := range map[string]struct {
		params string
		labels []string
	}{
		"abide": {`"files": "abide.npy", "key": "corr", "stack": {"on": true, "label": "label", "meta": ["site"]}, "labels": {"classes": {"0": "control", "1": "ASD"}}`,
			[]string{"control", "ASD", "ASD", "control", "ASD"}},
		"ppmi": {`"files": "ppmi.mat", "key": "X", "stack": {"on": true, "label": "label"}, "labels": {"classes": {"-1": "control", "1": "PD"}}`,
			[]string{"control", "PD", "PD", "control", "PD"}},
		"abcd": {`"stack": {"on": true, "ids": "ids.txt"}, "labels": {"from": "csv", "table": "sex.txt", "id": "id", "columns": ["sex"]}`,
			[]string{"F", "M", "F", "", "M"}},
	} {
		in := testdata(t, "abide.npy", "ppmi.mat", "abcd.npy")
		if name == "abcd" {
			delete(in, "abide.npy")
		}
		// The table has another order than the stack, and one name less.
		in["ids.txt"], in["sex.txt"] = []byte("sub-a\nsub-b\nsub-c\nsub-d\nsub-e\n"), []byte("id,sex\nsub-e,M\nsub-b,M\nsub-a,F\nsub-c,F\n")
		out := curate(`{"loops": true, "split": {"stratify": false}, `+c.params+"}", in).Deterministic(t)
		samples, report, info := plugintest.Curated(t, out)
		if diff := cmp.Diff([]string{"region-001", "region-002", "region-003", "region-004"}, info.Features); diff != "" {
			t.Error(name, diff)
		}
		for i, want := range golden(t) {
			s := samples[name+"-"+string(rune('0'+i))]
			if c.labels[i] == "" {
				if s.ID != "" || len(report.Excluded) != 1 || report.Excluded[0].Code != "no-label" {
					t.Errorf("%s: %+v %+v", name, s, report.Excluded)
				}
				continue
			}
			if diff := cmp.Diff(want, graphOf(t, out, s)); diff != "" || s.Labels[0] != c.labels[i] {
				t.Errorf("%s %d: %q %s", name, i, s.Labels, diff)
			}
		}
		if name == "abide" && samples["abide-4"].Meta["site"] != "KKI" || name == "abcd" && (samples["abcd-1"].Subject != "sub-b" || samples["abcd-1"].Meta["id"] != "sub-b") {
			t.Errorf("%+v", samples)
		}
	}
}

func TestView(t *testing.T) {
	out := curate(`{"files": "ppmi.mat", "key": "X", "view": 1, "stack": {"on": true, "label": "label"}}`, testdata(t, "ppmi.mat")).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	got, want := graphOf(t, out, samples["ppmi-2"]), golden(t)[2]
	for i := range want.Nodes {
		want.Nodes[i] *= 2
	}
	if diff := cmp.Diff(want.Nodes, got.Nodes); diff != "" {
		t.Error(diff)
	}
}

func TestOneAFile(t *testing.T) {
	in := plugintest.Files{}
	for name, b := range testdata(t, "one.csv", "one.txt", "one.npy", "one.mat") {
		in["well/"+name] = b
	}
	in["sick/odd.csv"] = []byte("1 2\n3 4\n")
	in["sick/bad.csv"] = []byte("1 2\n3\n")
	in["sick/nan.csv"] = []byte("1,nan,0,0\nnan,1,0,0\n0,0,1,0.5\n0,0,0.25,1\n")
	params := `{"files": "*.*", "loops": true}`
	out := curate(params, in).Deterministic(t)
	samples, report, _ := plugintest.Curated(t, out)
	for id, i := range map[string]int{"well~2fone~2ecsv": 0, "well~2fone~2emat": 0, "well~2fone~2etxt": 1, "well~2fone~2enpy": 2} {
		if diff := cmp.Diff(golden(t)[i], graphOf(t, out, samples[id])); diff != "" || samples[id].Labels[0] != "well" {
			t.Errorf("%s: %s", id, diff)
		}
	}
	var got []string
	for _, o := range report.Excluded {
		got = append(got, o.Path+" "+o.Code+": "+o.Reason)
	}
	want := []string{
		"sick/bad.csv unreadable: sick/bad.csv: line 2: 1 cells in row 2 of a square matrix of 2, at most 4096",
		"sick/nan.csv not-finite: 2 of 16 weights are no finite numbers",
		"sick/odd.csv other-size: 2 regions, where others have 4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	delete(in, "sick/odd.csv")
	in["well/p.csv"] = []byte("1 2\n3 4\n")
	out = curate(`{"files": "*.*", "loops": true, "notFinite": "zero"}`, in).Must(t)
	samples, report, _ = plugintest.Curated(t, out)
	if g := graphOf(t, out, samples["sick~2fnan~2ecsv"]); cmp.Diff([]int32{0, 0, 1, 1, 2, 2, 2, 3, 3, 2, 3, 3}, g.Edges) != "" || cmp.Diff([]float32{1, 1, 1, 0.5, 0.25, 1}, g.Weights) != "" {
		t.Errorf("%+v", g)
	}
	got = nil
	for _, o := range append(report.Excluded, report.Warnings...) {
		got = append(got, o.Path+" "+o.Code+": "+o.Reason)
	}
	want = []string{want[0], "well/p.csv other-size: 2 regions, where others have 4",
		"sick/nan.csv asymmetric: 1 pairs of regions have another weight in each direction", "sick/nan.csv not-finite: 2 of 16 weights are no finite numbers and count as no connection"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEdges(t *testing.T) {
	text := "1,0.9,-0.8,0.1\n0.9,1,0.5,0\n-0.8,0.5,1,0.5\n0.1,0,0.5,1\n"
	for params, want := range map[string][]int32{
		`{"files": "m.csv"}`:                                       {0, 1, 0, 2, 0, 3, 1, 0, 1, 2, 2, 0, 2, 1, 2, 3, 3, 0, 3, 2},
		`{"files": "m.csv", "threshold": 0.5}`:                     {0, 1, 0, 2, 1, 0, 2, 0},
		`{"files": "m.csv", "threshold": 0.5, "sign": "positive"}`: {0, 1, 1, 0},
		`{"files": "m.csv", "top": 0.5}`:                           {0, 1, 0, 2, 1, 0, 1, 2, 2, 0, 2, 1}, // of 6 pairs 3; the first of two at 0.5
		`{"files": "m.csv", "top": 0.34, "sign": "positive"}`:      {0, 1, 1, 0, 1, 2, 2, 1},
	} {
		out := curate(params, plugintest.Files{"c/m.csv": []byte(text)}).Must(t)
		samples, _, _ := plugintest.Curated(t, out)
		if diff := cmp.Diff(want, graphOf(t, out, samples["c~2fm~2ecsv"]).Edges); diff != "" {
			t.Errorf("%s: %s", params, diff)
		}
	}
}

// The digest changes only together with the version of the plugin.
func TestGolden(t *testing.T) {
	out := curate(`{"files": "one.csv", "threshold": 0.25}`, plugintest.Files{"c/one.csv": testdata(t, "one.csv")["one.csv"]}).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	var all []byte
	for _, m := range samples["c~2fone~2ecsv"].Media {
		all = append(all, out[m.Path]...)
	}
	const want = digest.Digest("sha256:5e18e72407b8dd194a7621a8704d40ef6bcc5cd01a33d9dd0a43247b0dfb9adb")
	if got := digest.FromBytes(all); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A stack that is not held gives its matrices in any order.
func TestStreamed(t *testing.T) {
	r := &recipe{Params: Params{}}
	h, err := r.openStack(t.Context(), testdata(t, "abcd.npy"), "abcd.npy")
	if err != nil || h.count != 5 {
		t.Fatal(h, err)
	}
	for _, i := range []int{3, 1, 4, 4, 0, 2, 2} {
		m, err := r.stack.matrix(i)
		if err != nil {
			t.Fatal(err)
		}
		for at, v := range golden(t)[i].Nodes {
			if float32(m[at]) != v {
				t.Fatalf("matrix %d differs at %d", i, at)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	in := testdata(t, "abide.npy", "ppmi.mat", "abcd.npy")
	in["cut.npy"], in["ids.txt"], in["sex.txt"] = in["abcd.npy"][:200], []byte("a\nb\n"), []byte("id,sex\na,F\n")
	for params, want := range map[string]string{
		`{"files": "["}`:                        "files:",
		`{"files": "*.none"}`:                   "no file matches",
		`{"view": -1}`:                          "view:",
		`{"threshold": -1}`:                     "threshold:",
		`{"sign": "x"}`:                         "sign:",
		`{"top": 2}`:                            "top:",
		`{"notFinite": "x"}`:                    "notFinite:",
		`{"stack": {"label": "x"}}`:             "are for stack.on",
		`{"stack": {"on": true}}`:               "stack: labels are in an array",
		`{"stack": {"on": true, "label": "l"}}`: "a stack is one file, have",
		`{"files": "abcd.npy", "stack": {"on": true, "label": "l"}}`:                                                                                    "the file has no other arrays",
		`{"files": "cut.npy", "stack": {"on": true, "label": "l"}}`:                                                                                     "cut.npy: read npy: file is cut short",
		`{"files": "abide.npy", "key": "x", "stack": {"on": true, "label": "l"}}`:                                                                       `no stack of matrices "x"`,
		`{"files": "abide.npy", "key": "corr", "stack": {"on": true, "label": "l"}}`:                                                                    `no array "l"`,
		`{"files": "abide.npy", "stack": {"on": true, "label": "l"}}`:                                                                                   "want a stack of matrices",
		`{"files": "ppmi.mat", "key": "label", "stack": {"on": true, "label": "label"}}`:                                                                "no cell array",
		`{"files": "ppmi.mat", "key": "X", "stack": {"on": true, "label": "gone"}}`:                                                                     "gone",
		`{"files": "abcd.npy", "stack": {"on": true, "ids": "ids.txt"}, "labels": {"from": "csv", "table": "sex.txt", "id": "id", "columns": ["sex"]}}`: "not as many names",
		`{"files": "sex.txt"}`: "holds a matrix that can be read",
	} {
		_, err := curate(params, in).Run(t.Context(), 1, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("1,2\n3,4\n"))
	f.Add([]byte("\ufeff1 nan\r\n\n3\t1e9\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, shape, err := textMatrix(bytes.NewReader(text))
		if err == nil {
			m, n, err := view(m, shape, 0)
			if err == nil && len(m) != n*n {
				t.Fatalf("%d numbers of %d regions", len(m), n)
			}
			if err == nil {
				finite(m)
				r := &recipe{Params: Params{Sign: Any, Top: 0.5}}
				if edges, weights := r.edges(m, n); len(edges) != 2*len(weights) || len(weights) > n*n {
					t.Fatalf("%d edges, %d weights", len(edges)/2, len(weights))
				}
				for _, v := range m {
					if math.IsNaN(v) {
						t.Fatal("NaN")
					}
				}
			}
		}
	})
}

func FuzzStack(f *testing.F) {
	for name, b := range testdata(f, "abcd.npy", "abide.npy", "ppmi.mat", "one.mat") {
		f.Add(b, name)
	}
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		params := `{"files": "s.npy", "stack": {"on": true, "ids": "ids.txt"}, "labels": {"from": "csv", "table": "t.csv", "id": "id", "columns": ["l"]}, "notFinite": "zero", "top": 0.5}`
		in := plugintest.Files{"s.npy": data, "ids.txt": []byte("a\nb\nc\nd\ne\n"), "t.csv": []byte("id,l\na,x\nb,y\nc,x\nd,y\ne,y\n")}
		switch {
		case strings.HasSuffix(name, ".mat"):
			params = `{"files": "s.mat", "key": "X", "stack": {"on": true, "label": "label"}}`
			in = plugintest.Files{"s.mat": data}
		case strings.HasPrefix(name, "abide"):
			params = `{"files": "s.npy", "key": "corr", "stack": {"on": true, "label": "label", "meta": ["site"]}}`
		}
		out, err := curate(params, in).Run(t.Context(), 2, "")
		if err != nil {
			return
		}
		if samples, report, _ := plugintest.Curated(t, out); len(samples) != report.Done || len(report.Failed) > 0 {
			t.Fatalf("%d samples, report %+v", len(samples), report)
		}
	})
}
