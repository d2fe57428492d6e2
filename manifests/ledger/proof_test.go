package ledger_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/manifests/ledger"
)

func records(from, to int) (out []digest.Digest) {
	for i := from; i < to; i++ {
		out = append(out, record(i))
	}
	return out
}

func places(from, to int) (out []int64) {
	for i := from; i < to; i++ {
		out = append(out, int64(i))
	}
	return out
}

func prove(t testing.TB, g grown, key testKey, at []int64, since ...int64) ledger.Proof {
	t.Helper()
	p, err := ledger.NewProof(g.sign(t, key), g.tiles, at, since...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ledger.ParseProof(text)
	if d := cmp.Diff(p, back); d != "" || err != nil {
		t.Fatal(d, err)
	}
	return back
}

func open(t testing.TB, p ledger.Proof, key testKey) *ledger.View {
	t.Helper()
	v, err := p.Open(key.public())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEachRecordIsProven(t *testing.T) {
	key := keyOf("home")
	for _, size := range sizes[1:12] {
		g := grow(t, key, size)
		want := map[digest.Digest]int64{}
		for i := range size {
			want[record(i)] = int64(i)
		}
		v := open(t, prove(t, g, key, places(0, size)), key)
		got, err := v.Included(records(0, size)...)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("of %d: %s, %v", size, d, err)
		}
		_, err = v.Included(record(0), record(size), record(size+1))
		var absent *ledger.AbsentError
		if !errors.As(err, &absent) || !errors.Is(err, ledger.ErrAbsent) || !slices.Equal(absent.Records, records(size, size+2)) {
			t.Errorf("of %d: records that are not there: %v", size, err)
		}
	}
}

// TestAProofHasOnlyWhatIsNeeded proves one record of a large ledger.
func TestAProofHasOnlyWhatIsNeeded(t *testing.T) {
	key := keyOf("home")
	g := grow(t, key, 65536+300)
	p := prove(t, g, key, []int64{700})
	want := []string{"tile/0/002", "tile/0/257.p/44", "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(p.Tiles))); d != "" {
		t.Error(d)
	}
	v := open(t, p, key)
	if got, err := v.Included(record(700)); err != nil || got[record(700)] != 700 {
		t.Error(got, err)
	}
	if _, err := v.Included(record(0)); !errors.Is(err, ledger.ErrAbsent) {
		t.Errorf("a record of another tile: %v", err)
	}
}

func TestEachOlderSizeIsConsistent(t *testing.T) {
	key := keyOf("home")
	for _, size := range []int{1, 3, 257, 1000} {
		g := grow(t, key, size)
		for older := 0; older <= size; older += 1 + size/20 { // each of the small ones
			c := grow(t, key, older).Checkpoint
			p := prove(t, g, key, nil, int64(older))
			v := open(t, p, key)
			if err := v.Consistent(c); err != nil {
				t.Fatalf("%d of %d: %v", older, size, err)
			}
			if err := ledger.Follows(g.sign(t, key), g.tiles, c); err != nil {
				t.Fatalf("%d of %d: %v", older, size, err)
			}
			c.Root[0] ^= 1
			if err := v.Consistent(c); !errors.Is(err, ledger.ErrTampered) {
				t.Fatalf("%d of %d with another root: %v", older, size, err)
			}
		}
	}
}

func TestRewrittenHistory(t *testing.T) {
	key := keyOf("home")
	for _, common := range []int{0, 1, 256, 290} {
		ours, theirs := grow(t, key, common), grow(t, key, common)
		for i := common; i < 300; i++ {
			ours.extend(t, ledger.Leaf(record(i)))
			theirs.extend(t, ledger.Leaf(record(i+1)))
		}
		older := ours.Checkpoint
		theirs.extend(t, ledger.Leaf(record(1000)))
		v := open(t, prove(t, theirs, key, nil, older.Size, int64(common)), key)
		var wrong *ledger.RewrittenError
		err := v.Consistent(older)
		if !errors.As(err, &wrong) || !errors.Is(err, ledger.ErrTampered) || wrong.Older != older || wrong.Newer != theirs.Checkpoint {
			t.Fatalf("forked after %d: %v", common, err)
		}
		for _, part := range []string{"size 300", older.Root.String(), "size 301", theirs.Root.String(), wrong.Root.String()} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v: want %s in it", err, part)
			}
		}
		if err := v.Consistent(grow(t, key, common).Checkpoint); err != nil {
			t.Errorf("what both have, %d: %v", common, err)
		}
		short := open(t, prove(t, grow(t, key, 299), key, nil), key)
		if err := short.Consistent(older); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "shorter") {
			t.Errorf("a shorter one: %v", err)
		}
	}
	other := grow(t, keyOf("other"), 10)
	v := open(t, prove(t, grow(t, key, 10), key, nil), key)
	if err := v.Consistent(other.Checkpoint); !errors.Is(err, ledger.ErrTampered) || !strings.Contains(err.Error(), "another ledger") {
		t.Errorf("another ledger: %v", err)
	}
	if err := open(t, prove(t, grow(t, key, 1000), key, nil), key).Consistent(grow(t, key, 300).Checkpoint); !errors.Is(err, ledger.ErrMissing) || errors.Is(err, ledger.ErrTampered) {
		t.Errorf("without the tiles: %v", err)
	}
}

