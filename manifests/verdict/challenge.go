package verdict

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// TooFew is the code of the problem that not enough agree on a step.
const TooFew = "too-few-agree"

// Heard is the verdict of one who was asked.
type Heard struct {
	File   string   `json:"file"`
	By     []string `json:"by"`            // keys of the policy that have signed it
	Why    string   `json:"why,omitempty"` // why it does not count, "" if it does
	Result string   `json:"result,omitempty"`
	Level  string   `json:"level,omitempty"`
	Reruns []Rerun  `json:"reruns,omitempty"`

	Problems []verify.Problem `json:"problems,omitempty"`
}

// Counts says whether the verdict counts.
func (h Heard) Counts() bool { return h.Why == "" }

// Tally is what those say of a step whose verdict counts, by key. Of one key the worst counts: a failure is never made up
// for by another try.
type Tally struct {
	Step     string            `json:"step"`
	Artifact digest.Digest     `json:"artifact"` // of the lock
	Agree    []string          `json:"agree"`
	Differ   map[string]string `json:"differ"`   // with the first difference
	CouldNot map[string]string `json:"couldNot"` // with the reason

	Within map[string]string `json:"within,omitempty"` // of those that agree: with other bytes, as close as the lock's bounds want

	bounded bool // the lock has bounds
}

// Count counts for every step of a lock who agrees. A rerun that is said to agree on another artifact does not, but for one
// within bounds where the lock has some.
func Count(l *lock.Lock, all []Heard) []Tally {
	out := make([]Tally, len(l.Steps))
	for i, s := range l.Steps {
		t := Tally{Step: s.Name, Artifact: s.Artifact, Agree: []string{}, Differ: map[string]string{}, CouldNot: map[string]string{}, Within: map[string]string{}, bounded: !s.Rerun.None()}
		for _, h := range all {
			if !h.Counts() {
				continue
			}
			for _, r := range h.Reruns {
				if r.Step == s.Name {
					t.hear(h.By, r)
				}
			}
			for _, p := range h.Problems {
				if p.Step == s.Name && p.Code != verify.RerunDiffers { // of that the rerun says more
					t.object(h.By, p)
				}
			}
		}
		out[i] = t.settle()
	}
	return out
}

func (t *Tally) hear(by []string, r Rerun) {
	for _, key := range by {
		switch {
		case r.Outcome == CouldNot:
			t.CouldNot[key] = r.Why
		case r.Outcome == Differs:
			t.Differ[key] = r.Why
		case r.Outcome == AgreesWithin && !t.bounded:
			t.Differ[key] = "it says that it agrees within bounds, and the lock has none; it gave " + r.Artifact.String()
		case r.Outcome == AgreesWithin:
			t.Within[key] = r.Why
			t.Agree = append(t.Agree, key)
		case r.Artifact != t.Artifact:
			t.Differ[key] = "it says that it agrees, and gave " + r.Artifact.String()
		default:
			t.Agree = append(t.Agree, key)
		}
	}
}

// object hears of a problem that kept a step from being done again.
func (t *Tally) object(by []string, p verify.Problem) {
	for _, key := range by {
		if p.Missing() {
			t.CouldNot[key] = said(p)
		} else {
			t.Differ[key] = said(p)
		}
	}
}

func said(p verify.Problem) string {
	return fmt.Sprintf("%s: want %q, got %q", p.Code, p.Want, p.Got)
}

// Objections are what those whose verdict counts have against the whole rather than a step, by key.
func Objections(l *lock.Lock, all []Heard) map[string]string {
	out := map[string]string{}
	for _, h := range all {
		for _, p := range h.Problems {
			ofStep := slices.ContainsFunc(l.Steps, func(s lock.Step) bool { return s.Name == p.Step })
			for _, key := range h.By {
				if h.Counts() && !ofStep && !p.Missing() {
					out[key] = said(p)
				}
			}
		}
	}
	return out
}

// settle has each key in one place: one that differs once does not agree, and one that agrees could.
func (t Tally) settle() Tally {
	slices.Sort(t.Agree)
	t.Agree = slices.Compact(t.Agree)
	t.Agree = slices.DeleteFunc(t.Agree, func(key string) bool { _, differs := t.Differ[key]; return differs })
	for key := range t.Within {
		if !slices.Contains(t.Agree, key) {
			delete(t.Within, key)
		}
	}
	for key := range t.CouldNot {
		if _, differs := t.Differ[key]; differs || slices.Contains(t.Agree, key) {
			delete(t.CouldNot, key)
		}
	}
	return t
}
