package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/fingerprint"
)

var update = flag.Bool("update", false, "write the golden files anew")

func ptr(v float64) *float64 { return &v }

func named(name string) digest.Digest { return digest.FromString(name) }

// example is a report with everything that a report can have.
func example() Report {
	r := Report{
		Benchmark: Benchmark{Name: "demo", Title: "Four clinical tasks, apart and together",
			Description: "Synthetic ECG, chest X-ray, molecule and heart disease data in the formats of their real sources. Each task is learned alone and then all of them by one model.",
			Manifest:    named("manifest"), Lock: named("lock"), Digest: named("benchmark")},
		Datasets: []Dataset{exampleECG(), exampleTable()},
		Duplicates: []Duplicate{
			{Kind: document.SameBytes, Digest: named("same"), Samples: []string{"ecg/test/JS11438", "heart/train/row-17"}, Crosses: true},
			{Kind: document.NearMedia, Distance: 12, Samples: []string{"ecg/test/JS11439", "xray/test/7"}}},
	}
	for i, id := range []string{"ecg", "xray", "molecules", "heart"} {
		for _, metric := range []string{"auroc", "balanced_accuracy"} {
			shift := float64(0.03 * float64(i)) // rounded here, so that the goldens hold where products are fused
			r.Results = append(r.Results,
				result("single/"+id, "single", id, metric, 0.78+shift, 0.06),
				result("multitask", "multitask", id, metric, 0.83+shift/2, 0.04))
		}
	}
	r.Results[6].Value, r.Results[6].Low, r.Results[6].High = nil, nil, nil
	r.Results[6].Undefined = "class mutagen has no positive sample"
	for _, v := range compare.Judge([]manifests.Claim{
		{Evaluation: "results", Model: "multitask", Dataset: "ecg", Metric: "auroc", Value: 0.84, Tolerance: 0.02, Source: "CLIMB, table 3"},
		{Evaluation: "results", Model: "single", Dataset: "xray", Metric: "auroc", Value: 0.95, Tolerance: 0.02, Source: "doi:10.1000/xyz"},
		{Evaluation: "results", Model: "multitask", Dataset: "retina", Metric: "auroc", Value: 0.9, Tolerance: 0.02, Source: "CLIMB, table 3"},
	}, numbers(r.Results)) {
		r.Claims = append(r.Claims, Judged(v))
	}
	for _, id := range []string{"single/ecg", "single/xray", "single/molecules", "single/heart"} {
		r.Models = append(r.Models, exampleModel(id, "single", strings.TrimPrefix(id, "single/")))
	}
	r.Models = append(r.Models, exampleModel("multitask", "multitask", "ecg", "xray", "molecules", "heart"))
	for _, s := range []string{"fetch/ecg", "curate/ecg", "pretrain/multitask", "evaluate/results/multitask/ecg"} {
		kind, _, _ := strings.Cut(s, "/")
		r.Steps = append(r.Steps, Step{Name: s, Kind: kind, Plugin: kind + "/x@1", Determinism: "exact", Action: action.ID(named(s)), Artifact: named(s + " artifact")})
	}
	return r
}

func numbers(results []Result) []compare.Result {
	var out []compare.Result
	for _, r := range results {
		out = append(out, compare.Result{Evaluation: r.Evaluation, Model: r.Model, Dataset: r.Dataset, Metric: r.Metric, Value: r.Value, Low: r.Low, High: r.High})
	}
	return out
}

func result(model, group, dataset, metric string, value, half float64) Result {
	x := Result{Evaluation: "results", Model: model, ModelGroup: group, SingleTask: group == "single", Dataset: dataset, Split: "test",
		Metric: metric, Value: ptr(value), Low: ptr(value - half), High: ptr(min(1, value+half)), Samples: 1234,
		PerClass: []document.ClassMetric{
			{Class: "healthy", Name: metric, Value: ptr(value - 0.01)}, {Class: "ill", Name: metric, Undefined: "class ill has no positive sample"}},
		Bootstrap: document.Bootstrap{Method: "percentile", Replicates: 1000, Level: 0.95, Unit: "subject"}}
	for _, t := range [][2]string{{"evaluation", "evaluate/results/" + model + "/" + dataset}, {"model", "pretrain/" + model}, {"curated", "curate/" + dataset}, {"raw", "fetch/" + dataset}} {
		x.Trail = append(x.Trail, Trace{Role: t[0], Step: t[1], Plugin: "x/y@1", Action: action.ID(named(t[1])), Artifact: named(t[1] + " artifact")})
	}
	return x
}

