package artifact

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Sums is the text that `sha256sum -c` accepts. A name with a line feed, a carriage return or a backslash is
// escaped as coreutils does: the line starts with a backslash.
func Sums(files []File) []byte {
	var b bytes.Buffer
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	for _, f := range files {
		name := escape.Replace(f.Path)
		if name != f.Path {
			b.WriteByte('\\')
		}
		fmt.Fprintf(&b, "%s  %s\n", f.Digest.Encoded(), name)
	}
	return b.Bytes()
}

// ParseSums reads SHA256SUMS as Sums writes it.
func ParseSums(text []byte) (map[string]digest.Digest, error) {
	out := map[string]digest.Digest{}
	unescape := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r")
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		rest, escaped := strings.CutPrefix(strings.TrimSuffix(line, "\n"), `\`)
		sum, name, ok := strings.Cut(rest, "  ")
		d := digest.NewDigestFromEncoded(digest.SHA256, sum)
		if !ok || d.Validate() != nil {
			return nil, fmt.Errorf("SHA256SUMS:%d: want a sha256 sum, two blanks and a name", n)
		}
		if escaped {
			name = unescape.Replace(name)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("SHA256SUMS:%d: %q is there twice", n, name)
		}
		out[name] = d
	}
	return out, nil
}

// MerkleRoot is the small identity of any number of files, as RFC 6962 hashes a list: a leaf is
// SHA-256(0x00 || entry), a node SHA-256(0x01 || left || right), a list is split at the largest power of two
// below its length, and an empty list is SHA-256(""). An entry is
// "<path>\x00<size>\x00<digest>\x00100644"; entries are sorted by path.
//
// Vectors, every file empty:
//
//	(none)   sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
//	a        sha256:baeee32f1a769a05a5d81bd78732011fc66e7b68dbcd07c992b2b28e4e3a819a
//	a, b, c  sha256:908971747678d08152aa1db309a7ded0b1b4d757c1f238d1e0a5cda1fb9fa2a2
func MerkleRoot(files []File) digest.Digest {
	if len(files) == 0 {
		return digest.FromBytes(nil)
	}
	sum := subtree(sorted(files))
	return digest.NewDigestFromBytes(digest.SHA256, sum[:])
}

func subtree(files []File) [sha256.Size]byte {
	if len(files) == 1 {
		f := files[0]
		return sha256.Sum256(fmt.Appendf([]byte{0}, "%s\x00%d\x00%s\x00100644", f.Path, f.Size, f.Digest))
	}
	k := 1
	for k*2 < len(files) {
		k *= 2
	}
	left, right := subtree(files[:k]), subtree(files[k:])
	node := append([]byte{1}, left[:]...)
	return sha256.Sum256(append(node, right[:]...))
}
