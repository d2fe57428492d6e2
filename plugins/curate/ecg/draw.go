package ecg

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/mersenne"
)

// positiveFact is the name under which a sample keeps the classes that its label was drawn from.
const positiveFact = "positive"

// draw gives every record one label as BenchMD, and with it CLIMB, did: np.random.seed(row) and np.random.choice of the positive classes,
// or of all classes where none is, in the order of the parameters. The row is a record's place among all records sorted by name.
func (r *recipe) draw(all []plugins.Candidate) {
	byName := slices.Clone(all)
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return strings.Compare(path.Base(lastFile(byName[a])), path.Base(lastFile(byName[b])))
	})
	for row, at := range order {
		c := &all[at]
		if c.Excluded != nil {
			continue
		}
		var positive []string
		for _, class := range r.Draw {
			if slices.Contains(c.Labels, class) {
				positive = append(positive, class)
			}
		}
		if len(positive) != 1 {
			c.Meta = with(c.Meta, positiveFact, strings.Join(positive, ","))
		}
		c.Labels = []string{drawn(uint32(row), positive, r.Draw)}
	}
}

func drawn(row uint32, positive, all []string) string {
	if len(positive) == 0 {
		positive = all
	}
	return positive[mersenne.New(row).Intn(len(positive))]
}

func lastFile(c plugins.Candidate) string { return c.Files[len(c.Files)-1] }

func with(meta map[string]string, name, value string) map[string]string {
	out := maps.Clone(meta)
	if out == nil {
		out = map[string]string{}
	}
	out[name] = value
	return out
}

// drawWarning tells of a label that was drawn.
func drawWarning(c plugins.Candidate) []plugins.Exclusion {
	positive, ok := c.Meta[positiveFact]
	if !ok {
		return nil
	}
	from := "one of the positive " + positive
	if positive == "" {
		from = "one of all classes, as none is positive"
	}
	return []plugins.Exclusion{{Code: "drawn-label", Reason: fmt.Sprintf("the label was drawn: %s", from)}}
}
