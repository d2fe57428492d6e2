package ledger_test

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/activities/ledger"
	format "github.com/cairn-bench/cairn/manifests/ledger"
)

// TestTwice makes a ledger that has a record twice, which Append never does.
func TestTwice(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	origin, err := format.Origin(public(t, key))
	if err != nil {
		t.Fatal(err)
	}
	again := append(records(0, 5), record(2))
	var leaves []tlog.Hash
	var bundle []byte
	for _, d := range again {
		leaves, bundle = append(leaves, format.Leaf(d)), format.AppendEntry(bundle, d)
	}
	c, tiles, err := format.Extend(format.Empty(origin), format.Tiles{}, leaves)
	if err != nil {
		t.Fatal(err)
	}
	for at, b := range tiles {
		put(t, filepath.Join(dir, format.TilePath(at)), string(b))
		put(t, filepath.Join(dir, format.EntriesPath(at)), string(bundle))
	}
	by, err := format.NewSigner(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Sign(by)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "checkpoint"), string(text))
	l := ledger.Open(dir, key)
	if _, err := l.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "tile/entries/000.p/6") || !strings.Contains(err.Error(), "as entry 2") {
		t.Error(err)
	}
	grow(t, l, again...) // has them all
	p, err := l.Prove(again[2:3])
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Open(public(t, key))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Included(record(2)); err != nil || got[record(2)] != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

// TestFirstPlace: of a record that is there again, tiles later, the first place is proven, whenever it came.
func TestFirstPlace(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	origin, err := format.Origin(public(t, key))
	if err != nil {
		t.Fatal(err)
	}
	by, err := format.NewSigner(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.Open(dir, key)
	c, tiles := format.Empty(origin), format.Tiles{}
	for _, more := range [][]digest.Digest{append(records(0, 300), record(2)), {record(3)}} {
		var leaves []tlog.Hash
		for _, d := range more {
			leaves = append(leaves, format.Leaf(d))
		}
		var made format.Tiles
		if c, made, err = format.Extend(c, tiles, leaves); err != nil {
			t.Fatal(err)
		}
		maps.Copy(tiles, made)
		for at, b := range made {
			put(t, filepath.Join(dir, format.TilePath(at)), string(b))
		}
		text, err := c.Sign(by)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "checkpoint"), string(text))
		p, err := l.Prove([]digest.Digest{record(2), record(3)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Places(record(2), record(3))
		if err != nil || got[record(2)] != 2 || got[record(3)] != 3 {
			t.Errorf("of %d: %v, %v", c.Size, got, err)
		}
	}
}
