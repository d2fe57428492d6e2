package report

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
)

// TestWithoutNames: of a dataset whose samples must not be named, no form of a report names one, and all counts are the same.
func TestWithoutNames(t *testing.T) {
	c := document.Curation{Expected: 4, Done: 1, Split: "by hash",
		Excluded:   []document.Outcome{{Sample: "SECRET1", Path: "p/SECRET1", Code: "short", Reason: "SECRET1 lasts 1 s"}, {Sample: "SECRET2", Code: "short", Reason: "r"}},
		Failed:     []document.Outcome{{Sample: "SECRET3", Code: "decode", Reason: "r"}},
		Warnings:   []document.Outcome{{Sample: "SECRET4", Code: "flat", Reason: "r"}},
		SplitFiles: []document.SplitList{{Side: "test", Path: "SECRET.txt"}},
		Duplicates: []document.DuplicateGroup{{Kind: document.SameBytes, Samples: []string{"test/SECRET5", "train/SECRET6"}, Crosses: true}},
	}
	r := Report{Benchmark: Benchmark{Name: "b"}, Datasets: []Dataset{{ID: "open", Curation: c}, {ID: "closed", Curation: c}},
		Duplicates: []Duplicate{{Kind: document.SameBytes, Samples: []string{"closed/test/SECRET/7", "open/train/x"}, Crosses: true}}}
	before := cmp.Diff(r, Report{})
	got := WithoutNames(r, map[string]string{"closed": "one has to ask"})
	if cmp.Diff(r, Report{}) != before {
		t.Error("the report itself was changed")
	}
	if diff := cmp.Diff(r.Datasets[0], got.Datasets[0]); diff != "" {
		t.Errorf("the open dataset (-was +is):\n%s", diff)
	}
	closed := got.Datasets[1].Curation
	if len(closed.Excluded) != 2 || closed.Excluded[0].Code != "short" || len(closed.Failed) != 1 || len(closed.Warnings) != 1 || crossing(closed.Duplicates) != 1 {
		t.Errorf("%+v", closed)
	}
	if diff := cmp.Diff([]string{"closed/test", "open/train/x"}, got.Duplicates[0].Samples); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got.Datasets = got.Datasets[1:]
	for name, form := range map[string]func(Report) ([]byte, error){"html": HTML, "markdown": Markdown, "json": JSON} {
		text, err := form(got)
		if err != nil || bytes.Contains(text, []byte("SECRET")) || !bytes.Contains(text, []byte("one has to ask")) || !bytes.Contains(text, []byte("short")) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	if all := withNames(slices.Concat(c.Excluded, closed.Excluded)); len(all) != 2 {
		t.Errorf("%+v", all)
	}
}
