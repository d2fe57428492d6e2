package rocrate_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier/dossiertest"
	"github.com/cairn-bench/cairn/manifests/exchange/rocrate"
)

var update = flag.Bool("update", false, "write the golden file anew")

// golden compares with a file of testdata: who compares two exports compares bytes.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}

func metadata(t *testing.T, d *dossier.Dossier) string {
	t.Helper()
	text, err := rocrate.Metadata(d, rocrate.Files(d, []byte("# Readme\n")))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGolden(t *testing.T) {
	golden(t, "testdata/ro-crate-metadata.json", []byte(metadata(t, dossiertest.New(t))))
}

// TestGraph: an entity is there once, everything that is referred to is there, and all is reached from the root.
func TestGraph(t *testing.T) {
	var doc struct {
		Graph []map[string]any `json:"@graph"`
	}
	if err := json.Unmarshal([]byte(metadata(t, dossiertest.New(t))), &doc); err != nil {
		t.Fatal(err)
	}
	have, asked := map[string]bool{}, map[string]bool{}
	for _, e := range doc.Graph {
		id := e["@id"].(string)
		if have[id] {
			t.Errorf("%s is there twice", id)
		}
		have[id] = true
		delete(e, "@id")
		collect(e, asked)
	}
	delete(asked, "https://w3id.org/ro/crate/1.1")
	asked["ro-crate-metadata.json"], asked["#organize"] = true, true // where a reader begins, and who did it
	for id := range have {
		if strings.HasPrefix(id, "#control/") || strings.HasPrefix(id, "#step/") {
			asked[id] = true
		}
	}
	if diff := cmp.Diff(have, asked); diff != "" {
		t.Errorf("entities, and what is referred to: %s", diff)
	}
}

func collect(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if id, ok := v["@id"].(string); ok {
			into[id] = true
		}
		for _, x := range v {
			collect(x, into)
		}
	case []any:
		for _, x := range v {
			collect(x, into)
		}
	}
}

// TestTimes: there are none unless they are asked for.
func TestTimes(t *testing.T) {
	if text := metadata(t, dossiertest.New(t)); strings.Contains(text, "Time\"") || !strings.Contains(text, `"datePublished": "1970-01-01"`) {
		t.Error(text)
	}
	text := metadata(t, dossiertest.WithTimes(dossiertest.New(t)))
	for _, want := range []string{`"startTime": "2026-01-02T03:04:05.600Z"`, `"endTime": "2026-01-02T03:04:11.600Z"`} {
		if n := strings.Count(text, want); n < 3 { // of the step, the rebuild and its organisation
			t.Errorf("%s is there %d times", want, n)
		}
	}
}

// TestRestricted: the report names samples, so it stays away where a dataset may not be listed.
func TestRestricted(t *testing.T) {
	d := dossiertest.New(t)
	names := func() (out []string) {
		for _, f := range rocrate.Files(d, nil) {
			out = append(out, f.Name)
		}
		return out
	}
	if diff := cmp.Diff([]string{rocrate.ManifestFile, rocrate.LockFile}, names()); diff != "" {
		t.Error(diff)
	}
	if text := metadata(t, d); strings.Contains(text, "4711") {
		t.Error("a sample is named")
	}
	d = dossiertest.Of(t, strings.NewReplacer("LicenseRef-Kermany", "CC0-1.0", "access: registration", "access: open").Replace(dossiertest.Manifest))
	if diff := cmp.Diff([]string{rocrate.ManifestFile, rocrate.LockFile, rocrate.ReportFile}, names()); diff != "" {
		t.Error(diff)
	}
}
