package artifact

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"
)

func of(path, text string) File {
	return File{Path: path, Size: int64(len(text)), Digest: digest.FromString(text)}
}

func TestDiffer(t *testing.T) {
	was := []File{of("z", "Z"), of("same", "S"), of("b", "1"), of("gone", "G"), of("a\x1b[2J", "old")}
	is := []File{of("same", "S"), of("b", "22"), of("new", ""), of("a\x1b[2J", "new")}
	want := `1 added, 2 removed, 2 changed
  ~ "a\x1b[2J": was 3 bytes sha256:cba06b5736fa, is 3 bytes sha256:11507a0e2f5e
  ~ b: was 1 bytes sha256:6b86b273ff34, is 2 bytes sha256:785f3ec7eb32
  - gone: was 1 bytes sha256:333e0a1e2781
  - z: was 1 bytes sha256:bbeebd879e1d
  + new: is 0 bytes sha256:e3b0c44298fc`
	got := Differ(was, is).Text(10)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if short := Differ(was, is).Text(2); !strings.HasSuffix(short, "\n  and 3 more") || strings.Count(short, "\n") != 3 {
		t.Errorf("shortened: %s", short)
	}
	if same := Differ(is, slices.Clone(is)).Text(3); same != "0 added, 0 removed, 0 changed" {
		t.Errorf("of the same: %s", same)
	}
}

// TestDifferAndApply: what was, without what is removed and with what is added and changed, is what is.
func TestDifferAndApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := rapid.MapOf(rapid.StringMatching(`[a-c]{1,2}`), rapid.StringMatching(`[xy]?`))
		list := func(m map[string]string) (out []File) {
			for p, text := range m {
				out = append(out, of(p, text))
			}
			return sorted(out)
		}
		was, is := list(tree.Draw(t, "was")), list(tree.Draw(t, "is"))
		d := Differ(was, is)
		var got []File
		for _, f := range was {
			if !slices.Contains(d.Removed, f) && !slices.ContainsFunc(d.Changed, func(c Change) bool { return c.Was == f }) {
				got = append(got, f)
			}
		}
		got = append(got, d.Added...)
		for _, c := range d.Changed {
			if c.Was.Path != c.Is.Path || c.Was == c.Is {
				t.Fatalf("%v is no change", c)
			}
			got = append(got, c.Is)
		}
		if diff := cmp.Diff(is, sorted(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}
