package plugins

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// numbers lists what was published, in a fixed order.
func (e Expect) numbers() []document.Difference {
	var out []document.Difference
	if e.Total != 0 {
		out = append(out, document.Difference{Published: e.Total})
	}
	for _, side := range slices.Sorted(maps.Keys(e.Samples)) {
		out = append(out, document.Difference{Split: side, Published: e.Samples[side]})
	}
	for _, class := range slices.Sorted(maps.Keys(e.Classes)) {
		out = append(out, document.Difference{Class: class, Published: e.Classes[class]})
	}
	for _, side := range slices.Sorted(maps.Keys(e.Counts)) {
		for _, class := range slices.Sorted(maps.Keys(e.Counts[side])) {
			out = append(out, document.Difference{Split: side, Class: class, Published: e.Counts[side][class]})
		}
	}
	return out
}

// comparePublished compares what came out with what was published. What was left out on the way explains a difference as far as it
// is known where it would have counted.
func (k *curator) comparePublished() error {
	expect := k.frame.Expect
	numbers := expect.numbers()
	if len(numbers) == 0 {
		return nil
	}
	p := &document.Published{Source: expect.Source, Compared: len(numbers), Differences: []document.Difference{}}
	for _, n := range numbers {
		for _, j := range k.jobs {
			if !k.countsIn(j, n) {
				continue
			}
			if j.state == done {
				n.Ours++
				continue
			}
			if n.LeftOut == nil {
				n.LeftOut = map[string]int{}
			}
			n.LeftOut[j.outcome.Code]++
		}
		if n.Ours != n.Published {
			p.Differences = append(p.Differences, n)
		}
	}
	k.published = p
	if bad := slices.DeleteFunc(slices.Clone(p.Differences), onlyWithdrawn); len(bad) > 0 && expect.Differ == DifferFail {
		return fmt.Errorf("%d of %d counts differ from those of %s: %s", len(bad), p.Compared, p.Source, differences(bad))
	}
	return nil
}

// onlyWithdrawn says whether those whose consent was withdrawn are all that is missing: that is no reason to end a rebuild without them.
func onlyWithdrawn(d document.Difference) bool { return d.Ours+d.LeftOut[codeWithdrawn] == d.Published }

func (k *curator) countsIn(j *job, n document.Difference) bool {
	side := j.side
	if side == "" && k.rule.Rule != RuleSeeded {
		side, _ = publisherSide(j.Split)
	}
	return (n.Split == "" || n.Split == side) && (n.Class == "" || slices.Contains(j.Labels, n.Class))
}

func differences(all []document.Difference) string {
	var out []string
	for _, d := range all[:min(len(all), named)] {
		out = append(out, d.String())
	}
	if n := len(all) - named; n > 0 {
		out = append(out, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, "; ")
}
