package manifests_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cairn-bench/cairn/manifests"
)

type shelf struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Name       *string        `json:"name"`
	Books      []book         `json:"books"`
	Pages      map[string]int `json:"pages,omitempty"`
}

type book struct {
	Title string   `json:"title"`
	Year  *int     `json:"year"`
	Tags  []string `json:"tags,omitempty"`
}

const goodShelf = `apiVersion: cairn/v1
kind: Shelf
name: null
books:
  - title: On numbers
    year: 1948
    tags: [old, "yes", "12", a text that is so long that it has a line of its own]
  - {title: On words, year: null}
pages: {a: 12, b: 7}
`

// TestDecode reads a document of another kind, and writes it in its one form.
func TestDecode(t *testing.T) {
	var s shelf
	if _, err := manifests.Decode("shelf.yaml", []byte(goodShelf), schemaOf[shelf](t), &s); err != nil {
		t.Fatal(err)
	}
	if s.Name != nil || *s.Books[0].Year != 1948 || s.Books[1].Year != nil || s.Pages["b"] != 7 {
		t.Errorf("read %+v", s)
	}
	text, err := manifests.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(goodShelf, `    tags: [old, "yes", "12", a text that is so long that it has a line of its own]`,
		"    tags:\n      - old\n      - \"yes\"\n      - '12'\n      - a text that is so long that it has a line of its own", 1)
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("its one form (-want +got):\n%s", diff)
	}
	var again shelf
	if _, err := manifests.Decode("shelf.yaml", text, schemaOf[shelf](t), &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, again); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func TestDecodeLocatesMistakes(t *testing.T) {
	for _, c := range []struct{ was, is, want string }{
		{"title: On numbers", "titel: On numbers", `shelf.yaml:5:5: books[0].titel: unknown key; did you mean "title"?`},
		{"    year: 1948\n", "", `shelf.yaml:5:5: books[0]: the key "year" is missing`},
		{"1948", "soon", `shelf.yaml:6:11: books[0].year: want a whole number, have the text "soon"`},
		{"1948", "19.5", `shelf.yaml:6:11: books[0].year: want a whole number, have the number 19.5`},
		{"name: null", "name: ''", "shelf.yaml:3:7: name: the text is empty; what is not known is null"},
		{"old,", "' ',", "shelf.yaml:7:12: books[0].tags[0]: the text is empty; what is not known is null"},
		{"kind: Shelf", "kind: Shelf\nkind: Shelf", "shelf.yaml:3:1: kind: the key is already there on line 2"},
		{"name: null", "name: &a null\nx: *a", "the alias *a is not read"},
		{goodShelf, "", "shelf.yaml:1:1: the file is empty"},
		{goodShelf, "[]", "shelf.yaml:1:1: want a mapping that starts with apiVersion: cairn/v1, have a list"},
	} {
		var s shelf
		doc, err := manifests.Decode("shelf.yaml", []byte(strings.Replace(goodShelf, c.was, c.is, 1)), schemaOf[shelf](t), &s)
		if err == nil || doc != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.is, err, c.want)
		}
	}
}

// TestFail puts an error where a path leads, and else as near as it leads.
func TestFail(t *testing.T) {
	var s shelf
	doc, err := manifests.Decode("shelf.yaml", []byte(goodShelf), schemaOf[shelf](t), &s)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Err(); err != nil {
		t.Errorf("before anything failed: %v", err)
	}
	doc.Fail("pages.b", "is %s", "odd")
	doc.Fail("books[1].title", "is vague")
	doc.Fail("books[7].title", "is not there")
	want := `shelf.yaml:5:3: books[7].title: is not there
shelf.yaml:8:13: books[1].title: is vague
shelf.yaml:9:19: pages.b: is odd`
	var all manifests.Errors
	if err := doc.Err(); !errors.As(err, &all) || err.Error() != want {
		t.Errorf("error\n%v\nwant\n%s", err, want)
	}
}

func TestLicence(t *testing.T) {
	for _, c := range []struct{ in, want, problem string }{
		{in: "CC-BY-4.0", want: "CC-BY-4.0"},
		{in: "mit OR apache-2.0", want: "MIT OR Apache-2.0"},
		{in: "LicenseRef-My-Own-1.0", want: "LicenseRef-My-Own-1.0"},
		{in: "CC-BY-4", problem: `did you mean "CC-BY-4.0"?`},
		{in: "LicenseRef-my own", problem: "after LicenseRef- come letters"},
		{in: strings.Repeat("(", 600), problem: "600 bytes"},
		{in: "", problem: "is no licence"},
	} {
		got, err := manifests.Licence(c.in)
		if got != c.want || (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%.40q: %q, error %v", c.in, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(goodShelf))
	f.Add([]byte("apiVersion: [[{"))
	f.Add([]byte("? [a]\n: b"))
	schema := schemaOf[shelf](f)
	f.Fuzz(func(t *testing.T, text []byte) {
		var s, again shelf
		doc, err := manifests.Decode("f", text, schema, &s)
		var all manifests.Errors
		if err != nil {
			if !errors.As(err, &all) || len(all) == 0 || doc != nil {
				t.Fatalf("document %v, error %v", doc, err)
			}
			return
		}
		doc.Fail("books[0].title", "must not panic")
		form, err := manifests.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := manifests.Decode("f", form, schema, &again); err != nil {
			t.Fatalf("its one form cannot be read: %v\n%s", err, form)
		}
		if diff := cmp.Diff(s, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("its one form says something else (-want +got):\n%s", diff)
		}
	})
}
