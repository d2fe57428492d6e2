package httpfetch

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
)

// sum is one line of a checksum list.
type sum struct {
	path   string
	digest digest.Digest
}

// parseSums reads the output of sha256sum: 64 digits, a blank, a blank or an asterisk, a path. A "./" in front
// of a path is taken off. A path that sha256sum had to escape is refused.
func parseSums(text []byte) ([]sum, error) {
	var out []sum
	seen := map[string]bool{}
	scan := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSuffix(scan.Text(), "\r")
		if line == "" {
			continue
		}
		s, err := parseSum(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if seen[s.path] {
			return nil, fmt.Errorf("line %d: %q is there twice", n, s.path)
		}
		seen[s.path] = true
		out = append(out, s)
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", len(out)+1, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no line in it")
	}
	return out, nil
}

func parseSum(line string) (sum, error) {
	hex, rest, ok := strings.Cut(line, " ")
	d := digest.NewDigestFromEncoded(digest.SHA256, strings.ToLower(hex))
	if !ok || d.Validate() != nil {
		return sum{}, fmt.Errorf("want a sha256 in 64 hexadecimal digits, a blank and a path")
	}
	file := strings.TrimPrefix(rest, "*")
	if file == rest {
		file = strings.TrimPrefix(rest, " ") // PhysioNet's lists have one blank, sha256sum's two
	}
	file = strings.TrimPrefix(file, "./")
	if err := plugins.CheckPath(file); err != nil {
		return sum{}, err
	}
	return sum{path: file, digest: d}, nil
}
