package verify_test

import (
	"encoding/base64"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// logged proves records in a ledger that holds them and a few others, whose checkpoint a key has signed.
func logged(t *testing.T, key signer, records []digest.Digest) []byte {
	t.Helper()
	origin, err := ledger.Origin(key.public())
	if err != nil {
		t.Fatal(err)
	}
	leaves := []tlog.Hash{ledger.Leaf(digest.FromString("an older record"))}
	places := make([]int64, len(records))
	for i, d := range records {
		places[i] = int64(len(leaves))
		leaves = append(leaves, ledger.Leaf(d))
	}
	c, tiles, err := ledger.Extend(ledger.Empty(origin), nil, leaves)
	if err != nil {
		t.Fatal(err)
	}
	by, err := ledger.NewSigner(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Sign(by)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ledger.Parse(text, key.public())
	if err != nil {
		t.Fatal(err)
	}
	p, err := ledger.NewProof(s, tiles, places)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *published) judgeBenchmark(by *trust.Policy) verify.Verdict {
	p.t.Helper()
	v, err := verify.Benchmark(p.t.Context(), "small", p.keep(p.t, p.index).Digest, p.store, by, verify.Records)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

func TestLedger(t *testing.T) {
	strict := policy(1)
	strict.Ledger = true
	by := func(key signer) func([]digest.Digest) []byte {
		return func(all []digest.Digest) []byte { return logged(t, key, all) }
	}
	p := publishLogged(t, nil, by(rebuilder))
	v := p.judgeBenchmark(strict)
	if l := v.Ledger; !v.OK || l == nil || l.Records != 8 || l.Of != 8 || l.Size != 9 || !slices.Equal(l.Signed, []string{"rebuilder"}) || !strings.HasPrefix(l.Origin, "cairn-ledger/") {
		t.Errorf("%+v, ledger %+v", v.Problems, v.Ledger)
	}
	if v := p.judgeBenchmark(trust.Nobody()); !v.OK || v.Ledger == nil || v.Ledger.Records != 0 || v.Ledger.Why == "" {
		t.Errorf("who knows nobody: %+v, %+v", v.Problems, v.Ledger)
	}

	p.open = func(d digest.Digest) error {
		if d == digest.FromBytes(p.proof) {
			return fs.ErrNotExist
		}
		return nil
	}
	if v := p.judgeBenchmark(strict); v.OK || codes(v) != verify.BlobMissing {
		t.Errorf("a proof that is not here: %+v", v.Problems)
	}
	var first digest.Digest
	p = publishLogged(t, nil, func(all []digest.Digest) []byte { first = all[0]; return logged(t, rebuilder, all[1:]) })
	if v := p.judgeBenchmark(strict); len(v.Problems) != 1 || v.Problems[0].Digest != first || v.Ledger.Records != 7 || v.Ledger.Of != 8 {
		t.Errorf("the record that is left out is %s: %+v, %+v", first, v.Problems, v.Ledger)
	}

	for name, c := range map[string]struct {
		log  func([]digest.Digest) []byte
		want string // of a policy that wants a ledger
		lax  string // of one that does not
	}{
		"none":                {nil, verify.LedgerNone, ""},
		"of a stranger":       {by(stranger), verify.LedgerNone, ""},
		"leaves a record out": {func(all []digest.Digest) []byte { return logged(t, rebuilder, all[1:]) }, verify.LedgerDiffers, verify.LedgerDiffers},
		"of other records":    {func([]digest.Digest) []byte { return logged(t, rebuilder, []digest.Digest{digest.FromString("x")}) }, verify.LedgerDiffers, verify.LedgerDiffers},
		"not a proof":         {func([]digest.Digest) []byte { return []byte("{}") }, verify.LedgerDiffers, verify.LedgerDiffers},
		"another root":        {func(all []digest.Digest) []byte { return edit(t, logged(t, rebuilder, all), "\\n9\\n", "\\n8\\n") }, verify.LedgerDiffers, verify.LedgerDiffers},
		"a checkpoint swapped": {func(all []digest.Digest) []byte {
			return swap(t, logged(t, rebuilder, all), logged(t, rebuilder, all[1:]))
		}, verify.LedgerDiffers, verify.LedgerDiffers},
		"a stranger as a known": {func(all []digest.Digest) []byte { return rename(t, logged(t, stranger, all)) }, verify.LedgerDiffers, verify.LedgerDiffers},
	} {
		p := publishLogged(t, nil, c.log)
		if v := p.judgeBenchmark(strict); codes(v) != c.want || v.OK || v.Problems[0].Step != verify.DocumentsStep || v.Problems[0].Path != "record/ledger" {
			t.Errorf("%s: %+v, want %s", name, v.Problems, c.want)
		}
		if v := p.judgeBenchmark(policy(1)); codes(v) != c.lax || v.OK != (c.lax == "") {
			t.Errorf("%s, where none is wanted: %+v", name, v.Problems)
		}
	}
}

// edit replaces a text once.
func edit(t *testing.T, text []byte, was, is string) []byte {
	t.Helper()
	if strings.Count(string(text), was) != 1 {
		t.Fatalf("%q is not once in %s", was, text)
	}
	return []byte(strings.Replace(string(text), was, is, 1))
}

// swap puts the checkpoint of another proof into one.
func swap(t *testing.T, text, other []byte) []byte {
	t.Helper()
	p, err := ledger.ParseProof(text)
	if err != nil {
		t.Fatal(err)
	}
	o, err := ledger.ParseProof(other)
	if err != nil {
		t.Fatal(err)
	}
	p.Checkpoint = o.Checkpoint
	return marshal(t, p)
}

// rename makes a stranger's checkpoint one that says to be the rebuilder's.
func rename(t *testing.T, text []byte) []byte {
	t.Helper()
	p, err := ledger.ParseProof(text)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ledger.ParseProof(logged(t, rebuilder, []digest.Digest{digest.FromString("x")}))
	if err != nil {
		t.Fatal(err)
	}
	// The line of the signature names the key, and four bytes of its hash begin the signature.
	theirs, ours := strings.LastIndex(p.Checkpoint, "— "), strings.LastIndex(own.Checkpoint, "— ")
	mixed := own.Checkpoint[ours:]
	name, sig, _ := strings.Cut(strings.TrimPrefix(mixed, "— "), " ")
	_, forged, _ := strings.Cut(strings.TrimPrefix(p.Checkpoint[theirs:], "— "), " ")
	a, b := decoded(t, sig), decoded(t, forged)
	p.Checkpoint = p.Checkpoint[:theirs] + "— " + name + " " + base64.StdEncoding.EncodeToString(append(a[:4:4], b[4:]...)) + "\n"
	return marshal(t, p)
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func marshal(t *testing.T, p ledger.Proof) []byte {
	t.Helper()
	out, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
