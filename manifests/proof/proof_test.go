package proof_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/proof"
)

// blobs is a store in memory.
type blobs map[digest.Digest][]byte

func (b blobs) Put(_ context.Context, _ digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	text, err := io.ReadAll(r)
	d := digest.FromBytes(text)
	b[d] = text
	return d, int64(len(text)), err
}

func (b blobs) Stat(_ context.Context, d digest.Digest) (int64, error) { return int64(len(b[d])), nil }

func (b blobs) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b[d])), nil
}

type at struct{ *bytes.Reader }

func (at) Close() error { return nil }

func (b blobs) OpenAt(_ context.Context, d digest.Digest) (artifact.ReaderAtCloser, error) {
	if b[d] == nil {
		return nil, fs.ErrNotExist
	}
	return at{bytes.NewReader(b[d])}, nil
}

func contentOf(i int) string { return strings.Repeat("x", i%7) }

func nameOf(i int) string { return fmt.Sprintf("train/%03d", i) }

// packed is an artifact of n files and the text of its manifest.
func packed(t testing.TB, kind artifact.Kind, n int) (blobs, []byte) {
	t.Helper()
	b, files, texts := blobs{}, []artifact.File{}, map[string]string{}
	for i := range n {
		text := contentOf(i)
		texts[nameOf(i)] = text
		files = append(files, artifact.File{Path: nameOf(i), Size: int64(len(text)), Digest: digest.FromString(text)})
	}
	d, err := artifact.Pack(t.Context(), b, kind, files, func(path string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(texts[path])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, b[d.Digest]
}

func prove(t testing.TB, b blobs, manifest []byte, path string) proof.Proof {
	t.Helper()
	p, err := proof.New(t.Context(), b, manifest, path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryFileCanBeProven(t *testing.T) {
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model, artifact.Evaluation} {
		for _, n := range []int{1, 2, 3, 17, 40} {
			b, manifest := packed(t, kind, n)
			for i := range n {
				p := prove(t, b, manifest, nameOf(i))
				text, err := p.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				if again, err := proof.Parse(text); err != nil || cmp.Diff(p, again) != "" {
					t.Errorf("%s of %d: Parse: %v\n%s", kind, n, err, cmp.Diff(p, again))
				}
				if err := p.Check(t.Context()); err != nil || !proof.Is(text) {
					t.Errorf("%s of %d, file %d: Check: %v", kind, n, i, err)
				}
				if p.Digest != digest.FromString(contentOf(i)) || p.Artifact != digest.FromBytes(manifest) || len(p.Hashes) > 6 {
					t.Errorf("%s of %d, file %d: %+v", kind, n, i, p)
				}
			}
			if _, err := proof.New(t.Context(), b, manifest, "train/nothing"); !errors.Is(err, proof.ErrNoFile) {
				t.Errorf("%s of %d: a file that is not there: %v", kind, n, err)
			}
		}
	}
}

// A proof of which anything is changed proves nothing. Where it lies in the tree is no claim of its own: index and
// count only say how hashes are put together.
func TestForgedProofs(t *testing.T) {
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model} {
		b, manifest := packed(t, kind, 40)
		_, other := packed(t, kind, 39)
		for name, forge := range map[string]func(p *proof.Proof){
			"path":             func(p *proof.Proof) { p.Path = nameOf(18) },
			"size":             func(p *proof.Proof) { p.Size++ },
			"digest":           func(p *proof.Proof) { p.Digest = digest.FromString("other") },
			"artifact":         func(p *proof.Proof) { p.Artifact = digest.FromString("other") },
			"manifest":         func(p *proof.Proof) { p.Manifest = string(other) },
			"manifest's bytes": func(p *proof.Proof) { p.Manifest += " " },
			"another artifact": func(p *proof.Proof) { p.Manifest, p.Artifact = string(other), digest.FromBytes(other) },
			"no manifest":      func(p *proof.Proof) { p.Manifest, p.Artifact = "{}", digest.FromString("{}") },
			"index":            func(p *proof.Proof) { p.Index ^= 1 },
			"index, beyond":    func(p *proof.Proof) { p.Index = p.Count + 1 },
			"count":            func(p *proof.Proof) { p.Count = 12 },
			"a hash":           func(p *proof.Proof) { p.Hashes[2] = p.Hashes[1] },
			"a hash less":      func(p *proof.Proof) { p.Hashes = p.Hashes[1:] },
			"a hash more":      func(p *proof.Proof) { p.Hashes = append(p.Hashes, p.Digest) },
			"hashes turned":    func(p *proof.Proof) { p.Hashes[0], p.Hashes[1] = p.Hashes[1], p.Hashes[0] },
			"another's hashes": func(p *proof.Proof) { p.Hashes = prove(t, b, manifest, nameOf(18)).Hashes },
		} {
			if kind == artifact.Model && strings.Contains(name, "hash") && name != "a hash more" || kind == artifact.Model && name == "another artifact" {
				continue // a model has no tree, and the other one has the file, too
			}
			p := prove(t, b, manifest, nameOf(17))
			forge(&p)
			if err := p.Check(t.Context()); err == nil {
				t.Errorf("%s: another %s was accepted", kind, name)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	b, manifest := packed(t, artifact.Dataset, 3)
	good, err := prove(t, b, manifest, nameOf(1)).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, good, "", "  "); err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Parse(indented.Bytes()); err != nil {
		t.Errorf("with white space: %v", err)
	}
	edit := func(old, new string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing":            "",
		"no object":          "[]",
		"a later version":    edit("cairn/proof/v1", "cairn/proof/v2"),
		"an unknown member":  edit(`"count"`, `"extra":1,"count"`),
		"a member twice":     edit(`"count"`, `"index":1,"count"`),
		"something behind":   string(good) + "{}",
		"cut":                string(good[:len(good)-1]),
		"a negative size":    edit(`"size":1`, `"size":-1`),
		"a size as text":     edit(`"size":1`, `"size":"1"`),
		"a wide index":       edit(`"index":1`, `"index":18446744073709551615`),
		"another mode":       edit(`"mode":"100644"`, `"mode":"100755"`),
		"no path":            edit(`"path":"train/001"`, `"path":""`),
		"a digest too short": edit(`"artifact":"sha256:`, `"artifact":"sha256:0`),
		"another algorithm":  edit(`"artifact":"sha256:`, `"artifact":"sha512:`),
		"hashes of none":     edit(`"hashes":[`, `"hashes":["",`),
		"no UTF-8":           edit("train/001", "train/\xff01"),
	} {
		if p, err := proof.Parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for text, want := range map[string]bool{string(good): true, `{"schema":"cairn/proof/v9"}`: true, `{"schema":"cairn/verify/v1"}`: false, "schema: cairn/proof/v1": false, "": false} {
		if proof.Is([]byte(text)) != want {
			t.Errorf("Is(%.40q) is %t", text, !want)
		}
	}
}

// FuzzParse: what is parsed has canonical bytes that are parsed to the same, and a proof that checks is of a file that is
// there.
func FuzzParse(f *testing.F) {
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model} {
		b, manifest := packed(f, kind, 20)
		text, err := prove(f, b, manifest, nameOf(5)).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"schema":"cairn/proof/v1"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := proof.Parse(text)
		if err != nil {
			return
		}
		first, err := p.Marshal()
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		again, err := proof.Parse(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, err := canonical.Marshal(again); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s\n%s\n%v", first, second, err)
		}
		if p.Check(t.Context()) == nil && digest.FromString(p.Manifest) != p.Artifact {
			t.Errorf("%+v was accepted", p)
		}
	})
}
