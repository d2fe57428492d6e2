package artifact_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/artifact"
)

// naiveRoot is the definition of RFC 6962, section 2.1, word by word.
func naiveRoot(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		sum := sha256.Sum256(nil)
		return sum[:]
	case 1:
		sum := sha256.Sum256(append([]byte{0}, leaves[0]...))
		return sum[:]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	sum := sha256.Sum256(slices.Concat([]byte{1}, naiveRoot(leaves[:k]), naiveRoot(leaves[k:])))
	return sum[:]
}

// naivePath is the definition of RFC 6962, section 2.1.1.
func naivePath(m int, leaves [][]byte) [][]byte {
	if len(leaves) == 1 {
		return nil
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	if m < k {
		return append(naivePath(m, leaves[:k]), naiveRoot(leaves[k:]))
	}
	return append(naivePath(m-k, leaves[k:]), naiveRoot(leaves[:k]))
}

// naiveLeaves are the entries of files, sorted by path.
func naiveLeaves(f folder) [][]byte {
	var out [][]byte
	for _, path := range slices.Sorted(maps.Keys(f)) {
		out = append(out, fmt.Appendf(nil, "%s\x00%d\x00sha256:%x\x00100644", path, len(f[path]), sha256.Sum256([]byte(f[path]))))
	}
	return out
}

// naiveIndex is the index as its specification says, from a dataset that was unpacked by archive/tar.
func naiveIndex(t *testing.T, layers [][]byte, f folder) []byte {
	t.Helper()
	type place struct {
		layer uint32
		at    int
	}
	places := map[string]place{}
	for i, layer := range layers {
		r := bytes.NewReader(layer)
		for in := tar.NewReader(r); ; {
			h, err := in.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			places[h.Name] = place{uint32(i), len(layer) - r.Len()}
		}
	}
	leaves, line := naiveLeaves(f), 0
	out := binary.BigEndian.AppendUint64([]byte("cairn/index/v1\n\n"), uint64(len(leaves)))
	for _, path := range slices.Sorted(maps.Keys(f)) {
		out = binary.BigEndian.AppendUint64(out, uint64(line))
		out = binary.BigEndian.AppendUint64(out, uint64(len(f[path])))
		out = binary.BigEndian.AppendUint64(out, uint64(places[path].at))
		out = binary.BigEndian.AppendUint32(out, places[path].layer)
		line += len(fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(f[path])), path))
	}
	for width := 16; width <= len(leaves); width *= 2 {
		for i := 0; i+width <= len(leaves); i += width {
			out = append(out, naiveRoot(leaves[i:i+width])...)
		}
	}
	return out
}

// vectors: file i of n is "f" and i in two digits, and holds i bytes of "x". The numbers are the root and the SHA-256 of
// the index, of a dataset with no document.
var vectors = map[int][2]string{
	0:  {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ""},
	1:  {"79228c68c05bef3121c92fd6eafd170deab7ea8f555a57b0c2a511106c279e09", "280fc220eb4b8e75fd17c7ab22a4448351b539df2a104d3f7e2a51ad478ed7b7"},
	2:  {"5b76243bc5a8f384c7773d12be22c890fc01abbcfb5385e5f4e49b28c0346ea1", "80a0e5df11c01eb7d3fceab6fd69239f03df1e7dc8defefba575c03714852f86"},
	3:  {"d457cc83f44574ffb18eec45bcad091448890c1e43d2119549f016438d7eda75", "634fbba7d9b209c8f760c2966dd347572eebd77ca76eadd6cbf0f31f3a162f8f"},
	17: {"682deadc5218cd67a59c5bed182c12c304c35701c86046cc798f462af726d7ad", "e69cebc84cc1f6fe58999f7eb183536f26d0a6e76922f4fda52316d2507eb7b7"},
	33: {"2e350f12bf8dc9158544f63826429470dec93f73a79962fb4384ab259541736a", "ec956e3610152e42040c10f4ee5a237904033cd1144f36ccf4a3aacc98c65533"},
}

// numbered is the dataset of the vectors.
func numbered(n int) folder {
	f := folder{}
	for i := range n {
		f[fmt.Sprintf("f%02d", i)] = string(bytes.Repeat([]byte("x"), i))
	}
	return f
}

func TestTreeAndIndexVectors(t *testing.T) {
	for _, n := range slices.Sorted(maps.Keys(vectors)) {
		f := numbered(n)
		leaves := naiveLeaves(f)
		root := hex.EncodeToString(naiveRoot(leaves))
		if root != vectors[n][0] {
			t.Errorf("%d files: the definition gives the root %s, the vector is %s", n, root, vectors[n][0])
		}
		if got := artifact.MerkleRoot(f.files()).Encoded(); got != root {
			t.Errorf("%d files: root %s, want %s", n, got, root)
		}
		if n == 0 {
			continue // is no dataset
		}
		b := blobs{}
		r := open(t, b, pack(t, b, artifact.Dataset, f).Digest)
		checkIndex(t, b, r, f, vectors[n][1])
		for i := range n {
			_, path, err := r.Prove(i)
			if err != nil {
				t.Fatal(err)
			}
			var got [][]byte
			for _, h := range path {
				got = append(got, h[:])
			}
			if want := naivePath(i, leaves); !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%d files: the path of file %d is %x, want %x", n, i, got, want)
			}
		}
	}
}

func checkIndex(t *testing.T, b blobs, r *artifact.Reader, f folder, vector string) {
	t.Helper()
	var layers [][]byte
	for _, l := range r.Manifest.Layers {
		layers = append(layers, b[l.Digest])
	}
	want := naiveIndex(t, layers, f)
	in := tar.NewReader(bytes.NewReader(layers[0]))
	for {
		h, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == "SHA256SUMS.index" {
			break
		}
	}
	got, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d files: the index is\n%x, want\n%x", len(f), got, want)
	}
	if sum := digest.FromBytes(want).Encoded(); sum != vector {
		t.Errorf("%d files: the index has SHA-256 %s, the vector is %s", len(f), sum, vector)
	}
}
