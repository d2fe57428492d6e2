package manifests_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests"
)

func format(t *testing.T, text string) string {
	t.Helper()
	out, err := manifests.Format("benchmark.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestFormat(t *testing.T) {
	text, err := os.ReadFile("testdata/untidy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := format(t, string(text))
	checkGolden(t, "testdata/untidy.formatted", got)
	if diff := cmp.Diff(got, format(t, got)); diff != "" {
		t.Errorf("formatting twice changes more:\n%s", diff)
	}
	for line := range strings.Lines(string(text)) {
		if _, comment, ok := strings.Cut(line, "# "); ok && !strings.Contains(got, "# "+comment[:len(comment)-1]) {
			t.Errorf("the comment %q is lost", comment)
		}
	}
	if digestOf(t, string(text)) != digestOf(t, got) {
		t.Error("formatting changes the digest")
	}
}

func TestFormatKeepsATidyFile(t *testing.T) {
	text := string(good(t))
	if diff := cmp.Diff(text, format(t, text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFormatRefusesWhatIsNotYAML(t *testing.T) {
	_, err := manifests.Format("benchmark.yaml", []byte("a: [1,\n"))
	if _, ok := errors.AsType[manifests.Errors](err); !ok {
		t.Errorf("error is %v, want Errors", err)
	}
}

func TestFormatNeverLosesAComment(t *testing.T) {
	for _, text := range []string{"a: [ # one\n x]\n", "name: # one\n  demo # two\n", "a: 1\n# three\n...\n# four\n"} {
		if out, err := manifests.Format("benchmark.yaml", []byte(text)); err == nil {
			t.Errorf("%q becomes %q", text, out)
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add(good(f))
	f.Add([]byte("# a\n\n# b\nname: x # c\ndatasets: # d\n  # e\n  b: {z: 1, # f\n   y: 2}\n  # g\n\n# h\nkind: |\n  # i\n  text\n"))
	f.Add([]byte("datasets:\n  a:\n    - 'x'\n    # y\n  b:\n    c: >-\n      long\n\n      text\nname: 2026-01-01"))
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := manifests.Format("f", text)
		if err != nil {
			return
		}
		twice, err := manifests.Format("f", once)
		if err != nil {
			t.Fatalf("formatted text is refused: %v\n%s", err, once)
		}
		if !bytes.Equal(once, twice) {
			t.Fatalf("formatting twice changes more:\n%s", cmp.Diff(string(once), string(twice)))
		}
		var before, after any
		if yaml.Unmarshal(text, &before) != nil {
			return // such as a key that is there twice
		}
		if err := yaml.Unmarshal(once, &after); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after, nanEqual); diff != "" {
			t.Fatalf("formatting changes the meaning:\n%s", diff)
		}
	})
}

var nanEqual = cmp.Comparer(func(x, y float64) bool { return x == y || x != x && y != y })
