package label

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// place reads parameters as a manifest has them.
func place(t *testing.T, params string) Place {
	t.Helper()
	p := Default()
	dec := json.NewDecoder(strings.NewReader(params))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

// said is what a finder says of a file: labels, subject, side, what was uncertain, and why it is left out.
func said(f *Finder, file string) string {
	c := f.Candidate(file)
	out := strings.Join(c.Labels, "+") + " " + c.Subject + " " + c.Split
	if u := c.Meta["uncertain"]; u != "" {
		out += " ?" + u
	}
	if c.Excluded != nil {
		out += " !" + c.Excluded.Code
	}
	return strings.Join(strings.Fields(out), " ")
}

func TestTables(t *testing.T) {
	for name, c := range map[string]struct {
		params string
		in     plugintest.Files
		want   map[string]string // by file
	}{
		"two tables, one by study and one by image": {
			`{"pattern": "/s(?P<id>\\d+)/", "sides": {"validate": "validation"}, "labels": {"from": "csv", "task": "multilabel", "table": "l.csv", "id": "study", "columns": ["A", "B"],
				"uncertain": {"cells": ["-1.0"], "as": "negative"}, "also": [{"table": "s.tsv", "id": "image", "side": "split", "subject": "who"}]}}`,
			plugintest.Files{"l.csv": []byte("study,A,B\n1,1.0,-1.0\n2,,\n3,0,1\n"), "s.tsv": []byte("image\twho\tsplit\nx\tp1\ttrain\ny\tp1\tvalidate\nz\tp2\ttest\n")},
			map[string]string{"d/s1/x.jpg": "A p1 train ?B", "d/s1/y.jpg": "A p1 validation ?B", "d/s2/z.jpg": "p2 test", "d/s3/w.jpg": "!no-row", "d/s4/z.jpg": "p2 test !no-label"},
		},
		"uncertain is positive": {
			`{"labels": {"from": "csv", "task": "multilabel", "table": "l.csv", "id": "i", "columns": ["A", "B"], "uncertain": {"cells": ["-1"], "as": "positive"}}}`,
			plugintest.Files{"l.csv": []byte("i,A,B\nx,-1,0\n")}, map[string]string{"x.png": "A ?A"},
		},
		"uncertain is left out, and so is what has no label": {
			`{"labels": {"from": "csv", "task": "multilabel", "empty": "exclude", "table": "l.csv", "id": "i", "columns": ["A", "B"], "uncertain": {"cells": ["-1"], "as": "exclude"}}}`,
			plugintest.Files{"l.csv": []byte("i,A,B\nx,-1,1\ny,0,\nz,0,1\n")}, map[string]string{"x.png": "?A !uncertain-label", "y.png": "!no-label", "z.png": "B"},
		},
		"a label that a map drops is not the end of a sample with several": {
			`{"labels": {"from": "csv", "task": "multilabel", "table": "l.csv", "id": "i", "columns": ["A", "B"], "classes": {"A": "", "B": "b"}}}`,
			plugintest.Files{"l.csv": []byte("i,A,B\nx,1,1\ny,1,0\n")}, map[string]string{"x.png": "b", "y.png": ""},
		},
		"readers who disagree": {
			`{"labels": {"from": "csv", "task": "multilabel", "table": "l.csv", "id": "i", "columns": ["A", "B"], "rows": "majority"}}`,
			plugintest.Files{"l.csv": []byte("i,r,A,B\nx,1,1,1\nx,2,1,0\nx,3,0,0\ny,1,1,0\ny,2,0,0\n")}, map[string]string{"x.png": "A", "y.png": ""},
		},
		"what any reader says": {
			`{"labels": {"from": "csv", "task": "multilabel", "table": "l.csv", "id": "i", "columns": ["A", "B"], "rows": "any"}}`,
			plugintest.Files{"l.csv": []byte("i,r,A,B\nx,1,0,1\nx,2,1,0\nx,3,0,0\n")}, map[string]string{"x.png": "B+A"},
		},
		"the highest of the rows that count, of a path": {
			`{"labels": {"from": "csv", "table": "*_set.csv", "id": "file", "idPattern": "^([^/]+)/", "columns": ["grade"], "rows": "highest", "where": {"grade": ["1", "2", "10", "x"]}},
				"pattern": "(?P<id>(?P<split>Training|Test)_(?P<subject>P_\\d+)_\\w+)/"}`,
			plugintest.Files{"a_set.csv": []byte("file,grade\nTraining_P_1_L/u/0.dcm,2\nTraining_P_1_L/u/0.dcm,10\nTraining_P_1_L/u/0.dcm,0\nTest_P_1_L/u/0.dcm,0\nTest_P_2_L/u/0.dcm,1\nTest_P_2_L/u/0.dcm,x\n")},
			map[string]string{"Training_P_1_L/1.dcm": "10 P_1 Training", "Test_P_1_L/1.dcm": "P_1 Test !row-left-out", "Test_P_2_L/1.dcm": "P_2 Test !not-a-number"},
		},
		"cells of several columns are one label, ids of two columns one name": {
			`{"pattern": "0*(?P<id>\\d+)/brain/(?P<id2>\\d+)", "labels": {"from": "csv", "table": "d.csv", "ids": ["Patient", "Slice"], "subject": "Patient", "columns": ["PE", "Chronic"], "join": "/", "classes": {"0/0": "none", "1/1": "chronic", "1/0": "acute"}}}`,
			plugintest.Files{"d.csv": []byte("Patient,Slice,PE,Chronic\n49,1,0,0.0\n49,2,True,1.0\n50,1,1,FALSE\n50,2,0,1\n")},
			map[string]string{"049/brain/1.jpg": "none 49", "049/brain/2.jpg": "chronic 49", "050/brain/1.jpg": "acute 50", "050/brain/2.jpg": "50 !unknown-label", "051/brain/1.jpg": "!no-label"},
		},
		"two eyes a row, with names in another case": {
			`{"labels": {"from": "csv", "table": "grades.csv", "id": "image", "idPattern": "^(.+)\\.\\w+$", "columns": ["grade"], "where": {"gradable": ["1"]},
				"also": [{"table": "pairs.csv", "comma": ";", "each": ["left", "right"], "idPattern": "^(.+)\\.\\w+$"}]}}`,
			plugintest.Files{"grades.csv": []byte("image,grade,gradable\na.jpg,0,1\nb.jpg,2,1\nc.jpg,,0\nd.png,1,1\n"), "pairs.csv": []byte("left;right\na.JPG;b.JPG\nc.JPG;e.JPG\n")},
			map[string]string{"I/a.JPG": "0 a", "I/b.JPG": "2 a", "I/c.JPG": "c !row-left-out", "I/d.png": "!no-row"},
		},
		"a table of names": {
			`{"labels": {"from": "csv", "table": "labels.tsv", "id": "impression", "columns": ["pe"], "key": {"table": "map.tsv", "id": "image", "idPattern": "^(PE\\w+)", "name": "impression"},
				"also": [{"table": "map.tsv", "id": "image", "idPattern": "^(PE\\w+)", "subject": "person"}, {"table": "splits.tsv", "id": "impression", "by": "id", "side": "split"}]}}`,
			plugintest.Files{"labels.tsv": []byte("impression\tpe\n1\tTrue\n2\tFalse\n"), "map.tsv": []byte("impression\timage\tperson\n1\tPEa.nii.gz\t7\n3\tPEc\t9\n"), "splits.tsv": []byte("impression\tsplit\n1\tvalid\n2\ttest\n")},
			map[string]string{"CTPA/PEa.nii.gz": "True 7 valid", "CTPA/PEb.nii.gz": "!no-label", "CTPA/PEc.nii.gz": "9 !no-label"},
		},
		"a side in a path": {
			`{"labels": {"from": "csv", "table": "l.csv", "id": "file", "columns": ["a"], "side": "file", "sidePattern": "(Training|Test)_"}}`,
			plugintest.Files{"l.csv": []byte("file,a\nMass-Test_P/x.dcm,1\nother/y.dcm,1\n")}, map[string]string{"x.dcm": "1 Test", "y.dcm": "1 other/y.dcm"},
		},
		"a column without a name is nobody's": {
			`{"labels": {"from": "csv", "table": "l.csv", "id": "i", "columns": ["A"], "also": [{"table": "s.csv", "id": "i", "side": "split"}]}}`,
			plugintest.Files{"l.csv": []byte(",i,A\n0,x,a\n"), "s.csv": []byte(",i,split\n7,x,test\n")}, map[string]string{"x.png": "a test"},
		},
		"numbers in bins, and sides that are all but one": {
			`{"sides": {"OL": "test", "*": "train"}, "labels": {"from": "csv", "table": "l.csv", "id": "i", "columns": ["EF"], "side": "site",
				"bins": [{"class": "low", "most": 40}, {"class": "mid", "below": 50}, {"class": "", "below": 60}, {"class": "high", "most": 100}]}}`,
			plugintest.Files{"l.csv": []byte("i,EF,site\na,40,OL\nb,40.0001,A1\nc,50,A1\nd,60,OL\ne,1e2,\nf,101,A1\ng,n/a,A1\nh,,A1\nj,NaN,A1\n")},
			map[string]string{"a.avi": "low test", "b.avi": "mid train", "c.avi": "train !dropped-class", "d.avi": "high test", "e.avi": "high", "f.avi": "train !out-of-range", "g.avi": "train !not-a-number",
				"h.avi": "train !no-label", "j.avi": "train !not-a-number"},
		},
		"a list of objects": {
			`{"pattern": "(?P<id>case_\\d+)/", "labels": {"from": "csv", "table": "k.json", "id": "case", "columns": ["bad"], "classes": {"true": "malignant", "false": "benign"}}}`,
			plugintest.Files{"k.json": []byte(`[{"case": "case_1", "bad": true}, {"case": "case_2", "bad": null}]`)},
			map[string]string{"case_1/i.nii": "malignant", "case_2/i.nii": "!no-label"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := finder(t, place(t, c.params), c.in)
			got := map[string]string{}
			for file := range c.want {
				got[file] = said(f, file)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The order of rows is that of the tables, which published programs count in.
func TestRowNumbers(t *testing.T) {
	p := place(t, `{"labels": {"from": "csv", "table": "*.csv", "id": "i", "columns": ["A"]}}`)
	f := finder(t, p, plugintest.Files{"1.csv": []byte("i,A\nx,a\ny,a\n"), "2.csv": []byte("i,A\nw,a\n")})
	for file, want := range map[string]int{"x.png": 1, "y.png": 2, "w.png": 3, "v.png": 0} {
		if got := f.Candidate(file).Row; got != want {
			t.Errorf("%s is row %d, want %d", file, got, want)
		}
	}
}

func TestTableParams(t *testing.T) {
	const table = `"from": "csv", "table": "t.csv", "columns": ["a", "b"]`
	const one = `"from": "csv", "table": "t.csv", "id": "i", "columns": ["a"]`
	for params, want := range map[string]string{
		table:                                    "needs table, id and columns",
		table + `, "id": "i", "ids": ["i", "j"]`: "want one",
		table + `, "id": "i", "rows": "few"`:     "labels.rows",
		table + `, "id": "i", "rows": "highest"`: "needs one column",
		table + `, "id": "i", "uncertain": {"cells": ["-1"], "as": "maybe"}`:          "labels.uncertain.as",
		table + `, "id": "i", "join": "/", "uncertain": {"as": "negative"}`:           "only columns that are labels",
		table + `, "id": "i", "empty": "exclude"`:                                     "of the task multilabel",
		table + `, "id": "i", "idPattern": "("`:                                       "labels.idPattern",
		table + `, "id": "i", "sidePattern": "("`:                                     "labels.sidePattern",
		table + `, "id": "i", "key": {"table": "x", "id": "i"}`:                       "labels.key.subject",
		table + `, "id": "i", "also": [{}]`:                                           "labels.also[0].table",
		table + `, "id": "i", "also": [{"table": "x"}]`:                               "want id or each",
		table + `, "id": "i", "also": [{"table": "x", "id": "i"}]`:                    "want a column",
		table + `, "id": "i", "also": [{"table": "x", "each": ["a"], "by": "row"}]`:   "by: \"row\"",
		table + `, "id": "i", "also": [{"table": "x", "each": ["a"], "comma": "::"}]`: "one character",
		table + `, "id": "i", "also": [{"table": "[", "each": ["a"]}]`:                "syntax error",
		table + `, "id": "i", "bins": [{"class": "a"}]`:                               "labels.bins",
		one + `, "bins": [{"class": "a", "most": 1, "below": 2}]`:                     "labels.bins[0]",
		one + `, "bins": [{"class": "a"}, {"class": "b", "below": 2}]`:                "labels.bins[1]",
		one + `, "bins": [{"class": "a", "below": 2}, {"class": "b", "below": 2}]`:    "labels.bins[1]",
		one + `, "bins": [{"class": "a"}], "rows": "highest"`:                         "labels.bins",
	} {
		if err := place(t, `{"labels": {`+params+`}}`).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

// A table that lacks a column, or that is not there, is an error that names it: no label can be right then.
func TestTablesThatAreWrong(t *testing.T) {
	const p = `{"labels": {"from": "csv", "table": "t.csv", "id": "i", "columns": ["a"], "where": {"w": ["1"]}, "also": [{"table": "s.csv", "id": "i", "side": "split"}]}}`
	for want, in := range map[string]plugintest.Files{
		`no file matches "t.csv"`:  {"s.csv": []byte("i,split\n")},
		`t.csv: no column "w"`:     {"t.csv": []byte("i,a\n"), "s.csv": []byte("i,split\n")},
		`no file matches "s.csv"`:  {"t.csv": []byte("i,a,w\n")},
		`s.csv: no column "split"`: {"t.csv": []byte("i,a,w\n"), "s.csv": []byte("i\n")},
		"t.csv:2: 2 cells, want 3": {"t.csv": []byte("i,a,w\nx,1\n"), "s.csv": []byte("i,split\n")},
		"s.csv:3: 1 cells, want 2": {"t.csv": []byte("i,a,w\n"), "s.csv": []byte("i,split\nx,train\ny\n")},
	} {
		if _, err := place(t, p).Read(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
