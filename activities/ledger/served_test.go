package ledger_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/activities/ledger"
	format "github.com/cairn-bench/cairn/manifests/ledger"
)

// client reads a tiled log from a server as tlog-tiles describes it, with nothing of Cairn's.
type client struct {
	t   *testing.T
	url string
}

func (c client) get(path string) []byte {
	c.t.Helper()
	resp, err := http.Get(c.url + "/" + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return b
}

// path is that of a tile below 1,000 of its level.
func (client) path(level string, t tlog.Tile) string {
	p := fmt.Sprintf("tile/%s/%03d", level, t.N)
	if t.W < 256 {
		p += fmt.Sprintf(".p/%d", t.W)
	}
	return p
}

func (client) Height() int { return 8 }

func (c client) ReadTiles(tiles []tlog.Tile) (out [][]byte, _ error) {
	for _, t := range tiles {
		out = append(out, c.get(c.path(strconv.Itoa(t.L), t)))
	}
	return out, nil
}

func (client) SaveTiles([]tlog.Tile, [][]byte) {}

// TestServed reads a ledger that a server of static files serves.
func TestServed(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "ledger"), newKey(t)
	l := ledger.Open(dir, key)
	const size = 600
	grow(t, l, records(0, 300)...)
	grow(t, l, records(300, size)...)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	c := client{t, server.URL}

	vkey, err := format.VerifierKey(public(t, key))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(c.get("checkpoint"), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(n.Text, "\n")
	root, err := tlog.ParseHash(lines[2])
	if err != nil || lines[0] != verifier.Name() || lines[1] != strconv.Itoa(size) {
		t.Fatalf("%q, %v", lines, err)
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, c)
	var entries []string
	for i := int64(0); i*256 < size; i++ {
		bundle := c.get(c.path("entries", tlog.Tile{N: i, W: min(256, int(size-i*256))}))
		for len(bundle) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			entries, bundle = append(entries, string(bundle[2:end])), bundle[end:]
		}
	}
	if len(entries) != size {
		t.Fatalf("%d entries, want %d", len(entries), size)
	}
	for _, i := range []int64{0, 255, 256, 299, 300, size - 1} {
		if entries[i] != record(int(i)).String() {
			t.Errorf("entry %d is %s", i, entries[i])
		}
		p, err := tlog.ProveRecord(size, i, hashes)
		if err == nil {
			err = tlog.CheckRecord(p, size, root, i, tlog.RecordHash([]byte(entries[i])))
		}
		if err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}
