package registry

import (
	"regexp"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for name, want := range map[string]string{
		"demo":             "demo",
		"small/fetch/a":    "small_2ffetch_2fa",
		"v1.0-rc1":         "v1.0-rc1",
		"under_score":      "under_5fscore",
		".hidden":          "_2ehidden",
		"-x":               "_2dx",
		"größe":            "gr_c3_b6_c3_9fe",
		"action-" + hex:    "_61ction-" + hex,
		"sha256-" + hex:    "_73ha256-" + hex,
		"action-of-a-name": "action-of-a-name",
	} {
		tag, err := tagOf(name)
		if err != nil || tag != want {
			t.Errorf("tagOf(%q) = %q, %v; want %q", name, tag, err, want)
		}
		if back, ok := nameOf(tag); !ok || back != name {
			t.Errorf("nameOf(%q) = %q, %v; want %q", tag, back, ok, name)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 129), strings.Repeat("/", 43)} {
		if tag, err := tagOf(name); err == nil {
			t.Errorf("tagOf(%q) = %q; want an error", name, tag)
		}
	}
	for _, tag := range []string{"_", "_2", "x_zz", "_41", "_2F"} { // another program's
		if name, ok := nameOf(tag); ok {
			t.Errorf("nameOf(%q) = %q; want none", tag, name)
		}
	}
}

var validTag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

func FuzzNames(f *testing.F) {
	f.Add("small/fetch/a")
	f.Add("\x00_-.")
	f.Fuzz(func(t *testing.T, name string) {
		tag, err := tagOf(name)
		if err != nil {
			return
		}
		if back, ok := nameOf(tag); !ok || back != name || !validTag.MatchString(tag) || ours.MatchString(tag) {
			t.Errorf("%q is the tag %q, which is the name %q, %v", name, tag, back, ok)
		}
	})
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-4/10")
	f.Fuzz(func(t *testing.T, text string) {
		if first, size, err := parseContentRange(text); err == nil && (first < 0 || first >= size) {
			t.Errorf("%q is read as %d of %d", text, first, size)
		}
	})
}

func TestParse(t *testing.T) {
	for ref, want := range map[string]string{
		"oci://127.0.0.1:5000/a/b":   "127.0.0.1:5000/a/b",
		"oci://ghcr.io/x/y:v1":       "ghcr.io/x/y v1",
		"oci://localhost/x":          "localhost/x",
		"oci://h.org/x@" + someSha:   "h.org/x @" + someSha,
		"oci://docker.io/library/x:": "",
		"https://ghcr.io/x":          "",
		"oci://ghcr.io":              "",
		"oci://ghcr.io/":             "",
		"oci:///x":                   "",
		"oci://ghcr.io/X":            "",
		"oci://ghcr.io/x@sha256:1":   "",
		"oci://ghcr.io/x:a/b":        "",
	} {
		repo, rest, err := Parse(ref)
		if got := strings.TrimSpace(repo.Name() + " " + rest); err == nil && got != want || err != nil && want != "" {
			t.Errorf("Parse(%q) = %q, %v; want %q", ref, got, err, want)
		}
	}
}

const someSha = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
