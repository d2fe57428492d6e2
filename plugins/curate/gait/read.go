package gait

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
)

const (
	maxLine = 1 << 16
	maxRows = 1 << 24
	// maxValues keeps a recording, which is held as a whole, at half a gigabyte.
	maxValues = 1 << 27
)

// recording is the channels of a file, and the label of each row if a column has it.
type recording struct {
	channels [][]float32
	labels   []string
}

func (r *recording) rows() int { return len(r.channels[0]) }

// parse reads text of rows whose cells are separated by tabs, or by blanks if a line has no tab. Lines that begin with # are comments.
func (r *recipe) parse(in io.Reader) (*recording, error) {
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, maxLine)
	out := &recording{channels: make([][]float32, len(r.Channels))}
	var at layout
	if len(r.Columns) > 0 {
		var err error
		if at, err = r.layout(r.Columns); err != nil {
			return nil, err
		}
	}
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimRight(strings.TrimPrefix(scan.Text(), "\ufeff"), " \t\r")
		if line == "" || line[0] == '#' {
			continue
		}
		f := fields(line)
		if at.width == 0 {
			var err error
			if at, err = r.layout(f); err != nil {
				return nil, err
			}
			continue
		}
		if err := out.add(at, f); err != nil {
			return nil, plugins.Exclude("bad-row", "line %d: %v", n, err)
		}
	}
	if err := scan.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, plugins.Exclude("bad-row", "a line has more than %d bytes", maxLine)
	} else if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	if at.width == 0 || out.rows() == 0 {
		return nil, plugins.Exclude("short-recording", "there is no row")
	}
	return out, nil
}

func fields(line string) []string {
	if strings.Contains(line, "\t") {
		return strings.Split(line, "\t")
	}
	return strings.Fields(line)
}

// layout is where the columns are.
type layout struct {
	width    int
	channels []int
	label    int // -1 for none
}

func (r *recipe) layout(names []string) (layout, error) {
	names = slices.Clone(names) // those of the parameters are everybody's
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	out := layout{width: len(names), label: -1}
	for _, c := range r.Channels {
		i := slices.Index(names, c)
		if i < 0 {
			return out, plugins.Exclude("missing-column", "no column %q, have %q", c, names)
		}
		out.channels = append(out.channels, i)
	}
	if r.Rows.Label != "" {
		if out.label = slices.Index(names, r.Rows.Label); out.label < 0 {
			return out, plugins.Exclude("missing-column", "no column %q, have %q", r.Rows.Label, names)
		}
	}
	return out, nil
}

func (r *recording) add(at layout, f []string) error {
	if len(f) != at.width {
		return fmt.Errorf("%d cells, want %d", len(f), at.width)
	}
	if r.rows()*len(r.channels) >= maxValues || r.rows() >= maxRows {
		return fmt.Errorf("more than %d rows", r.rows())
	}
	for c, i := range at.channels {
		v, err := strconv.ParseFloat(strings.TrimSpace(f[i]), 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("column %d: %.40q is no number", i+1, f[i])
		}
		r.channels[c] = append(r.channels[c], float32(v))
	}
	if at.label >= 0 {
		r.labels = append(r.labels, strings.TrimSpace(f[at.label]))
	}
	return nil
}
