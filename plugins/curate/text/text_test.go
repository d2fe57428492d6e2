package text

import (
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
		Dataset: &action.Dataset{ID: "t", Modality: "text", Licence: "CC0-1.0", Access: "open"},
	}
}

func vector(t testing.TB, out plugintest.Files, s document.Sample) []float32 {
	t.Helper()
	a, err := npy.Decode(out[s.Media[0].Path])
	if err != nil {
		t.Fatal(err)
	}
	return a.Float32()
}

const tinyParams = `{"objects": "data.items", "text": ["q", "more.parts"], "label": {"path": "a", "classes": {"yes": "Yes", "no": "No", "later": ""}},
	"subject": "who", "meta": ["year"], "sides": {"test": "ids.json"}, "buckets": 8, "split": {"rule": "publisher", "validation": 0}}`

func tiny() plugintest.Files {
	return plugintest.Files{
		"d/x.json": []byte(`{"version": [1, {"data": 2}], "data": {"note": null, "items": {
			"1": {"q": "Does it, or doesn't it?", "a": "yes", "who": 7, "year": 1999, "more": {"parts": ["Été 12", "it does"]}},
			"2": {"q": "Is it?", "a": "no", "who": 7},
			"3": {"q": "Is it?", "a": "later"},
			"4": {"q": "Is it?", "a": "maybe"},
			"5": {"q": "Is it?"},
			"6": {"q": "?!", "a": "no"},
			"7": {"a": "no", "q": ["a", "b\u0000"]},
			"1": {"q": "again", "a": "no"}, "": {"q": "x", "a": "no"}}}, "rest": [}`),
		"d/ids.json": []byte(`{"2": "no"}`),
	}
}

// Buckets are those of Python: h = 0xcbf29ce484222325; for c in word.encode(): h = (h ^ c) * 0x100000001b3 % 2**64; h % 8.
var bucketsOfTiny = []int{0, 0, 4, 2, 3, 0, 7, 2, 0, 0}

func TestTiny(t *testing.T) {
	in := tiny()
	params := strings.Replace(tinyParams, `{"objects"`, `{"files": "x.json", "objects"`, 1)
	out := curate(params, in).Deterministic(t)
	samples, report, info := plugintest.Curated(t, out)
	s := samples["1"]
	if s.Text != "Does it, or doesn't it?\n\nÉté 12\n\nit does" || s.Labels[0] != "Yes" || s.Subject != "7" || s.Meta["year"] != "1999" || s.Split != "train" || samples["2"].Split != "test" {
		t.Errorf("%+v", s)
	}
	want := make([]float32, 8)
	for _, at := range bucketsOfTiny {
		want[at]++
	}
	if diff := cmp.Diff(want, vector(t, out, s)); diff != "" {
		t.Error(diff)
	}
	if info.Features[7] != "bucket-00007" || cmp.Diff([]string{"No", "Yes"}, info.Task.Classes) != "" {
		t.Errorf("%+v", info)
	}
	var got []string
	for _, o := range append(report.Excluded, report.Warnings...) {
		got = append(got, o.Sample+" "+o.Code)
	}
	expected := []string{"1-again-7 ambiguous-id", "3 dropped-class", "4 unknown-label", "5 no-label", "6 no-text", "7 not-text", "x~2ejson-object-9 bad-id", "2 subject-on-two-sides"}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Error(diff)
	}
}

