package plugins

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
)

// FuzzJournal: whatever stands in a journal, what is missing of a file lies within it, in order, and together with
// what is there makes up all of it.
func FuzzJournal(f *testing.F) {
	file := SourceFile{Path: "x", Size: -1}
	seed, err := openPartials(f.TempDir(), 4)
	if err != nil {
		f.Fatal(err)
	}
	part, err := seed.open(file)
	if err != nil {
		f.Fatal(err)
	}
	name := part.key
	part.close()
	seed.close()
	begin := `{"file":"` + name + `","event":"begin","size":22,"block_size":4}` + "\n"
	block := func(n string) string {
		return `{"file":"` + name + `","event":"block","block":` + n + `,"digest":"` + digest.FromString(n).String() + `"}` + "\n"
	}
	f.Add(begin + block("0") + block("2") + block("5"))
	f.Add(begin + block("-1") + block("9999999999") + block("7"))
	f.Add(begin + `{"file":"` + name + `","event":"size","size":3}` + "\n" + block("0") + block("1"))
	f.Add(block("1") + begin[:30])
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := openPartials(dir, 4)
		if err != nil {
			t.Fatal(err)
		}
		defer all.close()
		part, err := all.open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer part.close()
		at, missing := int64(0), int64(0)
		for _, s := range part.missing() {
			if s.from < at || s.to >= 0 && (s.to <= s.from || s.to > part.size) || s.to < 0 && part.begun && part.size >= 0 {
				t.Fatalf("span %+v of a file of %d bytes", s, part.size)
			}
			at, missing = max(at, s.to), missing+s.to-s.from
		}
		if part.begun && part.size >= 0 && missing+part.arrived() != part.size {
			t.Errorf("%d bytes are missing and %d are there, of %d", missing, part.arrived(), part.size)
		}
	})
}
