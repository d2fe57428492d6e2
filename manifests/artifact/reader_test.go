package artifact_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
)

func open(t testing.TB, b blobs, d digest.Digest) *artifact.Reader {
	t.Helper()
	r, err := artifact.Open(t.Context(), b, d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReaderGivesBackWhatWasPacked(t *testing.T) {
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model, artifact.Evaluation} {
		t.Run(string(kind), func(t *testing.T) {
			b, f := blobs{}, small()
			r := open(t, b, pack(t, b, kind, f).Digest)
			got := folder{}
			for p, err := range r.All() {
				if err != nil {
					t.Fatal(err)
				}
				got[p.Path] = string(b[p.Blob][p.Offset : p.Offset+p.Size])
				if p.Digest != digest.FromString(f[p.Path]) {
					t.Errorf("%s has digest %s", p.Path, p.Digest)
				}
				if found, ok, err := r.Find(p.Path); err != nil || !ok || found != p {
					t.Errorf("Find(%q) = %+v, %t, %v", p.Path, found, ok, err)
				}
			}
			if diff := cmp.Diff(f, got); diff != "" {
				t.Errorf("files (-packed +read):\n%s", diff)
			}
			for _, none := range []string{"", "nothing", "zzz", "SHA256SUMS", "SHA256SUMS.index"} {
				if p, ok, err := r.Find(none); ok || err != nil {
					t.Errorf("Find(%q) = %+v, %t, %v", none, p, ok, err)
				}
			}
		})
	}
}

// many is a dataset of n small files.
func many(n int) folder {
	f := folder{"dataset.json": "{}"}
	for i := range n - 1 {
		f[fmt.Sprintf("d%d/%03d", i%3, i)] = fmt.Sprint(i)
	}
	return f
}

// Of a dataset of any length every file is proven by hashes that lead to the root, and by no others.
func TestEveryFileIsProven(t *testing.T) {
	for n := 1; n < 140; n += 1 + n/20 {
		b, f := blobs{}, many(n)
		r := open(t, b, pack(t, b, artifact.Dataset, f).Digest)
		root := artifact.MerkleRoot(f.files())
		if got := r.Manifest.Annotations[artifact.RootAnnotation]; got != root.String() || r.Len() != n {
			t.Fatalf("%d files, root %s; want %d and %s", r.Len(), got, n, root)
		}
		for i := range n {
			p, path, err := r.Prove(i)
			if err != nil {
				t.Fatal(err)
			}
			wrongProofs(t, root, p.File, uint64(i), uint64(n), path)
		}
	}
}

func wrongProofs(t *testing.T, root digest.Digest, f artifact.File, i, n uint64, path []artifact.Sum) {
	t.Helper()
	check := func(f artifact.File, i, n uint64, path []artifact.Sum) error {
		return artifact.CheckPath(root, f, i, n, path)
	}
	if err := check(f, i, n, path); err != nil {
		t.Fatal(err)
	}
	other := f
	other.Size++
	renamed := f
	renamed.Path += "x"
	for name, err := range map[string]error{
		"another size":     check(other, i, n, path),
		"another name":     check(renamed, i, n, path),
		"beyond the end":   check(f, n, n, path),
		"a hash too many":  check(f, i, n, append(path[:len(path):len(path)], artifact.Sum{})),
		"another position": check(f, (i+1)%n, n, path),
	} {
		if n == 1 && name == "another position" {
			continue
		}
		if !errors.Is(err, artifact.ErrProof) {
			t.Errorf("file %d of %d, %s: %v", i, n, name, err)
		}
	}
	if len(path) > 0 && check(f, i, n, path[1:]) == nil {
		t.Errorf("file %d of %d: a hash too few was accepted", i, n)
	}
}

// A byte that is flipped anywhere in the first layer is noticed, or was of no importance to the files found.
func TestAFlippedByteGivesNoWrongFile(t *testing.T) {
	b, f := blobs{}, many(40)
	d := pack(t, b, artifact.Dataset, f).Digest
	first := open(t, b, d).Manifest.Layers[0].Digest
	whole := b[first]
	defer func() { b[first] = whole }()
	noticed := 0
	for at := 0; at < len(whole); at += 5 {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x11
		b[first] = bad
		r, err := artifact.Open(t.Context(), b, d)
		if err != nil {
			noticed++
			continue
		}
		if whole, wrong := listAll(r, f); wrong != "" && whole {
			t.Fatalf("byte %d: all files were given, and %s is wrong", at, wrong)
		} else if !whole {
			noticed++
		}
		for _, name := range []string{"d0/000", "d1/016", "dataset.json"} {
			p, ok, err := r.Find(name)
			if err == nil && ok && p.Digest != digest.FromString(f[name]) {
				t.Fatalf("byte %d: %s has digest %s", at, name, p.Digest)
			}
			if err == nil && !ok {
				t.Fatalf("byte %d: %s is not found", at, name)
			}
		}
	}
	if noticed < len(whole)/20 {
		t.Errorf("%d of %d flipped bytes were noticed", noticed, len(whole))
	}
}

// listAll says whether all files were given without an error, and names one whose digest is wrong.
func listAll(r *artifact.Reader, f folder) (whole bool, wrong string) {
	for p, err := range r.All() {
		if err != nil {
			return false, wrong
		}
		if p.Digest != digest.FromString(f[p.Path]) {
			wrong = p.Path
		}
	}
	return true, wrong
}

// index puts another first layer under the manifest of a dataset.
func index(t testing.TB, b blobs, d digest.Digest, layer []byte) (*artifact.Reader, error) {
	t.Helper()
	var m ocispec.Manifest
	if err := json.Unmarshal(b[d], &m); err != nil {
		t.Fatal(err)
	}
	m.Layers[0].Digest, m.Layers[0].Size, _ = b.Put(t.Context(), "", bytes.NewReader(layer))
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	changed, _, _ := b.Put(t.Context(), "", bytes.NewReader(text))
	return artifact.Open(t.Context(), b, changed)
}

func TestOpenRefuses(t *testing.T) {
	b := blobs{}
	d := pack(t, b, artifact.Dataset, small()).Digest
	for _, c := range []struct {
		name, want string
		files      []tar.Header
	}{
		{"nothing", "looking for SHA256SUMS", nil},
		{"no index", "where SHA256SUMS.index should be", []tar.Header{{Name: "SHA256SUMS"}, {Name: "dataset.json"}}},
		{"no sums", `has "a" where SHA256SUMS`, []tar.Header{{Name: "a"}}},
		{"a link", `where SHA256SUMS should be`, []tar.Header{{Name: "SHA256SUMS", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}},
		{"an empty index", "read index", []tar.Header{{Name: "SHA256SUMS"}, {Name: "SHA256SUMS.index"}}},
		{"an index of zeros", "does not begin with", []tar.Header{{Name: "SHA256SUMS"}, {Name: "SHA256SUMS.index", Size: 52}}},
	} {
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		for _, h := range c.files {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, h.Size)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := index(t, b, d, text.Bytes()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Open = %v; want an error with %q", c.name, err, c.want)
		}
	}
}

// FuzzFirstLayer: whatever the first layer says, no place lies outside of its layer, and what is found is in order.
func FuzzFirstLayer(f *testing.F) {
	b := blobs{}
	files := small()
	made, err := artifact.Pack(f.Context(), b, artifact.Dataset, files.files(), files.open)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[open(f, b, made.Digest).Manifest.Layers[0].Digest])
	f.Fuzz(func(t *testing.T, layer []byte) {
		r, err := index(t, b, made.Digest, layer)
		if err != nil {
			return
		}
		before := ""
		for p, err := range r.All() {
			if err != nil {
				break
			}
			if p.Offset < 0 || p.Size < 0 || p.Path <= before {
				t.Errorf("%+v after %q", p, before)
			}
			before = p.Path
		}
		for _, name := range []string{"train/a.npy", "nothing"} {
			if p, ok, err := r.Find(name); err == nil && ok && p.Digest != digest.FromString(files[name]) {
				t.Errorf("%s has digest %s", name, p.Digest)
			}
		}
	})
}