func exampleECG() Dataset {
	var failed []document.Outcome
	for i := range 60 {
		failed = append(failed, document.Outcome{Sample: fmt.Sprintf("HR%05d", i), Code: "decode", Reason: "signal file ends after 120 of 5000 samples"})
	}
	return Dataset{ID: "ecg", Title: "PhysioNet/CinC 2021 12-lead ECG", Modality: "ecg", Licence: "CC-BY-4.0", Access: "open",
		Citation: "Reyna et al., Will Two Do? Computing in Cardiology 2021", Homepage: "https://physionet.org/content/challenge-2021/",
		Raw: document.Dataset{Files: 24_106, Bytes: 1_520_345_678, Source: map[string]string{"publisher": "PhysioNet"}},
		Curated: document.Dataset{Task: &document.Task{Type: document.Multilabel, Classes: []string{"atrial fibrillation", "sinus rhythm"}},
			Counts:  map[string]map[string]int{"train": {"atrial fibrillation": 1211, "sinus rhythm": 5902}, "validation": {"atrial fibrillation": 170}, "test": {"atrial fibrillation": 350, "sinus rhythm": 1690}},
			Samples: map[string]int{"train": 8400, "validation": 1200, "test": 2400}, Subjects: map[string]int{"train": 8400, "validation": 1200, "test": 2400}},
		Curation: document.Curation{Expected: 12_063, Done: 12_000, Split: "seeded by subject, 70/10/20, stratified", Failed: failed,
			Excluded:   []document.Outcome{{Sample: "JS00001", Code: "short-record", Reason: "lasts 4.1 s, want 10 s"}, {Sample: "JS00002", Code: "short-record", Reason: "lasts 6 s, want 10 s"}, {Sample: "JS7", Code: "no-label", Reason: "has no class of this task"}},
			Warnings:   []document.Outcome{{Sample: "JS11438", Code: "flat-lead", Reason: "leads V1, V2 are flat"}},
			SplitFiles: []document.SplitList{{Side: "train", Path: "lists/train.txt", Digest: named("list"), Names: 8401, Unmatched: 1}},
			Labels:     document.LabelTally{None: 3, One: 11_000, Several: 1_060, ByPriority: 1_000, Drawn: 60},
			LabelMaps:  []document.LabelMap{{Param: "labels", Name: "climb-7", Digest: named("map"), Codes: 52}},
			Published: &document.Published{Source: "CLIMB, table 9", Compared: 4, Differences: []document.Difference{
				{Published: 12_063, Ours: 12_000, LeftOut: map[string]int{"decode": 60, "no-label": 1, "short-record": 2}},
				{Split: "test", Class: "sinus rhythm", Published: 1_691, Ours: 1_690}}},
			Duplicates: []document.DuplicateGroup{
				{Kind: document.SameMedia, Digest: named("m"), Samples: []string{"train/JS4", "train/JS5"}, Conflict: true},
				{Kind: document.SameBytes, Digest: named("d"), Samples: []string{"test/JS2", "train/JS1"}, Crosses: true},
				{Kind: document.NearMedia, Distance: 12, Samples: []string{"test/JS8", "train/JS9"}, Crosses: true}}}}
}

func exampleTable() Dataset {
	return Dataset{ID: "heart", Title: "UCI heart disease", Modality: "table", Licence: "CC-BY-4.0", Access: "open",
		Curated: document.Dataset{Task: &document.Task{Type: document.Multiclass, Classes: []string{"absent", "present"}},
			Samples: map[string]int{"train": 210}},
		Curation: document.Curation{Expected: 303, Done: 303}}
}

func exampleModel(id, group string, datasets ...string) Model {
	m := Model{ID: id, Group: group, Plugin: "pretrain/go@1", Info: document.Model{Architecture: "cairn-nn/v1", Parameters: 148_232}}
	for i, d := range datasets {
		m.Info.Datasets = append(m.Info.Datasets, document.ModelDataset{ID: d, Train: 8400 >> i})
		for e := range 10 {
			loss := float64(0.9/float64(e+1+i)) + 0.05
			m.Curve.Points = append(m.Curve.Points, document.CurvePoint{Epoch: e + 1, Dataset: d, TrainLoss: loss, Validation: ptr(loss + float64(0.01*float64(e)))})
		}
	}
	return m
}

func TestGolden(t *testing.T) {
	for name, render := range map[string]func(Report) ([]byte, error){"report.html": HTML, "report.md": Markdown, "report.json": JSON, "statement.md": exampleStatement} {
		got, err := render(example())
		if err != nil {
			t.Fatal(err)
		}
		path := "testdata/" + name
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s changed (run with -update if it should): %s", path, diff)
		}
	}
}

