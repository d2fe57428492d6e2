package plugins_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// twentyThree are the ids of which the values below were drawn with NumPy 2.4.6, pandas 3.1.1 and scikit-learn 1.9.1: those that
// begin with b are of class y.
func twentyThree() plugintest.Files {
	raw := plugintest.Files{}
	for i := range 23 {
		name, label := fmt.Sprintf("a%02d", i), "x"
		if i%3 == 0 {
			name, label = fmt.Sprintf("b%02d", i), "y"
		}
		raw[name] = fmt.Appendf(nil, "s%d - %s %s", i, label, name)
	}
	return raw
}

func sideOf(t *testing.T, split, side string, raw plugintest.Files) string {
	t.Helper()
	d, _ := read(t, curateCase(lines{document.Multiclass, []string{"x", "y"}}, split, raw).Deterministic(t))
	var ids []string
	for _, s := range d.Split(side) {
		ids = append(ids, s.ID)
	}
	return strings.Join(ids, " ")
}

func TestPublishedDraws(t *testing.T) {
	for _, c := range []struct{ split, side, want string }{
		// df.loc[df.label == l].sample(int(.8 * count), random_state=0) for each label l
		{`{"rule":"pandas","train":0.8,"validation":0,"test":0.2,"draw":{"perClass":true}}`, "train",
			"a02 a04 a05 a07 a10 a11 a13 a14 a16 a17 a20 a22 b00 b03 b06 b09 b18 b21"},
		// df.sample(frac=.7, random_state=3)
		{`{"rule":"pandas","train":0.7,"validation":0,"test":0.3,"draw":{"seed":3,"round":"nearest"}}`, "train",
			"a02 a04 a07 a08 a10 a11 a19 a20 a22 b00 b03 b06 b09 b12 b15 b18"},
		// np.random.seed(42); np.random.shuffle(index); index[:int(.8 * n)]
		{`{"rule":"pandas","train":0.8,"validation":0,"test":0.2,"draw":{"seed":42}}`, "train",
			"a01 a02 a04 a05 a07 a08 a13 a14 a17 a19 a20 b00 b03 b06 b09 b15 b18 b21"},
		// np.random.seed(42); np.random.choice(ids, size=int(.9 * n), replace=False)
		{`{"rule":"pandas","train":0.9,"validation":0,"test":0.1,"draw":{"seed":42}}`, "train",
			"a01 a02 a04 a05 a07 a08 a11 a13 a14 a16 a17 a19 a20 b00 b03 b06 b09 b15 b18 b21"},
		// train_test_split(ids, test_size=.2, random_state=42)
		{`{"rule":"sklearn","train":0.8,"validation":0,"test":0.2,"draw":{"seed":42}}`, "test", "a01 a13 a14 b00 b06"},
		{`{"rule":"prefix","train":0.75,"validation":0,"test":0.25}`, "test", "b06 b09 b12 b15 b18 b21"},
		{`{"rule":"prefix","train":0.75,"validation":0,"test":0.25,"draw":{"perClass":true}}`, "test", "a17 a19 a20 a22 b18 b21"},
		{`{"rule":"prefix","train":0.75,"validation":0,"test":0.25,"draw":{"unit":"subject","order":"number"}}`, "test", "a17 a19 a20 a22 b18 b21"},
		{`{"rule":"prefix","train":0.75,"validation":0,"test":0.25,"draw":{"unit":"subject"}}`, "test", "a04 a05 a07 a08 b06 b09"},
	} {
		if diff := cmp.Diff(c.want, sideOf(t, c.split, c.side, twentyThree())); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.split, c.side, diff)
		}
	}
}

// np.unique and train_test_split of five patients with seed 42: the order is that of their numbers, and all samples of one go with it.
func TestPublishedDrawOfSubjects(t *testing.T) {
	raw := plugintest.Files{}
	for _, n := range []int{9, 10, 11, 100, 2} {
		for i := range 3 {
			raw[fmt.Sprintf("p%d_%d", n, i)] = fmt.Appendf(nil, "%d - x %d%d", n, n, i)
		}
	}
	got := sideOf(t, `{"rule":"sklearn","train":0.8,"validation":0,"test":0.2,"draw":{"seed":42,"unit":"subject","order":"number"}}`, "test", raw)
	if got != "p9_0 p9_1 p9_2" {
		t.Errorf("test is %s, want the three of p9", got)
	}
}

