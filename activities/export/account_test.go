package export_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cairn-bench/cairn/activities/curated/curatedtest"
	"github.com/cairn-bench/cairn/activities/export"
	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier/dossiertest"
)

// TestCroissant: the files that are described are there, with those bytes.
func TestCroissant(t *testing.T) {
	dir, doc := exportOf(t, curatedtest.Everything(), export.Options{Format: exchange.Croissant, Workers: 3})
	var described struct {
		Distribution []struct {
			Type   string `json:"@type"`
			URL    string `json:"contentUrl"`
			Size   string `json:"contentSize"`
			SHA256 string `json:"sha256"`
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, exchange.CroissantFile))
	if err == nil {
		err = json.Unmarshal(text, &described)
	}
	if err != nil {
		t.Fatal(err)
	}
	objects := 0
	for _, f := range described.Distribution {
		if f.Type != "cr:FileObject" {
			continue
		}
		objects++
		data, err := os.ReadFile(filepath.Join(dir, f.URL))
		sum := sha256.Sum256(data)
		if err != nil || hex.EncodeToString(sum[:]) != f.SHA256 || f.Size == "" {
			t.Errorf("%s: %v", f.URL, err)
		}
	}
	if objects < 3 { // the table, and shards of at least two sides
		t.Errorf("%d files are described", objects)
	}
	type row struct {
		ID string `parquet:"id"`
	}
	rows, err := parquet.ReadFile[row](filepath.Join(dir, "samples.parquet"))
	n := 0
	for _, samples := range doc.Samples {
		n += samples
	}
	if err != nil || len(rows) != n || n == 0 {
		t.Errorf("%d rows of %d samples, %v", len(rows), n, err)
	}
}

// TestCroissantCounts: of data that may not be passed on, nothing but counts is written.
func TestCroissantCounts(t *testing.T) {
	s := curatedtest.Everything()
	s.Dataset.Access = "credentialed"
	dir, doc := exportOf(t, s, export.Options{Format: exchange.Croissant})
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "NOTICE.txt SHA256SUMS croissant.json export.json" || len(doc.Notes) == 0 {
		t.Errorf("%s, %v", got, doc.Notes)
	}
	text, err := os.ReadFile(filepath.Join(dir, exchange.CroissantFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range s.Samples {
		if strings.Contains(string(text), `"`+sample.ID+`"`) || strings.Contains(string(text), sample.Subject) {
			t.Errorf("it names %s", sample.ID)
		}
	}
}

// TestCrate: a crate is there as a whole, takes the place of an earlier one only when told to, and of nothing else.
func TestCrate(t *testing.T) {
	d := dossiertest.New(t)
	dir := filepath.Join(t.TempDir(), "deep", "crate")
	write := func(force bool) error {
		return export.Crate(d, []byte("# Readme\n"), export.Target{Path: dir, Force: force}, &exchange.Account{Schema: exchange.Schema})
	}
	if err := write(false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ro-crate-metadata.json", "benchmark.yaml", "benchmark.lock", "README.md", "export.json", "SHA256SUMS"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	var target *export.TargetError
	if err := write(false); !errors.As(err, &target) {
		t.Errorf("a second time: %v", err)
	}
	if err := write(true); err != nil {
		t.Error(err)
	}
	d.Lock.Steps = nil
	if err := write(true); err == nil {
		t.Error("a lock without steps became a crate")
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ro-crate-metadata.json")); err != nil {
		t.Errorf("what failed took the place of what was there: %v", err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string, force bool) error {
		return export.File(export.Target{Path: at(name), Force: force}, []byte(text), &exchange.Account{})
	}
	for _, c := range []struct {
		name, text string
		force      bool
		fails      bool
	}{
		{"a/b.jsonl", `{"eventType":"START"}`, false, false},
		{"a/b.jsonl", `{"eventType":"OTHER"}`, false, true}, // it is there
		{"a/b.jsonl", `{"eventType":"AGAIN"}`, true, false},
		{"a/b.jsonl", "# Reproducibility statement", true, true}, // of another format
		{"a", "x", true, true},                                   // a folder
		{"new", "x", true, false},
		{"new", "y", true, true},
	} {
		err := put(c.name, c.text, c.force)
		var target *export.TargetError
		if c.fails != errors.As(err, &target) || !c.fails && err != nil {
			t.Errorf("%s, %q, force %v: %v", c.name, c.text, c.force, err)
		}
	}
	text, err := os.ReadFile(at("a/b.jsonl"))
	if err != nil || string(text) != `{"eventType":"AGAIN"}` {
		t.Errorf("%q, %v", text, err)
	}
	entries, err := os.ReadDir(at("a"))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v is left, %v", entries, err)
	}
}
