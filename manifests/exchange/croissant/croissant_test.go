package croissant_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange/croissant"
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

func heart() croissant.Dataset {
	id := digest.FromString("heart")
	return croissant.Dataset{
		Artifact: id,
		Info: document.Dataset{Schema: document.DatasetSchema, Stage: "curated", ID: "heart", Modality: "table", Licence: "CC-BY-4.0", Access: "open",
			Task:    &document.Task{Type: document.Multiclass, Classes: []string{"absent", `"present" </script>`}},
			Samples: map[string]int{"train": 3, "test": 2},
			Counts:  map[string]map[string]int{"train": {"absent": 1, `"present" </script>`: 2}, "test": {"absent": 0, `"present" </script>`: 2}}},
		Curation: document.Curation{Expected: 6, Split: "by the publisher's list", Excluded: []document.Outcome{{Sample: "4711", Code: "no-label"}}},
		Files: []croissant.File{{Name: croissant.SamplesFile, Size: 10, SHA256: strings.Repeat("a", 64)},
			{Name: croissant.Shards(id) + "train-000000.tar", Size: 20, SHA256: strings.Repeat("b", 64)}},
	}
}

func describe(t *testing.T, d croissant.Dataset) string {
	t.Helper()
	text, err := croissant.Describe(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGolden(t *testing.T) {
	d := heart()
	d.About = croissant.About{Manifest: &manifests.Dataset{Title: "Heart disease", Version: "1.0.3", Citation: "doi:10.1000/heart", Homepage: "https://heart.test"},
		Plugin: &action.Plugin{Kind: "curate", Name: "table", Version: "2"}, Raw: []digest.Digest{digest.FromString("raw")}, Date: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	golden(t, "testdata/heart.json", []byte(describe(t, d)))
}

// TestUnknown: what nobody says is left out.
func TestUnknown(t *testing.T) {
	text := describe(t, heart())
	for _, key := range []string{"citeAs", "datePublished", "version", "url", "creator", "prov:wasGeneratedBy", "prov:wasDerivedFrom"} {
		if strings.Contains(text, "\n  \""+key+"\":") {
			t.Errorf("%s is made up", key)
		}
	}
	if !strings.Contains(text, `"name": "heart"`) {
		t.Error("without a title its name is its id")
	}
}

// TestRestricted: counts, and neither a file nor anything that reads one.
func TestRestricted(t *testing.T) {
	d := heart()
	d.Restricted = "its access is credentialed"
	text := describe(t, d)
	for _, no := range []string{"distribution", "parquet", ".tar", "cr:FileObject", "4711", `"@id": "samples"`, `"fileObject": {`} {
		if strings.Contains(text, no) {
			t.Errorf("%q is in %s", no, text)
		}
	}
	if !strings.Contains(text, `"counts/samples": 2`) || !strings.Contains(text, "its access is credentialed") {
		t.Error(text)
	}
}

// TestShards: two datasets never share the address of a shard.
func TestShards(t *testing.T) {
	if a, b := croissant.Shards(digest.FromString("a")), croissant.Shards(digest.FromString("b")); a == b {
		t.Errorf("%s of both", a)
	}
}
