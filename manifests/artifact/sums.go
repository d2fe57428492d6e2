package artifact

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

var (
	escape   = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r")
)

// appendLine appends the line of a file to SHA256SUMS, as `sha256sum -c` accepts it. A name with a line feed, a carriage
// return or a backslash is escaped as coreutils does: the line starts with a backslash.
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
