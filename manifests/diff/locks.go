// Package diff says where two results part, and why: two locks down to the components of the first actions that are not
// the same, two datasets down to their samples.
package diff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// States of a step that is not the same in two locks.
const (
	Added    = "added"    // only the second lock has it
	Removed  = "removed"  // only the first has it
	Action   = "action"   // another action
	Artifact = "artifact" // the same action gave something else
)

// Step is one step that is not the same.
type Step struct {
	Name  string       `json:"name"`
	State string       `json:"state"`
	Cause bool         `json:"cause"` // whether something in the step itself differs, and not only what it was given
	Why   []plan.Cause `json:"why"`
	Was   *Given       `json:"was,omitempty"`
	Is    *Given       `json:"is,omitempty"`
}

// Given is what a lock has for a step.
type Given struct {
	Action   digest.Digest `json:"action"`
	Artifact digest.Digest `json:"artifact"`
}

// Result is one number that is not the same. A value is null where it is undefined, or where the lock has no such number.
type Result struct {
	Evaluation string   `json:"evaluation"`
	Model      string   `json:"model"`
	Dataset    string   `json:"dataset"`
	Metric     string   `json:"metric"`
	State      string   `json:"state"` // added, removed or changed
	Was        *float64 `json:"was"`
	Is         *float64 `json:"is"`
}

// Changed is the state of a number, or a sample, that both have.
const Changed = "changed"

// Comparison is what differs between two locks.
type Comparison struct {
	Steps   []Step   `json:"steps"`   // causes first, and among them what comes first in a rebuild
	Results []Result `json:"results"` // sorted by evaluation, model, dataset, metric
	Same    int      `json:"same"`    // steps that are the same
}

// Empty says whether nothing differs.
func (c Comparison) Empty() bool { return len(c.Steps)+len(c.Results) == 0 }

// Locks compares two locks. read gives the action of a digest, or false where it is not to be had; then it is only said
// that it is another one.
func Locks(was, is *lock.Lock, read func(digest.Digest) (action.Action, bool)) Comparison {
	c := Comparison{Steps: []Step{}, Results: results(was.Results, is.Results)}
	before, after := was.ByName(), is.ByName()
	made := makers(is.Steps)
	for name := range union(before, after) {
		a, known := before[name]
		b, still := after[name]
		if known && still && a.Action == b.Action && a.Artifact == b.Artifact {
			c.Same++
			continue
		}
		s := Step{Name: name, Why: []plan.Cause{}, Was: given(a, known), Is: given(b, still)}
		s.judge(read, made)
		c.Steps = append(c.Steps, s)
	}
	slices.SortFunc(c.Steps, func(x, y Step) int {
		return cmp.Or(cmp.Compare(x.place(), y.place()), strings.Compare(x.Name, y.Name))
	})
	return c
}

func given(s lock.Step, ok bool) *Given {
	if !ok {
		return nil
	}
	return &Given{s.Action, s.Artifact}
}

// judge says what kind of difference it is. A step whose action is another one is a cause if the action differs in more
// than the artifacts that other steps gave.
func (s *Step) judge(read func(digest.Digest) (action.Action, bool), made map[digest.Digest]string) {
	switch {
	case s.Was == nil:
		s.State, s.Cause = Added, true
	case s.Is == nil:
		s.State, s.Cause = Removed, true
	case s.Was.Action == s.Is.Action:
		s.State, s.Cause = Artifact, true
		s.Why = []plan.Cause{{Component: "result", Was: s.Was.Artifact.String(), Is: s.Is.Artifact.String()}}
	default:
		s.State = Action
		s.Why, s.Cause = actions(s.Was.Action, s.Is.Action, read, made)
	}
}

func actions(was, is digest.Digest, read func(digest.Digest) (action.Action, bool), made map[digest.Digest]string) (why []plan.Cause, cause bool) {
	a, known := read(was)
	b, still := read(is)
	if !known || !still {
		return []plan.Cause{{Component: "action", Was: was.String(), Is: is.String()}}, true
	}
	var needs []plan.Need
	for _, in := range b.Inputs {
		if step, ok := made[in.Artifact]; ok {
			needs = append(needs, plan.Need{Input: in.Name, Step: step})
		}
	}
	why = plan.Differ(a, b, needs)
	return why, slices.ContainsFunc(why, func(c plan.Cause) bool { return c.Because == "" })
}

// makers names the step that gave each artifact; where several did, the first by name.
func makers(steps []lock.Step) map[digest.Digest]string {
	out := map[digest.Digest]string{}
	for _, s := range steps {
		if have, ok := out[s.Artifact]; !ok || s.Name < have {
			out[s.Artifact] = s.Name
		}
	}
	return out
}

// kinds are those of steps, in the order in which a rebuild does them.
var kinds = []string{"fetch", "curate", "pretrain", "evaluate"}

// place orders steps: causes before what follows from them, and then by kind, an unknown one last.
func (s Step) place() int {
	kind, _, _ := strings.Cut(s.Name, "/")
	i := slices.Index(kinds, kind)
	if i < 0 {
		i = len(kinds)
	}
	if !s.Cause {
		i += len(kinds) + 1
	}
	return i
}

func union[V any](a, b map[string]V) map[string]bool {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return all
}

func results(was, is []lock.Result) []Result {
	before, after := numbers(was), numbers(is)
	out := []Result{}
	for k := range union(before, after) {
		a, known := before[k]
		b, still := after[k]
		r := Result{Evaluation: cmp.Or(a.Evaluation, b.Evaluation), Model: cmp.Or(a.Model, b.Model), Dataset: cmp.Or(a.Dataset, b.Dataset), Metric: cmp.Or(a.Metric, b.Metric),
			Was: a.Value, Is: b.Value, State: Changed}
		switch {
		case !known:
			r.State = Added
		case !still:
			r.State = Removed
		case equal(a.Value, b.Value) && equal(a.Low, b.Low) && equal(a.High, b.High):
			continue
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(x, y Result) int { return strings.Compare(x.key(), y.key()) })
	return out
}

func numbers(all []lock.Result) map[string]lock.Result {
	out := map[string]lock.Result{}
	for _, r := range all {
		out[Result{Evaluation: r.Evaluation, Model: r.Model, Dataset: r.Dataset, Metric: r.Metric}.key()] = r
	}
	return out
}

func (r Result) key() string {
	return r.Evaluation + "\x00" + r.Model + "\x00" + r.Dataset + "\x00" + r.Metric
}

func equal(a, b *float64) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
