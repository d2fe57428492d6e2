package plugins

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
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
	id, err := hex.DecodeString(name)
	if err != nil {
		f.Fatal(err)
	}
	mark := func(age, pos int64) []byte {
		line, err := binary.Append(nil, binary.BigEndian, markLine{File: [32]byte(id), Age: age, Pos: pos})
		if err != nil {
			f.Fatal(err)
		}
		return line
	}
	f.Add(begin+block("0")+block("2")+block("5"), slices.Concat(mark(1, 5), mark(1, 9), mark(1, 14), mark(1, 15), mark(2, 17)))
	f.Add(begin+block("-1")+block("9999999999")+block("7"), slices.Concat(mark(1, -1), mark(1, 1<<62), mark(1, 3)[:70]))
	f.Add(begin+`{"file":"`+name+`","event":"size","size":3}`+"\n"+block("0")+block("1"), mark(1, 2))
	f.Add(block("1")+begin[:30], mark(0, 2))
	f.Fuzz(func(t *testing.T, text string, marks []byte) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{journalFile: []byte(text), marksFile: marks} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
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

// TestMarks: the table keeps one place for each block that is under way, and what stands there of a file that began
// anew, or of a block that is whole, counts for nothing.
func TestMarks(t *testing.T) {
	dir := t.TempDir()
	file := SourceFile{Path: "x", Size: 40}
	open := func() (*partials, *partial) {
		t.Helper()
		all, err := openPartials(dir, 4)
		if err != nil {
			t.Fatal(err)
		}
		part, err := all.open(file)
		if err != nil {
			t.Fatal(err)
		}
		return all, part
	}
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	all, part := open()
	do(part.begin("v1", 40), part.mark(0, mark{pos: 1}), part.mark(0, mark{pos: 3}), part.mark(2, mark{pos: 9}))
	do(part.put(0, digest.FromString("0")), part.mark(4, mark{pos: 18, sum: Sum{7}})) // takes the place of block 0
	part.close()
	all.close()
	if info, err := os.Stat(filepath.Join(dir, marksFile)); err != nil || info.Size() != 2*markBytes {
		t.Fatalf("the table: %v, %v", info, err)
	}
	all, part = open()
	if part.marked(2) != (mark{pos: 9}) || part.marked(4) != (mark{18, Sum{7}}) || len(part.marks) != 2 {
		t.Errorf("marks: %v", part.marks)
	}
	if want := []span{{4, 8}, {9, 16}, {18, 40}}; !slices.Equal(part.missing(), want) || part.arrived() != 4+1+2 {
		t.Errorf("missing %v, want %v; %d arrived", part.missing(), want, part.arrived())
	}
	do(part.begin("v1", 40))
	part.close()
	all.close()
	_, part = open()
	if len(part.marks) > 0 {
		t.Errorf("marks of a file that began anew: %v", part.marks)
	}
}

// TestGate: there is a bound for each host, and one for all.
func TestGate(t *testing.T) {
	g := newGate(2, 3)
	full, cancel := context.WithCancel(t.Context())
	cancel()
	var leave []func()
	for _, c := range []struct {
		host string
		free bool
	}{{"a", true}, {"a", true}, {"a", false}, {"b", true}, {"b", false}, {"c", false}} {
		ctx := t.Context()
		if !c.free {
			ctx = full
		}
		out, err := g.enter(ctx, c.host)
		if (err == nil) != c.free {
			t.Fatalf("%+v: %v", c, err)
		}
		leave = append(leave, out)
	}
	leave[0]()
	if _, err := g.enter(t.Context(), "c"); err != nil { // its place was given back when there was none of the other kind
		t.Error(err)
	}
}
