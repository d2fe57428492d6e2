package ledger_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// testKey signs with an ed25519 key made of a name.
type testKey struct{ private crypto.Signer }

func keyOf(name string) testKey {
	seed := sha256.Sum256([]byte(name))
	return testKey{ed25519.NewKeyFromSeed(seed[:])}
}

func (k testKey) Known() (trust.PublicKey, error) { return trust.NewPublicKey(k.private.Public()) }

func (k testKey) Sign(_ context.Context, data []byte) ([]byte, error) {
	if _, ok := k.private.Public().(ed25519.PublicKey); ok {
		return k.private.Sign(nil, data, crypto.Hash(0))
	}
	sum := sha256.Sum256(data)
	return k.private.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// public is the key to verify with.
func (k testKey) public() trust.PublicKey {
	p, err := k.Known()
	if err != nil {
		panic(err)
	}
	return p
}

func (k testKey) note(t testing.TB) note.Signer {
	t.Helper()
	s, err := ledger.NewSigner(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (k testKey) origin(t testing.TB) string {
	t.Helper()
	name, err := ledger.Origin(k.public())
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func record(i int) digest.Digest { return digest.FromString(fmt.Sprint(i)) }

// grown is a ledger in memory.
type grown struct {
	ledger.Checkpoint
	tiles ledger.Tiles
}

// grow appends records in steps of some sizes, and keeps only the tiles of the last.
func grow(t testing.TB, key testKey, sizes ...int) grown {
	t.Helper()
	g := grown{ledger.Empty(key.origin(t)), ledger.Tiles{}}
	n := 0
	for _, size := range sizes {
		var leaves []tlog.Hash
		for ; n < size; n++ {
			leaves = append(leaves, ledger.Leaf(record(n)))
		}
		g.extend(t, leaves...)
	}
	return g
}

func (g *grown) extend(t testing.TB, leaves ...tlog.Hash) {
	t.Helper()
	edge, err := ledger.Load(g.Checkpoint, g.tiles, ledger.Edge(g.Size)...)
	if err != nil {
		t.Fatal(err)
	}
	c, made, err := ledger.Extend(g.Checkpoint, edge, leaves)
	if err != nil {
		t.Fatal(err)
	}
	g.Checkpoint = c
	for at, b := range made {
		g.tiles[at] = b
	}
}

func (g grown) sign(t testing.TB, by ...testKey) ledger.Signed {
	t.Helper()
	var signers []note.Signer
	var keys []trust.PublicKey
	for _, k := range by {
		signers, keys = append(signers, k.note(t)), append(keys, k.public())
	}
	text, err := g.Checkpoint.Sign(signers...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ledger.Parse(text, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sizes are those around the edges of tiles.
var sizes = []int{0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 1000, 65535, 65536, 65537}

// TestGrowthIsThatOfTheLibrary compares roots and tiles with those that tlog gives for all the leaves at once.
func TestGrowthIsThatOfTheLibrary(t *testing.T) {
	key := keyOf("home")
	var stored []tlog.Hash
	all := tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, _ error) {
		for _, x := range indexes {
			out = append(out, stored[x])
		}
		return out, nil
	})
	g := grow(t, key)
	n := 0
	for _, size := range sizes {
		var leaves []tlog.Hash
		for ; n < size; n++ {
			leaves = append(leaves, ledger.Leaf(record(n)))
			more, err := tlog.StoredHashes(int64(n), []byte(record(n)), all)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		}
		g.extend(t, leaves...)
		root, err := tlog.TreeHash(int64(size), all)
		if err != nil || g.Root != root || g.Size != int64(size) {
			t.Fatalf("after %d entries: %s, want root %s, %v", size, g.Checkpoint, root, err)
		}
		got, err := ledger.Load(g.Checkpoint, g.tiles, ledger.AllTiles(g.Size)...)
		if err != nil {
			t.Fatalf("after %d entries: %v", size, err)
		}
		for _, at := range ledger.AllTiles(g.Size) {
			want, err := tlog.ReadTileData(at, all)
			if err != nil || string(got[at]) != string(want) {
				t.Errorf("after %d entries: %s is not that of the library, %v", size, ledger.TilePath(at), err)
			}
		}
	}
}

func TestCheckpointText(t *testing.T) {
	key := keyOf("home")
	s := grow(t, key, 3).sign(t, key)
	want := key.origin(t) + "\n3\n" + s.Root.String() + "\n\n— " + key.origin(t) + " "
	if !strings.HasPrefix(string(s.Text), want) || strings.Count(string(s.Text), "\n") != 5 {
		t.Errorf("have\n%swant it to begin\n%s", s.Text, want)
	}
	if len(s.By) != 1 || s.By[0].ID != key.public().ID {
		t.Errorf("signed by %v", s.By)
	}
}

// TestCheckpointOpensElsewhere reads a checkpoint with note alone and the key in the form of C2SP.
func TestCheckpointOpensElsewhere(t *testing.T) {
	key := keyOf("home")
	s := grow(t, key, 3).sign(t, key)
	text, err := ledger.VerifierKey(key.public())
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(s.Text, note.VerifierList(v))
	if err != nil || n.Sigs[0].Name != s.Origin {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestWhoSigned(t *testing.T) {
	home, next, witness := keyOf("home"), keyOf("next"), keyOf("witness")
	g := grow(t, home, 5)
	text := g.sign(t, home, next, witness).Text
	s, err := ledger.Parse(text, next.public(), home.public(), home.public())
	if err != nil || len(s.By) != 2 || s.Checkpoint != g.Checkpoint {
		t.Fatalf("%+v, %v", s, err)
	}
	if s.By[0].ID != home.public().ID || s.By[1].ID != next.public().ID {
		t.Errorf("signed by %v", s.By)
	}
	for _, keys := range [][]trust.PublicKey{nil, {keyOf("stranger").public()}} {
		_, err := ledger.Parse(text, keys...)
		if !errors.Is(err, ledger.ErrUnknownSigner) || errors.Is(err, ledger.ErrTampered) || !strings.Contains(err.Error(), witness.origin(t)) {
			t.Errorf("with %d keys: %v", len(keys), err)
		}
	}
	if _, err := ledger.Parse(text, trust.PublicKey{}); err == nil {
		t.Error("a key that is none was taken")
	}
}

// TestECDSA signs with a key as key management systems have them.
func TestECDSA(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, home := testKey{private}, keyOf("home")
	s := grow(t, key, 3).sign(t, key, home)
	if len(s.By) != 2 || s.By[0].ID != key.public().ID || s.Origin != key.origin(t) {
		t.Errorf("%+v", s)
	}
	// c2sp.org/signed-note: the key ID is the truncated SHA-256 of the SPKI.
	line := strings.Split(string(s.Text), "\n")[4]
	sig, err := base64.StdEncoding.DecodeString(line[strings.LastIndex(line, " ")+1:])
	if want := strings.TrimPrefix(s.Origin, "cairn-ledger/")[:8]; err != nil || hex.EncodeToString(sig[:4]) != want {
		t.Errorf("key ID %x, want %s: %v", sig[:4], want, err)
	}
	if vkey, err := ledger.VerifierKey(key.public()); err != nil || !strings.HasPrefix(vkey, s.Origin+"+"+hex.EncodeToString(sig[:4])+"+A") {
		t.Errorf("%s, %v", vkey, err)
	}
	forged := strings.Replace(string(s.Text), "\n3\n", "\n4\n", 1)
	if _, err := ledger.Parse([]byte(forged), key.public()); !errors.Is(err, ledger.ErrTampered) {
		t.Errorf("another size under the signature: %v", err)
	}
}

// TestEachBitOfACheckpointCounts changes each bit of a text that one key signed.
func TestEachBitOfACheckpointCounts(t *testing.T) {
	key := keyOf("home")
	text := grow(t, key, 300).sign(t, key).Text
	for i := range text {
		for bit := range 8 {
			changed := append([]byte(nil), text...)
			changed[i] ^= 1 << bit
			if s, err := ledger.Parse(changed, key.public()); err == nil {
				t.Errorf("byte %d, bit %d: taken for %s", i, bit, s.Checkpoint)
			}
		}
	}
	for i := range text {
		if _, err := ledger.Parse(text[:i], key.public()); err == nil {
			t.Errorf("cut after %d bytes: taken", i)
		}
	}
}

func TestForgedSignature(t *testing.T) {
	key := keyOf("home")
	s := grow(t, key, 300).sign(t, key)
	forged := strings.Replace(string(s.Text), "\n300\n", "\n299\n", 1)
	if _, err := ledger.Parse([]byte(forged), key.public()); !errors.Is(err, ledger.ErrTampered) || errors.Is(err, ledger.ErrUnknownSigner) {
		t.Errorf("another size under the signature: %v", err)
	}
}

// TestSignedButNotACheckpoint signs texts that are none with the right key.
func TestSignedButNotACheckpoint(t *testing.T) {
	key := keyOf("home")
	origin, root := key.origin(t), tlog.RecordHash(nil).String()
	for name, body := range map[string]string{
		"extension":     origin + "\n3\n" + root + "\nmore\n",
		"no root":       origin + "\n3\n",
		"origin":        "example.com/log\n3\n" + root + "\n",
		"upper case":    strings.ToUpper(origin) + "\n3\n" + root + "\n",
		"leading zero":  origin + "\n03\n" + root + "\n",
		"sign":          origin + "\n+3\n" + root + "\n",
		"below zero":    origin + "\n-3\n" + root + "\n",
		"too large":     origin + "\n281474976710657\n" + root + "\n",
		"short root":    origin + "\n3\nAAAA\n",
		"loose base64":  origin + "\n3\n" + root[:42] + "B=\n",
		"empty's root":  origin + "\n0\n" + root + "\n",
		"empty line":    origin + "\n3\n" + root + "\n\n",
		"go's database": "go.sum database tree\n3\n" + root + "\n",
	} {
		text, err := note.Sign(&note.Note{Text: body}, key.note(t))
		if err != nil {
			t.Fatal(err)
		}
		if s, err := ledger.Parse(text, key.public()); err == nil {
			t.Errorf("%s: taken for %+v", name, s.Checkpoint)
		}
	}
	if _, err := (ledger.Checkpoint{Origin: "x", Size: 1}).Sign(key.note(t)); err == nil {
		t.Error("a checkpoint with the origin x was signed")
	}
}

type brokenSigner struct{ testKey }

func (b brokenSigner) Sign(context.Context, []byte) ([]byte, error) { return make([]byte, 64), nil }

func TestASignerIsNotBelieved(t *testing.T) {
	key := keyOf("home")
	by, err := ledger.NewSigner(t.Context(), brokenSigner{key})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grow(t, key, 1).Checkpoint.Sign(by); err == nil {
		t.Error("a wrong signature was written")
	}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]tlog.Tile{
		"tile/0/000":                {H: 8, N: 0, W: 256},
		"tile/0/000.p/255":          {H: 8, N: 0, W: 255},
		"tile/1/x001/x234/067.p/16": {H: 8, L: 1, N: 1234067, W: 16},
		"tile/entries/x001/234":     {H: 8, N: 1234, W: 256},
	} {
		got, entries, err := ledger.ParsePath(path)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
		back := ledger.TilePath(got)
		if entries {
			back = ledger.EntriesPath(got)
		}
		if back != path {
			t.Errorf("%s came back as %s", path, back)
		}
	}
	for _, path := range []string{"", "tile", "tile/0", "tile/8/0/000", "tile/data/000", "tile/-1/000", "tile/00/000", "tile/7/000", "0/000", "tile/0/0", "tile/0/000.p/256",
		"tile/0/000.p/0", "tile/0/x000/000", "tile/0/../000", "/tile/0/000", "tile/entries/entries/000", "tile/0/x001/x099/x511/x627/777"} {
		if got, _, err := ledger.ParsePath(path); err == nil {
			t.Errorf("%q was taken for %+v", path, got)
		}
	}
}

func TestTileAt(t *testing.T) {
	if at, ok := ledger.TileAt(300, 0, 1); !ok || at != (tlog.Tile{H: 8, L: 0, N: 1, W: 44}) {
		t.Errorf("%+v, %v", at, ok)
	}
	for _, c := range []struct {
		level  int
		number int64
	}{{-1, 0}, {7, 0}, {2, 0}, {0, -1}, {0, 2}, {0, 1 << 40}, {0, 1 << 56}} {
		if at, ok := ledger.TileAt(300, c.level, c.number); ok {
			t.Errorf("level %d, number %d: %+v", c.level, c.number, at)
		}
	}
}

// TestTilesOfTheSpecification is the example of tlog-tiles: a tree of 70,000 entries.
func TestTilesOfTheSpecification(t *testing.T) {
	count := map[string]int{}
	for _, at := range ledger.AllTiles(70000) {
		key := fmt.Sprintf("level %d, full", at.L)
		if at.W < 256 {
			key = fmt.Sprintf("level %d, %d wide", at.L, at.W)
		}
		count[key]++
	}
	want := map[string]int{"level 0, full": 273, "level 0, 112 wide": 1, "level 1, full": 1, "level 1, 17 wide": 1, "level 2, 1 wide": 1}
	if d := cmp.Diff(want, count); d != "" {
		t.Error(d)
	}
}

func TestEntries(t *testing.T) {
	var bundle []byte
	var want []digest.Digest
	for i := range 256 {
		bundle, want = ledger.AppendEntry(bundle, record(i)), append(want, record(i))
	}
	got, err := ledger.ParseEntries(bundle)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(d, err)
	}
	for i := range bundle {
		if i%73 != 0 {
			if _, err := ledger.ParseEntries(bundle[:i]); !errors.Is(err, ledger.ErrTampered) {
				t.Fatalf("cut after %d bytes: %v", i, err)
			}
		}
	}
	if _, err := ledger.ParseEntries(ledger.AppendEntry(bundle, record(0))); !errors.Is(err, ledger.ErrTampered) {
		t.Errorf("257 entries: %v", err)
	}
	long := slices.Clone(bundle[:73])
	long[1]++
	if _, err := ledger.ParseEntries(long); !errors.Is(err, ledger.ErrTampered) {
		t.Errorf("another length: %v", err)
	}
	upper := strings.Replace(string(bundle[:73]), "sha256:", "SHA256:", 1)
	if _, err := ledger.ParseEntries([]byte(upper)); !errors.Is(err, ledger.ErrTampered) {
		t.Errorf("another algorithm: %v", err)
	}
}

// TestEntriesOfATile: entries are those of a tile if each has its hash there, and there are as many.
func TestEntriesOfATile(t *testing.T) {
	g := grow(t, keyOf("a"), 3)
	tile := g.tiles[tlog.Tile{H: ledger.Height, L: 0, N: 0, W: 3}]
	all := []digest.Digest{record(0), record(1), record(2)}
	if err := ledger.CheckEntries(tile, all); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]digest.Digest{"another": {record(0), record(1), record(3)}, "another order": {record(1), record(0), record(2)}, "one less": all[:2], "one more": append(all[:3:3], record(3)), "none": nil} {
		if err := ledger.CheckEntries(tile, bad); !errors.Is(err, ledger.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExtendNeedsTheEdge: nothing is appended to a tree whose edge is not there, or that would become too long.
func TestExtendNeedsTheEdge(t *testing.T) {
	g := grow(t, keyOf("a"), 3)
	leaves := []tlog.Hash{ledger.Leaf(record(3)), ledger.Leaf(record(4))}
	for n := range leaves {
		if c, _, err := ledger.Extend(g.Checkpoint, ledger.Tiles{}, leaves[:n+1]); !errors.Is(err, ledger.ErrMissing) {
			t.Errorf("%d leaves: %s, %v", n+1, c, err)
		}
	}
	full := ledger.Checkpoint{Origin: g.Origin, Size: 1 << 48}
	if c, _, err := ledger.Extend(full, ledger.Tiles{}, leaves[:1]); err == nil || !strings.Contains(err.Error(), "want at most") {
		t.Errorf("%s, %v", c, err)
	}
}
