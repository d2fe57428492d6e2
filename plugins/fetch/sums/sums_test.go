package sums

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
)

func TestParse(t *testing.T) {
	a, b := digest.FromString("A"), digest.FromString("B")
	got, err := Parse([]byte(a.Encoded() + "  ./x.txt\r\n\n" + strings.ToUpper(b.Encoded()) + " y z/b.bin\n" + a.Encoded() + " *c"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Line{{"x.txt", a}, {"y z/b.bin", b}, {"c", a}}, got); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"":                    "no line in it",
		"abc x":               "line 1: want a sha256",
		a.Encoded() + " x\nx": "line 2: want a sha256",
		a.Encoded() + " x\n" + a.Encoded() + " ./x": `line 2: "x" is there twice`,
		a.Encoded() + " ../x":                       "not a clean relative path",
		"\\" + a.Encoded() + "  a\\nb":              "line 1: want a sha256",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	line := func(path string) []byte { return []byte(digest.FromString("A").Encoded() + "  " + path + "\n") }
	f.Add(line("a/b c.hea"))
	f.Add([]byte(strings.Repeat("0", 64) + " *x\r\n"))
	f.Add(line("../x"))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := Parse(text)
		if err == nil && len(lines) == 0 {
			t.Error("an empty list without an error")
		}
		for _, l := range lines {
			if plugins.CheckPath(l.Path) != nil || l.Digest.Validate() != nil {
				t.Errorf("%+v", l)
			}
		}
	})
}
