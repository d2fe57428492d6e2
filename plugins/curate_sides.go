package plugins

import (
	"context"
	"errors"
	"fmt"
)

// Sides is what a recipe would make of a tree, by its names and tables alone.
type Sides struct {
	Samples  map[string]int // by side
	Subjects map[string]int // distinct ones, by side
	LeftOut  map[string]int // by code
}

// errNoCurate says that a plugin is of another kind.
var errNoCurate = errors.New("only a plugin of kind curate gives sides")

// Sides draws the sides of a curation and makes nothing: files that the recipe does not read to name its samples need not hold anything. What
// would be left out for what a file holds, copies among them, counts as if it were not.
func (p Plugin) Sides(ctx context.Context, c Call) (Sides, error) {
	if p.sides == nil {
		return Sides{}, errNoCurate
	}
	return p.sides(ctx, c)
}

func drawnSides(ctx context.Context, c Call, rules rules, r Recipe) (Sides, error) {
	raw, err := beside(c.Inputs)
	if err != nil {
		return Sides{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k := &curator{rules: rules, call: c, recipe: r, tree: watch(raw, cancel)}
	if err := k.outline(ctx); err != nil {
		return Sides{}, fmt.Errorf("sides: %w", err)
	}
	out := Sides{map[string]int{}, map[string]int{}, map[string]int{}}
	seen := map[string]bool{}
	for _, j := range k.jobs {
		if j.state != todo {
			out.LeftOut[j.outcome.Code]++
			continue
		}
		out.Samples[j.side]++
		if who := j.side + "\n" + j.Subject; !seen[who] {
			seen[who] = true
			out.Subjects[j.side]++
		}
	}
	return out, nil
}
