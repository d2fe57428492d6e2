package labelmap_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
)

// What a shipped map says is part of published results: a change of its codes is a new map with a new name. Other maps' digests are
// added here with them.
func TestShipped(t *testing.T) {
	want := map[string]string{
		"hugadb-12":          "sha256:3fd68c039b57dd62b9c68a53de1bfe3abfc6d52b72b93d50ce451eb50cd0958f",
		"benchmd-chapman":    "sha256:2439104b4aaca3c1c75a9f8355fbef2e2002b10f5a596b1352ff96c356854d8f",
		"benchmd-cpsc-also":  "sha256:faa98e45c1f31084198e68e858b791fc12708576610a4f486f246054e570c4fd",
		"benchmd-cpsc":       "sha256:bac93d778c39025cd91214340f288954b3a5ed6b8dd9d7e801f9eaebe028d1f3",
		"benchmd-georgia":    "sha256:9db1aa0b48b87c0478bd09cf9b9245b5546077824e7467a96eabeb85c4e1693e",
		"benchmd-ptb-xl-scp": "sha256:41f8f47e652b3bee2519230c9c9d85e1f848af19205b17ab1a167da3a539492e",
		"benchmd-ptb-xl":     "sha256:97728879a81d43e4f083b0ca0ef0a1705b4658d5924e9ebd99fe15d368348597",
		"cpsc-2018-7":        "sha256:c38893f37cd9458486dd38b12ac3350776c9f45aea230ef0ea4a21f2ba513d56",
		"ptb-xl-7":           "sha256:a0819c26a220e836da1d0b0f27e7ab0e6b14990cfbb6bae15ca362e63ca09e99",
		"ptb-xl-superclass":  "sha256:08557734889e5cd80688170b4437434cedb28cb314410d9644acb294ec9b7b21",
		"climb-7":            "sha256:5e9c2f052ca298e807bd3b3ac076791221f70b85bd0abf4497a1aba5354d51e0",
	}
	files, err := labelmap.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		d, err := f.Codes.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if d.String() != want[f.Name] {
			t.Errorf("%s is %s, want %s", f.Name, d, want[f.Name])
		}
		if used, _ := f.Codes.LabelMap(); used.Name == "" || used.Digest != d || used.Codes != len(f.Codes) {
			t.Errorf("%s describes itself as %+v", f.Name, used)
		}
	}
}

func TestParam(t *testing.T) {
	m := labelmap.Map{"old": "x"}
	if err := json.Unmarshal([]byte(`{"1":"a","2":"b","3":"a","4":"","*":"other"}`), &m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "other"}, m.Classes()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "other"}, m.Of([]string{"7", "3", "1", "4"})); diff != "" {
		t.Error(diff)
	}
	if class, known := m.Class("4"); class != "" || !known {
		t.Errorf("a dropped code has class %q, %v", class, known)
	}
	if used, ok := m.LabelMap(); !ok || used.Name != "" || used.Codes != 5 {
		t.Errorf("a map of one's own describes itself as %+v", used)
	}
	if err := json.Unmarshal([]byte(`"climb-7"`), &m); err != nil || m["426783006"] != "Normal" || m["old"] != "" {
		t.Errorf("by name: %v, %v", m, err)
	}
	if err := json.Unmarshal([]byte(`"climb-8"`), &m); err == nil || !strings.Contains(err.Error(), "climb-7") {
		t.Errorf("an unknown name: %v", err)
	}
	if _, ok := (labelmap.Map{}).LabelMap(); ok {
		t.Error("an empty map is described as used")
	}
}

func TestParse(t *testing.T) {
	const head = "title: t\nsource: s\ncodes:\n"
	for text, want := range map[string]string{
		head + "  \"1\": a\n  2: b\n":            "",
		head + "  \"1\": a\n  \"1\": b\n":        "already",
		head + "  1: [a]\n":                      "want a text",
		head + "  1: 2\n":                        "want a text",
		"title: t\ncodes: {a: b}\n":              "source",
		head + "  a: \"\"\n":                     "at least one class",
		head + "  a: b\nclasses: [b]\n":          "classes",
		"":                                       "label map x",
		"title: t\nsource: s\ncodes: [a, b]\n":   "label map x",
		"title: &a [*a]\nsource: s\ncodes: {}\n": "label map x",
	} {
		_, err := labelmap.Parse("x", []byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("title: t\nsource: s\ncodes: {\"1\": a}\n"))
	f.Add([]byte("codes: {*: a}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := labelmap.Parse("x", text)
		if err == nil && len(m.Codes.Classes()) == 0 {
			t.Error("a map without classes was taken")
		}
	})
}
