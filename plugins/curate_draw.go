package plugins

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins/mersenne"
)

// The rules by which published programs draw their sides. They are here so that a recipe can show a benchmark as it was
// published; the default, seeded, is better than each of them.
const (
	RulePrefix  = "prefix"  // the first int(n * train) of n are train, as slices of Python lists are
	RulePandas  = "pandas"  // DataFrame.sample draws train; so does a NumPy shuffle of which the first part is train
	RuleSklearn = "sklearn" // train_test_split of scikit-learn draws test
)

// Draw says what a published rule counts and draws. Its zero value draws samples in the order of their paths.
type Draw struct {
	Seed     uint32 `json:"seed,omitempty" jsonschema:"pandas and sklearn: the seed of the published program"`
	Unit     string `json:"unit,omitempty" jsonschema:"what is counted: sample, subject with all its samples, or row of the table of labels with all of its; sample if not given"`
	PerClass bool   `json:"perClass,omitempty" jsonschema:"every set of labels is drawn from by itself"`
	Order    string `json:"order,omitempty" jsonschema:"path, number (as path, but 9 comes before 10) or row (of the table of labels); path if not given"`
	Round    string `json:"round,omitempty" jsonschema:"pandas: whether the share is rounded down, as by n=, or to the nearest, as by frac=; down if not given"`
	All      bool   `json:"all,omitempty" jsonschema:"what is left out for its label is counted, too, as by a program that drops it after the draw"`
}

// The words of a Draw.
const (
	UnitSample   = "sample"
	UnitSubject  = "subject"
	UnitRow      = "row"
	OrderPath    = "path"
	OrderNumber  = "number"
	OrderRow     = "row"
	RoundDown    = "down"
	RoundNearest = "nearest"
)

// drawn says whether a rule is one of published programs.
func (r SplitRule) drawn() bool {
	return slices.Contains([]string{RulePrefix, RulePandas, RuleSklearn}, r.Rule)
}

func (r SplitRule) validateDraw() error {
	d := r.Draw
	switch {
	case !r.drawn() && d != nil:
		return fmt.Errorf("split draw: rule %s draws nothing", r.Rule)
	case !r.drawn():
		return nil
	case r.Validation != 0 || math.Abs(r.Train+r.Test-1) > 1e-9:
		return fmt.Errorf("split rule %s draws train and test: want shares of both that add up to 1, and validation 0", r.Rule)
	case d == nil:
		return nil
	case !slices.Contains([]string{"", UnitSample, UnitSubject, UnitRow}, d.Unit):
		return fmt.Errorf("split draw.unit %q: want %s, %s or %s", d.Unit, UnitSample, UnitSubject, UnitRow)
	case d.Order != "" && d.Order != OrderPath && d.Order != OrderNumber && d.Order != OrderRow:
		return fmt.Errorf("split draw.order %q: want %s, %s or %s", d.Order, OrderPath, OrderNumber, OrderRow)
	case d.Round != "" && d.Round != RoundDown && d.Round != RoundNearest:
		return fmt.Errorf("split draw.round %q: want %s or %s", d.Round, RoundDown, RoundNearest)
	}
	return nil
}

func (r SplitRule) draw() Draw {
	if r.Draw == nil {
		return Draw{}
	}
	return *r.Draw
}

// describeDraw is a published rule in one sentence.
func (r SplitRule) describeDraw() string {
	d := r.draw()
	out := fmt.Sprintf("%s, as published: train %v, test %v of the %ss", r.Rule, r.Train, r.Test, cmp.Or(d.Unit, UnitSample))
	if d.PerClass {
		out += " of every class"
	}
	out += ", in the order of " + cmp.Or(d.Order, OrderPath)
	if r.Rule != RulePrefix {
		out += fmt.Sprintf(", with seed %d", d.Seed)
	}
	return out
}

// unit is what is drawn as one.
type unit struct {
	jobs  []*job
	class string
}

// drawSides gives every job the side on which the published program has it.
func (r SplitRule) drawSides(jobs []*job) {
	d := r.draw()
	byClass := map[string][]unit{}
	var classes []string
	for _, u := range d.units(jobs) {
		class := ""
		if d.PerClass {
			class = u.class
		}
		if byClass[class] == nil {
			classes = append(classes, class)
		}
		byClass[class] = append(byClass[class], u)
	}
	for _, class := range classes {
		r.drawUnits(byClass[class])
	}
}

// units puts jobs into the order of the draw and those of one subject or row together, if these are drawn.
func (d Draw) units(jobs []*job) []unit {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, d.compare)
	var out []unit
	at := map[string]int{}
	for _, j := range jobs {
		name := d.member(j)
		i, known := at[name]
		if name == "" || !known {
			i = len(out)
			at[name] = i
			out = append(out, unit{class: strings.Join(j.Labels, "\n")})
		}
		out[i].jobs = append(out[i].jobs, j)
	}
	return out
}

// member names the unit that a job is part of, "" if it is one by itself.
func (d Draw) member(j *job) string {
	switch {
	case d.Unit == UnitSubject:
		return j.Subject
	case d.Unit == UnitRow && j.Row > 0:
		return strconv.Itoa(j.Row)
	}
	return ""
}

func (d Draw) compare(a, b *job) int {
	name := func(j *job) string {
		switch {
		case d.Unit == UnitSubject:
			return j.Subject
		case len(j.Files) > 0:
			return j.Files[0]
		}
		return j.ID
	}
	switch d.Order {
	case OrderRow:
		return cmp.Compare(a.Row, b.Row)
	case OrderNumber:
		return cmp.Or(compareNumbers(name(a), name(b)), cmp.Compare(a.ID, b.ID))
	}
	return cmp.Or(cmp.Compare(name(a), name(b)), cmp.Compare(a.ID, b.ID))
}

// compareNumbers compares texts, but runs of digits as numbers.
func compareNumbers(a, b string) int {
	for a != "" && b != "" {
		x, y := leadingDigits(a), leadingDigits(b)
		if x == "" || y == "" {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		m, n := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
			return c
		}
		a, b = a[len(x):], b[len(y):]
	}
	return cmp.Compare(len(a), len(b))
}

// leadingDigits is the run of digits with which a text begins.
func leadingDigits(s string) string {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// drawUnits gives units, in order, to train and test.
func (r SplitRule) drawUnits(units []unit) {
	n, first, then := r.firstPart(len(units)), train, test
	order := make([]int, len(units))
	for i := range order {
		order[i] = i
	}
	if r.Rule != RulePrefix {
		mersenne.New(r.draw().Seed).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	if r.Rule == RuleSklearn {
		first, then = test, train
	}
	for place, i := range order {
		side := then
		if place < n {
			side = first
		}
		for _, j := range units[i].jobs {
			j.side = side
		}
	}
}

// firstPart is how many of n come first. The products are rounded as Python's are, which has the same floats.
func (r SplitRule) firstPart(n int) int {
	switch {
	case r.Rule == RuleSklearn:
		return int(math.Ceil(float64(r.Test * float64(n))))
	case r.draw().Round == RoundNearest:
		return int(math.RoundToEven(float64(r.Train * float64(n))))
	}
	return int(float64(r.Train * float64(n)))
}
