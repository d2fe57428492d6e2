// Package sums reads a publisher's list of checksums in the format of sha256sum, such as PhysioNet's SHA256SUMS.txt.
package sums

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// Line is one line of a list.
type Line struct {
	Path   string // clean and relative
	Digest digest.Digest
}

const most = 256 << 20 // bytes of a list: some two million files

// Get fetches a list.
func Get(ctx context.Context, client *web.Client, retry plugins.Retry, url string) ([]Line, error) {
	text, _, err := client.Get(ctx, retry, web.Ask{URL: url, Most: most})
	if err != nil {
		return nil, fmt.Errorf("checksum list: %w", err)
	}
	listed, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("checksum list %s: %w", plugins.PublicRef(url), err)
	}
	return listed, nil
}

// Parse reads the output of sha256sum: 64 digits, a blank, a blank or an asterisk, a path. A "./" in front
// of a path is taken off. A path that sha256sum had to escape is refused.
func Parse(text []byte) ([]Line, error) {
	var out []Line
	seen := map[string]bool{}
	scan := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSuffix(scan.Text(), "\r")
		if line == "" {
			continue
		}
		l, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if seen[l.Path] {
			return nil, fmt.Errorf("line %d: %q is there twice", n, l.Path)
		}
		seen[l.Path] = true
		out = append(out, l)
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", len(out)+1, err)
	}
	if len(out) == 0 {
		return nil, errors.New("no line in it")
	}
	return out, nil
}

func parseLine(line string) (Line, error) {
	hex, rest, ok := strings.Cut(line, " ")
	d := digest.NewDigestFromEncoded(digest.SHA256, strings.ToLower(hex))
	if !ok || d.Validate() != nil {
		return Line{}, errors.New("want a sha256 in 64 hexadecimal digits, a blank and a path")
	}
	file := strings.TrimPrefix(rest, "*")
	if file == rest {
		file = strings.TrimPrefix(rest, " ") // PhysioNet's lists have one blank, sha256sum's two
	}
	file = strings.TrimPrefix(file, "./")
	if err := plugins.CheckPath(file); err != nil {
		return Line{}, err
	}
	return Line{Path: file, Digest: d}, nil
}