func TestJSONKeepsNumbers(t *testing.T) {
	text, err := JSON(example())
	if err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := example()
	if got.Schema != Schema {
		t.Errorf("schema is %q, want %q", got.Schema, Schema)
	}
	if diff := cmp.Diff(want.Results, got.Results); diff != "" {
		t.Error(diff)
	}
}

// TestHostileStrings puts markup in every string of a report; none may come out as markup.
func TestHostileStrings(t *testing.T) {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=y>|` + "\n# `x` [a](javascript:b)"
	text, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`"[^"{}:]*"([,}\]])`)
	var r Report
	if err := json.Unmarshal(words.ReplaceAll(text, append(bytes.ReplaceAll(quoted, []byte("$"), []byte("$$")), "$1"...)), &r); err != nil {
		t.Fatal(err)
	}
	for i := range r.Datasets {
		r.Datasets[i].Homepage = "javascript:alert(1)"
	}
	page, err := HTML(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", `href="javascript`, "ZgotmplZ"} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("the page holds %s", bad)
		}
	}
	md, err := Markdown(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"\n# `x`", " <script", "[a](java"} {
		if bytes.Contains(md, []byte(bad)) {
			at := bytes.Index(md, []byte(bad))
			t.Errorf("the Markdown holds %q: %q", bad, md[max(0, at-80):at+40])
		}
	}
}

func TestPageAsksForNothing(t *testing.T) {
	page, err := HTML(example())
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?i)<script|\bsrc=|@import|url\(|<iframe|<object|\son\w+=|\sstyle=`).Find(page); m != nil {
		t.Errorf("the page holds %q", m)
	}
	if m := regexp.MustCompile(`<link[^>]*>`).FindAllString(string(page), -1); len(m) != 1 || m[0] != `<link rel="icon" href="data:,">` {
		t.Errorf("the page links %v", m)
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	page, err := HTML(example())
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bid="([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
		if ids[m[1]] {
			t.Errorf("id %s is there twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?:href="#|aria-labelledby=")([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
		for id := range strings.FieldsSeq(m[1]) {
			if !ids[id] {
				t.Errorf("nothing has the id %s", id)
			}
		}
	}
}

func TestEmptyReport(t *testing.T) {
	for _, r := range []Report{{}, {Benchmark: Benchmark{Name: "x"}, Datasets: []Dataset{{ID: "a", Curated: document.Dataset{Task: &document.Task{Classes: []string{"b"}}}}}, Models: []Model{{}}, Results: []Result{{}}}} {
		for _, render := range []func(Report) ([]byte, error){HTML, Markdown, JSON} {
			if _, err := render(r); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestShared(t *testing.T) {
	sample := func(id, path, content string) document.Sample {
		return document.Sample{ID: id, Split: "test", Sources: []document.Source{{Path: path, Digest: named(content)}}}
	}
	looks := func(n int8, differs int) *fingerprint.Print {
		p := &fingerprint.Print{Kind: fingerprint.Image}
		for i := range p.Cells {
			p.Cells[i] = int8(i*i*int(n)%97) - 48
		}
		for i := range differs {
			p.Cells[i*7]++
		}
		return p
	}
	got := Shared([]Contents{
		{ID: "b", Modality: "xray", Samples: []document.Sample{sample("1", "x.png", "same"), sample("2", "y.png", "other"), {ID: "none"}},
			Prints: []document.Print{{ID: "1", Split: "test", Media: named("m1"), Print: looks(3, 0)}, {ID: "2", Split: "test", Media: named("m2"), Print: looks(5, 4)}}},
		{ID: "a", Modality: "xray", Samples: []document.Sample{sample("7", "z.png", "same"), sample("8", "t.csv", "table"), sample("9", "t.csv", "table")},
			Prints: []document.Print{{ID: "7", Split: "test", Media: named("m1"), Print: looks(3, 0)}, {ID: "8", Split: "train", Media: named("m8"), Print: looks(5, 0)}, {ID: "9", Split: "train", Media: named("m9"), Print: looks(7, 0)}}},
		{ID: "c", Modality: "ultrasound", Samples: []document.Sample{sample("8", "t.csv", "table")},
			Prints: []document.Print{{ID: "8", Split: "train", Media: named("m9"), Print: looks(5, 0)}}},
	})
	want := []Duplicate{
		{Kind: document.SameBytes, Digest: named("same"), Samples: []string{"a/test/7", "b/test/1"}},
		{Kind: document.SameMedia, Digest: named("m9"), Samples: []string{"a/train/9", "c/train/8"}, Crosses: false},
		{Kind: document.NearMedia, Samples: []string{"a/train/8", "b/test/2"}, Crosses: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSharedSubjects: whose name stands in two datasets that name their subjects alike is listed if samples are on two sides, with the
// first sample of each side of each; in datasets that do not, or without a name, nobody is.
func TestSharedSubjects(t *testing.T) {
	sample := func(id, split, subject string) document.Sample {
		return document.Sample{ID: id, Split: split, Subject: subject}
	}
	same := document.Sample{ID: "5", Split: "train", Subject: "p5", Sources: []document.Source{{Path: "x", Digest: named("x")}}}
	twin := document.Sample{ID: "6", Split: "test", Subject: "p5", Sources: []document.Source{{Path: "y", Digest: named("x")}}}
	got := Shared([]Contents{
		{ID: "a", Subjects: "a", Samples: []document.Sample{
			sample("1", "train", "p1"), sample("2", "train", "p1"), sample("3", "train", "p2"), sample("4", "train", ""), same,
			sample("7", "train", "p7"), sample("8", "test", "p7"),
		}},
		{ID: "b", Subjects: "a", Samples: []document.Sample{
			sample("1", "test", "p1"), sample("2", "validation", "p1"), sample("3", "train", "p2"), sample("4", "test", ""), twin,
		}},
		{ID: "c", Subjects: "c", Samples: []document.Sample{sample("1", "test", "p1"), sample("2", "test", "p2")}},
		{ID: "d", Subjects: "d", Samples: []document.Sample{sample("1", "validation", "p1"), sample("2", "test", "p2")}},
		{ID: "e", Subjects: "d", Samples: []document.Sample{sample("1", "validation", "p1"), sample("2", "test", "p2")}},
	})
	want := []Duplicate{
		{Kind: document.SameBytes, Digest: named("x"), Samples: []string{"a/train/5", "b/test/6"}, Crosses: true},
		{Kind: document.SameSubject, Samples: []string{"a/train/1", "b/test/1", "b/validation/2"}, Crosses: true},
		{Kind: document.SameSubject, Samples: []string{"a/train/5", "b/test/6"}, Crosses: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	err := Refuse(manifests.Overlap{Subject: manifests.OverlapFail}, got)
	if says := "overlap.subject is fail, and 2 groups of samples are of one subject each on two sides of several datasets: a/train/1 = b/test/1 = b/validation/2 (subject); a/train/5"; err == nil || !strings.HasPrefix(err.Error(), says) {
		t.Errorf("error %v, want %q", err, says)
	}
	if err := Refuse(manifests.Overlap{Near: manifests.OverlapFail}, got); err != nil {
		t.Error(err)
	}
}

func TestRefuse(t *testing.T) {
	all := []Duplicate{
		{Kind: document.SameBytes, Samples: []string{"a/test/1", "b/test/1"}},
		{Kind: document.SameMedia, Samples: []string{"a/test/2", "b/train/2"}, Crosses: true},
	}
	for range 12 {
		all = append(all, Duplicate{Kind: document.NearMedia, Samples: []string{"a/test/3", "b/train/3"}, Crosses: true})
	}
	for _, c := range []struct {
		overlap manifests.Overlap
		want    string
	}{
		{manifests.Overlap{}, ""},
		{manifests.Overlap{Same: manifests.OverlapFail}, "overlap.same is fail, and 1 groups of samples are the same on two sides of several datasets: a/test/2 = b/train/2 (media); put each"},
		{manifests.Overlap{Near: manifests.OverlapFail}, "overlap.near is fail, and 12 groups of samples are nearly the same on two sides of several datasets: a/test/3 = b/train/3 (near); "},
		{manifests.Overlap{Near: manifests.OverlapFail}, "; and 2 more; put each on the same side of all"},
	} {
		err := Refuse(c.overlap, all)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: error %v, want %q", c.overlap, err, c.want)
		}
	}
	if err := Refuse(manifests.Overlap{Same: manifests.OverlapFail, Near: manifests.OverlapFail}, all[:1]); err != nil {
		t.Errorf("samples on one side: %v", err)
	}
	many := Duplicate{Kind: document.SameBytes, Crosses: true}
	for n := range 20 {
		many.Samples = append(many.Samples, fmt.Sprintf("a/train/%02d", n))
	}
	many.Samples = append(many.Samples, "b/test/1", "b/train/2")
	err := Refuse(manifests.Overlap{Same: manifests.OverlapFail}, []Duplicate{many})
	if err == nil || !strings.Contains(err.Error(), "datasets: a/train/00 = b/test/1 = b/train/2 and 19 more (bytes);") {
		t.Errorf("of a large group is said %v; want a sample of each side of each dataset", err)
	}
}