// The digest changes only together with the version of the plugin.
func TestGolden(t *testing.T) {
	out := curate(`{"files": "x.json", `+tinyParams[1:], tiny()).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	const want = digest.Digest("sha256:1f75f15dd114f64d3b6db3e1ca50e93dfb951f1b69e4c407019eb0587a20a5ee")
	if got := digest.FromBytes(out[samples["1"].Media[0].Path]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestForms(t *testing.T) {
	for name, c := range map[string]struct{ params, text string }{
		"list":  {`{"text": ["t"], "label": {"path": "l"}, "id": "n", "buckets": 0}`, `[{"n": "a", "t": "x y", "l": "p"}, {"n": "b", "t": "z", "l": "q"}]`},
		"lines": {`{"form": "lines", "text": ["t"], "label": {"path": "l"}, "id": "n", "buckets": 0}`, "\ufeff{\"n\": \"a\", \"t\": \"x y\", \"l\": \"p\"}\n{\"n\": \"b\", \"t\": \"z\", \"l\": \"q\"}\n"},
	} {
		out := curate(c.params, plugintest.Files{"x.json": []byte(c.text)}).Must(t)
		samples, _, info := plugintest.Curated(t, out)
		if samples["a"].Text != "x y" || samples["b"].Labels[0] != "q" || len(samples["a"].Media) != 0 || len(info.Features) != 0 {
			t.Errorf("%s: %+v", name, samples)
		}
	}
	out := curate(`{"form": "plain", "files": "*.txt"}`, plugintest.Files{
		"sick/1.txt": []byte("\ufeffshort of breath"), "well/2.txt": []byte("fine"), "well/3.txt": []byte("\xff"), "well/4.txt": {}, "well/5.txt": []byte(strings.Repeat("a ", 1<<20)), "x.csv": {},
	}).Must(t)
	samples, report, info := plugintest.Curated(t, out)
	if s := samples["sick~2f1~2etxt"]; s.Text != "short of breath" || s.Labels[0] != "sick" || len(info.Features) != 4096 {
		t.Errorf("%+v", s)
	}
	var got []string
	for _, o := range report.Excluded {
		got = append(got, o.Path+" "+o.Code)
	}
	if diff := cmp.Diff([]string{"well/3.txt not-utf-8", "well/4.txt no-text", "well/5.txt too-long"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMultilabel(t *testing.T) {
	out := curate(`{"text": ["t"], "label": {"path": "l", "task": "multilabel", "classes": {"p": "P", "q": "Q", "r": ""}}}`,
		plugintest.Files{"x.json": []byte(`[{"t": "x", "l": ["q", "p"]}, {"t": "y", "l": []}, {"t": "z", "l": ["r", "p"]}]`)}).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	for id, want := range map[string][]string{"0000001": {"P", "Q"}, "0000002": {}, "0000003": {"P"}} {
		if diff := cmp.Diff(want, samples[id].Labels); diff != "" {
			t.Error(id, diff)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []struct{ params, text, want string }{
		{`{"text": ["t"]}`, "", "label.path are required"},
		{`{"text": ["l"], "label": {"path": "l"}}`, "", "text: l is the label"},
		{`{"form": "xml"}`, "", "form:"},
		{`{"form": "plain", "text": ["t"]}`, "", "are for JSON"},
		{`{"form": "lines", "objects": "x", "text": ["t"], "label": {"path": "l"}}`, "", "objects:"},
		{`{"text": ["t"], "label": {"path": "l", "task": "x"}}`, "", "label.task:"},
		{`{"text": ["t"], "label": {"path": "l"}, "buckets": -1}`, "", "buckets:"},
		{`{"text": ["t"], "label": {"path": "l"}, "sides": {"dev": "x"}}`, "", "sides:"},
		{`{"text": ["t"], "label": {"path": "l"}, "sides": {"test": "x"}}`, "", "split.rule is seeded"},
		{`{"text": ["t"], "label": {"path": "l"}, "files": "["}`, "", "files:"},
		{`{"text": ["t"], "label": {"path": "l"}, "files": "none"}`, "", "no file matches"},
		{`{"text": ["t"], "label": {"path": "l"}, "sides": {"test": "none"}, "split": {"rule": "publisher"}}`, "[]", "want one file none"},
		{`{"text": ["t"], "label": {"path": "l"}}`, "", "x.json: want a list or an object"},
		{`{"text": ["t"], "label": {"path": "l"}}`, "7", "x.json: want a list or an object"},
		{`{"text": ["t"], "label": {"path": "l"}}`, `[{"t": "x"`, "x.json: object 0000001: the file is cut off"},
		{`{"text": ["t"], "label": {"path": "l"}}`, `[{"t": "x"}`, "the file is cut off"},
		{`{"text": ["t"], "label": {"path": "l"}}`, `["x"]`, "x.json: object 0000001: json: cannot unmarshal string"},
		{`{"objects": "a.b", "text": ["t"], "label": {"path": "l"}}`, `{"a": {"c": []}}`, `there is no "b"`},
		{`{"objects": "a.b", "text": ["t"], "label": {"path": "l"}}`, `{"a": []}`, `what should have "b" is no object`},
	} {
		_, err := curate(c.params, plugintest.Files{"x.json": []byte(c.text)}).Run(t.Context(), 1, "")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: error %v, want %q", c.params, c.text, err, c.want)
		}
	}
}

// The numbers are those that Python's json finds: 552, 338 and 110 of 1,000; 276, 169 and 55 of the 500 named for test.
func TestPubMedQA(t *testing.T) {
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	in := plugintest.Files{}
	for _, name := range []string{"data/ori_pqal.json", "data/test_ground_truth.json"} {
		b, err := os.ReadFile(filepath.Join(root, "pubmedqa", filepath.FromSlash(name)))
		if err != nil {
			t.Skipf("real data are not here: %v", err)
		}
		in[name] = b
	}
	out := curate(`{"files": "ori_pqal.json", "text": ["QUESTION", "CONTEXTS"], "label": {"path": "final_decision", "classes": {"yes": "yes", "no": "no", "maybe": "maybe"}},
		"meta": ["YEAR"], "sides": {"test": "test_ground_truth.json"}, "split": {"rule": "publisher", "validation": 0.1}}`, in).Must(t)
	samples, report, info := plugintest.Curated(t, out)
	if report.Expected != 1000 || report.Done != 1000 || len(report.Warnings) != 0 {
		t.Errorf("expected %d, done %d, excluded %v", report.Expected, report.Done, report.Excluded)
	}
	if diff := cmp.Diff(map[string]int{"yes": 276, "no": 169, "maybe": 55}, info.Counts["test"]); diff != "" {
		t.Error(diff)
	}
	for class, want := range map[string]int{"yes": 552, "no": 338, "maybe": 110} {
		if got := info.Counts["train"][class] + info.Counts["validation"][class] + info.Counts["test"][class]; got != want {
			t.Errorf("%s: %d, want %d", class, got, want)
		}
	}
	if diff := cmp.Diff(map[string]int{"train": 450, "validation": 50, "test": 500}, info.Samples); diff != "" {
		t.Error(diff)
	}
	s := samples["21645374"]
	var total float32
	for _, v := range vector(t, out, s) {
		total += v
	}
	if !strings.HasPrefix(s.Text, "Do mitochondria play a role in remodelling lace plant leaves during programmed cell death?\n\nProgrammed cell death (PCD)") || s.Meta["YEAR"] != "2011" || int(total) != len(wordsOf(s.Text)) {
		t.Errorf("%.100q %v, %v words", s.Text, s.Meta, total)
	}
	// The conclusion of the abstract answers the question, and is not in the text.
	if strings.Contains(s.Text, "Results depicted mitochondrial dynamics in vivo as PCD progresses") {
		t.Error("the long answer is in the text")
	}
}

func FuzzJSON(f *testing.F) {
	in := tiny()
	f.Add(string(in["d/x.json"]), string(in["d/ids.json"]))
	f.Add(`{"data": {"items": [{"q": [["x"], 1, true], "a": {"b": 1}}]}}`, "1 2\n3")
	f.Fuzz(func(t *testing.T, text, ids string) {
		out, err := curate(`{"files": "x.json", `+tinyParams[1:], plugintest.Files{"x.json": []byte(text), "ids.json": []byte(ids)}).Run(t.Context(), 1, "")
		if err != nil {
			return
		}
		samples, report, _ := plugintest.Curated(t, out)
		if len(samples) != report.Done || len(report.Failed) > 0 {
			t.Fatalf("%d samples, report %+v", len(samples), report)
		}
	})
}

// A path goes through lists, a label may be the members of an object that are true, and a subject part of a name.
func TestConversations(t *testing.T) {
	const params = `{"text": ["talk.value"], "label": {"path": "domain", "task": "multilabel", "empty": "exclude", "classes": {"ct": "CT", "mri": "MRI", "gross": ""}}, "subject": "image", "subjectPattern": "^(\\d+)_", "buckets": 8,
		"split": {"rule": "seeded", "train": 1, "validation": 0, "test": 0}}`
	in := plugintest.Files{"x.json": []byte(`[{"id": 1, "image": "28_F1.jpg", "domain": {"mri": true, "ct": true, "gross": false}, "talk": [{"from": "human", "value": "What is it?"}, {"from": "gpt"}, 7, {"value": ["A", "B"]}]},
		{"id": 1, "image": "28_F2.jpg", "domain": {"mri": "true", "ct": true}, "talk": {"value": "one"}}, {"image": "x.jpg", "domain": {"ct": false}, "talk": [{"value": "none"}]},
		{"image": "29_F1.jpg", "talk": [{"value": "none"}]}, {"domain": {"gross": true}, "talk": [{"value": "dropped"}]}, {"domain": {"pet": true}, "talk": [{"value": "unknown"}]}, {"domain": {"ct": true}, "talk": []}]`)}
	samples, report, _ := plugintest.Curated(t, curate(params, in).Deterministic(t))
	got := ""
	for _, id := range []string{"0000001", "0000002"} {
		s := samples[id]
		got += strings.Join(s.Labels, "+") + " " + s.Subject + " " + strings.ReplaceAll(s.Text, "\n\n", "/") + "; "
	}
	if want := "CT+MRI 28 What is it?/A/B; CT 28 one; "; got != want || report.Done != 2 {
		t.Errorf("%d samples: %s, want %s", report.Done, got, want)
	}
	left := ""
	for _, o := range report.Excluded {
		left += o.Code + " "
	}
	if want := "no-label no-label dropped-class unknown-label no-text "; left != want {
		t.Errorf("left out %s, want %s", left, want)
	}
}