// A program that drops samples after its draw has other sides than one that drops them before.
func TestPublishedDrawOfAll(t *testing.T) {
	raw := plugintest.Files{"a": []byte("s1 - - 1"), "b": []byte("s2 - - 2"), "c": []byte("s3 - x 3"), "d": []byte("s4 - x 4")}
	for draw, want := range map[string]string{`{}`: "d", `{"all":true}`: "c d"} {
		got := sideOf(t, `{"rule":"prefix","train":0.5,"validation":0,"test":0.5,"draw":`+draw+`}`, "test", raw)
		if got != want {
			t.Errorf("%s: test is %s, want %s", draw, got, want)
		}
	}
}

func TestFlawsAreWarnings(t *testing.T) {
	out := curateCase(lines{document.Multiclass, []string{"x", "y"}}, `{"rule":"prefix","train":0.5,"validation":0,"test":0.5,"flaws":["Eyes of one patient are on both sides."]}`, twentyThree()).Must(t)
	_, report := read(t, out)
	want := []document.Outcome{{Code: "flaw", Reason: "Eyes of one patient are on both sides."}}
	if diff := cmp.Diff(want, report.Warnings); diff != "" {
		t.Error(diff)
	}
	if want := "prefix, as published: train 0.5, test 0.5 of the samples, in the order of path"; report.Split != want {
		t.Errorf("split %q, want %q", report.Split, want)
	}
}

// Whoever the publisher has on two sides stays on the first.
func TestSubjectsOnTwoSides(t *testing.T) {
	raw := plugintest.Files{"a": []byte("s1 train x 1"), "b": []byte("s1 test x 2"), "c": []byte("s2 val x 3"), "d": []byte("s2 test x 4"), "e": []byte("s3 test x 5"), "f": []byte("s1 val x 6")}
	_, report := read(t, curateCase(lines{document.Multiclass, []string{"x"}}, `{"rule":"publisher","subjects":"drop-test"}`, raw).Deterministic(t))
	got := map[string]string{}
	for _, o := range report.Excluded {
		got[o.Sample] = o.Code
	}
	if diff := cmp.Diff(map[string]string{"b": "subject-of-train", "f": "subject-of-train", "d": "subject-of-validation"}, got); diff != "" || len(report.Warnings) > 0 {
		t.Error(diff, report.Warnings)
	}
}

func TestDrawParams(t *testing.T) {
	for split, want := range map[string]string{
		`{"rule":"prefix"}`:                "want shares of both that add up to 1",
		`{"rule":"seeded","subjects":"x"}`: "split subjects",
		`{"rule":"seeded","draw":{}}`:      "rule seeded draws nothing",
		`{"rule":"other"}`:                 `want one of ["publisher" "file" "seeded" "prefix" "pandas" "sklearn"]`,
		`{"draw":{"unit":"x"}}`:            "draw.unit",
		`{"draw":{"order":"x"}}`:           "draw.order",
		`{"draw":{"round":"x"}}`:           "draw.round",
		`{"draw":{"seed":-1}}`:             "seed",
		`{"draw":{"seed":1,"other":2}}`:    "other",
	} {
		if !strings.Contains(split, "rule") {
			split = strings.Replace(split, "{", `{"rule":"pandas","train":0.8,"validation":0,"test":0.2,`, 1)
		}
		if _, err := plugin(lines{}).Normalise(json.RawMessage(`{"split":` + split + `}`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", split, err, want)
		}
	}
}

// A rule that needs no draw looks in the manifest's identity as it did before there were any.
func TestDrawIsNotInOtherParams(t *testing.T) {
	text, err := plugin(lines{}).Normalise(json.RawMessage(`{}`))
	if err != nil || slices.ContainsFunc([]string{"draw", "flaws"}, func(w string) bool { return strings.Contains(string(text), w) }) {
		t.Errorf("%s %v", text, err)
	}
}
