package manifests_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests"
)

// together is a manifest of an image dataset whose labels another one fetches.
const together = `apiVersion: cairn/v1
kind: Benchmark
name: two
datasets:
  eyes:
    title: Eyes
    modality: image
    licence: CC0-1.0
    access: registration
    fetch: {plugin: dir, params: {path: eyes}}
    curate: {plugin: image, with: [grades]}
  grades:
    title: Grades
    modality: table
    licence: CC0-1.0
    access: open
    fetch: {plugin: dir, params: {path: grades}}
`

func TestWith(t *testing.T) {
	b := parse(t, []byte(together))
	if diff := cmp.Diff([]string{"grades"}, b.Datasets["eyes"].Curate.With); diff != "" {
		t.Error(diff)
	}
	for change, want := range map[[2]string]string{
		{"[grades]", "[grade]"}:                  `there is no dataset "grade"`,
		{"[grades]", "[eyes]"}:                   `"eyes" is curated with itself`,
		{"access: open", "access: credentialed"}: `"grades" is credentialed, so what is made with it cannot be registration`,
		{"fetch: {plugin: dir, params: {path: grades}}", "fetch: {plugin: dir, with: [eyes], params: {path: grades}}"}: `with: unknown key`,
	} {
		text := strings.Replace(together, change[0], change[1], 1)
		if _, err := manifests.Parse("f.yaml", []byte(text), smallCatalog(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", change[1], err, want)
		}
	}
}
