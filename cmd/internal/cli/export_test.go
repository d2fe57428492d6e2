package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cairn-bench/cairn/manifests/report"
)

// closed is small, of data that only those have who asked.
func closed() string { return strings.Replace(small, "access: open", "access: credentialed", 1) }

// TestExport writes a dataset of a finished step in every format, as a whole or not at all.
func TestExport(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	for _, format := range words("climb webdataset parquet dir") {
		out := m.want(0, words("export small/curate/heart --format "+format), "heart-"+format, "licence", "CC0-1.0, access open")
		if strings.Contains(out.stdout, "restricted") {
			t.Error(out.stdout)
		}
		for _, name := range words("export.json NOTICE.txt SHA256SUMS") {
			if _, err := os.Stat(m.path("heart-" + format + "/" + name)); err != nil {
				t.Error(err)
			}
		}
	}
	type row struct {
		ID      string `parquet:"id"`
		Present bool   `parquet:"class:present"`
		Absent  bool   `parquet:"class:absent"`
	}
	rows, err := parquet.ReadFile[row](m.path("heart-parquet/labels.parquet"))
	if err != nil || len(rows) != 60 || rows[0].Present == rows[0].Absent {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if n := strings.Count(m.read("heart-climb/annotation_train.jsonl"), `"from":"gpt"`); n != 42 {
		t.Errorf("%d samples for training", n)
	}
	doc := object[exported](m, 0, words("export small/curate/heart --format dir -o deep/er")...)
	if doc.Schema != "cairn/export/v1" || doc.Samples["train"] != 42 || doc.Folder != "deep/er" {
		t.Errorf("%+v", doc)
	}

	m.want(2, words("export small/curate/heart --format dir"), "not empty", "--force")
	m.want(0, words("export small/curate/heart --format dir --force"))
	m.write("mine/thesis.tex", "work")
	m.want(2, words("export small/curate/heart --format dir -o mine --force"), "no export")
	m.want(2, words("export small/curate/heart --format zip"), `no format "zip"`, "climb, webdataset, parquet, dir")
	m.want(2, words("export small/curate/heart"), "--format")
	m.want(2, words("export small/curate/heart --format dir --labels"), "webdataset")
	m.want(2, words("export small/fetch/heart --format dir"), "stage raw", "curate")
	m.want(2, words("export lung --format dir"), `nothing is called "lung"`)
	m.want(2, words("export small/curate/heart --format dir -o oci://host/repo"), "push")
	m.want(0, words("export --help"), "cairn export demo/curate/ecg-a --format dir")
}

// TestRestrictedStaysHere: what may not be passed on goes to a folder that says so, and to no page.
func TestRestrictedStaysHere(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", closed())
	m.want(0, words("run benchmark.yaml"))
	m.want(5, words("export small/curate/heart --format dir -o s3://bucket/heart"), "folder of this machine only", "credentialed")
	m.want(0, words("export small/curate/heart --format dir"), "restricted: do not pass it on", "credentialed")
	info, err := os.Stat(m.path("heart-dir"))
	if err != nil || info.Mode().Perm() != 0o700 || !strings.Contains(m.read("heart-dir/NOTICE.txt"), "RESTRICTED") {
		t.Errorf("%v, %v, %s", info.Mode(), err, m.read("heart-dir/NOTICE.txt"))
	}
	m.want(0, words("show small/curate/heart"), "restricted", "credentialed")
	m.want(0, words("show small/curate/heart --html page.html"), "counts only")
	if page := m.read("page.html"); strings.Contains(page, "<figure") || !strings.Contains(page, "counts only") {
		t.Error(page)
	}
}

// TestShow: a curated dataset is shown as what is in it, everything else as the document that it is.
func TestShow(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("show small/curate/heart"), "heart  table", "multiclass of 2 classes", "CC0-1.0, access open", "60 of 60 candidates used", "present", "subjects")
	s := object[report.Sheet](m, 0, words("show small/curate/heart")...)
	if s.Schema != "cairn/show/v1" || s.Done != 60 || s.Samples["train"] != 42 || s.Restricted != "" || s.Media[0].Arrays != 60 {
		t.Errorf("%+v", s)
	}
	m.want(0, words("show small/curate/heart --html page.html"), "page.html")
	first := m.read("page.html")
	if !strings.Contains(first, "<figure") || !strings.Contains(first, "class=\"values\"") {
		t.Error(first)
	}
	m.want(0, words("show small/curate/heart --html page.html"))
	if m.read("page.html") != first {
		t.Error("the page is another one the second time")
	}
	if left, _ := filepath.Glob(m.path(".page*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	m.want(0, words("show small/curate/heart --document"), "application/vnd.oci.image.manifest.v1+json")
	m.want(0, words("show small/fetch/heart"), "application/vnd.oci.image.manifest.v1+json")
	m.want(2, words("show small/fetch/heart --html page.html"), "no curated dataset")
	m.want(2, words("show small/curate/heart --html page.html --document"), "one of them")
	m.want(1, words("show small/curate/heart --html no/such/folder/page.html"), "no such file")
}

// checkShown: the sheet of each real dataset has the counts of its samples, the page its own kind of pictures unless it is
// restricted, and the export for CLIMB a line for every sample and the files that it names.
func (r *realRun) checkShown(t *testing.T) {
	for name, c := range map[string]struct{ drawn, files string }{
		"ecg":               {`class="wave"`, "signals/*/*.mat"},
		"chest-xray":        {"<img", "images/*/*.png"},
		"brain-tumour":      {"counts only", "images/*/*.png"}, // at Kaggle one has to register
		"breast-ultrasound": {"<img", "images/*/*.png"},
		"proteins":          {`class="network"`, "files/*/*.edges.npy"},
		"heart":             {`class="values"`, "files/*/*.npy"},
	} {
		ref := r.artifacts["curate/"+name].String()
		samples := r.samples(t, "curate/"+name)
		s := object[report.Sheet](r.machine, 0, "show", ref)
		if s.Dataset != name || s.Done != len(samples) || s.Samples["train"]+s.Samples["validation"]+s.Samples["test"] != len(samples) {
			t.Errorf("%s: %d samples, %v, want %d", name, s.Done, s.Samples, len(samples))
		}
		r.want(0, []string{"show", ref, "--html", name + ".html"})
		page := r.read(name + ".html")
		if restricted := strings.Contains(page, "counts only"); !strings.Contains(page, c.drawn) || restricted != (s.Restricted != "") || restricted == strings.Contains(page, "<figure") {
			t.Errorf("%s: restricted %q, drawn %v", name, s.Restricted, strings.Contains(page, c.drawn))
		}
		r.want(0, []string{"export", ref, "--format", "climb", "-o", name})
		lines := 0
		for _, split := range words("train valid test") {
			lines += strings.Count(r.read(name+"/annotation_"+split+".jsonl"), "\n")
		}
		files, err := filepath.Glob(r.path(name + "/" + c.files))
		if err != nil || lines != len(samples) || len(files) != len(samples) {
			t.Errorf("%s: %d annotations and %d files of %d samples, %v", name, lines, len(files), len(samples), err)
		}
	}
}
