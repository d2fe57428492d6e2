package artifact

import (
	"bytes"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Sums is the text that `sha256sum -c` accepts. A name with a line feed, a carriage return or a backslash is
// escaped as coreutils does: the line starts with a backslash.
func Sums(files []File) []byte {
	var b []byte
	for _, f := range files {
		b = appendLine(b, f.Path, sumOf(f.Digest))
	}
	return b
}

// ParseSums reads SHA256SUMS as Sums writes it.
func ParseSums(text []byte) (map[string]digest.Digest, error) {
	out := map[string]digest.Digest{}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		name, sum, err := parseLine(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return nil, fmt.Errorf("SHA256SUMS:%d: %w", n, err)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("SHA256SUMS:%d: %q is there twice", n, name)
		}
		out[name] = Digest(sum)
	}
	return out, nil
}
