package plugins

import (
	"fmt"
	"slices"

	"github.com/cairn-bench/cairn/manifests/document"
)

// settle gives a sample its labels, or leaves it out if they do not fit the task. Of several, priority decides. A label is
// drawn only where the parameters ask for it, by seed and with a warning.
func (k *curator) settle(j *job, labels []string) {
	j.Labels, j.counted, j.rule = labels, false, ""
	for _, l := range labels {
		if len(k.task.Classes) > 0 && !slices.Contains(k.task.Classes, l) {
			j.exclude("unknown-label", fmt.Sprintf("label %q is none of the classes", l))
			return
		}
	}
	j.counted, j.positive = true, len(labels)
	switch {
	case k.task.Type == document.Multilabel || len(labels) == 1:
	case len(labels) > 1:
		k.several(j)
	case k.frame.Empty == LabelsDraw && len(k.task.Classes) > 0:
		k.drawLabel(j, k.task.Classes, "no class is positive")
	default:
		j.exclude("no-label", "no class is positive and the task needs exactly one")
	}
}

func (k *curator) several(j *job) {
	for _, c := range k.frame.Priority {
		if slices.Contains(j.Labels, c) {
			j.Labels, j.rule = []string{c}, byPriority
			return
		}
	}
	if k.frame.Several == LabelsDraw {
		k.drawLabel(j, j.Labels, fmt.Sprintf("classes %q are positive", j.Labels))
		return
	}
	j.exclude("several-labels", fmt.Sprintf("classes %q are positive and the task needs exactly one", j.Labels))
}

// How a label was decided.
const (
	byPriority = "priority"
	byDraw     = "draw"
)

// drawLabel takes the class whose seeded hash is the lowest, which anybody can recompute.
func (k *curator) drawLabel(j *job, from []string, why string) {
	best := from[0]
	for _, c := range from[1:] {
		if rank(k.call.Seed, "label", j.ID+"\n"+c) < rank(k.call.Seed, "label", j.ID+"\n"+best) {
			best = c
		}
	}
	j.Labels, j.rule = []string{best}, byDraw
	j.warn("drawn-label", fmt.Sprintf("%s; %q was drawn by seed", why, best))
}

// checkPriority refuses a priority that is no class.
func (k *curator) checkPriority() error {
	for _, c := range k.frame.Priority {
		if len(k.task.Classes) > 0 && !slices.Contains(k.task.Classes, c) {
			return fmt.Errorf("priority: %q is none of the classes %q", c, k.task.Classes)
		}
	}
	return nil
}

// tally counts positive classes.
func (k *curator) tally() document.LabelTally {
	var out document.LabelTally
	for _, j := range k.jobs {
		switch {
		case !j.counted:
		case j.positive == 0:
			out.None++
		case j.positive == 1:
			out.One++
		default:
			out.Several++
		}
		switch j.rule {
		case byPriority:
			out.ByPriority++
		case byDraw:
			out.Drawn++
		}
	}
	return out
}
