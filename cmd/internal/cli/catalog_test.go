package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCatalog reads the catalog as a person does who wants to know what there is and how to get it.
func TestCatalog(t *testing.T) {
	m := newMachine(t, "")
	m.env = []string{"CAIRN_HOME=", "HOME="} // it needs no home
	all := m.want(0, words("catalog"), "TIER", "ptb-xl", "21837*", "45 datasets, 4505190 samples", "44 of them are in the paper: 4494943 samples here, 4.51M there")
	if m.want(0, words("catalog list")).stdout != all.stdout {
		t.Error("catalog and catalog list differ")
	}
	m.want(0, words("catalog show kits23"), "CC-BY-NC-SA-4.0", "counts.total: 489 cases", "- 478 [climb-repo (Dataset_Info.md)]",
		"- 489 [publisher (kits23.json at c108835)]", "subjects    null", "size          null")
	m.want(0, words("catalog show mimic-cxr"), "credentialed", "1. Make an account on physionet.org.", "CITI", "PHYSIONET_USERNAME", "data use agreement")
	m.want(0, words("catalog show hugadb"), "162827155 bytes, sha256:26ab06de5aed2eead220358f4d3fee5d0e7e7a79bb67e17657edf9b951daa13c", "licence       null")
	m.want(0, words("catalog show vital"), "not stated (null)")
	m.want(0, words("catalog totals"), "4494943", "-15057", "40.29 %", "-0.27", "-10057 remain", "stage 2", "widely-cited")
	m.want(2, words("catalog show ptbxl"), `no dataset "ptbxl"; did you mean "ptb-xl"?`)
	m.want(2, words("catalog show anything-at-all-but-this"), "`cairn catalog` lists them")
	m.want(2, words("catalog show"), "usage: cairn catalog show ID")
	m.want(2, words("catalog ptb-xl"), "list, show, totals and export", "`cairn catalog show ptb-xl`")
}

func TestCatalogFilters(t *testing.T) {
	m := newMachine(t, "")
	for _, c := range []struct{ args, want string }{
		{"--modality fundus", "aptos-2019 jichi messidor-2"},
		{"--modality fundus,gait --access open", "hugadb jichi"},
		{"--licence null", "brain-mri hugadb lc25000 proteins"},
		{"--tier novel-task --licence CC-BY-4.0", "coronahack covid-19-cxr"},
		{"--group null", "echonet-dynamic"},
		{"--domain ct-kidney", "kits23"},
		{"--domain ct-kidney --modality ecg", ""},
	} {
		doc := object[catalogDocument](m, 0, words("catalog list "+c.args)...)
		var ids []string
		for _, e := range doc.Datasets {
			ids = append(ids, e.ID)
		}
		if got := strings.Join(ids, " "); got != c.want || doc.Totals != nil {
			t.Errorf("%s: %s, want %s; totals %v", c.args, got, c.want, doc.Totals)
		}
	}
	m.want(2, words("catalog --access free"), `no dataset has the access "free"`, "application, competition-rules, credentialed, open, registration")
	m.want(2, words("catalog --modality egc"), `did you mean "ecg"?`)
	m.want(2, words("catalog --colour red"), "colour")
}

// TestCatalogJSON: one schema, the same bytes each time, and null where nothing is known.
func TestCatalogJSON(t *testing.T) {
	m := newMachine(t, "")
	for _, args := range []string{"catalog", "catalog list", "catalog show ptb-xl", "catalog totals"} {
		first := m.want(0, append(words(args), "--json")).stdout
		if second := m.want(0, append(words(args), "--json")).stdout; first != second {
			t.Errorf("%s: two outputs", args)
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(first), &doc); err != nil || doc["schema"] != "cairn/catalog/v1" || doc["benchmark"] != "climb" {
			t.Errorf("%s: schema %v, benchmark %v, error %v", args, doc["schema"], doc["benchmark"], err)
		}
	}
	m.want(0, words("catalog show ptb-xl --json"), `"validation": null`, `"value": 21799`, `"source": "publisher"`)
	if doc := object[catalogDocument](m, 0, "catalog"); len(doc.Datasets) != 45 || doc.Totals == nil {
		t.Errorf("%d datasets, totals %v", len(doc.Datasets), doc.Totals)
	}
}

func TestCatalogExport(t *testing.T) {
	m := newMachine(t, "")
	one := m.want(0, words("catalog export chexpert --format croissant")).stdout
	m.want(0, words("catalog export --to out"))
	files, err := filepath.Glob(filepath.Join(m.path("out"), "*.json"))
	if err != nil || len(files) != 45 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	if m.read("out/chexpert.json") != one {
		t.Error("a dataset is described in two ways")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil || doc["conformsTo"] != "http://mlcommons.org/croissant/1.1" || doc["name"] == nil || doc["datePublished"] != nil {
			t.Errorf("%s: error %v, %v", file, err, doc)
		}
	}
	m.want(2, words("catalog export"), "45 datasets are 45 documents", "--to")
	m.want(2, words("catalog export chexpert ptb-xl"), "2 datasets")
	m.want(2, words("catalog export chexprt"), `did you mean "chexpert"?`)
	m.want(2, words("catalog export chexpert --format rdf"), "there is only croissant")
	m.write("taken", "a file")
	m.want(1, words("catalog export --to taken"), "taken")
}
