package all_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins/all"
)

var update = flag.Bool("update", false, "write manifests/benchmark.schema.json anew")

const schemaFile = "../../manifests/benchmark.schema.json"

func shippedCatalog(t *testing.T) catalog.Catalog {
	t.Helper()
	set, err := all.Plugins()
	if err != nil {
		t.Fatal(err)
	}
	return set.Catalog()
}

// TestSchemaIsCurrent fails when a type of the manifest or a parameter of a plugin changed and the shipped
// JSON Schema did not.
func TestSchemaIsCurrent(t *testing.T) {
	want, err := manifests.Schema(shippedCatalog(t))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("manifests/benchmark.schema.json is not current; `go test ./plugins/all/ -run Schema -update` writes it (-want +got):\n%s", diff)
	}
}

// TestShippedManifests holds every manifest that comes with Cairn to what is asked of a stranger's: it parses,
// it is formatted, and an editor that knows only the schema finds nothing wrong with it.
func TestShippedManifests(t *testing.T) {
	files, err := filepath.Glob("../../manifests/benchmarks/*/benchmark.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifest was found: %v", err)
	}
	cat, schema := shippedCatalog(t), resolved(t)
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b, err := manifests.Parse(file, text, cat)
			if err != nil {
				t.Fatal(err)
			}
			if folder := filepath.Base(filepath.Dir(file)); b.Name != folder {
				t.Errorf("the benchmark's name is %q, its folder %q", b.Name, folder)
			}
			if out, err := manifests.Format(file, text); err != nil || !bytes.Equal(out, text) {
				t.Errorf("not formatted, `cairn fmt` does it: %v\n%s", err, cmp.Diff(string(text), string(out)))
			}
			var doc any
			if err := yaml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
		})
	}
}

func resolved(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := s.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