// TestEachByteOfATileCounts changes bytes of each tile of a ledger with two levels: one of each hash, each time another.
func TestEachByteOfATileCounts(t *testing.T) {
	key := keyOf("home")
	g := grow(t, key, 600)
	p := prove(t, g, key, places(0, 600))
	for path, b := range p.Tiles {
		for i := 0; i < len(b); i += 31 {
			b[i] ^= 1
			_, err := p.Open(key.public())
			var wrong *ledger.TileError
			if !errors.As(err, &wrong) || !errors.Is(err, ledger.ErrTampered) || !slices.Contains(wrong.Paths, path) {
				t.Fatalf("byte %d of %s: %v", i, path, err)
			}
			if path == "tile/0/001" && len(wrong.Paths) > 1 {
				t.Fatalf("byte %d of %s: the error names %v", i, path, wrong.Paths)
			}
			b[i] ^= 1
		}
	}
	if _, err := p.Open(key.public()); err != nil {
		t.Error(err)
	}
}

func TestTilesThatDoNotFit(t *testing.T) {
	key := keyOf("home")
	g := grow(t, key, 600)
	for name, change := range map[string]func(map[string][]byte){
		"cut":       func(m map[string][]byte) { m["tile/0/001"] = m["tile/0/001"][:32] },
		"longer":    func(m map[string][]byte) { m["tile/0/001"] = append(m["tile/0/001"], 0) },
		"empty":     func(m map[string][]byte) { m["tile/0/001"] = nil },
		"missing":   func(m map[string][]byte) { delete(m, "tile/1/000.p/2") },
		"swapped":   func(m map[string][]byte) { m["tile/0/000"], m["tile/0/001"] = m["tile/0/001"], m["tile/0/000"] },
		"beyond":    func(m map[string][]byte) { m["tile/0/003"] = m["tile/0/001"] },
		"wider":     func(m map[string][]byte) { m["tile/0/002"] = m["tile/0/001"] },
		"narrower":  func(m map[string][]byte) { m["tile/0/001.p/1"] = m["tile/0/001"][:32] },
		"other":     func(m map[string][]byte) { m["tile/entries/000"] = m["tile/0/001"] },
		"no path":   func(m map[string][]byte) { m["../x"] = m["tile/0/001"] },
		"far level": func(m map[string][]byte) { m["tile/6/000"] = m["tile/0/001"] },
	} {
		p := prove(t, g, key, places(0, 600))
		change(p.Tiles)
		if _, err := p.Open(key.public()); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestProofText(t *testing.T) {
	key := keyOf("home")
	text, err := prove(t, grow(t, key, 3), key, places(0, 3)).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !ledger.IsProof(text) || ledger.IsProof([]byte(`{"schema":"cairn/proof/v1"}`)) || ledger.IsProof([]byte("-")) {
		t.Error("IsProof does not know what is one")
	}
	for name, changed := range map[string]string{
		"version": strings.Replace(string(text), "proof/v1", "proof/v2", 1),
		"unknown": strings.Replace(string(text), `{`, `{"a":1,`, 1),
		"space":   strings.Replace(string(text), `:`, `: `, 1),
		"behind":  string(text) + "{}",
		"line":    string(text) + "\n",
		"case":    strings.Replace(string(text), `"tiles"`, `"Tiles"`, 1),
		"path":    strings.Replace(string(text), `tile/0/`, `tile/x/`, 1),
		"entries": strings.Replace(string(text), `tile/0/`, `tile/entries/`, 1),
		"none":    "",
	} {
		if _, err := ledger.ParseProof([]byte(changed)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	g := grow(t, key, 3)
	for _, at := range [][]int64{nil, places(0, 3)} {
		if v, err := prove(t, g, key, at).Open(keyOf("another").public()); !errors.Is(err, ledger.ErrUnknownSigner) {
			t.Errorf("signed by a stranger: %+v, %v", v, err)
		}
	}
	if _, err := ledger.NewProof(g.sign(t, key), g.tiles, []int64{3}); err == nil {
		t.Error("an entry beyond the end was proven")
	}
	if _, err := ledger.NewProof(g.sign(t, key), g.tiles, nil, 4); err == nil {
		t.Error("a size beyond the end was proven")
	}
	if _, err := ledger.NewProof(g.sign(t, key), ledger.Tiles{}, places(0, 1)); !errors.Is(err, ledger.ErrMissing) {
		t.Errorf("without tiles: %v", err)
	}
}

// failing is a Reader of a disk that fails.
type failing struct{ error }

func (f failing) ReadTile(tlog.Tile) ([]byte, error) { return nil, f.error }

func TestAnErrorOfReadingIsNoTampering(t *testing.T) {
	key, disk := keyOf("home"), errors.New("disk on fire")
	_, err := ledger.Load(grow(t, key, 3).Checkpoint, failing{disk}, ledger.AllTiles(3)...)
	if !errors.Is(err, disk) || errors.Is(err, ledger.ErrTampered) {
		t.Error(err)
	}
}

// TestFirstPlace: a record that is there several times has its first place.
func TestFirstPlace(t *testing.T) {
	key := keyOf("a")
	g := grow(t, key, 3)
	g.extend(t, ledger.Leaf(record(1)), ledger.Leaf(record(0)), ledger.Leaf(record(1)))
	got, err := open(t, prove(t, g, key, places(0, 6)), key).Included(record(0), record(1))
	if d := cmp.Diff(map[digest.Digest]int64{record(0): 0, record(1): 1}, got); d != "" || err != nil {
		t.Error(d, err)
	}
}

// TestNoSuchPlace: there is a proof of what a ledger holds and of the sizes that it had, and of no others.
func TestNoSuchPlace(t *testing.T) {
	key := keyOf("a")
	g := grow(t, key, 300)
	s := g.sign(t, key)
	for _, i := range []int64{-1, 300, 1 << 60} {
		if _, err := ledger.NewProof(s, g.tiles, []int64{i}); err == nil || !strings.Contains(err.Error(), "there is no entry") {
			t.Errorf("entry %d: %v", i, err)
		}
		if i == 300 {
			continue
		}
		if _, err := ledger.NewProof(s, g.tiles, nil, i); err == nil || !strings.Contains(err.Error(), "there was no size") {
			t.Errorf("size %d: %v", i, err)
		}
	}
}

// TestFollows: a ledger goes on from what it was, and tiles that are not its own do not say so.
func TestFollows(t *testing.T) {
	key := keyOf("a")
	old, g := grow(t, key, 200), grow(t, key, 200, 300)
	s := g.sign(t, key)
	if err := ledger.Follows(s, g.tiles, old.Checkpoint); err != nil {
		t.Error(err)
	}
	if err := ledger.Follows(old.sign(t, key), old.tiles, g.Checkpoint); !errors.As(err, new(*ledger.RewrittenError)) {
		t.Errorf("a shorter one: %v", err)
	}
	if err := ledger.Follows(s, ledger.Tiles{}, old.Checkpoint); !errors.Is(err, ledger.ErrMissing) {
		t.Errorf("without tiles: %v", err)
	}
	altered := maps.Clone(g.tiles)
	for at, b := range altered {
		if at.L == 0 && at.N == 0 {
			altered[at] = append(bytes.Clone(b[:len(b)-1]), b[len(b)-1]^1)
		}
	}
	if err := ledger.Follows(s, altered, old.Checkpoint); !errors.Is(err, ledger.ErrTampered) {
		t.Errorf("with an altered tile: %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	key := keyOf("home")
	p := prove(b, grow(b, key, 10000), key, places(0, 10000))
	text, err := p.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	want := records(0, 10000)
	b.ReportMetric(float64(len(text)), "B/proof")
	for b.Loop() {
		p, err := ledger.ParseProof(text)
		if err != nil {
			b.Fatal(err)
		}
		v, err := p.Open(key.public())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := v.Included(want...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(text)), "B/proof")
}

func FuzzParse(f *testing.F) {
	key := keyOf("home")
	for _, size := range []int{0, 1, 300} {
		f.Add(grow(f, key, size).sign(f, key).Text)
	}
	f.Add([]byte("x\n1\nAAAA\n\n— x AAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ledger.Parse(text, key.public())
		if err != nil {
			return
		}
		again, err := s.Checkpoint.Sign(key.note(t))
		if err != nil || !bytes.HasPrefix(s.Text, again[:bytes.Index(again, []byte("\n\n"))]) {
			t.Errorf("%q was read as %s: %v", text, s.Checkpoint, err)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	key := keyOf("home")
	for _, size := range []int{1, 3, 257} {
		text, err := prove(f, grow(f, key, size), key, places(0, size)).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"checkpoint":"","schema":"cairn/ledger-proof/v1","tiles":{"tile/0/000.p/1":""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ledger.ParseProof(text)
		if err != nil {
			return
		}
		if again, err := p.Marshal(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q came back as %q, %v", text, again, err)
		}
		if v, err := p.Open(key.public()); err == nil {
			if _, err := v.Included(record(-1)); err == nil {
				t.Error("a record that was never there is proven")
			}
		}
	})
}

// FuzzTiles reads tiles of any path and bytes against a true checkpoint.
func FuzzTiles(f *testing.F) {
	key := keyOf("home")
	g := grow(f, key, 259)
	for at, b := range g.tiles {
		f.Add(ledger.TilePath(at), b, g.Size)
	}
	f.Add("tile/entries/000.p/3", []byte{0, 71}, int64(1)<<48)
	f.Fuzz(func(t *testing.T, path string, b []byte, size int64) {
		at, entries, err := ledger.ParsePath(path)
		if err != nil {
			return
		}
		if entries {
			return
		}
		if ledger.TilePath(at) != path {
			t.Errorf("%q came back as %q", path, ledger.TilePath(at))
		}
		c := g.Checkpoint
		if size >= 0 && size <= 1<<48 {
			c.Size = size
		}
		changed := maps.Clone(g.tiles)
		changed[at] = b
		if got, err := ledger.Load(c, changed, at); err == nil && c.Size == g.Size && !bytes.Equal(got[at], g.tiles[at]) {
			t.Errorf("%s: other bytes were taken", path)
		}
	})
}

func FuzzParseEntries(f *testing.F) {
	f.Add(ledger.AppendEntry(ledger.AppendEntry(nil, record(0)), record(1)))
	f.Add([]byte{0, 71, 's'})
	f.Fuzz(func(t *testing.T, bundle []byte) {
		entries, err := ledger.ParseEntries(bundle)
		if err != nil {
			return
		}
		var again []byte
		for _, d := range entries {
			again = ledger.AppendEntry(again, d)
		}
		if !bytes.Equal(again, bundle) {
			t.Errorf("%q came back as %q", bundle, again)
		}
	})
}
