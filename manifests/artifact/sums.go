package artifact

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

var (
	escape   = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r")
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

// appendLine appends the line of a file to SHA256SUMS.
func appendLine(b []byte, path string, sum Sum) []byte {
	name := escape.Replace(path)
	if name != path {
		b = append(b, '\\')
	}
	b = append(hex.AppendEncode(b, sum[:]), "  "...)
	return append(append(b, name...), '\n')
}

// parseLine reads the line of a file, without its end.
func parseLine(line []byte) (path string, sum Sum, err error) {
	rest, escaped := bytes.CutPrefix(line, []byte(`\`))
	hexSum, name, ok := bytes.Cut(rest, []byte("  "))
	if !ok || len(hexSum) != 2*len(sum) || bytes.ContainsAny(hexSum, "ABCDEF") {
		return "", sum, fmt.Errorf("want a sha256 sum, two blanks and a name")
	}
	if _, err := hex.Decode(sum[:], hexSum); err != nil {
		return "", sum, fmt.Errorf("want a sha256 sum, two blanks and a name")
	}
	if path = string(name); escaped {
		path = unescape.Replace(path)
	}
	return path, sum, nil
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
